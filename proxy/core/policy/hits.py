"""How often did each rule decide: counted since the start, whatever becomes of the files.

A rule goes by what it says and by the name of its document. It may move, to other
lines, behind another rule, or into another file, and its comments may change. With other
subjects, namespaces, permissions or bounds it is another rule, and begins at zero.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from proxy.core.policy.origins import AnyOrigin, Origin, places
from proxy.core.policy.rules import Rule
from proxy.core.policy.subjects import Entry, PolicySet

_Said: TypeAlias = tuple[Entry, tuple[str, ...]]


class Hits:
    """Counts for the rules of policy files. What grants by other ways is not counted."""

    def __init__(self, policies: PolicySet) -> None:
        self._policies = policies
        self._numbers = _numbers(policies)
        self._counts = [0] * len(policies)

    def count(self, rules: Iterable[Rule]) -> None:
        """Count one more decision for each of the rules that made it."""
        numbers: set[int] = set()
        for rule in rules:
            for place in places(rule.origin):
                # A decision may be older than what is in force.
                if (number := self._numbers.get(place)) is not None:
                    numbers.add(number)
        # A list spans many namespaces by the same rules.
        for number in numbers:
            self._counts[number] += 1

    def counts(self) -> Sequence[int]:
        """How often each rule decided, in the order of the rules."""
        return tuple(self._counts)

    def following(
        self, policies: PolicySet, pause: Callable[[], None] = lambda: None
    ) -> Callable[[], None]:
        """Find the rules again in what is next; what is returned makes the counts theirs.

        The first may take long, in any thread, and calls `pause` after each rule. The
        second is short.
        """
        numbers, before = _numbers(policies), _found_again(self._policies, policies, pause)

        def follow() -> None:
            self._policies, self._numbers = policies, numbers
            self._counts = [0 if number is None else self._counts[number] for number in before]

        return follow


def _numbers(policies: PolicySet) -> dict[AnyOrigin, int]:
    return {entry.rule.origin: number for number, entry in enumerate(policies)}


def _found_again(
    before: PolicySet, after: PolicySet, pause: Callable[[], None]
) -> list[int | None]:
    """For each rule, the number that it had. Those that say the same keep their order."""
    known: defaultdict[_Said, deque[int]] = defaultdict(deque)
    for number, entry in enumerate(before):
        known[_said(entry)].append(number)
        pause()
    found: list[int | None] = []
    for entry in after:
        numbers = known.get(_said(entry))
        found.append(numbers.popleft() if numbers else None)
        pause()
    return found


def _said(entry: Entry) -> _Said:
    """What a rule says, wherever it stands. Its hash leaves the namespaces out."""
    rule = entry.rule
    document = rule.origin.document if isinstance(rule.origin, Origin) else ""
    return replace(entry, rule=replace(rule, origin=Origin("", document, "", 0))), rule.namespaces
