"""`hostclaim-proxy policy status`: ask a running proxy which policies are in force."""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import httpx

from proxy.cli import ending, printout
from proxy.cli.policy import sources
from proxy.core.policy import inforce
from proxy.core.policy.inforce import InForce
from proxy.core.terminal import printable
from proxy.edge.management import POLICIES
from proxy.settings import Address

DEFAULT: Final = "http://127.0.0.1:8081"
PATIENCE: Final = 20.0
"""Seconds for the answer, all of it: several workers have fifteen to give it."""
LONGEST: Final = 64 * 1024 * 1024
"""Bytes of an answer, at most."""

_SHORT: Final = 12
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_UNITS: Final = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))

_Row = Sequence[str]


class _CannotAskError(Exception):
    """There is no answer; the message says why."""


@click.command()
@click.option(
    "--management",
    metavar="URL",
    help=f"Where the proxy's operators are served.  [default: {DEFAULT}]",
)
@sources.configuration(", which says where that is.")
@printout.option()
def status(management: str | None, config: Path | None, output: str) -> None:
    """Show which policies a running proxy has in force, and which of their rules it never used.

    \b
    On its own machine:   hostclaim-proxy policy status
    In a pod:             kubectl exec deploy/hostclaim-proxy -- hostclaim-proxy policy status
    By its configuration: hostclaim-proxy policy status --config proxy.yaml

    Rules are counted since the start, over all reloads, as long as they say the same.

    Exit codes: 0 if what the files say is in force; 1 if they could not be loaded, so that
    those of before still are, or if a worker does not answer or has others in force than the
    rest; 2 if the proxy cannot be asked.
    """  # noqa: D301 - click wants the character \b itself
    if management is not None and config is not None:
        raise click.UsageError("give --management or --config, not both")
    if (configured := sources.configured(config)) is not None:
        management = address_of(configured.management.address)
    try:
        known = _asked((management or DEFAULT).rstrip("/") + POLICIES)
    except _CannotAskError as exc:
        raise ending.unusable(exc) from exc
    value = json.loads(inforce.encode(known))
    printout.show(output, text(known, datetime.now(UTC)), value)
    raise SystemExit(0 if known.error is None and known.agree else 1)


def address_of(management: Address) -> str:
    """Where operators that are served there are served on the same machine."""
    host = _EVERYWHERE.get(management.host, management.host)
    return (
        f"http://[{host}]:{management.port}" if ":" in host else f"http://{host}:{management.port}"
    )


def _asked(url: str) -> InForce:
    try:
        body = _fetched(url)
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        reason = str(exc) or type(exc).__name__
        raise _CannotAskError(printable(f"{url} cannot be asked: {reason}")) from exc
    try:
        return inforce.decode(body)
    except ValueError as exc:
        raise _CannotAskError(printable(f"{url} is not the status of policies: {exc}")) from exc


def _fetched(url: str) -> bytes:
    """The answer, neither from elsewhere nor longer than any proxy's."""
    deadline = time.monotonic() + PATIENCE
    body = bytearray()
    # What the environment says of proxies is about the world outside.
    client = httpx.Client(timeout=PATIENCE, follow_redirects=False, trust_env=False)
    with client, client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer:
        if answer.status_code != httpx.codes.OK:
            raise _CannotAskError(printable(f"{url} answers {answer.status_code}, not 200"))
        for chunk in answer.iter_raw():
            body += chunk
            if len(body) > LONGEST:
                raise _CannotAskError(printable(f"{url} answers with too much"))
            if time.monotonic() > deadline:
                raise _CannotAskError(printable(f"{url} takes too long to answer"))
    return bytes(body)


def text(known: InForce, now: datetime) -> Iterator[str]:
    """Lines for people."""
    if not known.configured:
        yield "no policy files are configured: what grants is in the IAM"
        return
    yield from _summary(known, now)
    yield from _section("problems", _problems(known))
    yield from _section("workers", _workers(known))
    yield from _section("files", _files(known))
    yield from _section("rules never used since the start", _unused(known))


def _summary(known: InForce, now: datetime) -> Iterator[str]:
    rows = [["loaded", _when(known.loaded_at, now)]]
    shadows = f", and {known.shadow_rules} in shadow" if known.shadow_rules else ""
    rows.append(["rules", f"{known.enforced_rules} in {len(known.files)} files{shadows}"])
    rows.append(["reloads", f"{known.reloads}, and {known.failures} that failed"])
    if known.error is not None:
        since = _when(known.error.failed_at, now)
        rows.append(["broken", f"{since}; those of before stay in force"])
    yield from printout.table(rows)


def _problems(known: InForce) -> Iterator[_Row]:
    for fault in known.error.problems if known.error else ():
        said = ", ".join(filter(None, (fault.message, fault.hint)))
        yield [
            ": ".join(
                filter(None, (f"{fault.file}:{fault.line}:{fault.column}", fault.field, said))
            )
        ]
    if known.error is not None and known.error.more:
        yield [f"and {known.error.more} more"]


def _workers(known: InForce) -> Iterator[_Row]:
    """Nothing, as long as all are alike."""
    for worker in () if known.agree else known.workers:
        loaded = _second(worker.loaded_at) if worker.loaded_at else "never"
        state = "broken" if worker.broken else ""
        yield [f"{worker.number}", worker.trouble or f"loaded {loaded}", state]


def _files(known: InForce) -> Iterator[_Row]:
    for file in known.files:
        yield [file.sha256[:_SHORT], file.path, _only(file.workers)]


def _unused(known: InForce) -> Iterator[_Row]:
    for rule in known.rules:
        if not rule.hits:
            place = f"{rule.file}:{rule.line}"
            yield [place, rule.effect, rule.document, rule.path, _only(rule.workers)]


def _only(workers: object) -> str:
    """Who has it, where not all do."""
    if not isinstance(workers, tuple):
        return ""
    return f"only worker {', '.join(map(str, workers))}"


def _section(title: str, rows: Iterable[_Row]) -> Iterator[str]:
    if lines := list(printout.table(list(rows))):
        yield ""
        yield f"{title}:"
        yield from (f"  {line}" for line in lines)


def _when(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "never"
    seconds = max(0, int((now - moment).total_seconds()))
    size, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    count = seconds // size
    plural = "" if count == 1 else "s"
    return f"{_second(moment)}, {count} {unit}{plural} ago"


def _second(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
