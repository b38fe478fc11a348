"""Both sides decide for the same people, and what they decide otherwise is told.

Whom to ask about. Grants add up and denials win, so whoever gains something has a
grant of it by one subject of theirs. Either somebody who is that subject alone gains
it as well, or it was denied them before by another subject of theirs, and no longer
is. So each subject is asked about by itself, and each denial that has changed
together with the subjects that are granted what it denies. For losses, the same holds
the other way round. `everyone` of an issuer is everybody, and asked about with each;
what all of them gain or lose is told of them alone.

Where to ask. A rule tells namespaces apart by the names and patterns it has, so one
for each, of all rules that concern somebody, is all there are (`personas.witness`).

INVARIANT: what is compared is what `PolicySet.rules_for` yields, the rules as enforced.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import Final, TypeAlias

from proxy.core.attributes import HOSTCLAIMS, Verb
from proxy.core.bounds import BOUNDED, UNBOUNDED, Bounds, is_within
from proxy.core.claims import MAX_VALUES
from proxy.core.difference import spans
from proxy.core.difference.findings import Change, Finding
from proxy.core.difference.sides import Granted, Names, Rules, Side, Sides, Whom, reach
from proxy.core.difference.views import Key, Persona, View
from proxy.core.personas import witness
from proxy.core.policy import AnyOrigin, Effect, Permission, PolicySet, Rule, RuleSet
from proxy.core.policy.rules import product
from proxy.core.policy.subjects import Entry, Subject, SubjectKind

_MET: Final = 5
"""How many are told of those to whom a denial means something."""

_FEW: Final = 10
# How many bounds are compared in the time of a question.
_COMPARED: Final = 5

_WRITTEN: Final = product((HOSTCLAIMS.plural,), BOUNDED)
_NOTHING: Final[frozenset[Permission]] = frozenset()


def compare(old: PolicySet, new: PolicySet) -> tuple[Finding, ...]:
    """All that differs between two sets of policies, by issuer and subject.

    Raises:
        TooMuchError: they are too large, or too much is changed at once.
    """
    sides = Sides(Side(old), Side(new))
    found: dict[Finding, list[Subject]] = {}
    issuers: dict[str, list[Subject]] = {}
    for subject in sorted(sides.subjects, key=_order):
        issuers.setdefault(subject.issuer, []).append(subject)
    for issuer, subjects in issuers.items():
        for finding in _Issuer(sides, issuer, subjects).findings():
            found.setdefault(replace(finding, subjects=()), []).extend(finding.subjects)
    return tuple(replace(finding, subjects=tuple(who)) for finding, who in found.items())


def _order(subject: Subject) -> tuple[str, int, str]:
    return subject.issuer, list(SubjectKind).index(subject.kind), subject.value


class _Issuer:
    """The people of one issuer. Those of different issuers are never the same."""

    def __init__(self, sides: Sides, issuer: str, subjects: Sequence[Subject]) -> None:
        self._sides = sides
        self._everyone = Subject(issuer, SubjectKind.EVERYONE, "")
        self._subjects = subjects
        self._known: dict[Subject, Rules | None] = {}
        self._common: dict[str, Names] = {}
        self._granted: dict[Change, Granted] = {}

    def findings(self) -> Iterator[Finding]:
        """All that is other for any of them."""
        # A denial for everyone takes from each what only they are granted.
        common = self._changed(self._everyone)
        everybody = bool(_denials(common))
        spanning = any(map(spans.concerns, common))
        for subject in self._subjects:
            changed = self._changed(subject)
            personas = [
                Persona((subject,), claim)
                for claim in sorted({"", *(e.claim for e in self._sides.entries(subject))})
            ]
            if everybody or changed:
                for who in personas:
                    yield from self._view(who).findings()
            if spanning or any(map(spans.concerns, changed)):
                for who in personas:
                    yield from self._at_once(who).findings()
                    yield from self._hardware(who).findings()
            if subject == self._everyone:
                continue
            if denials := _denials(changed):
                yield from self._of_denials(subject, denials)
            if any(map(spans.stands_between, changed)):
                yield from self._between(subject)

    def _changed(self, subject: Subject) -> list[Entry]:
        """What is other in the rules for whoever is a subject, but for those for everyone."""
        return [*self._gone(subject), *self._come(subject)]

    def _gone(self, subject: Subject) -> list[Entry]:
        return [entry for name in _called(subject) for entry in self._sides.gone(name)]

    def _come(self, subject: Subject) -> list[Entry]:
        return [entry for name in _called(subject) for entry in self._sides.come(name)]

    # Somebody, everywhere.

    def _view(self, who: Persona) -> View:
        """What is other for a persona, but for what is so for one with less to it."""
        view = View(who)
        stands = self._stands(who)
        # A claim lists so many names and no more.
        for start in range(0, len(stands), MAX_VALUES):
            some = stands[start : start + MAX_VALUES]
            names = [namespace for _, namespace in some]
            if (rules := self._rules(who, names)) is None:
                break
            less = [*filter(None, (self._rules(other, names) for other in self._less(who)))]
            bounded = any(rule.bounds != UNBOUNDED for side in rules for rule in side)
            for name, namespace in some:
                view.allowed[name] = rules.allowed(namespace)
                _mark_permissions(view, name, namespace, rules, less)
                if bounded:
                    self._sides.count(_comparisons(rules, namespace) // _COMPARED)
                    _mark_bounds(view, name, namespace, rules, less)
        return view

    def _less(self, who: Persona) -> Iterator[Persona]:
        """Everybody who is part of a persona."""
        parts = dict.fromkeys(((self._everyone,), *((s,) for s in who.subjects), who.subjects))
        for subjects in parts:
            for claim in dict.fromkeys(("", who.claim)):
                if (subjects, claim) != who:
                    yield Persona(subjects, claim)

    def _rules(self, who: Persona, names: Sequence[str]) -> Rules | None:
        if who.claim or len(who.subjects) > 1:
            return self._sides.rules(who.subjects, who.claim, names)
        [subject] = who.subjects
        if subject not in self._known:
            self._known[subject] = self._sides.rules((subject,), "", names)
        return self._known[subject]

    def _stands(self, who: Persona) -> list[tuple[str, str]]:
        """Each name and pattern that matters to somebody, and a namespace that stands for it.

        What is other where nothing of their own reaches is so for everyone alike.
        """
        own = self._names(who.subjects, who.claim)
        if who.claim not in self._common:
            self._common[who.claim] = Names(self._names((self._everyone,), who.claim))
        common = self._common[who.claim]
        return _witnesses(own.union(*(common.within(name) for name in own)))

    def _names(self, subjects: Iterable[Subject], claim: str) -> set[str]:
        return {
            name
            for subject in subjects
            for called in _called(subject)
            for entry in self._sides.entries(called)
            if entry.claim in {"", claim}
            for name in reach(entry)
        }

    # What goes by all that somebody is granted.

    def _at_once(self, who: Persona) -> View:
        """What is other for a persona of lists of all namespaces."""
        view = View(who)
        if found := self._both(who):
            spans.mark_lists(view, *found)
        return view

    def _hardware(self, who: Persona) -> View:
        """What is other for a persona of the HardwareData in namespaces of hosts."""
        view = View(who, hosts=True)
        if found := self._both(who):
            for name, namespace in self._pools(who.subjects):
                spans.mark_hardware(view, name, namespace, *found)
        return view

    def _both(self, who: Persona) -> tuple[Rules, list[Rules]] | None:
        """The rules for a persona, and for those with less to them."""
        names = self._few(who)
        if (rules := self._rules(who, names)) is None:
            return None
        return rules, [*filter(None, (self._rules(other, names) for other in self._less(who)))]

    def _few(self, who: Persona) -> list[str]:
        """Some names that the claim of a persona may list: what is granted by more is refused."""
        if not who.claim:
            return []
        subjects = (*who.subjects, self._everyone)
        claimed = {
            name
            for subject in subjects
            for entry in self._sides.entries(subject)
            if entry.claim == who.claim
            for name in reach(entry)
        }
        stands = _witnesses(self._names(subjects, who.claim))
        return [*islice((namespace for name, namespace in stands if name in claimed), _FEW)]

    def _pools(self, subjects: Iterable[Subject]) -> list[tuple[str, str]]:
        """Each name and pattern by which denials tell the namespaces of hosts apart."""
        names = {
            name
            for subject in (*subjects, self._everyone)
            for called in _called(subject)
            for entry in self._sides.entries(called)
            if entry.rule.effect is Effect.DENY and spans.stands_between(entry)
            for name in entry.rule.namespaces
        }
        return _witnesses(names | {spans.EVERYWHERE})

    def _between(self, subject: Subject) -> Iterator[Finding]:
        """What a subject changes in the HardwareData of those who are also somebody else.

        Only of those who are granted it on both sides: that it is granted anew is told as that.
        """
        found: dict[Change, list[Finding]] = {change: [] for change in self._ways(subject)}
        more = False
        for other, claim in self._readers:
            if other == subject:
                continue
            if found and all(len(met) >= _MET for met in found.values()):
                more = True
                break
            both = (subject,) if other == self._everyone else (other, subject)
            for one in self._hardware(Persona(both, claim)).findings():
                change = Change.FREED if one.change is Change.GAINS else Change.BARRED
                found.setdefault(change, []).append(replace(one, subjects=(other,)))
        for change, met in found.items():
            if met:
                yield Finding(
                    change=change,
                    subjects=(subject,),
                    permissions=_NOTHING.union(*(one.permissions for one in met)),
                    places=tuple(sorted({place for one in met for place in one.places})),
                    hosts=True,
                    met=tuple(met[:_MET]),
                    more=more or len(met) > _MET,
                )

    def _ways(self, subject: Subject) -> Iterator[Change]:
        """What can come of it. A denial of a pattern may also let through what is left."""
        if self._patterns or any(map(spans.stands_between, self._gone(subject))):
            yield Change.FREED
        if self._patterns or any(map(spans.stands_between, self._come(subject))):
            yield Change.BARRED

    @cached_property
    def _patterns(self) -> bool:
        """Whether anybody is granted HardwareData by a pattern."""
        return any(
            entry.rule.effect is Effect.ALLOW and spans.stands_between(entry)
            for subject in self._subjects
            for entry in self._sides.entries(subject)
        )

    @cached_property
    def _readers(self) -> list[Whom]:
        """Who is granted HardwareData anywhere, before and after."""
        before, after = (
            Granted(side, self._subjects).where(spans.HARDWARE, (spans.EVERYWHERE,))
            for side in (self._sides.old, self._sides.new)
        )
        still = {*after}
        return [whom for whom in before if whom in still]

    # Denials that have changed, for those who are also somebody else.

    def _of_denials(self, subject: Subject, denials: Iterable[Entry]) -> Iterator[Finding]:
        asked = _NOTHING.union(*(entry.rule.permissions for entry in denials))
        for finding in self._denied(subject, asked).findings():
            met, more = self._met(finding, subject)
            if met:
                yield replace(finding, met=met, more=more)

    def _denied(self, subject: Subject, asked: frozenset[Permission]) -> View:
        """Where something is denied to a subject on one side alone, and not granted to it."""
        view = View(Persona((subject,)))
        stands = self._stands(view.persona)
        rules = self._rules(view.persona, [namespace for _, namespace in stands])
        if rules is None:
            return view
        for name, namespace in stands:
            before, after = view.allowed[name] = rules.allowed(namespace)
            for permission in sorted(asked):
                was = rules.old.matching(Effect.DENY, *permission, namespace)
                now = rules.new.matching(Effect.DENY, *permission, namespace)
                if was and not now and permission not in after:
                    view.mark(Key(Change.FREED, denial=was.origin), name, permission)
                elif now and not was and permission not in before:
                    view.mark(Key(Change.BARRED, denial=now.origin), name, permission)
        return view

    def _met(self, finding: Finding, subject: Subject) -> tuple[tuple[Finding, ...], bool]:
        """What a changed denial means to those whom another subject grants what it denies."""
        means = Change.GAINS if finding.change is Change.FREED else Change.LOSES
        met: list[Finding] = []
        seen = _NOTHING
        for other, claim in self._others(finding, subject):
            if len(met) >= _MET and seen >= finding.permissions:
                return tuple(met), True
            both = (subject,) if other == self._everyone else (other, subject)
            for one in self._view(Persona(both, claim)).findings():
                if one.change is means and not one.permissions.isdisjoint(finding.permissions):
                    met.append(replace(one, subjects=(other,)))
                    seen |= one.permissions
        return tuple(met), False

    def _others(self, finding: Finding, subject: Subject) -> Iterator[Whom]:
        """Who may be granted what a denial is about, besides the subject itself."""
        if finding.change not in self._granted:
            side = self._sides.new if finding.change is Change.FREED else self._sides.old
            self._granted[finding.change] = Granted(side, self._subjects)
        permissions = sorted(finding.permissions)
        patterns = [place.namespace for place in finding.places]
        own = {"", *(entry.claim for entry in self._sides.entries(subject))}
        for other, claim in self._granted[finding.change].where(permissions, patterns):
            # Somebody who is the subject alone is asked about already.
            if other != subject and (other != self._everyone or claim not in own):
                yield other, claim


def _mark_permissions(
    view: View, name: str, namespace: str, rules: Rules, less: Iterable[Rules]
) -> None:
    before, after = view.allowed[name]
    gained, lost = after - before, before - after
    for other in less if gained or lost else ():
        was, now = other.allowed(namespace)
        gained, lost = gained - (now - was), lost - (was - now)
    for change, what, grants, denies in (
        (Change.GAINS, gained, rules.new, rules.old),
        (Change.LOSES, lost, rules.old, rules.new),
    ):
        for permission in sorted(what):
            rule = grants.matching(Effect.ALLOW, *permission, namespace)
            denial = denies.matching(Effect.DENY, *permission, namespace)
            view.mark(Key(change, _origin(rule), _origin(denial)), name, permission)


def _mark_bounds(
    view: View, name: str, namespace: str, rules: Rules, less: Iterable[Rules]
) -> None:
    before, after = view.allowed[name]
    for permission in sorted(before & after & _WRITTEN):
        asked = (*permission, namespace)
        for change in (Change.WIDENED, Change.NARROWED):
            further = [*_further(rules, change, asked)]
            told = [r.bounds for other in less if further for r in _further(other, change, asked)]
            was, now = (_bounds(side, asked) for side in rules)
            for rule in further:
                if rule.bounds not in told:
                    one = (rule.bounds,)
                    pair = (was, one) if change is Change.WIDENED else (one, now)
                    view.mark(Key(change, rule.origin, bounds=pair), name, permission)


def _comparisons(rules: Rules, namespace: str) -> int:
    """How many bounds of one side meet how many of the other."""
    return sum(
        len(rules.old.all_matching(Effect.ALLOW, *permission, namespace))
        * len(rules.new.all_matching(Effect.ALLOW, *permission, namespace))
        for permission in _WRITTEN
    )


_Asked: TypeAlias = tuple[str, Verb, str]


def _further(rules: Rules, change: Change, asked: _Asked) -> Iterator[Rule]:
    """The grants of one side whose bounds go further than any of the other's."""
    old, new = rules
    some, others = (old, new) if change is Change.NARROWED else (new, old)
    within = _bounds(others, asked)
    for rule in some.all_matching(Effect.ALLOW, *asked):
        if within and not any(is_within(rule.bounds, outer) for outer in within):
            yield rule


def _bounds(rules: RuleSet, asked: _Asked) -> tuple[Bounds, ...]:
    found = rules.all_matching(Effect.ALLOW, *asked)
    return tuple(dict.fromkeys(rule.bounds for rule in found))


def _witnesses(names: Iterable[str]) -> list[tuple[str, str]]:
    """Each of some names and patterns, and a namespace that stands for it."""
    found = sorted(names)
    known = {name for name in found if not name.endswith("*")}
    stands = ((name, witness(name, known)) for name in found)
    return [(name, namespace) for name, namespace in stands if namespace is not None]


def _called(subject: Subject) -> Iterator[Subject]:
    """What documents may call a subject: a service account has a name of one form, too."""
    yield subject
    if subject.kind is SubjectKind.SERVICE_ACCOUNT:
        name = f"serviceaccount:{subject.value.replace('/', ':')}"
        yield Subject(subject.issuer, SubjectKind.USER, name)


def _origin(rule: Rule | None) -> AnyOrigin | None:
    return None if rule is None else rule.origin


def _denials(entries: Iterable[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.rule.effect is Effect.DENY]
