"""How far may it go: the bounds that a rule sets to what a HostClaim asks for.

A claim makes Metal3 choose a host and Ironic fetch an image from inside the
provider's network, so a grant may say which hosts, which images, how many.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from proxy.core.attributes import Verb
from proxy.core.body import Object
from proxy.core.errors import Cause

# Scheme, host, port and path, in the one spelling that every reader reads alike:
# no user, no escapes, no backslash, and lower case where case means nothing.
_URL: Final = re.compile(
    r"(?P<origin>(?:https?|oci)://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?)"
    r"(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]*)*)(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?"
)
_SUM: Final = re.compile(r"[0-9A-Fa-f]*")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a rule lets a HostClaim ask for. What is left empty is not bounded.

    `required_labels` must be in `hostSelector.matchLabels`; one of
    `host_namespaces` (names, or beginnings such as `pool-*`) must be
    `hostSelector.inNamespace`; an image, and a checksum that is an address,
    must lie under one of `images`, each a URL that ends with `/`;
    `max_host_claims` counts the claims in the namespace, the new one included.
    """

    required_labels: tuple[tuple[str, str], ...] = ()
    host_namespaces: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    max_host_claims: int | None = None


UNBOUNDED: Final = Bounds()

BOUNDED: Final = (Verb.CREATE, Verb.UPDATE, Verb.PATCH)
"""What a HostClaim is written by, and bounds are about."""


def breaches(bounds: Bounds, claim: Object) -> Iterator[Cause]:
    """Each field of a HostClaim's spec that goes too far, and what would not."""
    spec = _mapping(claim, "spec")
    selector = _mapping(spec, "hostSelector")
    labels = _mapping(selector, "matchLabels")
    for key, wanted in bounds.required_labels:
        if labels.get(key) != wanted:
            yield _forbidden(f"spec.hostSelector.matchLabels[{key}]", f"must be `{wanted}`")
    if bounds.host_namespaces and not _is_one_of(
        selector.get("inNamespace"), bounds.host_namespaces
    ):
        wanted = " or ".join(bounds.host_namespaces)
        yield _forbidden("spec.hostSelector.inNamespace", f"must be {wanted}")
    image = _mapping(spec, "image")
    if bounds.images:
        for field in ("url", "checksum"):
            if _goes_elsewhere(image.get(field), field, bounds.images):
                wanted = " or ".join(bounds.images)
                yield _forbidden(f"spec.image.{field}", f"must lie under {wanted}")


def is_within(inner: Bounds, outer: Bounds) -> bool:
    """Whether every HostClaim that keeps the one keeps the other, by what they say alone."""
    labels = set(outer.required_labels) <= set(inner.required_labels)
    hosts = not outer.host_namespaces or (
        bool(inner.host_namespaces)
        and all(
            _is_one_of(pattern.removesuffix("*"), outer.host_namespaces)
            for pattern in inner.host_namespaces
        )
    )
    images = not outer.images or (
        bool(inner.images) and all(url.startswith(outer.images) for url in inner.images)
    )
    most = outer.max_host_claims
    number = most is None or (inner.max_host_claims is not None and inner.max_host_claims <= most)
    return labels and hosts and images and number


def is_image_prefix(text: str) -> bool:
    """Whether `text` can bound images: a plain URL that ends with `/`."""
    found = _URL.fullmatch(text)
    return found is not None and text == found["origin"] + found["path"] and text.endswith("/")


def _is_under(url: str, prefixes: tuple[str, ...]) -> bool:
    found = _URL.fullmatch(url)
    if found is None or any(part in {".", ".."} for part in found["path"].split("/")):
        return False
    return any((found["origin"] + found["path"]).startswith(prefix) for prefix in prefixes)


def _goes_elsewhere(value: Any, field: str, prefixes: tuple[str, ...]) -> bool:
    """A checksum may be the sum itself or where to fetch it; a URL is always an address."""
    if not isinstance(value, str) or (field == "checksum" and _SUM.fullmatch(value)):
        return False
    return not _is_under(value, prefixes)


def _is_one_of(value: Any, patterns: tuple[str, ...]) -> bool:
    if not isinstance(value, str):
        return False
    return any(
        value.startswith(p.removesuffix("*")) if p.endswith("*") else value == p for p in patterns
    )


def _mapping(parent: Object, key: str) -> Object:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def _forbidden(field: str, because: str) -> Cause:
    return Cause("FieldValueForbidden", because, field)
