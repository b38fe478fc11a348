"""What is tested: which rules and namespaces of policies the tests of them reach.

A rule is reached where it decides. One that matches and is never the one that
decides, since another is closer or wins, is not.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from proxy.core.policy import Origin
from proxy.core.policy.rules import covering
from proxy.core.policy.subjects import Entry
from proxy.core.rehearsal import Rehearsal, Verdict, origins


@dataclass(frozen=True, slots=True)
class Coverage:
    """The rules of policies, those of them that decided nothing, and what nobody asked about.

    `unasked` are names and patterns of namespaces, as the policies have them.
    """

    rules: tuple[Origin, ...]
    idle: tuple[Origin, ...]
    unasked: tuple[str, ...]

    @property
    def percent(self) -> int:
        """How many of a hundred rules decided something, never rounded up."""
        return 100 * (len(self.rules) - len(self.idle)) // len(self.rules) if self.rules else 100


def covered(entries: Iterable[Entry], rehearsals: Iterable[Rehearsal]) -> Coverage:
    """What rehearsals of all tests reach of these rules."""
    written = [entry.rule for entry in entries]
    cases = [case for rehearsal in rehearsals for case in rehearsal.cases]
    verdicts = [case.outcome for case in cases if isinstance(case.outcome, Verdict)]
    decided = {origin for verdict in verdicts for origin in origins(verdict.rules)}
    rules = tuple(origins(written))
    asked = {case.request.namespace for case in cases if case.request.namespace is not None}
    reached = {pattern for namespace in asked for pattern in covering(namespace)}
    patterns = dict.fromkeys(pattern for rule in written for pattern in rule.namespaces)
    return Coverage(
        rules,
        tuple(origin for origin in rules if origin not in decided),
        tuple(pattern for pattern in patterns if pattern not in reached),
    )
