"""What does the proxy's own account need: the least with which it can serve what policies grant.

Nothing here grants anything. An administrator does, with the Roles that come out,
and RBAC then bounds the proxy by what the policies said when they were made.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from proxy.core.attributes import HARDWAREDATA, HOSTCLAIMS, OPT_IN, SECRETS, SERVED, Resource, Verb
from proxy.core.policy import AnyOrigin, Effect, Permission, PolicySet
from proxy.core.policy.rules import covering
from proxy.core.policy.subjects import Entry, Subject, SubjectKind, may_be_claimed

ROLE: Final = "hostclaim-proxy-by-policy"
"""What the Role and the RoleBinding are called, in each namespace."""

_CLAIMS: Final = HOSTCLAIMS.plural
_SECRETS: Final = SECRETS.plural
# A write of a claim looks at the secrets and the owners that it names.
_JUDGE_CLAIM: Final = frozenset({(_CLAIMS, Verb.GET), (_SECRETS, Verb.GET)})
# A write of a secret that is there looks whether it is a tenant's.
_LOOK_AT_SECRET: Final = frozenset({(_SECRETS, Verb.GET)})
# One that says what is in it looks at the owners that it names.
_LOOK_AT_OWNERS: Final = frozenset({(_CLAIMS, Verb.GET)})
# What may be read is told by what the claims of the namespace are bound to.
_JUDGE_HARDWARE: Final = frozenset({(_CLAIMS, Verb.LIST)})

BESIDES: Final[Mapping[Permission, frozenset[Permission]]] = {
    (_CLAIMS, Verb.GET): frozenset({(f"{_CLAIMS}/status", Verb.GET)}),
    (_CLAIMS, Verb.CREATE): _JUDGE_CLAIM,
    (_CLAIMS, Verb.UPDATE): _JUDGE_CLAIM,
    (_CLAIMS, Verb.PATCH): _JUDGE_CLAIM,
    (_SECRETS, Verb.CREATE): _LOOK_AT_OWNERS,
    (_SECRETS, Verb.UPDATE): _LOOK_AT_SECRET | _LOOK_AT_OWNERS,
    (_SECRETS, Verb.PATCH): _LOOK_AT_SECRET | _LOOK_AT_OWNERS,
    (_SECRETS, Verb.DELETE): _LOOK_AT_SECRET,
    **{(HARDWAREDATA.plural, verb): _JUDGE_HARDWARE for verb in HARDWAREDATA.verbs},
}
"""What the proxy asks upstream to serve a verb, besides that verb itself.

What is not here needs nothing besides. An apply needs a grant of both `patch` and
`create`, and with both it has what it needs.
"""

_ELSEWHERE: Final = frozenset(resource.plural for resource in OPT_IN)
"""What lies in the namespaces of hosts, which no policy names: `deploy/hardwaredata` is for it."""

COUNTED: Final[Mapping[Permission, frozenset[Permission]]] = {
    (_CLAIMS, Verb.CREATE): frozenset({(_CLAIMS, Verb.LIST)}),
}
"""The same, where a rule bounds how many there may be."""


@dataclass(frozen=True, slots=True)
class Account:
    """A service account."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A grant in namespaces that nobody can list from the policies alone."""

    origin: AnyOrigin
    patterns: tuple[str, ...]
    claim: str = ""


def named(policies: PolicySet) -> tuple[str, ...]:
    """The namespaces that grants name exactly, sorted."""
    return tuple(
        sorted({name for entry in _grants(policies) for name in _reach(entry) if name[-1] != "*"})
    )


def unnamed(policies: PolicySet) -> Iterator[Unnamed]:
    """Each grant that reaches further than `named` can tell."""
    for entry in _grants(policies):
        if patterns := tuple(name for name in _reach(entry) if name[-1] == "*"):
            yield Unnamed(entry.rule.origin, patterns, entry.claim)


def needed(policies: PolicySet, namespace: str) -> frozenset[Permission]:
    """Everything that the proxy may have to ask of the apiserver in a namespace."""
    denials = [
        entry
        for entry in policies
        if entry.rule.effect is Effect.DENY and _may_hold_in(entry, namespace)
    ]
    found: set[Permission] = set()
    for entry in _grants(policies):
        if _may_hold_in(entry, namespace):
            for permission in _left(entry, denials):
                found |= {permission, *BESIDES.get(permission, ())}
                if entry.rule.bounds.max_host_claims is not None:
                    found |= COUNTED.get(permission, frozenset())
    return frozenset((name, verb) for name, verb in found if name not in _ELSEWHERE)


def manifests(
    needs: frozenset[Permission], namespace: str, account: Account
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A Role with these rights, and the RoleBinding that gives them to an account."""
    api_group = "rbac.authorization.k8s.io"
    head = {"apiVersion": f"{api_group}/v1"}
    metadata = {
        "name": ROLE,
        "namespace": namespace,
        "labels": {"app.kubernetes.io/name": "hostclaim-proxy"},
    }
    subject = {"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}
    role = {**head, "kind": "Role", "metadata": metadata, "rules": list(_rules(needs))}
    binding = {
        **head,
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": api_group, "kind": "Role", "name": ROLE},
        "subjects": [subject],
    }
    return role, binding


def _rules(needs: frozenset[Permission]) -> Iterator[dict[str, Any]]:
    for resource in SERVED:
        for name in _names(resource):
            verbs = [verb.value for verb in Verb if (name, verb) in needs]
            if verbs:
                yield {"apiGroups": [resource.group], "resources": [name], "verbs": verbs}


def _names(resource: Resource) -> Iterator[str]:
    yield resource.plural
    yield from (f"{resource.plural}/{name}" for name in resource.subresources)


def _grants(policies: PolicySet) -> Iterator[Entry]:
    return (entry for entry in policies if entry.rule.effect is Effect.ALLOW)


def _reach(entry: Entry) -> tuple[str, ...]:
    """Names and patterns; what a token claims can be any name, where nothing bounds it."""
    return entry.rule.namespaces or ("*",)


def _may_hold_in(entry: Entry, namespace: str) -> bool:
    """Whether a rule holds there, if need be by what some token claims."""
    if entry.claim and not may_be_claimed(namespace):
        return False
    return not set(_reach(entry)).isdisjoint(covering(namespace))


def _left(grant: Entry, denials: Iterable[Entry]) -> frozenset[Permission]:
    """What a grant gives to anybody, off what is denied to whomever it concerns."""
    left: set[Permission] = set()
    for subject in grant.subjects:
        everyone = Subject(subject.issuer, SubjectKind.EVERYONE, "")
        denied = [
            denial.rule.permissions
            for denial in denials
            if not {subject, everyone}.isdisjoint(denial.subjects)
        ]
        left |= grant.rule.permissions.difference(*denied)
    return frozenset(left)
