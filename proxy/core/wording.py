"""What rules say, told again: in words for people, and for programs as documents write it.

What files and tokens hold is in the words as it is; whoever shows them makes it printable.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from proxy.core.attributes import Verb
from proxy.core.bounds import Bounds
from proxy.core.policy import Permission
from proxy.core.policy.rules import PLURALS
from proxy.core.policy.subjects import Subject


def subject(of: Subject) -> str:
    """Somebody as policies call them: `corp group /tenants/blue`."""
    return " ".join(filter(None, (of.issuer, of.kind.value, of.value)))


def subject_value(of: Subject) -> dict[str, Any]:
    """The same as a policy file writes it."""
    return {"issuer": of.issuer, of.kind.value: of.value or True}


def permissions(of: Iterable[Permission]) -> str:
    """What may be done, resource by resource."""
    said = verbs_by_resource(of).items()
    return "; ".join(f"{plural}: {' '.join(verbs)}" for plural, verbs in said)


def verbs_by_resource(of: Iterable[Permission]) -> dict[str, list[str]]:
    """The verbs of each resource, both in the order in which the format has them."""
    asked = frozenset(of)
    found = {p: [verb.value for verb in Verb if (p, verb) in asked] for p in PLURALS}
    return {plural: verbs for plural, verbs in found.items() if verbs}


def bounds(of: Bounds) -> str:
    """How far a HostClaim may go, in a line."""
    return ", ".join(_each_bound(of)) or "no bounds"


def _each_bound(of: Bounds) -> Iterator[str]:
    if of.required_labels:
        labels = " and ".join(f"{key}={value}" for key, value in of.required_labels)
        yield f"hosts with {labels}"
    if of.host_namespaces:
        yield f"hosts in {' or '.join(of.host_namespaces)}"
    if of.images:
        yield f"images under {' or '.join(of.images)}"
    if of.max_host_claims is not None:
        yield f"at most {of.max_host_claims} claims in the namespace"


def bounds_value(of: Bounds) -> dict[str, Any]:
    """The same as a policy file writes it; what is not bounded is left out."""
    selector = {"matchLabels": dict(of.required_labels), "inNamespaces": [*of.host_namespaces]}
    found: dict[str, Any] = {
        "hostSelector": {key: value for key, value in selector.items() if value},
        "images": [*of.images],
    }
    kept = {key: value for key, value in found.items() if value}
    return kept | ({} if of.max_host_claims is None else {"maxHostClaims": of.max_host_claims})
