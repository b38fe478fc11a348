"""What a token itself grants: namespaces, read from its claims by patterns.

Claims are the IAM's to fill, and a pattern says which of their values mean
something. Any other value means nothing: it is neither an error nor a grant.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from proxy.core import claims
from proxy.core.identity import Identity
from proxy.core.policy.origins import ClaimOrigin
from proxy.core.policy.rules import ROLES, Effect, Role, Rule, covers
from proxy.core.policy.subjects import may_be_claimed

_NAMESPACE: Final = "{namespace}"
_ROLE: Final = "{role}"
_READS: Final = {
    _NAMESPACE: "(?P<namespace>[-a-z0-9]+)",
    # Words that end alike would leave a choice where a namespace ends and a role begins.
    _ROLE: f"(?P<role>{'|'.join(Role)})",
}
_PIECES: Final = re.compile(r"(\{[^{}]*\}|[{}])")


@dataclass(frozen=True, slots=True)
class ClaimGrant:
    """What the values of one claim mean, in the tokens of one issuer.

    `claim` is named as `claims.path` says. In `pattern`, `{namespace}` stands for
    the name of a namespace and `{role}` for that of a role; the rest is as it is
    written. `role` is the one that is granted where the pattern has none. With
    `within`, names and patterns as in policy files, nothing else is granted.

    Raises:
        ValueError: it could not mean anything, or more than one thing.
    """

    issuer: str
    claim: str
    pattern: str
    role: Role | None = None
    within: tuple[str, ...] = ("*",)

    def __post_init__(self) -> None:
        claims.path(self.claim)
        if self.pattern.count(_NAMESPACE) != 1:
            raise ValueError(f"pattern must have `{_NAMESPACE}` once")
        if self.pattern.count(_ROLE) > 1:
            raise ValueError(f"pattern must not have `{_ROLE}` more than once")
        if (_ROLE in self.pattern) is not (self.role is None):
            raise ValueError(f"give one of `{_ROLE}` in the pattern and `role`")
        for piece in _PIECES.split(self.pattern):
            if piece not in _READS and _PIECES.fullmatch(piece):
                raise ValueError(f"pattern: `{piece}` is neither `{_NAMESPACE}` nor `{_ROLE}`")

    def compiled(self) -> "re.Pattern[str]":
        """What a value must match as a whole."""
        pieces = _PIECES.split(self.pattern)
        return re.compile("".join(_READS.get(piece) or re.escape(piece) for piece in pieces))


class ClaimGrants:
    """What all claims mean, by issuer. Asking cannot fail."""

    def __init__(self, grants: Iterable[ClaimGrant] = ()) -> None:
        self._grants: dict[str, list[tuple[ClaimGrant, re.Pattern[str], frozenset[str]]]] = {}
        for grant in grants:
            compiled = (grant, grant.compiled(), frozenset(grant.within))
            self._grants.setdefault(grant.issuer, []).append(compiled)

    def __iter__(self) -> Iterator[ClaimGrant]:
        """All of them."""
        return (grant for grants in self._grants.values() for grant, _, _ in grants)

    def concern(self, issuer: str) -> bool:
        """Whether claims of an issuer's tokens mean anything."""
        return issuer in self._grants

    def values(self, issuer: str, namespaces: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Each claim of an issuer's tokens, and the values of it that name these namespaces."""
        names = tuple(namespaces)
        for grant, _, _ in self._grants.get(issuer, ()):
            for namespace in names:
                for role in Role:
                    value = grant.pattern.replace(_NAMESPACE, namespace)
                    yield grant.claim, value.replace(_ROLE, role)

    def rules_for(self, identity: Identity) -> Iterator[Rule]:
        """The rules that somebody's own token makes."""
        for grant, pattern, within in self._grants.get(identity.issuer, ()):
            for value in dict.fromkeys(identity.claims.get(grant.claim, ())):
                if (found := pattern.fullmatch(value)) is None:
                    continue
                namespace = found["namespace"]
                if may_be_claimed(namespace) and covers(within, namespace):
                    origin = ClaimOrigin(grant.issuer, grant.claim, value)
                    role = grant.role or Role(found["role"])
                    yield Rule(origin, Effect.ALLOW, ROLES[role], (namespace,))
