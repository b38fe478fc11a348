"""Where a rule comes from: what audit records name, so that somebody can look it up there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias, assert_never


@dataclass(frozen=True, slots=True)
class Origin:
    """A place in a policy file.

    `document` is its `metadata.name`; `path` is the field in it, such as
    `spec.allow[0]`; `line` counts from 1.
    """

    file: str
    document: str
    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.document} {self.path}"


@dataclass(frozen=True, slots=True)
class ClaimOrigin:
    """A value in a claim of the caller's own token."""

    issuer: str
    claim: str
    value: str

    def __str__(self) -> str:
        return f"{self.issuer}: claim {self.claim} {self.value}"


@dataclass(frozen=True, slots=True)
class PermissionOrigin:
    """A scope of a resource, as the IAM permits it."""

    issuer: str
    resource: str
    scope: str

    def __str__(self) -> str:
        return f"{self.issuer}: permission {self.resource} {self.scope}"


@dataclass(frozen=True, slots=True)
class JointOrigin:
    """Two rules that grant something only together."""

    first: "AnyOrigin"
    second: "AnyOrigin"

    def __str__(self) -> str:
        return f"{self.first} and {self.second}"


AnyOrigin: TypeAlias = Origin | ClaimOrigin | PermissionOrigin | JointOrigin


def places(origin: AnyOrigin) -> Iterator[Origin]:
    """The places in policy files that it is from; none, if it is from the IAM alone."""
    match origin:
        case Origin():
            yield origin
        case JointOrigin(first=first, second=second):
            yield from places(first)
            yield from places(second)
        case ClaimOrigin() | PermissionOrigin():
            return
        case _:
            assert_never(origin)
