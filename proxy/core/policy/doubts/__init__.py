"""Is it what was meant: rules that can be used, and most likely say something else.

A doubt is told only where it is certain: without a rule that is called `covered`,
`emptied` or `never-matches`, alone or with all others that are, every decision
is the same. `matching` finds what can never match, `comparing` what other rules make
needless, `width` what goes further than the rest, and `naming` names of nothing
that is there. What is there beyond the files, `known` says, as far as it is known.

Shadows are no rules yet, so only the names in them are looked at.

For whoever edits policies, never for serving: it costs more than a decision may.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from proxy.core.policy.doubts import comparing, matching, naming, width
from proxy.core.policy.doubts.doubt import Doubt
from proxy.core.policy.doubts.known import Directory, Known
from proxy.core.policy.subjects import PolicySet

__all__ = ["Directory", "Doubt", "Doubts", "Known", "find"]


@dataclass(frozen=True, slots=True)
class Doubts:
    """What was found. Rules that are too long to be compared with others are counted."""

    found: tuple[Doubt, ...]
    uncompared: int = 0


def find(policies: PolicySet, known: Known) -> Doubts:
    """Everything that is doubtful about policies, in no order."""
    never = dict(matching.rules(policies, known))
    compared = comparing.compare(policies, frozenset(never))
    return Doubts(
        (
            *matching.subjects(policies, known),
            *never.values(),
            *compared.doubts,
            *width.wide(policies, frozenset(never) | compared.needless),
            *_named(policies, known),
        ),
        compared.left_out,
    )


def _named(policies: PolicySet, known: Known) -> Iterator[Doubt]:
    yield from naming.issuers(policies, known)
    yield from naming.namespaces(policies, known)
    yield from naming.people(policies, known)
