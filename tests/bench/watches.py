"""What watches cost: memory while nothing happens, and time when something does.

The clients, and the server that they watch, live in one event loop on the load's core. So
their own share is in each delay, and the figures without a proxy say how large it is.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import uvloop

from tests.bench import events, machine, subjects, usage, watchclient
from tests.bench.comparison import ALL, WrongAnswer, turned
from tests.bench.figures import Sample, percentile
from tests.bench.machine import Cores
from tests.bench.subjects import DIRECT, OURS, Settings, Site, Subject
from tests.bench.watchclient import Watch, WatchRefused, Way
from tests.bench.watchserver import WatchServer

FIRST: Final = 100
"""Watches that are open before memory is first looked at, so that what is made once is."""

EVENTS: Final = 20
EVENT_SECONDS: Final = 0.25
FILLING: Final = 192
FILLER_BYTES: Final = 64 * 1024
"""Twelve MiB for each slow reader: Linux alone holds up to 4 MiB of what a proxy has sent."""
ARRIVAL_SECONDS: Final = 15
STALL_SECONDS: Final = 5
SETTLE_SECONDS: Final = 2
POLL_SECONDS: Final = 0.1

DESCRIPTORS_EACH: Final = 2
"""Of this process, and of a proxy, for each watch."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many watch."""

    idle: int = 5_000
    watching: int = 1_000
    slow: int = 20


@dataclass(frozen=True, slots=True)
class Stand:
    """Who is measured, and how it is reached and watched."""

    subject: Subject
    server: WatchServer
    way: Way


@dataclass(frozen=True, slots=True)
class Watches:
    """All it takes to measure them."""

    site: Site
    cores: Cores
    token: str
    crowd: Crowd

    def measure_idle(self, rounds: int) -> Iterator[Sample]:
        """Memory of each."""
        return self._measure(self._idle, rounds, [name for name in ALL if name != DIRECT])

    def measure_fan_out(self, rounds: int) -> Iterator[Sample]:
        """How long an event takes to all that watch, slow readers among them."""
        return self._measure(self._fan_out, rounds, ALL)

    def _measure(
        self,
        scenario: Callable[[str], Any],
        rounds: int,
        names: Sequence[str],
    ) -> Iterator[Sample]:
        for number in range(rounds):
            for name in turned(names, number):
                with machine.pinned(self.cores.load):
                    try:
                        yield from uvloop.run(scenario(name))
                    except WatchRefused as exc:
                        raise WrongAnswer(f"{name} did not open a watch: {exc}") from exc

    async def _idle(self, name: str) -> list[Sample]:
        async with self._standing(name) as stand:
            assert stand.subject.pid is not None
            first = await watchclient.open_watches(stand.way, FIRST, _nothing)
            before = await _settled(stand.subject.pid)
            more = await watchclient.open_watches(stand.way, self.crowd.idle, _nothing)
            after = await _settled(stand.subject.pid)
            if any(watch.closed.is_set() for watch in (*first, *more)):
                raise WrongAnswer(f"{name} ended a watch that was to stay open")
            _leave([*first, *more])
        each = (after - before) / self.crowd.idle / 1024
        return [Sample("idle-watches", name, "memory", "KiB", each)]

    async def _fan_out(self, name: str) -> list[Sample]:
        delays: list[float] = []
        late: list[bytes] = []

        def received(line: bytes, now: int) -> None:
            try:
                delays.append((now - events.moment(line)) / 1e6)
            except events.BadStream:
                late.append(line)

        async with self._standing(name) as stand:
            slow = await watchclient.open_watches(stand.way, self.crowd.slow, _nothing, slow=True)
            watches = await watchclient.open_watches(stand.way, self.crowd.watching, received)
            await _fill(stand.server)
            for number in range(EVENTS):
                event = events.event(f"worker-{number}", time.monotonic_ns())
                await stand.server.emit(event)
                await asyncio.sleep(EVENT_SECONDS)
            wanted = EVENTS * self.crowd.watching
            await _until(lambda: len(delays) >= wanted, ARRIVAL_SECONDS)
            samples = [
                Sample("fan-out", name, "p50", "ms", percentile(delays or [0], 50)),
                Sample("fan-out", name, "p99", "ms", percentile(delays or [0], 99)),
            ]
            if len(delays) != wanted or late:
                raise WrongAnswer(f"{name} brought {len(delays)} of {wanted} events: {late[:1]}")
            if name == OURS:
                samples.append(await _cut_off(stand.server, self.crowd.slow))
            _leave([*slow, *watches])
        return samples

    @asynccontextmanager
    async def _standing(self, name: str) -> AsyncIterator[Stand]:
        """Run a subject in front of somebody to watch."""
        certificates = self.site.certificates
        server = WatchServer()
        site = replace(self.site, apiserver=await server.start(certificates))
        context = (
            subjects.ours(site, _unbounded, many=False)
            if name == OURS
            else subjects.STARTS[name](site)
        )
        # In a thread: whoever is started asks the server above whether it is there.
        with ExitStack() as running:
            running.callback(server.stop)
            subject = await asyncio.to_thread(running.enter_context, context)
            yield Stand(subject, server, Way(subject.port, self.token, certificates.trust()))


def _unbounded(settings: Settings) -> None:
    """As many watches of one caller as are wanted, and slow readers are soon cut off."""
    settings["server"] |= {
        "maxConnections": 20_000,
        "maxWatches": 20_000,
        "maxWatchesPerCaller": 20_000,
        "stallSeconds": STALL_SECONDS,
    }


async def _settled(pid: int) -> int:
    """Memory in bytes, once it is no longer being made."""
    await asyncio.sleep(SETTLE_SECONDS)
    return usage.rss(pid)


async def _fill(server: WatchServer) -> None:
    """Have more wait for the slow readers than any buffer on the way takes."""
    filler = events.event("filler", time.monotonic_ns(), padding=FILLER_BYTES)
    for _ in range(FILLING):
        await server.emit(filler, slow=True)
        await asyncio.sleep(0.01)


async def _cut_off(server: WatchServer, count: int) -> Sample:
    """How many of the slow readers are kept no longer, once they had their time."""
    await _until(lambda: server.count(slow=True) == 0, 3 * STALL_SECONDS)
    gone = count - server.count(slow=True)
    return Sample("fan-out", OURS, "slow readers cut off", "%", 100 * gone / count)


async def _until(holds: Callable[[], bool], seconds: float) -> None:
    """Wait for something, though not for ever."""
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:  # noqa: ASYNC110 - /proc and counters tell nobody
        await asyncio.sleep(POLL_SECONDS)


def _leave(watches: Sequence[Watch]) -> None:
    for watch in watches:
        watch.leave()


def _nothing(_line: bytes, _now: int) -> None:
    """Nobody looks at what comes."""
