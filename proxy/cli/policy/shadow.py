"""`hostclaim-proxy policy shadow`: list what shadow policies would have changed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from proxy.cli import printout
from proxy.cli.policy import records
from proxy.cli.policy.records import Records
from proxy.core.tally import Change, Tally, Times

_HEAD: Final = ("WHO", "VERB", "RESOURCE", "NAMESPACE", "WOULD BE", "COUNT", "FIRST", "LAST", "BY")


@click.command()
@records.argument
@click.option("--fail", is_flag=True, help="End with 1 if anything would have been changed.")
@printout.option()
def shadow(audit: tuple[Path, ...], fail: bool, output: str) -> None:  # noqa: FBT001 - click's way
    """List what policies with `enforcement: shadow` would have changed, by recorded audit logs.

    \b
    Of today and of the days before, the most frequent first:
      hostclaim-proxy policy shadow audit.jsonl audit.jsonl.*.gz
    Of a proxy that writes to standard output, in a pod:
      kubectl logs deploy/hostclaim-proxy | hostclaim-proxy policy shadow -

    Each line is what somebody did in a namespace, what would have been decided instead, by which
    rules, how often, and when for the first and the last time. Lines that are no audit records
    are told on standard error and passed over; the last one may be incomplete while it is written.

    Exit codes: 0 for done, 1 with --fail if anything would have been changed, 2 if a file cannot
    be read to its end.
    """  # noqa: D301 - click wants the character \b itself
    tally = Tally()
    found = Records(audit)
    for event in found:
        tally.add(event)
    printout.show(output, _lines(tally), _value(tally, found.unreadable))
    found.end()
    if fail and tally.changed:
        raise SystemExit(1)


def _value(tally: Tally, unreadable: int) -> dict[str, Any]:
    return {
        "records": tally.records,
        "unreadable": unreadable,
        "changed": tally.changed,
        "leftOut": tally.left_out,
        "changes": [_object(*each) for each in tally.changes()],
    }


def _object(change: Change, times: Times) -> dict[str, Any]:
    return {
        **change._asdict(),
        "count": times.count,
        "first": times.first,
        "last": times.last,
    }


def _lines(tally: Tally) -> Iterator[str]:
    if tally.changed:
        yield from printout.table([_HEAD, *(_row(*each) for each in tally.changes())])
        yield ""
    if tally.left_out:
        yield f"{tally.left_out} more are of too many kinds to be listed"
    yield f"{tally.changed} of {tally.records} requests would have been decided otherwise"


def _row(change: Change, times: Times) -> tuple[str, ...]:
    namespace = change.namespace or "(all)"
    what = (change.user, change.verb, change.resource, namespace, change.decision)
    return (*what, str(times.count), _second(times.first), _second(times.last), change.reason)


def _second(time: str) -> str:
    """A time as short as it tells one from the other."""
    whole, point, _ = time.partition(".")
    return f"{whole}Z" if point else time
