"""A copy that stays fresh whatever becomes of the connection."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from proxy.demo.hosts.api import ApiError, Event, Listing
from proxy.demo.hosts.mirror import Mirror
from proxy.demo.hosts.objects import CLAIMS, Json, Key, Resource, key_of

DEADLINE_SECONDS = 10


def named(name: str, version: str = "1") -> Json:
    return {"metadata": {"namespace": "blue", "name": name, "resourceVersion": version}}


@dataclass(slots=True)
class Scripted:
    """A source that plays its lists and watches in order; the last watch stays open."""

    lists: list[Listing | ApiError]
    watches: list[Sequence[Event | ApiError]] = field(default_factory=list)
    watched_from: list[str] = field(default_factory=list)

    async def list(self, resource: Resource) -> Listing:
        assert resource is CLAIMS
        answer = self.lists.pop(0)
        if isinstance(answer, ApiError):
            raise answer
        return answer

    async def watch(self, resource: Resource, version: str) -> AsyncIterator[Event]:
        assert resource is CLAIMS
        self.watched_from.append(version)
        for step in self.watches.pop(0):
            if isinstance(step, ApiError):
                raise step
            yield step
        if not self.watches:
            await asyncio.Event().wait()


class Watcher:
    """A mirror with somebody who waits for it."""

    def __init__(self, source: Scripted) -> None:
        self._changed = asyncio.Event()
        self.mirror = Mirror(source, CLAIMS, key_of, self._changed.set)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition():
                await self._changed.wait()
                self._changed.clear()

    async def until_it_shows(self, *names: str) -> None:
        keys = {Key("blue", name) for name in names}
        await self.until(lambda: self.mirror.objects.keys() == keys)


@asynccontextmanager
async def following(source: Scripted) -> AsyncIterator[Watcher]:
    watcher = Watcher(source)
    task = asyncio.create_task(watcher.mirror.follow())
    yield watcher
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_it_shows_what_was_listed() -> None:
    source = Scripted([Listing("5", (named("a"), named("b")))], [[]])
    async with following(source) as watcher:
        assert not watcher.mirror.synced
        await watcher.until_it_shows("a", "b")
        assert watcher.mirror.synced


async def test_it_follows_what_happens() -> None:
    events = [Event("ADDED", named("b", "6")), Event("DELETED", named("a", "7"))]
    source = Scripted([Listing("5", (named("a"),))], [events])
    async with following(source) as watcher:
        await watcher.until_it_shows("b")
    assert source.watched_from == ["5"]


async def test_a_watch_that_ended_goes_on_where_it_was() -> None:
    bookmark = Event("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
    again = [Event("ADDED", named("b", "10"))]
    source = Scripted([Listing("5", ())], [[bookmark], again])
    async with following(source) as watcher:
        await watcher.until_it_shows("b")
    assert source.watched_from == ["5", "9"]


@pytest.mark.parametrize("status", [0, 403, 429, 500])
async def test_a_watch_that_failed_goes_on_where_it_was(status: int) -> None:
    broken: list[Event | ApiError] = [Event("ADDED", named("a", "6"))]
    broken.append(ApiError(status, "broken"))
    source = Scripted([Listing("5", ())], [broken, [Event("ADDED", named("b", "7"))]])
    async with following(source) as watcher:
        await watcher.until_it_shows("a", "b")
    assert source.watched_from == ["5", "6"]


async def test_a_version_too_old_makes_it_list_again() -> None:
    lists: list[Listing | ApiError] = [
        Listing("5", (named("gone"),)),
        Listing("90", (named("new"),)),
    ]
    source = Scripted(lists, [[ApiError(410, "too old")], []])
    async with following(source) as watcher:
        await watcher.until_it_shows("new")
        await watcher.until(lambda: source.lists == [])
    assert source.watched_from[0] == "5"


async def test_a_cluster_that_does_not_answer_yet_is_asked_again() -> None:
    source = Scripted([ApiError(0, "refused"), Listing("5", (named("a"),))], [[]])
    async with following(source) as watcher:
        await watcher.until_it_shows("a")
