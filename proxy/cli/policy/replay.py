"""`hostclaim-proxy policy replay`: decide a recorded audit log anew, by other policies."""

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from proxy.cli import printout
from proxy.cli.policy import records, sources
from proxy.cli.policy.records import Records
from proxy.cli.policy.sources import Sources
from proxy.core.replay import Answer, Outcome, Recorded, Replay, outcome, read
from proxy.core.tally import Kinds, Times
from proxy.edge.auditreader import Event


class FailOn(StrEnum):
    """Which differences are a finding."""

    REFUSED = "refused"
    PASSED = "passed"
    ANY = "any"
    NEVER = "never"


class Kind(NamedTuple):
    """Requests that are told together."""

    outcome: str
    user: str
    verb: str
    resource: str
    namespace: str
    before: str
    after: str


@click.command()
@records.argument
@sources.options
@click.option(
    "--fail-on",
    type=click.Choice([each.value for each in FailOn]),
    default=FailOn.NEVER.value,
    show_default=True,
    help="End with 1 if anything would be refused, would newly pass, or either.",
)
@printout.option()
def replay(
    *,
    audit: tuple[Path, ...],
    paths: tuple[Path, ...],
    config: Path | None,
    fail_on: str,
    output: str,
) -> None:
    """Decide what an audit log has recorded anew, by other policies.

    \b
    What would have been otherwise today and in the days before:
      hostclaim-proxy policy replay audit.jsonl audit.jsonl.*.gz --policies changed-policies
    With what the configuration knows of issuers and lets the IAM grant:
      hostclaim-proxy policy replay audit.jsonl --config proxy.yaml --policies changed-policies

    Each group of requests is told with how often it was, first and last, by which rule it was
    decided and by which it would be. Whether a request is served is more than its decision: no
    body is recorded, so what is written may still break bounds.

    No guesses: claims of tokens and what the IAM permits are in no log. Where they could have
    made the difference, a request counts as unknown. Of a list over all namespaces that is allowed
    either way, no record says which namespaces it had.

    Exit codes: 0 for done, 1 if there is a difference that --fail-on asks for, 2 if the policies
    or a file cannot be used to its end.
    """  # noqa: D301 - click wants the character \b itself
    found = _Found(sources.given(paths, config))
    logs = Records(audit)
    for event in logs:
        found.add(event)
    printout.show(output, _lines(found), _value(found))
    logs.end()
    if found.fails(FailOn(fail_on)):
        raise SystemExit(1)


class _Found:
    """What became of all records, in bounded memory."""

    def __init__(self, given: Sources) -> None:
        self._replay = Replay(given.policies, given.combination, given.issuers, given.asked)
        self.kinds: Kinds[Kind] = Kinds()
        self.counts: Counter[Outcome] = Counter()
        self.unknown: Counter[str] = Counter()
        self.passed_over: Counter[str] = Counter()
        self.within_bounds = 0

    def add(self, event: Event) -> None:
        """Decide a record anew, and count what comes of it."""
        recorded = read(event)
        if isinstance(recorded, str):
            self.passed_over[recorded] += 1
            return
        answer = self._replay.decide(recorded.asked)
        became = outcome(recorded, answer)
        self.counts[became] += 1
        match became:
            case Outcome.UNKNOWN:
                self.unknown[answer.reason] += 1
            case Outcome.REFUSED | Outcome.PASSED:
                self._group(became, recorded, answer)
            case Outcome.SAME:
                self.within_bounds += answer.conditional

    def fails(self, fail_on: FailOn) -> bool:
        """Whether there is a difference of the kind that is asked for."""
        match fail_on:
            case FailOn.REFUSED:
                return bool(self.counts[Outcome.REFUSED])
            case FailOn.PASSED:
                return bool(self.counts[Outcome.PASSED])
            case FailOn.ANY:
                return bool(self.counts[Outcome.REFUSED] or self.counts[Outcome.PASSED])
            case FailOn.NEVER:
                return False

    def _group(self, became: Outcome, recorded: Recorded, answer: Answer) -> None:
        asked, request = recorded.asked, recorded.asked.request
        resource = "/".join(filter(None, (request.resource.plural, request.subresource)))
        where = request.namespace or ""
        told = (recorded.reason, answer.reason)
        kind = Kind(became.value, asked.user, request.verb.value, resource, where, *told)
        self.kinds.add(kind, recorded.time)


def _value(found: _Found) -> dict[str, Any]:
    return {
        "decided": found.counts.total(),
        **{each.value: found.counts[each] for each in Outcome},
        "unlisted": found.kinds.left_out,
        "bounded": found.within_bounds,
        "why": {"unknown": dict(found.unknown), "passedOver": dict(found.passed_over)},
        "differences": [
            {**kind._asdict(), "count": times.count, "first": times.first, "last": times.last}
            for kind, times in _sorted(found)
        ],
    }


def _sorted(found: _Found) -> list[tuple[Kind, Times]]:
    """Refusals first, since they break what works; the most frequent first."""
    kinds = found.kinds.items()
    return sorted(kinds, key=lambda e: (e[0].outcome != Outcome.REFUSED, -e[1].count, e[0]))


_HEADS: Final = {Outcome.REFUSED: "would be refused", Outcome.PASSED: "would newly pass"}


def _lines(found: _Found) -> Iterator[str]:
    for kind, times in _sorted(found):
        where = f"in {kind.namespace}" if kind.namespace else "in all namespaces"
        head = _HEADS[Outcome(kind.outcome)]
        often = "once" if times.count == 1 else f"{times.count} times"
        yield f"{head}: {kind.user} {kind.verb} {kind.resource} {where}, {often}"
        yield f"  first {times.first}, last {times.last}"
        yield f"  before: {kind.before}"
        yield f"  now: {kind.after}"
        yield ""
    if found.kinds.left_out:
        yield f"{found.kinds.left_out} more are of too many kinds to be listed"
    for label, counted in (("unknown", found.unknown), ("passed over", found.passed_over)):
        for reason, count in counted.most_common():
            yield f"{label}: {count}, {reason}"
    if found.within_bounds:
        yield f"{found.within_bounds} writes are allowed within bounds, and no body is recorded"
    counts = ", ".join(f"{each.value} {found.counts[each]}" for each in Outcome)
    yield f"{found.counts.total()} requests decided anew: {counts}"
