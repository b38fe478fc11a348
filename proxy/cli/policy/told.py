"""How rules, bounds and people are told: in words for people, as values for programs."""

from collections.abc import Iterator
from typing import Any

from proxy.core.attributes import ResourceRequest, Verb
from proxy.core.bounds import Bounds
from proxy.core.explanation import Bound
from proxy.core.holders import Named
from proxy.core.identity import Identity
from proxy.core.policy import AnyOrigin, Origin, Permission, Rule
from proxy.core.policy.subjects import Subject
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


def bounds(of: Bounds) -> str:
    """How far a claim may go, in a line."""
    return "; ".join(_each_bound(of)) or "no bounds"


def _each_bound(of: Bounds) -> Iterator[str]:
    if of.required_labels:
        labels = ", ".join(f"{key}={value}" for key, value in of.required_labels)
        yield f"hosts with {labels}"
    if of.host_namespaces:
        yield f"hosts in {' or '.join(of.host_namespaces)}"
    if of.images:
        yield f"images under {' or '.join(of.images)}"
    if of.max_host_claims is not None:
        yield f"at most {of.max_host_claims} claims in the namespace"


def bounds_value(of: Bounds) -> dict[str, Any]:
    """The same for programs, named as in policy files; what is not bounded is left out."""
    selector = {"matchLabels": dict(of.required_labels), "inNamespaces": [*of.host_namespaces]}
    found: dict[str, Any] = {
        "hostSelector": {key: value for key, value in selector.items() if value},
        "images": [*of.images],
    }
    kept = {key: value for key, value in found.items() if value}
    return kept | ({} if of.max_host_claims is None else {"maxHostClaims": of.max_host_claims})


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
        "patchType": of.patch_type,
    }
    return {key: value for key, value in found.items() if value}


def asked(of: ResourceRequest) -> str:
    """The same in words."""
    verb = f"{of.verb} ({of.patch_type})" if of.patch_type else of.verb
    name = "/".join(filter(None, (of.resource.plural, of.name)))
    about = f"the {of.subresource} of {name}" if of.subresource else name
    where = f"in {of.namespace}" if of.namespace else "in all namespaces"
    return f"{verb} {about} {where}"


def named(who: Named) -> str:
    """Whoever a rule names, in words."""
    subject = who.subject
    called = f"{subject.issuer} {subject.kind} {subject.value}".rstrip()
    wanted = " and ".join(f"`{name}` holds `{value}`" for name, value in who.claims)
    return f"{called}, whose claim {wanted}" if wanted else called


def subject(of: Subject) -> dict[str, Any]:
    """A subject, as a policy file writes it."""
    return {"issuer": of.issuer, of.kind.value: of.value or True}


def named_value(who: Named) -> dict[str, Any]:
    """The same for programs."""
    claims = [{"claim": name, "value": value} for name, value in who.claims]
    return subject(who.subject) | ({"claims": claims} if claims else {})


def bound(of: Bound) -> dict[str, Any]:
    """One of the bounds that what is written has to keep."""
    return {"verb": of.verb.value, "rule": rule(of.rule), "bounds": bounds_value(of.bounds)}


def by_resource(permissions: frozenset[Permission]) -> dict[str, list[str]]:
    """The verbs of each resource, as Kubernetes orders them."""
    plurals = sorted({plural for plural, _ in permissions})
    return {
        plural: [verb.value for verb in Verb if (plural, verb) in permissions] for plural in plurals
    }
