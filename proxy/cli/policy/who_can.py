"""`hostclaim-proxy policy who-can`: everybody who may do something, and by which rules."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click

from proxy.cli import printout
from proxy.cli.policy import sources, told
from proxy.cli.policy.asking import asked
from proxy.core import wording
from proxy.core.attributes import ResourceRequest
from proxy.core.holders import Holder, Refused, Unless, holders

NOBODY: Final = 1


@click.command()
@asked
@sources.options
@printout.option()
def who_can(
    *, request: ResourceRequest, config: Path | None, paths: tuple[Path, ...], output: str
) -> None:
    """Say who may do something: everybody whom policies name, and by which rules.

    \b
      hostclaim-proxy policy who-can delete hostclaims -n blue-prod --policies policies

    Whoever has one of the names may, unless a denial of another of their names takes it away:
    those are told as exceptions. Across all namespaces, one that a claim may name stands for
    every other that the same pattern covers. With --config, what claims grant counts as well;
    what an IAM permits besides is not known here.

    Exit codes: 0 if somebody may, 1 if nobody, 2 if the files or the options cannot be used.
    """  # noqa: D301 - click wants the character \b itself
    given = sources.given(paths, config)
    found = tuple(holders(request, given.files, given.combination))
    may = [one for one in found if isinstance(one, Holder)]
    not_so = [one for one in found if isinstance(one, Refused)]
    notes = given.notes()
    value = {
        "request": told.request(request),
        "holders": [_holder(one) for one in may],
        "refused": [_refused(one) for one in not_so],
        "notes": [*notes],
    }
    printout.show(output, _lines(request, may, not_so, notes), value)
    if not may:
        raise SystemExit(NOBODY)


def _lines(
    request: ResourceRequest,
    may: Sequence[Holder],
    not_so: Sequence[Refused],
    notes: tuple[str, ...],
) -> Iterator[str]:
    if may:
        yield f"may {told.asked(request)}"
        rows = printout.table([(f"  {told.named(one.who)}", _by(one)) for one in may])
        for one, line in zip(may, rows, strict=True):
            yield line
            yield from _more(one)
    else:
        yield f"nobody may {told.asked(request)}"
    if not_so:
        yield from ("", "may not, though a rule grants it")
        for refused in not_so:
            yield f"  {told.named(refused.who)}: {_because(refused)}"
    for note in notes:
        yield from ("", f"note: {note}")


def _by(one: Holder) -> str:
    return "; ".join(str(rule.origin) for rule in one.rules)


def _more(one: Holder) -> Iterator[str]:
    if one.namespaces:
        yield f"      in {', '.join(one.namespaces)}"
    for number, bound in enumerate(one.bounds):
        yield f"      {'or' if number else 'within'}: {wording.bounds(bound.bounds)}"
    for unless in one.unless:
        subject = f"{unless.subject.kind} {unless.subject.value}".rstrip()
        yield f"      but not who is also {subject}: {_because(unless)}"


def _because(of: Refused | Unless) -> str:
    return of.reason if of.rule is None else f"{of.reason}: {of.rule.origin}"


def _holder(one: Holder) -> dict[str, Any]:
    return {
        "who": told.named_value(one.who),
        "rules": [told.rule(rule) for rule in one.rules],
        "bounds": [told.bound(bound) for bound in one.bounds],
        "namespaces": [*one.namespaces],
        "unless": [
            {"who": wording.subject_value(unless.subject), **_why(unless)} for unless in one.unless
        ],
    }


def _refused(one: Refused) -> dict[str, Any]:
    return {"who": told.named_value(one.who), **_why(one)}


def _why(of: Refused | Unless) -> dict[str, Any]:
    return {"reason": of.reason, "rule": None if of.rule is None else told.rule(of.rule)}
