"""Where something is so: names and patterns, off those within them where it is not."""

from collections.abc import Collection, Iterator, Mapping
from typing import TypeAlias

from proxy.core.difference.findings import Because, Left, Place
from proxy.core.policy import Permission
from proxy.core.policy.rules import covering

Allowed: TypeAlias = tuple[frozenset[Permission], frozenset[Permission]]
"""What was allowed, and what is."""


class Ground:
    """All names and patterns that concern somebody, each with what is allowed there.

    What is said of a pattern is so in every namespace that it covers and no closer one does.
    """

    def __init__(self, allowed: Mapping[str, Allowed]) -> None:
        self._allowed = allowed
        self._above = {name: self._closest(name) for name in allowed}
        self._within: dict[str, list[str]] = {}
        for name, above in self._above.items():
            if above is not None:
                self._within.setdefault(above, []).append(name)

    def places(self, so: Collection[str], what: frozenset[Permission]) -> tuple[Place, ...]:
        """The fewest places that say: it is so in these names and patterns, and no others."""
        tops: dict[str, list[Left]] = {}
        for name in so:
            left = tops.setdefault(self._top(name, so), [])
            left += [Left(n, self._because(n, what)) for n in self._outside(name, so)]
        return tuple(sorted(Place(name, tuple(sorted(left))) for name, left in tops.items()))

    def _closest(self, name: str) -> str | None:
        return next((p for p in covering(name) if p != name and p in self._allowed), None)

    def _top(self, name: str, so: Collection[str]) -> str:
        """The widest pattern around a name of which the same is so all the way."""
        while (above := self._above[name]) is not None and above in so:
            name = above
        return name

    def _outside(self, name: str, so: Collection[str]) -> Iterator[str]:
        return (inner for inner in self._within.get(name, ()) if inner not in so)

    def _because(self, name: str, what: frozenset[Permission]) -> Because:
        before, after = self._allowed[name]
        if what <= before & after:
            return Because.ALLOWED
        if what.isdisjoint(before | after):
            return Because.REFUSED
        return Because.UNCHANGED if what & before == what & after else Because.OTHERWISE
