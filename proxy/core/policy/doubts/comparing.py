"""What other rules make needless: grants that denials empty, and rules that others cover.

Rules are added up, not compared in pairs: for whom, where, and under which conditions,
how many give each permission. One whose every permission is given as well without it
can go; it is then taken off, so that of two equal rules the later is told, and those
that are told can all go together.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice, product
from typing import Final

from proxy.core.attributes import Verb
from proxy.core.bounds import UNBOUNDED, Bounds
from proxy.core.policy.codes import Code
from proxy.core.policy.doubts.doubt import Doubt, of_rule
from proxy.core.policy.faults import Fault
from proxy.core.policy.rules import PLURALS, Effect, Permission, covering
from proxy.core.policy.rules import product as permissions_of
from proxy.core.policy.subjects import Entry, PolicySet, Subject, SubjectKind

MOST: Final = 1_000_000
"""How many lookups comparing may take. What would take more is left out, and counted."""

_LOOKED_AT: Final = 16
"""In how many places of a needless rule it is looked up what makes it so."""

_NAMED: Final = 3
"""How many rules a message names."""

# A sum has a field for each permission, wide enough for as many rules as may be compared.
_BITS: Final = MOST.bit_length() + 1
_FIELD: Final = (1 << _BITS) - 1
_SHIFTS: Final[Mapping[Permission, int]] = {
    permission: number * _BITS
    for number, permission in enumerate(sorted(permissions_of(PLURALS, tuple(Verb))))
}

_Place = tuple[int, str, int]
"""A subject, a pattern, and conditions, which are bounds and a claim. Numbers are hashed faster."""

_UNCONDITIONED: Final = 0


@dataclass(frozen=True, slots=True)
class Compared:
    """What was found, which rules that is, and how many were left out."""

    doubts: tuple[Doubt, ...]
    needless: frozenset[int]
    left_out: int


@dataclass(frozen=True, slots=True)
class _Extent:
    """A rule and where it holds.

    `who` has each subject with those that are concerned by as much, `where` each pattern
    with those that cover it, and `given` its conditions with those that are met whenever
    they are; the rule's own is the first of each.
    """

    entry: Entry
    who: tuple[tuple[int, ...], ...]
    where: tuple[tuple[str, ...], ...]
    given: tuple[int, ...]

    def own(self) -> Iterator[_Place]:
        """The places that it holds in."""
        for subjects, patterns in product(self.who, self.where):
            yield subjects[0], patterns[0], self.given[0]

    def reaching(self, given: tuple[int, ...]) -> Iterator[Iterator[_Place]]:
        """For each of its places, all that are as wide, under conditions that are met."""
        for subjects, patterns in product(self.who, self.where):
            yield product(subjects, patterns, given)


def compare(policies: PolicySet, besides: frozenset[int]) -> Compared:
    """Find needless rules, in regard of all rules but some, which are told already."""
    extents, left_out = _extents(policies, besides)
    grants = {n: e for n, e in extents.items() if e.entry.rule.effect is Effect.ALLOW}
    denials = {n: e for n, e in extents.items() if e.entry.rule.effect is Effect.DENY}
    denied = _Sums(denials.values())
    emptied = [n for n, e in grants.items() if denied.give(e, (_UNCONDITIONED,))]
    left = {n: e for n, e in grants.items() if n not in set(emptied)}
    found = dict(
        (
            *_told(emptied, grants, denials, _EMPTIED),
            *_told(_covered(left), left, left, _COVERED_GRANT),
            *_told(_covered(denials), denials, denials, _COVERED_DENIAL),
        )
    )
    return Compared(tuple(found.values()), frozenset(found), left_out)


def _extents(policies: PolicySet, besides: frozenset[int]) -> tuple[dict[int, _Extent], int]:
    subjects: dict[Subject, int] = {}
    conditions: dict[tuple[Bounds, str], int] = {(UNBOUNDED, ""): _UNCONDITIONED}
    found: dict[int, _Extent] = {}
    left_out, budget = 0, MOST
    for number, entry in enumerate(policies):
        if number in besides:
            continue
        patterns = entry.rule.namespaces or ("*",)
        where = tuple(
            tuple(dict.fromkeys(covering(pattern))) for pattern in dict.fromkeys(patterns)
        )
        # Looked at first: a single file may hold a product of lists that is never to be made.
        cost = len(entry.subjects) * sum(map(len, where))
        if cost > budget:
            left_out += 1
            continue
        budget -= cost
        found[number] = _Extent(
            entry,
            tuple(_numbered(subject, subjects) for subject in dict.fromkeys(entry.subjects)),
            where,
            tuple(
                conditions.setdefault(given, len(conditions))
                for given in dict.fromkeys(
                    product((entry.rule.bounds, UNBOUNDED), (entry.claim, ""))
                )
            ),
        )
    return found, left_out


def _numbered(subject: Subject, numbers: dict[Subject, int]) -> tuple[int, ...]:
    everyone = Subject(subject.issuer, SubjectKind.EVERYONE, "")
    wider = dict.fromkeys((subject, everyone))
    return tuple(numbers.setdefault(each, len(numbers)) for each in wider)


class _Sums:
    """How many rules give each permission, in each place."""

    def __init__(self, extents: Iterable[_Extent]) -> None:
        self._sums: dict[_Place, int] = {}
        for extent in extents:
            self.add(extent)

    def add(self, extent: _Extent) -> None:
        """Have a rule count."""
        self._count(extent, _one_each(extent.entry.rule.permissions))

    def remove(self, extent: _Extent) -> None:
        """Have a rule that counted count no more."""
        self._count(extent, -_one_each(extent.entry.rule.permissions))

    def _count(self, extent: _Extent, change: int) -> None:
        sums = self._sums
        for place in extent.own():
            sums[place] = sums.get(place, 0) + change

    def give(self, extent: _Extent, given: tuple[int, ...]) -> bool:
        """Whether they give all that a rule does, wherever it does."""
        if not self._sums:
            return False
        look = self._sums.get
        shifts = [_SHIFTS[permission] for permission in extent.entry.rule.permissions]
        for places in extent.reaching(given):
            total = sum([look(place, 0) for place in places])
            if not total or not all(total >> shift & _FIELD for shift in shifts):
                return False
        return True


@cache
def _one_each(permissions: frozenset[Permission]) -> int:
    return sum(1 << _SHIFTS[permission] for permission in permissions)


def _covered(extents: Mapping[int, _Extent]) -> list[int]:
    """Rules that can go, each in regard of those that are left when it is looked at."""
    sums = _Sums(extents.values())
    covered: list[int] = []
    for number, extent in reversed(tuple(extents.items())):
        sums.remove(extent)
        if sums.give(extent, extent.given):
            covered.append(number)
        else:
            sums.add(extent)
    return covered


@dataclass(frozen=True, slots=True)
class _Words:
    """How it is said that rules are needless.

    `given` are the conditions of those that make them so, where they are not the rule's own.
    """

    code: Code
    message: str
    hint: str
    given: tuple[int, ...] = ()


_EMPTIED: Final = _Words(
    Code.EMPTIED,
    "all that it grants is denied by {}",
    "leave it out, or narrow the denial",
    (_UNCONDITIONED,),
)
_COVERED_GRANT: Final = _Words(
    Code.COVERED, "all that it grants is granted by {}", "leave it out, or narrow the other"
)
_COVERED_DENIAL: Final = _Words(
    Code.COVERED, "all that it denies is denied by {}", "leave it out, or narrow the other"
)


def _told(
    numbers: list[int], extents: Mapping[int, _Extent], by: Mapping[int, _Extent], words: _Words
) -> Iterator[tuple[int, Doubt]]:
    """Say of each rule which others make it needless."""
    looked_at = {
        number: [
            [*places] for places in islice(extent.reaching(words.given or extent.given), _LOOKED_AT)
        ]
        for number, extent in ((number, extents[number]) for number in numbers)
    }
    first = _first_two(by, {p for found in looked_at.values() for each in found for p in each})
    for number, found in looked_at.items():
        permissions = extents[number].entry.rule.permissions
        givers = dict.fromkeys(
            min(
                giver
                for place in places
                for giver in first.get((place, permission), ())
                if giver != number
            )
            for places in found
            for permission in sorted(permissions)
        )
        names = [str(by[giver].entry.rule.origin) for giver in islice(sorted(givers), _NAMED)]
        more = [f"{len(givers) - _NAMED} more"] if len(givers) > _NAMED else []
        message = words.message.format(" and ".join((*names, *more)))
        fault = Fault(message, words.hint, words.code)
        yield number, of_rule(extents[number].entry, fault)


def _first_two(
    extents: Mapping[int, _Extent], wanted: set[_Place]
) -> dict[tuple[_Place, Permission], list[int]]:
    """The first two rules that give each permission in each place: one is not the rule itself."""
    found: dict[tuple[_Place, Permission], list[int]] = {}
    for number, extent in extents.items():
        for place in wanted.intersection(extent.own()) if wanted else ():
            for permission in extent.entry.rule.permissions:
                givers = found.setdefault((place, permission), [])
                if len(givers) < 2:
                    givers.append(number)
    return found
