"""Who may what where: everybody whom rules name, by every namespace that they name.

A pattern stands for all namespaces that it covers and that are not named beside it.
Only what concerns somebody is asked about, so what it takes grows with what is granted.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
from typing import Final

from proxy.core import claims
from proxy.core.attributes import HOSTCLAIMS, Verb
from proxy.core.bounds import BOUNDED, UNBOUNDED, Bounds
from proxy.core.holders import SINGLE, Named, everyone, identity_of
from proxy.core.identity import Identity
from proxy.core.nearness import value_for
from proxy.core.personas import witness
from proxy.core.policy import (
    ClaimGrant,
    Combination,
    Combine,
    Effect,
    Permission,
    PolicySet,
    Role,
    RuleSet,
)
from proxy.core.policy.rules import covering
from proxy.core.policy.subjects import Subject, may_be_claimed

NAMESPACE: Final = "{namespace}"
"""Stands, in a claim of somebody, for the namespace of each cell."""


@dataclass(frozen=True, slots=True)
class Column:
    """A namespace, or a pattern for which a namespace stands that only it covers."""

    name: str
    namespace: str


@dataclass(frozen=True, slots=True)
class Cell:
    """What somebody may in a namespace, what is denied of what is granted, and bounds.

    One of the bounds has to be kept by what is written; there are none where one rule has none.
    `besides` is denied to whoever has the name, should another name of theirs be granted it.
    """

    column: Column
    permitted: frozenset[Permission]
    denied: frozenset[Permission]
    bounds: tuple[Bounds, ...]
    besides: frozenset[Permission] = frozenset()


@dataclass(frozen=True, slots=True)
class Row:
    """Somebody, and the cells in which something is granted."""

    who: Named | Identity
    cells: tuple[Cell, ...]


class Matrix:
    """Rows, made as they are asked for; `columns` are sorted by name."""

    def __init__(
        self, policies: PolicySet | None, combination: Combination, namespaces: Iterable[str] = ()
    ) -> None:
        """`namespaces` are more than those that rules name; without any files, policies is None."""
        self._policies = policies
        self._combination = combination
        self.columns = tuple(_columns(policies, combination, namespaces))
        self._covered: dict[str, list[int]] = {}
        for number, column in enumerate(self.columns):
            for pattern in dict.fromkeys(covering(column.namespace)):
                self._covered.setdefault(pattern, []).append(number)

    def rows(self) -> Iterator[Row]:
        """Everybody whom a rule grants something, in the order of the rules, or denies it."""
        denied = _denied(self._policies)
        for who in dict.fromkeys(self._named()):
            found: dict[str, Cell] = {}
            for cell in chain.from_iterable(map(self._of_identity, self._spelt(who))):
                known = found.setdefault(cell.column.name, cell)
                # Only the one whose claims name the namespace may all that there is to it.
                if known.permitted < cell.permitted:
                    found[cell.column.name] = cell
            if not who.claims:
                self._deny(found, denied.pop(who.subject, {}))
            if found:
                yield Row(who, tuple(found[name] for name in sorted(found)))
        for subject, places in denied.items():
            if identity_of(Named(subject)):
                self._deny(found := {}, places)
                yield Row(Named(subject), tuple(found[name] for name in sorted(found)))

    def _deny(self, cells: dict[str, Cell], places: Mapping[str, frozenset[Permission]]) -> None:
        """Tell in cells what is denied in places, granted or not."""
        for pattern, permissions in places.items():
            for number in self._covered.get(pattern, ()):
                column = self.columns[number]
                cell = cells.get(column.name, Cell(column, frozenset(), frozenset(), ()))
                besides = cell.besides | permissions - cell.denied
                cells[column.name] = replace(cell, besides=besides)

    def row(self, identity: Identity) -> Row:
        """What one identity may."""
        return Row(identity, tuple(self._of_identity(identity)))

    def _of_identity(self, identity: Identity) -> Iterator[Cell]:
        rules = self._combination.of(self._policies, identity)
        found = {number for pattern in rules.granted() for number in self._covered.get(pattern, ())}
        return (_cell(rules, self.columns[number]) for number in sorted(found))

    def _named(self) -> Iterator[Named]:
        of_files = None if self._policies is None else [*_of_files(self._policies)]
        of_claims = [who for grant in self._combination.claims for who in _of_grant(grant)]
        return _combined(self._combination, of_files, of_claims)

    def _spelt(self, who: Named) -> Iterator[Identity]:
        """Somebody whose claims name the namespaces, as many at a time as a claim may hold."""
        if not who.claims:
            names: list[str] = [""]
        else:
            names = [c.namespace for c in self.columns if may_be_claimed(c.namespace)]
        several = not any(name in SINGLE for name, _ in who.claims)
        size = claims.MAX_VALUES // (len(who.claims) + 1) if several else 1
        for begin in range(0, len(names), size):
            spelt = tuple(
                (claim, value.replace(NAMESPACE, name))
                for name in names[begin : begin + size]
                for claim, value in who.claims
            )
            if identity := identity_of(Named(who.subject, spelt)):
                yield identity


def _combined(
    combination: Combination, of_files: Sequence[Named] | None, of_claims: Sequence[Named]
) -> Iterator[Named]:
    """Whom sources name, each of them by itself; or all that there are for an issuer, together.

    Without any policy files, there are none of theirs.
    """
    if of_files is None or combination.how is Combine.ANY:
        yield from (*(of_files or ()), *of_claims)
        return
    for who in of_files:
        if not combination.claims.concern(who.subject.issuer):
            yield who
    for who, others in product(of_files, of_claims):
        if who.subject.issuer == others.subject.issuer:
            yield Named(who.subject, (*who.claims, *others.claims))


def _of_files(policies: PolicySet) -> Iterator[Named]:
    for entry in policies:
        if entry.rule.effect is Effect.ALLOW:
            claimed = ((entry.claim, NAMESPACE),) if entry.claim else ()
            yield from (Named(subject, claimed) for subject in entry.subjects)


def _of_grant(grant: ClaimGrant) -> Iterator[Named]:
    for role in [grant.role] if grant.role else Role:
        yield Named(everyone(grant.issuer), ((grant.claim, value_for(grant, NAMESPACE, role)),))


def _denied(policies: PolicySet | None) -> dict[Subject, dict[str, frozenset[Permission]]]:
    """What is denied to each subject, and where."""
    found: dict[Subject, dict[str, frozenset[Permission]]] = {}
    for entry in policies or ():
        for subject in entry.subjects if entry.rule.effect is Effect.DENY else ():
            places = found.setdefault(subject, {})
            for pattern in entry.rule.namespaces:
                places[pattern] = places.get(pattern, frozenset()) | entry.rule.permissions
    return found


def _columns(
    policies: PolicySet | None, combination: Combination, more: Iterable[str]
) -> Iterator[Column]:
    policies = PolicySet() if policies is None else policies
    given = {
        *more,
        *(name for entry in policies for name in entry.rule.namespaces),
        *("*" for entry in policies if entry.claim and not entry.rule.namespaces),
        *(name for grant in combination.claims for name in grant.within),
    }
    names = {name for name in given if not name.endswith("*")}
    for name in sorted(given):
        if (namespace := witness(name, names)) is not None:
            yield Column(name, namespace)


def _cell(rules: RuleSet, column: Column) -> Cell:
    permitted = rules.permissions(column.namespace)
    granted = frozenset(
        permission
        for pattern in covering(column.namespace)
        for rule in rules.granted().get(pattern, ())
        for permission in rule.permissions
    )
    return Cell(column, permitted, granted - permitted, _bounds(rules, permitted, column.namespace))


def _bounds(rules: RuleSet, permitted: frozenset[Permission], namespace: str) -> tuple[Bounds, ...]:
    found: dict[Bounds, None] = {}
    for verb in Verb:
        if verb in BOUNDED and (HOSTCLAIMS.plural, verb) in permitted:
            granting = rules.all_matching(Effect.ALLOW, HOSTCLAIMS.plural, verb, namespace)
            bounds = [rule.bounds for rule in granting]
            if UNBOUNDED not in bounds:
                found |= dict.fromkeys(bounds)
    return tuple(found)
