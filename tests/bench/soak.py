"""Load this proxy for some minutes, make it hard for it, and look at what stays behind.

It gets half of the load that it can take, by wrk, which looks at each answer: the right
object for the right name, or a refusal for whoever is to be refused. Around that there are
watchers whose tokens expire, clients that leave in the midst of a watch, slow readers that
never read, policies that are edited, and an upstream that is restarted. Only while it is
away, and some seconds longer, may an answer be 502, 503 or 504.

A warm-up of the same kind and a fifth of the time comes first, so that what is made once is
made. Then memory at rest may have grown by a tenth, or 8 MiB; memory under load may have
risen no more by a linear fit; file descriptors are back where they were, and no watch is open.

\b
  make soak                      ten minutes
  make soak ARGS="--seconds 60"  to see that it works

\b
Exit codes: 0 all as it has to be; 1 a leak or a wrong answer; 2 wrong usage;
3 a program or a limit of this machine is missing.
"""  # noqa: D301 - click wants the character \b itself

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import uvloop

from proxy.demo.process import StartError
from tests.bench import (
    actors,
    certificates,
    leaks,
    machine,
    mixture,
    parts,
    subjects,
    upstream,
    usage,
)
from tests.bench.actors import Notes, Stage, Upstream
from tests.bench.iam import Iam
from tests.bench.leaks import Finding, Reading
from tests.bench.machine import Cores
from tests.bench.mixture import Entry, Source, Tally
from tests.bench.serving import ask
from tests.bench.subjects import Settings, Site, Subject
from tests.bench.upstream import Plan
from tests.bench.watchclient import Way
from tests.bench.watchserver import WatchServer
from tests.real.making import Missing

DESCRIPTORS: Final = 4_096
LEAKING, MISSING = 1, 3
WATCHERS: Final = 100
LEAVERS: Final = 4
FULL_SECONDS: Final = 3
WARM_UP_SECONDS: Final = 30
READ_SECONDS: Final = 1.0
REST_SECONDS: Final = 5.0
PATIENCE: Final = 100.0
"""Seconds for idle connections of the proxy to be closed after the load."""

GAUGES: Final = "hostclaim_proxy_open_"
RESTARTS: Final = 5
RESTART_SECONDS: Final = 30
"""As many restarts as that, and at least so many seconds for each; but one always."""


@dataclass(frozen=True, slots=True)
class Soak:
    """All that runs."""

    stage: Stage
    subject: Subject
    upstream: Upstream
    source: Source
    entries: Sequence[Entry]

    async def load(self, seconds: float, rate: float) -> tuple[Tally, list[Reading]]:
        """Have everybody act for some time."""
        readings: list[Reading] = []
        restarts = max(1, min(RESTARTS, int(seconds / RESTART_SECONDS)))
        pauses = [seconds / (restarts + 1) - actors.DOWN_SECONDS] * restarts
        acting = [asyncio.create_task(each) for each in (*self._actors(), self._read(readings))]
        restarting = asyncio.create_task(actors.restart(self.stage, self.upstream, pauses))
        try:
            tally = await asyncio.to_thread(self.source.send, self.entries, seconds, rate)
            await restarting
        finally:
            for task in acting:
                task.cancel()
            ended = await asyncio.gather(*acting, return_exceptions=True)
        for fault in ended:
            if isinstance(fault, Exception):
                raise fault
        return tally, readings

    async def at_rest(self, descriptors: int | None = None) -> Reading:
        """What it holds without load, once it holds no more descriptors than it may."""
        deadline = time.monotonic() + PATIENCE
        while True:
            await asyncio.sleep(REST_SECONDS)
            found = await self._reading()
            if descriptors is None or found.descriptors <= descriptors:
                return found
            if time.monotonic() > deadline:
                return found
            say(f"  {found.descriptors} file descriptors, {descriptors} wanted; waiting")

    def _actors(self) -> Iterator[Coroutine[Any, Any, None]]:
        yield actors.emit(self.stage)
        yield actors.read_slowly(self.stage)
        yield actors.edit(self.stage)
        for _ in range(WATCHERS):
            yield actors.watch(self.stage)
        for _ in range(LEAVERS):
            yield actors.leave(self.stage)

    async def _read(self, readings: list[Reading]) -> None:
        while True:
            await asyncio.sleep(READ_SECONDS)
            readings.append(await self._reading())
            if len(readings) % 30 == 0:
                say(f"  {readings[-1].rss / leaks.MIB:.1f} MiB, {readings[-1].descriptors} files")

    async def _reading(self) -> Reading:
        assert self.subject.pid is not None
        page = await asyncio.to_thread(ask, self.subject.management_port, "/metrics")
        return Reading(
            moment=time.monotonic(),
            rss=usage.rss(self.subject.pid),
            descriptors=usage.descriptors(self.subject.pid),
            gauges=leaks.gauges(page.body.decode(), GAUGES),
        )


def say(line: str) -> None:
    """Tell whoever waits."""
    click.echo(line, err=True)


@click.command(help=__doc__)
@click.option("--seconds", type=click.IntRange(20), default=600, show_default=True)
def main(*, seconds: int) -> None:
    """Run, print, judge."""
    try:
        machine.raise_descriptors(DESCRIPTORS)
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            cores = Cores.of_this_process()
            with machine.pinned(cores.load):
                findings = uvloop.run(soak(Path(folder), cores, seconds))
    except (Missing, StartError) as missing:
        say(f"soak: {missing}")
        sys.exit(MISSING)
    for finding in findings:
        click.echo(f"{'ok ' if finding.good else 'BAD'}  {finding.what}: {finding.said}")
    if not all(finding.good for finding in findings):
        sys.exit(LEAKING)


async def soak(folder: Path, cores: Cores, seconds: float) -> list[Finding]:
    """Warm up, load, rest, and judge.

    Raises:
        Missing: this machine lacks something.
        StartError: the proxy or the stub did not start.
    """
    async with _standing(folder, cores, seconds) as soak:
        full = await asyncio.to_thread(soak.source.send, soak.entries, FULL_SECONDS)
        rate = full.rate / 2
        say(f"it answers {full.rate:,.0f} requests a second; half of that from now on")
        await soak.load(max(WARM_UP_SECONDS, seconds / 5), rate)
        before = await soak.at_rest()
        say(f"warm: {before.rss / leaks.MIB:.1f} MiB, {before.descriptors} file descriptors")
        tally, during = await soak.load(seconds, rate)
        after = await soak.at_rest(before.descriptors)
        log = (soak.subject.folder / "output.log").read_text()
    return [*judge_answers(tally, soak.stage.notes, log), *leaks.judge(before, during, after)]


def judge_answers(tally: Tally, notes: Notes, log: str) -> Iterator[Finding]:
    """Look at what was answered, to wrk and to those who watched."""
    said = f"{tally.right:,} right, {tally.wrong} wrong, {tally.rate:,.0f} a second"
    wrong = [*tally.examples, *notes.wrong]
    yield Finding("answers", " | ".join([said, *wrong[:3]]), not wrong and tally.right > 0)
    unexcused = [second for second in tally.faults if not notes.excused(second)]
    said = f"{tally.faults.total()}, in {len(unexcused)} seconds without a reason"
    yield Finding("answers that the upstream is away", said, not unexcused)
    refused = [text for moment, text in notes.refused if not notes.excused(moment)]
    said = f"{len(notes.refused)}, {len(refused)} without a reason"
    yield Finding("watches refused", " | ".join([said, *refused[:2]]), not refused)
    restarts = notes.seen["restarts of the upstream"]
    said = f"{tally.broken}, at {restarts} restarts of the upstream"
    yield Finding("connections broken", said, tally.broken <= restarts * mixture.THREADS)
    faults = [line for line in log.splitlines() if " ERROR " in line or " CRITICAL " in line]
    yield Finding("faults in the log", " | ".join([f"{len(faults)}", *faults[:2]]), not faults)
    seen = ", ".join(f"{count:,} {what}" for what, count in sorted(notes.seen.items()))
    yield Finding("what happened", seen, bool(seen))


@asynccontextmanager
async def _standing(folder: Path, cores: Cores, seconds: float) -> AsyncIterator[Soak]:
    """Start all that runs, and stop it at the end."""
    found = parts.provide(say)
    made = certificates.write(folder)
    plan = Plan.make(folder / "stub", mixture.LISTED)
    iam = Iam(plan.issuer)
    entries = mixture.mixed(iam, Iam(plan.issuer), seconds)
    server = WatchServer()
    port = await server.start(made)
    stub = Upstream(
        partial(upstream.serving, found.nginx, plan, iam, made, cores.load, watches=port)
    )
    site = Site(found, folder, made, plan, plan.port, cores.proxy, iam.token())
    running = ExitStack()
    running.callback(stub.stop)
    try:
        await asyncio.to_thread(stub.start)
        starting = subjects.ours(site, _soon, many=False)
        subject = await asyncio.to_thread(running.enter_context, starting)
        way = Way(subject.port, iam.token(), made.trust())
        stage = Stage(way, server, iam, subject.folder / "policies")
        source = Source(found.wrk, cores.load, subject.port, folder)
        yield Soak(stage, subject, stub, source, entries)
    finally:
        await asyncio.to_thread(running.close)
        server.stop()


def _soon(settings: Settings) -> None:
    """Slow readers are soon cut off."""
    settings["server"]["stallSeconds"] = 5


if __name__ == "__main__":
    main()
