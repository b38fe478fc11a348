"""How rules, bounds and people are told: in words for people, as values for programs."""

from typing import Any

from proxy.core import wording
from proxy.core.attributes import ResourceRequest
from proxy.core.explanation import Bound
from proxy.core.holders import Named
from proxy.core.identity import Identity
from proxy.core.policy import AnyOrigin, Origin, Rule
from proxy.core.supposed import called


def origin(of: AnyOrigin) -> dict[str, Any]:
    """Where a rule is from; those of files have their place."""
    if isinstance(of, Origin):
        place = {"file": of.file, "line": of.line, "document": of.document, "path": of.path}
        return {"origin": str(of), **place}
    return {"origin": str(of)}


def rule(of: Rule) -> dict[str, Any]:
    """A rule, told by where it is from and what it does."""
    return {"effect": of.effect.value, **origin(of.origin)}


def identity(of: Identity) -> dict[str, Any]:
    """Somebody, by what policies go by; what they have not is left out."""
    found = {
        "name": called(of),
        "issuer": of.issuer,
        "groups": [*of.groups],
        "client": of.client,
        "serviceAccount": of.service_account,
    }
    return {key: value for key, value in found.items() if value}


def somebody(of: Identity) -> str:
    """The same in a line."""
    parts = [called(of)]
    if of.groups:
        parts.append(f"in {', '.join(of.groups)}")
    if of.client:
        parts.append(f"with client {of.client}")
    return " ".join(parts)


def request(of: ResourceRequest) -> dict[str, Any]:
    """What is asked."""
    found = {
        "verb": of.verb.value,
        "resource": of.resource.plural,
        "namespace": of.namespace,
        "name": of.name,
        "subresource": of.subresource,
        "patchType": of.patch_type and of.patch_type.short,
    }
    return {key: value for key, value in found.items() if value}


def asked(of: ResourceRequest) -> str:
    """The same in words."""
    verb = f"{of.verb} ({of.patch_type.short})" if of.patch_type else of.verb
    name = "/".join(filter(None, (of.resource.plural, of.name)))
    about = f"the {of.subresource} of {name}" if of.subresource else name
    where = f"in {of.namespace}" if of.namespace else "in all namespaces"
    return f"{verb} {about} {where}"


def named(who: Named) -> str:
    """Whoever a rule names, in words."""
    called = wording.subject(who.subject)
    wanted = " and ".join(f"`{name}` holds `{value}`" for name, value in who.claims)
    return f"{called}, whose claim {wanted}" if wanted else called


def named_value(who: Named) -> dict[str, Any]:
    """The same for programs."""
    claims = [{"claim": name, "value": value} for name, value in who.claims]
    return wording.subject_value(who.subject) | ({"claims": claims} if claims else {})


def bound(of: Bound) -> dict[str, Any]:
    """One of the bounds that what is written has to keep."""
    return {"verb": of.verb.value, "rule": rule(of.rule), "bounds": wording.bounds_value(of.bounds)}
