"""Whom does an infrastructure manager let have hosts: HostDeployPolicies, read as Metal3 does.

A policy opens the hosts of its own namespace to claims of others: all that it sets
must agree, and any one policy of a namespace suffices (baremetal-operator,
`acceptableNamespaces` of its HostClaim manager). What cannot be read admits nobody.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from proxy.core.body import Object

_LONGEST: Final = 256
_MOST: Final = 4

# What Go's regexp and Python's read alike, and as much of it as cannot take long on a name.
_ATOM = r"(?:[A-Za-z0-9.-]|\\[.dw-]|\[\^?-?(?:[A-Za-z0-9](?:-[A-Za-z0-9])?)+-?\])"
_REPEATED = r"(?:[*+?]|\{[0-9]{1,2}(?:,[0-9]{0,2})?\})"
_PIECE = rf"(?:{_ATOM}{_REPEATED}?)"
_GROUP = rf"\((?:\?:)?{_PIECE}*(?:\|{_PIECE}*)*\)\??"
_PLAIN = re.compile(rf"(?:[|^$]|{_PIECE}|{_GROUP})*")


@dataclass(frozen=True, slots=True)
class Admission:
    """Which namespaces a policy admits. `names` is None where it names none."""

    names: tuple[str, ...] | None
    pattern: re.Pattern[str] | None
    labels: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, policy: Any) -> Self | None:
        """Read a HostDeployPolicy; None is one that admits nobody."""
        match policy:
            case {"spec": {"hostClaimNamespaces": dict(admitted)}}:
                pass
            case _:
                return None
        try:
            return cls(_names(admitted), _pattern(admitted), tuple(_labels(admitted)))
        except ValueError:
            return None

    def fits_name(self, namespace: str) -> bool:
        """Whether the namespace is one that the policy can mean, whatever its labels."""
        if self.names is not None and namespace not in self.names:
            return False
        return self.pattern is None or self.pattern.search(namespace) is not None

    def fits_labels(self, labels: Mapping[str, Any]) -> bool:
        """Whether a namespace of these labels has all that the policy asks for."""
        return all(name in labels and value in {"", labels[name]} for name, value in self.labels)


def _names(admitted: Object) -> tuple[str, ...] | None:
    # An empty list is a list: it names nobody.
    found = admitted.get("names")
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise ValueError("names")
    return tuple(found)


def _pattern(admitted: Object) -> re.Pattern[str] | None:
    """What `nameMatches` means: it may match anywhere in a name.

    Go's syntax is not Python's: what one takes for a class of characters, the other may take
    for something wider. So a pattern is read only where both agree.
    """
    text = admitted.get("nameMatches")
    if text in (None, ""):
        return None
    if not isinstance(text, str) or not is_plain(text):
        raise ValueError("nameMatches")
    try:
        return re.compile(text, re.ASCII)
    except re.error as exc:
        raise ValueError("nameMatches") from exc


def is_plain(pattern: str) -> bool:
    """Whether a pattern is written in what can be read here."""
    costly = sum(pattern.count(sign) for sign in "*+?{(")
    return len(pattern) <= _LONGEST and costly <= _MOST and bool(_PLAIN.fullmatch(pattern))


def _labels(admitted: Object) -> Iterator[tuple[str, str]]:
    """The labels that a namespace must have; an empty value is any."""
    found = admitted.get("hasLabels")
    if found is not None and not isinstance(found, list):
        raise ValueError("hasLabels")
    for label in found or ():
        match label:
            case {"name": str(name)} if isinstance(value := label.get("value") or "", str):
                yield name, value
            case _:
                raise ValueError("hasLabels")
