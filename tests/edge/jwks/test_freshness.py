"""When keys are fetched, and how long they are used."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from proxy.core.errors import Unavailable
from proxy.core.identity import IssuerRules
from proxy.edge.jwks import IssuerConfig
from proxy.edge.jwks.discovery import FetchError
from proxy.edge.jwks.freshness import FreshKeys
from proxy.edge.jwks.keys import KeySet, read_keys
from tests.edge.jwks.issuers import NOW, Clock, SigningKey

RULES = IssuerRules(name="corp", url="https://iam", audiences=("hostclaim-proxy",))
OLD, NEW = (
    read_keys({"keys": [SigningKey.generate(kid).jwk()]}, ("ES256",)) for kid in ("old", "new")
)


class Fetcher:
    """Gives what a test says, as often as it is asked; `gate` holds it up."""

    def __init__(self) -> None:
        self.answer: KeySet | Exception = OLD
        self.calls = 0
        self.called = asyncio.Condition()
        self.gate = asyncio.Event()
        self.gate.set()
        self.losses = 0

    async def __call__(self, _: IssuerConfig) -> KeySet:
        async with self.called:
            self.calls += 1
            self.called.notify_all()
        await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def lost(self) -> None:
        self.losses += 1

    async def until(self, calls: int) -> None:
        async with asyncio.timeout(10), self.called:
            await self.called.wait_for(lambda: self.calls >= calls)


@pytest.fixture
async def fetcher() -> Fetcher:
    return Fetcher()


@asynccontextmanager
async def fresh(fetcher: Fetcher, clock: Clock, **times: Any) -> AsyncIterator[FreshKeys]:
    """Keys that are being kept fresh, after the first fetch unless it is held up."""
    config = IssuerConfig(rules=RULES, **times)
    keys = FreshKeys(config, monotonic=clock, lost=fetcher.lost, fetch=fetcher)
    loop = asyncio.create_task(keys.keep_fresh())
    await fetcher.until(1)
    if fetcher.gate.is_set():
        await settled(keys)
    yield keys
    loop.cancel()
    await asyncio.wait([loop])
    await keys.close()


async def settled(keys: FreshKeys) -> None:
    """Wait until the fetch that is under way has ended."""
    async with asyncio.timeout(10):
        while keys._flight is not None:
            await asyncio.wait([keys._flight])


async def test_keys_that_are_too_old_are_lost(fetcher: Fetcher, clock: Clock) -> None:
    """What was opened by them must not go on when nothing is let in by them any more."""
    async with fresh(fetcher, clock, max_stale=3600) as keys:
        fetcher.answer = FetchError("it cannot be reached")
        for age, losses in ((3600, 0), (3601, 1)):
            clock.now += age - (clock.now - NOW)
            await asyncio.wait([keys.begin()])
            assert fetcher.losses == losses


async def test_keys_that_were_never_there_are_not_lost(fetcher: Fetcher, clock: Clock) -> None:
    fetcher.answer = FetchError("it cannot be reached")
    async with fresh(fetcher, clock):
        assert fetcher.losses == 0


async def test_the_first_request_waits_for_the_first_fetch(fetcher: Fetcher, clock: Clock) -> None:
    fetcher.gate.clear()
    async with fresh(fetcher, clock) as keys:
        waiting = asyncio.create_task(keys.current())
        assert keys.trouble() == "keys were never fetched: the first fetch is under way"
        fetcher.gate.set()
        assert await waiting is OLD
        assert keys.trouble() == ""


async def test_an_issuer_that_is_down_at_start_is_not_ready_and_no_crash(
    fetcher: Fetcher, clock: Clock
) -> None:
    fetcher.answer = FetchError("it cannot be reached")
    async with fresh(fetcher, clock) as keys:
        assert keys.trouble() == "keys were never fetched: it cannot be reached"
        with pytest.raises(Unavailable, match="issuer `corp`") as refused:
            await keys.current()
        assert refused.value.retry_after == 10


async def test_no_request_waits_for_an_issuer_that_is_down(fetcher: Fetcher, clock: Clock) -> None:
    fetcher.answer = FetchError("it cannot be reached")
    async with fresh(fetcher, clock, cooldown=0.01) as keys:
        fetcher.gate.clear()
        await fetcher.until(2)
        with pytest.raises(Unavailable):
            await keys.current()
        assert not fetcher.gate.is_set()


async def test_an_issuer_that_is_down_is_asked_until_it_answers(
    fetcher: Fetcher, clock: Clock
) -> None:
    fetcher.answer = FetchError("it cannot be reached")
    async with fresh(fetcher, clock, cooldown=0.01) as keys:
        await fetcher.until(3)
        fetcher.answer = OLD
        await fetcher.until(fetcher.calls + 1)
        await settled(keys)
        assert (await keys.current(), keys.trouble()) == (OLD, "")
        assert keys.fetched == 1
        assert keys.failed >= 2


async def test_keys_are_fetched_again_each_interval(fetcher: Fetcher, clock: Clock) -> None:
    async with fresh(fetcher, clock, cooldown=0.01, refresh_interval=0.01) as keys:
        fetcher.answer = NEW
        await fetcher.until(fetcher.calls + 1)
        await settled(keys)
        assert await keys.current() is NEW


async def test_keys_are_used_while_the_issuer_is_away_until_they_are_too_old(
    fetcher: Fetcher, clock: Clock
) -> None:
    async with fresh(fetcher, clock, max_stale=3600) as keys:
        clock.now += 3600
        assert await keys.current() is OLD
        clock.now += 1
        assert keys.trouble() == "keys are too old: they were not fetched again"
        with pytest.raises(Unavailable, match="issuer `corp`"):
            await keys.current()


async def test_a_failed_fetch_leaves_the_keys_as_they_are(fetcher: Fetcher, clock: Clock) -> None:
    async with fresh(fetcher, clock) as keys:
        fetcher.answer = FetchError("its key set holds no usable key")
        with pytest.raises(Unavailable):
            await keys.newer_than(OLD)
        assert (await keys.current(), keys.failed) == (OLD, 1)


async def test_whatever_an_answer_causes_the_refreshing_goes_on(
    fetcher: Fetcher, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fetcher.answer = AssertionError("https://10.0.0.7/secret")
    async with fresh(fetcher, clock, cooldown=0.01) as keys:
        await fetcher.until(3)
        assert "its answer caused a AssertionError" in keys.trouble()
    assert "10.0.0.7" not in caplog.text


async def test_an_unknown_key_has_new_keys_fetched_at_once(fetcher: Fetcher, clock: Clock) -> None:
    async with fresh(fetcher, clock) as keys:
        fetcher.answer = NEW
        assert await keys.newer_than(OLD) is NEW


async def test_many_unknown_keys_share_one_fetch(fetcher: Fetcher, clock: Clock) -> None:
    async with fresh(fetcher, clock) as keys:
        fetcher.gate.clear()
        asking = [asyncio.create_task(keys.newer_than(OLD)) for _ in range(1_000)]
        await fetcher.until(2)
        fetcher.answer = NEW
        fetcher.gate.set()
        assert set(await asyncio.gather(*asking)) == {NEW}
        assert fetcher.calls == 2


async def test_unknown_keys_cause_one_fetch_per_cooldown(fetcher: Fetcher, clock: Clock) -> None:
    async with fresh(fetcher, clock, cooldown=10) as keys:
        for _ in range(1_000):
            assert await keys.newer_than(OLD) is OLD
            clock.now += 0.02
        assert fetcher.calls == 3


async def test_keys_that_came_meanwhile_are_not_fetched_again(
    fetcher: Fetcher, clock: Clock
) -> None:
    async with fresh(fetcher, clock) as keys:
        fetcher.answer = NEW
        await keys.newer_than(OLD)
        clock.now += 60
        assert await keys.newer_than(OLD) is NEW
        assert fetcher.calls == 2


async def test_an_unknown_key_waits_for_nothing_while_the_issuer_is_away(
    fetcher: Fetcher, clock: Clock
) -> None:
    async with fresh(fetcher, clock) as keys:
        fetcher.answer = FetchError("it cannot be reached")
        with pytest.raises(Unavailable, match="issuer `corp`"):
            await keys.newer_than(OLD)
        fetcher.gate.clear()
        clock.now += 60
        async with asyncio.timeout(10):
            with pytest.raises(Unavailable, match="issuer `corp`"):
                await keys.newer_than(OLD)
        assert fetcher.calls == 2


async def test_an_issuer_that_failed_an_unknown_key_is_asked_until_it_answers(
    fetcher: Fetcher, clock: Clock
) -> None:
    async with fresh(fetcher, clock, cooldown=0.01) as keys:
        assert await keys.newer_than(OLD) is OLD
        fetcher.answer = FetchError("it cannot be reached")
        clock.now += 1
        with pytest.raises(Unavailable):
            await keys.newer_than(OLD)
        fetcher.answer = NEW
        await fetcher.until(fetcher.calls + 1)
        await settled(keys)
        assert await keys.newer_than(OLD) is NEW


async def test_a_request_that_is_given_up_does_not_end_the_fetch(
    fetcher: Fetcher, clock: Clock
) -> None:
    async with fresh(fetcher, clock) as keys:
        fetcher.gate.clear()
        asking = asyncio.create_task(keys.newer_than(OLD))
        await fetcher.until(2)
        asking.cancel()
        await asyncio.wait([asking])
        fetcher.answer = NEW
        fetcher.gate.set()
        assert await keys.newer_than(OLD) is NEW


async def test_equal_keys_stay_the_same_key_set(fetcher: Fetcher, clock: Clock) -> None:
    async with fresh(fetcher, clock) as keys:
        fetcher.answer = KeySet(OLD.keys)
        assert await keys.newer_than(OLD) is OLD


async def test_closing_gives_up_the_fetch_under_way(fetcher: Fetcher, clock: Clock) -> None:
    fetcher.gate.clear()
    async with fresh(fetcher, clock) as keys:
        waiting = asyncio.create_task(keys.current())
        await asyncio.sleep(0)
        await keys.close()
        with pytest.raises(Unavailable):
            await waiting


async def test_an_outage_is_logged_once(
    fetcher: Fetcher, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fetcher.answer = FetchError("it cannot be reached")
    with caplog.at_level(logging.INFO):
        async with fresh(fetcher, clock, cooldown=0.01):
            await fetcher.until(4)
    messages: list[Any] = [record.getMessage() for record in caplog.records]
    assert messages == ["issuer `corp`: no keys fetched: it cannot be reached"]


@pytest.mark.parametrize(
    ("then", "losses"),
    [
        (OLD, 0),
        (KeySet((*OLD.keys, *NEW.keys)), 0),
        (KeySet((*NEW.keys, *OLD.keys)), 0),
        (NEW, 1),
        (FetchError("it cannot be reached"), 0),
    ],
    ids=["same", "one more", "one more in front", "another", "none had"],
)
async def test_only_a_key_that_is_gone_is_a_loss(
    fetcher: Fetcher, clock: Clock, then: KeySet | Exception, losses: int
) -> None:
    async with fresh(fetcher, clock) as keys:
        fetcher.answer = then
        await asyncio.wait([keys.begin()])
        assert fetcher.losses == losses
