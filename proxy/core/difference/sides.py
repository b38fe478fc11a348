"""The two sets of policies: who is named in them, and which rules one of them alone has."""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from proxy.core.attributes import OPT_IN, SERVED, ResourceRequest
from proxy.core.difference.places import Allowed
from proxy.core.entitlement import Decision, authorize
from proxy.core.identity import Identity
from proxy.core.personas import persona
from proxy.core.policy import Effect, Origin, Permission, PolicySet, RuleSet
from proxy.core.policy.rules import covering
from proxy.core.policy.subjects import Entry, Subject

_MOST: Final = 500_000
# What it takes to ask about somebody at all, in questions.
_SOMEBODY: Final = 5
# How many namespaces of somebody's rules are made ready in the time of one.
_INDEXED: Final = 100
_NOWHERE: Final = Origin("", "", "", 0)
_RESOURCES: Final = {resource.plural: resource for resource in (*SERVED, *OPT_IN)}

Whom: TypeAlias = tuple[Subject, str]
"""A subject, and the claim that a grant of theirs goes by if any."""

_Said: TypeAlias = tuple[Entry, tuple[str, ...]]


class TooMuchError(Exception):
    """There is more to ask than can be answered in a time that anybody would wait for."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules for somebody, on both sides."""

    who: Identity
    old: RuleSet
    new: RuleSet

    def __iter__(self) -> Iterator[RuleSet]:
        """What was, and what is."""
        yield from (self.old, self.new)

    def allowed(self, namespace: str) -> Allowed:
        """What was and what is allowed to them in a namespace."""
        return self.old.permissions(namespace), self.new.permissions(namespace)

    def decide(self, permission: Permission, namespace: str | None) -> tuple[Decision, Decision]:
        """What was and what is decided; without a namespace, of all of them."""
        plural, verb = permission
        request = ResourceRequest(verb, _RESOURCES[plural], namespace)
        return authorize(self.who, request, self.old), authorize(self.who, request, self.new)


class Side:
    """The rules of one set, by the subjects that they are written for."""

    def __init__(self, policies: PolicySet) -> None:
        # Claims go by names that are none of a token's own, such as `sub`.
        entries = [replace(e, claim=_renamed(e.claim)) if e.claim else e for e in policies]
        self.policies = PolicySet(entries)
        self.entries: dict[Subject, list[Entry]] = {}
        self._said: dict[Subject, dict[_Said, Entry]] = {}
        for entry, found in zip(policies, entries, strict=True):
            bare = replace(found, subjects=(), rule=replace(found.rule, origin=_NOWHERE))
            for subject in entry.subjects:
                self.entries.setdefault(subject, []).append(entry)
                # A rule's hash leaves its namespaces out, and thousands may have the same.
                said = self._said.setdefault(subject, {})
                said[bare, entry.rule.namespaces] = entry

    def said(self, subject: Subject) -> Mapping[_Said, Entry]:
        """The rules for a subject, by all that they say and not by where they are written."""
        return self._said.get(subject, {})


def _renamed(claim: str) -> str:
    return f"{claim.encode().hex()} "


@dataclass(slots=True)
class Sides:
    """What was and what is."""

    old: Side
    new: Side
    _asked: int = 0

    @property
    def subjects(self) -> Collection[Subject]:
        """Everybody whom either side names."""
        return self.old.entries.keys() | self.new.entries.keys()

    def entries(self, subject: Subject) -> Iterator[Entry]:
        """The rules for a subject, of both sides."""
        for side in (self.old, self.new):
            yield from side.entries.get(subject, ())

    def gone(self, subject: Subject) -> list[Entry]:
        """The rules for a subject that were, and are no more."""
        old, new = self.old.said(subject), self.new.said(subject)
        return [entry for said, entry in old.items() if said not in new]

    def come(self, subject: Subject) -> list[Entry]:
        """The rules for a subject that are, and were not before."""
        old, new = self.old.said(subject), self.new.said(subject)
        return [entry for said, entry in new.items() if said not in old]

    def rules(
        self, subjects: Collection[Subject], claim: str, names: Sequence[str]
    ) -> Rules | None:
        """The rules for whoever is these subjects and whose claim, if any, lists these names.

        Returns None where nobody is so.

        Raises:
            TooMuchError: too much has been asked.
        """
        self.count(len(names) + _SOMEBODY)
        claims = {_renamed(claim): tuple(names)} if claim else {}
        if (identity := persona(subjects, claims)) is None:
            return None
        old, new = self.old.policies, self.new.policies
        rules = Rules(identity, old.rules_for(identity), new.rules_for(identity))
        self.count(sum(len(rule.namespaces) for side in rules for rule in side) // _INDEXED)
        return rules

    def count(self, questions: int) -> None:
        """Note what takes as long as some questions.

        Raises:
            TooMuchError: too much has been asked.
        """
        self._asked += questions
        if self._asked > _MOST:
            raise TooMuchError("too much is changed at once to say what for whom")


class Granted:
    """Who is granted something where, by one side, whatever is denied to them."""

    def __init__(self, side: Side, subjects: Iterable[Subject]) -> None:
        self._index: dict[Permission, dict[str, dict[Whom, None]]] = {}
        for subject in subjects:
            for entry in side.entries.get(subject, ()):
                if entry.rule.effect is Effect.ALLOW:
                    self._add((subject, entry.claim), entry)
        self._sorted = {permission: Names(index) for permission, index in self._index.items()}

    def _add(self, whom: Whom, entry: Entry) -> None:
        for permission in entry.rule.permissions:
            index = self._index.setdefault(permission, {})
            for name in reach(entry):
                index.setdefault(name, {})[whom] = None

    def where(self, permissions: Iterable[Permission], patterns: Iterable[str]) -> Iterator[Whom]:
        """Each who is granted any of some permissions somewhere in some patterns, once."""
        patterns = tuple(patterns)
        seen: set[Whom] = set()
        for permission in permissions:
            index = self._index.get(permission, {})
            for pattern in patterns if index else ():
                within = self._sorted[permission].within(pattern)
                for name in dict.fromkeys((*covering(pattern), *within)):
                    for whom in index.get(name, ()):
                        if whom not in seen:
                            seen.add(whom)
                            yield whom


class Names:
    """Names and patterns, found by a pattern that covers them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._sorted = sorted(names)

    def within(self, pattern: str) -> Iterator[str]:
        """Those that are covered by a pattern, or are the same."""
        beginning = pattern.removesuffix("*")
        for number in range(bisect_left(self._sorted, beginning), len(self._sorted)):
            name = self._sorted[number]
            if name != pattern and (beginning == pattern or not name.startswith(beginning)):
                break
            yield name


def reach(entry: Entry) -> tuple[str, ...]:
    """Names and patterns; what a token claims can be any name, where nothing bounds it."""
    return entry.rule.namespaces or ("*",)
