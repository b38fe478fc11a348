"""May they: what policies allow and deny to a caller, read off the documents each time."""

import re
from collections.abc import Iterator

from tests.oracle.questions import LABEL, Asked, Caller, Object

LOOK = ("get", "list", "watch")
_CHANGE = ("create", "update", "patch", "delete")
ROLES = {
    "viewer": {("hostclaims", verb) for verb in LOOK},
    "editor": {(plural, verb) for plural in ("hostclaims", "secrets") for verb in LOOK + _CHANGE},
}


def grants(
    policies: list[Object], caller: Caller, plural: str, verb: str, namespace: str
) -> list[Object]:
    """The grants that a caller has for a verb, none of them if anything denies it."""
    if denies(policies, caller, plural, verb, namespace):
        return []
    return [
        grant
        for grant in _statements(policies, caller, "allow")
        if _names(grant, plural, verb) and _reaches(grant, caller, namespace)
    ]


def denies(policies: list[Object], caller: Caller, plural: str, verb: str, namespace: str) -> bool:
    """Whether anything denies a caller a verb, whoever grants it."""
    return any(
        _names(denial, plural, verb) and covers(denial["namespaces"], namespace)
        for denial in _statements(policies, caller, "deny")
    )


def span(policies: list[Object], caller: Caller, asked: Asked) -> tuple[str, ...]:
    """The namespaces that a request is about, as far as they are granted.

    Of all namespaces, those that are granted by name. A pattern may cover more
    than anybody here knows of, so with one among them it is none. HardwareData
    is asked for where the hosts are, and granted by name where the claims are.
    """
    if asked.plural == "hardwaredata":
        if not asked.namespace or denies(
            policies, caller, asked.plural, asked.verb, asked.namespace
        ):
            return ()
    elif asked.namespace:
        held = bool(grants(policies, caller, asked.plural, asked.verb, asked.namespace))
        return (asked.namespace,) * held
    everywhere = named(policies, caller)
    mine = [n for n in everywhere if grants(policies, caller, asked.plural, asked.verb, n)]
    return () if any(name.endswith("*") for name in mine) else tuple(mine)


def named(policies: list[Object], caller: Caller) -> list[str]:
    """Every name and pattern of namespaces that a grant or the token has."""
    granted = [grant for p in policies for grant in p["spec"].get("allow", ())]
    named = {name for grant in granted for name in grant.get("namespaces", ())}
    return sorted(named | {name for names in caller.claims.values() for name in names})


def _statements(policies: list[Object], caller: Caller, effect: str) -> Iterator[Object]:
    """What the policies that concern a caller allow, or deny."""
    for policy in policies:
        if any(_is(caller, subject) for subject in policy["spec"]["subjects"]):
            yield from policy["spec"].get(effect, ())


def _is(caller: Caller, subject: Object) -> bool:
    if subject["issuer"] != caller.issuer:
        return False
    return (
        subject.get("everyone", False)
        or subject.get("group") in caller.groups
        or subject.get("user") == caller.username
        or subject.get("client", "") == caller.client != ""
        or subject.get("serviceAccount", "") == caller.service_account != ""
    )


def _names(statement: Object, plural: str, verb: str) -> bool:
    """A role says it all; a denial that names no resources or verbs means all of them."""
    if "role" in statement:
        return (plural, verb) in ROLES[statement["role"]]
    return plural in statement.get("resources", (plural,)) and verb in statement.get(
        "verbs", (verb,)
    )


def covers(patterns: list[str], namespace: str) -> bool:
    return any(
        pattern == namespace or (pattern.endswith("*") and namespace.startswith(pattern[:-1]))
        for pattern in patterns
    )


def _reaches(grant: Object, caller: Caller, namespace: str) -> bool:
    if "namespacesFromClaim" in grant:
        claimed = caller.claims.get(grant["namespacesFromClaim"], ())
        if namespace not in claimed or not re.fullmatch(f"(?!kube-){LABEL}", namespace):
            return False
    return covers(grant.get("namespaces", ["*"]), namespace)
