"""What they may, by several sources: the port `Entitlements` over others of its kind.

Policy files, the claims of the caller's own token, and what the IAM permits are
asked as far as they concern the caller's issuer, and combined as configured.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from proxy.core.identity import Identity
from proxy.core.policy import Combination, RuleSet
from proxy.memory import Memory
from proxy.ports import Caller, Clock, Entitlements

ROOM: Final = 500_000
"""How many rules and claims are remembered, of all tokens together: a quarter of a kB each."""


@dataclass(frozen=True, slots=True)
class Source:
    """Something that entitles the callers of some issuers; without `issuers`, those of all."""

    entitlements: Entitlements
    issuers: frozenset[str] | None = None

    def concerns(self, issuer: str) -> bool:
        """Whether callers of an issuer are entitled by it."""
        return self.issuers is None or issuer in self.issuers


@dataclass(frozen=True, slots=True)
class _Known:
    """What was combined for somebody, and of what."""

    identity: Identity
    parts: tuple[RuleSet, ...]
    rules: RuleSet

    def holds(self, identity: Identity, parts: tuple[RuleSet, ...]) -> bool:
        """Whether it would come out the same: of the very same parts, and the same claims."""
        # A token's id is its issuer's word; what it grants follows from all the token says.
        # Rules equal themselves alone.
        return (identity is self.identity or identity == self.identity) and parts == self.parts


def _weight(known: _Known) -> int:
    """A bound on tokens alone would be none on memory: one may stand for thousands of rules."""
    claims = sum(map(len, known.identity.claims.values()))
    return 1 + claims + sum(rules.size() for rules in (*known.parts, known.rules))


class CombinedEntitlements:
    """Several sources as one. Implements `Entitlements`.

    As long as no source says anything else, a caller gets the very same rules,
    so that a decision costs what it costs with one source. `room` is how many rules
    and claims are remembered.
    """

    def __init__(
        self,
        combination: Combination,
        sources: Iterable[Source],
        *,
        room: int = ROOM,
        clock: Clock = time.time,
    ) -> None:
        self._combination = combination
        self._sources = tuple(sources)
        self._cache: Memory[tuple[str, str, str], _Known] = Memory(room, clock, _weight)

    async def rules(self, caller: Caller, *, recheck: bool = False) -> RuleSet:
        """As the port says; one source that cannot tell is enough for not knowing."""
        identity = caller.identity
        parts = tuple(
            [
                await source.entitlements.rules(caller, recheck=recheck)
                for source in self._sources
                if source.concerns(identity.issuer)
            ]
        )
        key = (identity.issuer, identity.subject, identity.token_id)
        known = self._cache.get(key)
        if known is None or not known.holds(identity, parts):
            known = _Known(identity, parts, self._combination.rules(identity, parts))
            self._cache.put(key, known, identity.expires)
        return known.rules

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Have `changed` called each time one of the sources may say something else."""
        for source in self._sources:
            source.entitlements.subscribe(changed)
