"""Each Secret has a keeper of its own; none waits for another, none stops another."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from proxy.refresher.cluster import ApiError, Change
from proxy.refresher.errors import RefreshError
from proxy.refresher.keeping import SETTLE_SECONDS, Keeping
from proxy.refresher.renewal import Standing
from tests.refresher.clocks import ManualClock
from tests.refresher.worlds import (
    FakeCollection,
    FakeMeter,
    FakeRenewals,
    Leading,
    kubeconfig,
    ordered,
)


def fails(error: Exception) -> Callable[[], Standing]:
    def renew() -> Standing:
        raise error

    return renew


@dataclass
class World:
    """Keeping, among fakes."""

    collection: FakeCollection
    clock: ManualClock = field(default_factory=ManualClock)
    meter: FakeMeter = field(default_factory=FakeMeter)

    def __post_init__(self) -> None:
        self.renewals = FakeRenewals(self.clock)
        namespaces = tuple(self.collection.there)
        self.keeping = Keeping(self.collection, self.renewals, namespaces, self.clock, self.meter)

    async def change(self, secret: dict[str, Any], *, gone: bool = False) -> None:
        await self.collection.watches["blue"].put(Change(gone, secret))
        await self.clock.advance(0)

    def fresh_for(self, seconds: float, **more: Any) -> Callable[[], Standing]:
        return lambda: Standing(self.clock.wall() + seconds, self.clock.wall() + 500, **more)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.keeping.work(Leading()))
        await self.clock.advance(0)
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def world(*secrets: dict[str, Any], **namespaces: list[dict[str, Any]]) -> World:
    return World(FakeCollection(blue=list(secrets), **namespaces))


async def test_each_labelled_secret_is_looked_at() -> None:
    blue = world(ordered("one"), ordered("two"), red=[ordered("one")])
    async with blue.at_work():
        assert sorted(blue.renewals.looks) == ["blue/one", "blue/two", "red/one"]


async def test_a_secret_is_looked_at_again_when_it_is_time_and_not_before() -> None:
    blue = world(ordered())
    blue.renewals.does["one"] = blue.fresh_for(100)
    async with blue.at_work():
        await blue.clock.advance(99)
        assert len(blue.renewals.looks) == 1
        await blue.clock.advance(1)
        assert len(blue.renewals.looks) == 2


async def test_a_secret_is_looked_at_every_ten_minutes_however_long_its_token_lives() -> None:
    blue = world(ordered())
    blue.renewals.does["one"] = blue.fresh_for(10**9)
    async with blue.at_work():
        await blue.clock.advance(599)
        assert len(blue.renewals.looks) == 1
        await blue.clock.advance(1)
        assert len(blue.renewals.looks) == 2


async def test_a_secret_that_comes_is_kept_and_one_that_goes_is_not() -> None:
    blue = world()
    blue.renewals.does["one"] = blue.fresh_for(100)
    async with blue.at_work():
        await blue.change(ordered())
        assert blue.renewals.looks == ["blue/one"]
        await blue.change(ordered(), gone=True)
        await blue.clock.advance(1000)
        assert blue.renewals.looks == ["blue/one"]
        assert not [*blue.keeping.keepers()]


async def test_a_secret_that_changes_is_looked_at_at_once() -> None:
    blue = world(ordered())
    async with blue.at_work():
        await blue.clock.advance(SETTLE_SECONDS)
        await blue.change(ordered(text=kubeconfig("another")))
        assert len(blue.renewals.looks) == 2


async def test_but_no_more_often_than_every_two_seconds() -> None:
    blue = world(ordered())
    async with blue.at_work():
        for number in range(100):
            await blue.clock.advance(0.1)
            await blue.change(ordered(text=kubeconfig(f"hasty-{number}")))
        assert len(blue.renewals.looks) <= 10 / SETTLE_SECONDS + 1


async def test_our_own_notes_are_no_change() -> None:
    blue = world(ordered())
    async with blue.at_work():
        await blue.clock.advance(SETTLE_SECONDS)
        await blue.change(ordered(ERROR="x", EXPIRES_AT="y", REFRESHED_AT="z"))
        await blue.clock.advance(500)
        assert len(blue.renewals.looks) == 1


async def test_who_fails_tries_again_after_longer_and_longer_pauses() -> None:
    blue = world(ordered())
    blue.renewals.does["one"] = fails(RefreshError("away"))
    async with blue.at_work():
        looks = []
        for _ in range(4):
            await blue.clock.advance(100)
            looks.append(len(blue.renewals.looks))
    # Pauses of 5, 10, 20, 40, 80 and 120 seconds, each less up to a half.
    assert 5 <= looks[0] <= 7
    assert looks[3] - looks[2] <= 2


async def test_a_secret_that_is_changed_is_not_made_to_wait() -> None:
    blue = world(ordered(source="nonsense"))
    times: list[float] = []

    def renew() -> Standing:
        times.append(blue.clock.steady())
        raise RefreshError("nonsense")

    blue.renewals.does["one"] = renew
    async with blue.at_work():
        await blue.clock.advance(600)
        assert times[-1] - times[-2] >= 60
        await blue.clock.advance(SETTLE_SECONDS)
        at = blue.clock.steady()
        await blue.change(ordered())
        await blue.clock.advance(5)
        assert times[-2] == at
        assert at + 2.5 <= times[-1] <= at + 5


@pytest.mark.parametrize(
    "error", [RefreshError("away"), RuntimeError("s3cret"), KeyError("s3cret")]
)
async def test_one_that_fails_stops_none_of_the_others(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    blue = world(ordered("one"), ordered("two"))
    blue.renewals.does = {"one": fails(error), "two": blue.fresh_for(10)}
    with caplog.at_level(logging.DEBUG):
        async with blue.at_work():
            await blue.clock.advance(100)
            assert blue.renewals.looks.count("blue/two") >= 9
            assert blue.renewals.looks.count("blue/one") >= 4
            assert [keeper.fails for keeper in blue.keeping.keepers()] == [True, False]
    assert "s3cret" not in caplog.text
    assert "Secret blue/one: " in caplog.text


async def test_what_came_of_a_look_is_counted() -> None:
    blue = world(ordered("one"), ordered("two"), ordered("three"))
    blue.renewals.does = {
        "one": fails(RefreshError("away")),
        "two": blue.fresh_for(100, renewed=True),
        "three": blue.fresh_for(100),
    }
    async with blue.at_work():
        assert sorted(blue.meter.outcomes) == ["failed", "fresh", "renewed"]


async def test_it_is_known_when_a_token_expires() -> None:
    blue = world(ordered())
    blue.renewals.does["one"] = blue.fresh_for(100)
    async with blue.at_work():
        assert [keeper.expires for keeper in blue.keeping.keepers()] == [blue.clock.wall() + 500]


async def test_a_namespace_that_cannot_be_listed_stops_none_of_the_others() -> None:
    blue = world(ordered(), red=[ordered()])
    blue.collection.faults["red"] = ApiError(403, "cannot list the Secrets of `red`: Forbidden")
    async with blue.at_work():
        assert blue.keeping.troubles == {
            "blue": "",
            "red": "cannot list the Secrets of `red`: Forbidden",
        }
        assert blue.renewals.looks == ["blue/one"]
        del blue.collection.faults["red"]
        await blue.clock.advance(5)
        assert blue.keeping.troubles["red"] == ""
        assert "red/one" in blue.renewals.looks


async def test_what_happened_while_a_watch_was_broken_is_caught_up_with() -> None:
    blue = world(ordered("one"), ordered("two"))
    async with blue.at_work():
        blue.collection.there["blue"] = [ordered("two"), ordered("three")]
        await blue.collection.watches["blue"].put(ApiError(410, "Expired"))
        await blue.clock.advance(5)
        assert blue.renewals.looks == ["blue/one", "blue/two", "blue/three"]
        assert len([*blue.keeping.keepers()]) == 2


async def test_a_watch_that_ends_is_begun_anew_and_not_in_the_same_instant() -> None:
    blue = world(ordered())
    async with blue.at_work():
        await blue.collection.watches["blue"].put(None)
        await blue.clock.advance(0.9)
        assert blue.collection.lists == 1
        await blue.clock.advance(0.1)
        assert blue.collection.lists == 2
        assert len(blue.renewals.looks) == 1


async def test_nothing_is_kept_any_more_once_work_has_ended() -> None:
    blue = world(ordered())
    blue.renewals.does["one"] = blue.fresh_for(10)
    async with blue.at_work():
        pass
    await blue.clock.advance(100)
    assert len(blue.renewals.looks) == 1
    assert not [*blue.keeping.keepers()]


async def test_work_can_be_begun_again() -> None:
    blue = world(ordered())
    for _ in range(2):
        async with blue.at_work():
            pass
    assert blue.renewals.looks == ["blue/one", "blue/one"]
