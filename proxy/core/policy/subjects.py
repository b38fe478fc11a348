"""Whom rules concern: all rules, found by what a document may call an identity.

Each rule is found once, however many of its subjects fit. What a token claims
widens no rule: a claim counts only where a rule asks for it, and as far as it says.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from proxy.core.attributes import is_namespace
from proxy.core.identity import Identity
from proxy.core.policy.rules import Rule, RuleSet, covers


class SubjectKind(StrEnum):
    """How a document may name somebody; the value is the field's name on the wire."""

    GROUP = "group"
    USER = "user"
    CLIENT = "client"
    SERVICE_ACCOUNT = "serviceAccount"
    EVERYONE = "everyone"


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody of an issuer; the value is empty for everyone of it."""

    issuer: str
    kind: SubjectKind
    value: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule and whom it concerns.

    With a `claim`, it holds in the namespaces that the claim of a token names,
    as far as `rule.namespaces`, where there are any, cover them. A `shadow` is only
    recorded, for what it would have changed.
    """

    subjects: tuple[Subject, ...]
    rule: Rule
    claim: str = ""
    shadow: bool = False

    def concerns(self, identity: Identity) -> bool:
        """Whether one of the subjects fits an identity."""
        names = _names(identity)
        return any(
            subject.issuer == identity.issuer and subject.value in names[subject.kind]
            for subject in self.subjects
        )

    def rule_for(self, identity: Identity) -> Rule:
        """The rule as it holds for an identity that it concerns."""
        if not self.claim:
            return self.rule
        bounds = frozenset(self.rule.namespaces or ("*",))
        names = tuple(
            name
            for name in identity.claims.get(self.claim, ())
            if may_be_claimed(name) and covers(bounds, name)
        )
        return replace(self.rule, namespaces=names)


def may_be_claimed(name: str) -> bool:
    """Whether a token may name a namespace: exactly, and none of the cluster's own.

    A token's patterns mean nothing: the IAM must not grant more than it can list.
    """
    return is_namespace(name) and not name.startswith("kube-")


class PolicySet:
    """All rules of all documents, indexed by whom they concern. Immutable.

    Its length and its items are the rules that count; shadows are apart, so that
    whoever asks what is granted does not take them for grants.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries = tuple(entries)
        self._shadows = frozenset(n for n, entry in enumerate(self._entries) if entry.shadow)
        # The rules of a document have the same subjects, and stand together. Were each rule
        # kept by each subject, a small file with many of both would fill the memory.
        self._index: dict[tuple[str, SubjectKind], dict[str, list[range]]] = {}
        for subjects, together in _runs(self._entries):
            for subject in subjects:
                values = self._index.setdefault((subject.issuer, subject.kind), {})
                values.setdefault(subject.value, []).append(together)

    def __len__(self) -> int:
        """The number of rules that count."""
        return len(self._entries) - len(self._shadows)

    def __iter__(self) -> Iterator[Entry]:
        """The rules that count with whom they concern, in the order of the documents."""
        return (entry for entry in self._entries if not entry.shadow)

    def shadows(self) -> tuple[Entry, ...]:
        """The rules that are only recorded, in the order of the documents."""
        return tuple(entry for entry in self._entries if entry.shadow)

    def rules_for(self, identity: Identity) -> RuleSet:
        """The rules that concern an identity, in the order of the documents.

        Where shadows concern it, the set has a `shadow`: what would hold if they counted.
        """
        found: set[int] = set()
        for kind, values in _names(identity).items():
            index = self._index.get((identity.issuer, kind), {})
            for value in values:
                found.update(*index.get(value, ()))
        enforced = self._rules(found - self._shadows, identity)
        if found.isdisjoint(self._shadows):
            return RuleSet(enforced)
        return RuleSet(enforced, shadow=RuleSet(self._rules(found, identity)))

    def _rules(self, numbers: Iterable[int], identity: Identity) -> Iterator[Rule]:
        return (self._entries[number].rule_for(identity) for number in sorted(numbers))


def _runs(entries: Sequence[Entry]) -> Iterator[tuple[tuple[Subject, ...], range]]:
    """The numbers of entries that follow each other and have the very same subjects."""
    start = 0
    for number, entry in enumerate(entries, 1):
        if number == len(entries) or entries[number].subjects is not entry.subjects:
            yield entry.subjects, range(start, number)
            start = number


def _names(identity: Identity) -> dict[SubjectKind, tuple[str, ...]]:
    """What a document may call an identity.

    INVARIANT: an attribute that a token lacks is empty, and no document names that.
    """
    return {
        SubjectKind.GROUP: identity.groups,
        SubjectKind.USER: (identity.username,),
        SubjectKind.CLIENT: (identity.client,),
        SubjectKind.SERVICE_ACCOUNT: (identity.service_account,),
        SubjectKind.EVERYONE: ("",),
    }
