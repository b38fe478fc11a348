"""Who makes it hard: watchers, leavers, slow readers, an apiserver that restarts, an editor.

Each goes on until it is cancelled. What one sees that may not be, it notes.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from proxy.core.identity import LEEWAY
from tests.bench import events, objects, subjects, watchclient
from tests.bench.iam import Iam
from tests.bench.watchclient import Watch, WatchRefused, Way
from tests.bench.watchserver import WatchServer

EVENT_SECONDS: Final = 0.2
LEAVE_SECONDS: Final = 0.2
AGAIN_SECONDS: Final = 0.5
RELOAD_SECONDS: Final = 7
DOWN_SECONDS: Final = 1.5
SLOW_SECONDS: Final = 20
SLOW: Final = 4
FILLER: Final = 64 * 1024
FILLING: Final = 160
WATCH_LIVES: Final = (5, 60)
"""For how long the tokens of watchers count, in seconds, from the shortest to the longest."""

SPARE: Final = LEEWAY + 10
RECOVERY: Final = 6.0
"""Seconds after the upstream is back in which somebody may still be told that it is not."""

_NOT_THERE: Final = (OSError, TimeoutError, WatchRefused)


@dataclass(frozen=True, slots=True)
class Away:
    """A time without an upstream, in seconds since the epoch."""

    begin: float
    end: float

    def excuses(self, moment: float) -> bool:
        """Whether somebody may be told so at a moment."""
        return self.begin - 1 <= moment <= self.end + RECOVERY


@dataclass(slots=True)
class Notes:
    """What was seen: how often, what was wrong, who was refused when, when nobody was there."""

    seen: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    refused: list[tuple[float, str]] = field(default_factory=list)
    away: list[Away] = field(default_factory=list)

    def excused(self, moment: float) -> bool:
        """Whether the upstream was away then."""
        return any(away.excuses(moment) for away in self.away)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where they act."""

    way: Way
    server: WatchServer
    iam: Iam
    policies: Path
    notes: Notes = field(default_factory=Notes)
    dice: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - no secret


class Upstream:
    """One that can be stopped and started again, under the same address."""

    def __init__(self, serve: Callable[[], AbstractContextManager[object]]) -> None:
        self._serve = serve
        self._stack = ExitStack()

    def start(self) -> None:
        """Return once it answers."""
        self._stack.enter_context(self._serve())

    def stop(self) -> None:
        """Break whatever it has open."""
        self._stack.close()


async def emit(stage: Stage) -> None:
    """Have something happen all the time."""
    while True:
        await stage.server.emit(events.event(objects.NAME, time.monotonic_ns()), slow=False)
        await asyncio.sleep(EVENT_SECONDS)


async def watch(stage: Stage) -> None:
    """Watch, with a token that does not live for long, and with another once it has expired."""
    while True:
        expires = time.time() + stage.dice.uniform(*WATCH_LIVES)
        token = stage.iam.token("ES256", exp=int(expires))
        stage.notes.seen["tokens"] += 1
        # Not one for each try: what a proxy remembers of a token is no leak.
        while time.time() < expires:
            for opened in await _open(stage, Way(stage.way.port, token, stage.way.tls)):
                await _watch_out(stage, opened, expires + SPARE)
            await asyncio.sleep(AGAIN_SECONDS)


async def _watch_out(stage: Stage, opened: Watch, until: float) -> None:
    stage.notes.seen["watches"] += 1
    try:
        async with asyncio.timeout(until - time.time()):
            await opened.closed.wait()
    except TimeoutError:
        stage.notes.wrong.append("a watch went on after its token had expired")
    finally:
        opened.leave()


async def leave(stage: Stage) -> None:
    """Open a watch, and go in the midst of it."""
    while True:
        for opened in await _open(stage, stage.way):
            try:
                await asyncio.sleep(stage.dice.random() * LEAVE_SECONDS)
            finally:
                opened.leave()
            stage.notes.seen["watches that were left"] += 1
        await asyncio.sleep(LEAVE_SECONDS)


async def read_slowly(stage: Stage) -> None:
    """Watch and read nothing, while more is sent than any buffer takes."""
    filler = events.event("filler", 0, padding=FILLER)
    while True:
        opened = await _open(stage, stage.way, SLOW, slow=True)
        stage.notes.seen["slow readers"] += len(opened)
        try:
            for _ in range(FILLING):
                await stage.server.emit(filler, slow=True)
                await asyncio.sleep(0.01)
            await asyncio.sleep(SLOW_SECONDS)
        finally:
            for each in opened:
                each.leave()


async def edit(stage: Stage) -> None:
    """Change the policies, but not what they say of those who ask here."""
    while True:
        number = stage.notes.seen["policies edited"]
        text = yaml.safe_dump(subjects.policy("edited", "/nobody", [f"edited-{number}"]))
        await asyncio.to_thread(_replace, stage.policies / "edited.yaml", text)
        stage.notes.seen["policies edited"] += 1
        await asyncio.sleep(RELOAD_SECONDS)


async def restart(stage: Stage, upstream: Upstream, pauses: Sequence[float]) -> None:
    """Stop the upstream and start it anew, after each of some pauses in seconds; then end."""
    for pause in pauses:
        await asyncio.sleep(pause)
        begin = time.time()
        await asyncio.to_thread(upstream.stop)
        await asyncio.sleep(DOWN_SECONDS)
        await asyncio.to_thread(upstream.start)
        stage.notes.away.append(Away(begin, time.time()))
        stage.notes.seen["restarts of the upstream"] += 1


async def _open(stage: Stage, way: Way, count: int = 1, *, slow: bool = False) -> Sequence[Watch]:
    """Open watches; none where they are refused, of which a note is made."""

    def look(line: bytes, _now: int) -> None:
        stage.notes.seen["events"] += 1
        if not is_ours(line):
            stage.notes.wrong.append(f"an event that nobody sent: {line[:200]!r}")

    try:
        return await watchclient.open_watches(way, count, look, slow=slow)
    except _NOT_THERE as exc:
        stage.notes.refused.append((time.time(), f"{type(exc).__name__}: {exc}"))
        return ()


def is_ours(line: bytes) -> bool:
    """Whether a line of a watch is an event as it was sent to those who read."""
    try:
        metadata = json.loads(line)["object"]["metadata"]
        return (metadata["namespace"], metadata["name"]) == (objects.NAMESPACE, objects.NAME)
    except (ValueError, LookupError, TypeError):
        return False


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_name(".unfinished")
    unfinished.write_text(text)
    unfinished.rename(path)
