"""What an IAM said, remembered: who asks, for how long it is true, and what an outage does."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from proxy.core.errors import Unauthenticated, Unavailable
from proxy.edge.iam import Ages, Answers, Away
from proxy.edge.iam.answers import AT_ONCE, Room
from proxy.edge.iam.breaker import FAILURES, PAUSE, Unclear

YES, NO = "yes", ""
AGES = Ages(yes=10, no=2, grace=20, timeout=5)


class Iam:
    """Says what a test wants, and counts how often it is asked."""

    def __init__(
        self,
        ages: Ages = AGES,
        *,
        chance: Callable[[], float] = lambda: 0.0,
        room: Room[str] | None = None,
    ) -> None:
        self.now = 100.0
        self.says: str | Exception = YES
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()
        self.answers = Answers[str](
            "corp", ages, bool, monotonic=lambda: self.now, chance=chance, room=room
        )

    async def ask(self) -> str:
        self.asked += 1
        await self.open.wait()
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    async def get(self, key: str = "alice", *, recheck: bool = False) -> str:
        return await self.answers.get(key, self.ask, recheck=recheck)

    async def fails(self, times: int = 1) -> None:
        """Have nobody's question fail, so often."""
        before, self.says = self.says, Away("it cannot be reached")
        for number in range(times):
            with pytest.raises(Unavailable):
                await self.get(f"nobody-{number}")
        self.says = before


async def test_an_answer_is_true_for_its_age() -> None:
    iam = Iam()
    for now in (100, 105, 109.9):
        iam.now = now
        assert await iam.get() == YES
    assert iam.asked == 1
    iam.now = 110
    await iam.get()
    assert iam.asked == 2


async def test_an_answer_that_gives_nothing_is_true_for_less() -> None:
    iam = Iam()
    iam.says = NO
    assert await iam.get() == NO
    iam.now, iam.says = 102, YES
    assert await iam.get() == YES


async def test_who_rechecks_takes_an_answer_of_half_the_age_for_too_old() -> None:
    iam = Iam()
    await iam.get()
    iam.now = 104.9
    await iam.get(recheck=True)
    assert iam.asked == 1
    iam.now = 105
    await iam.get(recheck=True)
    assert iam.asked == 2


async def test_an_age_comes_out_shorter_by_chance_and_never_longer() -> None:
    iam = Iam(chance=lambda: 1.0)
    await iam.get()
    iam.now = 109
    await iam.get()
    assert iam.asked == 2


async def test_a_thousand_who_want_to_know_at_once_are_one_question() -> None:
    iam = Iam()
    assert await asyncio.gather(*(iam.get() for _ in range(1000))) == [YES] * 1000
    assert (iam.asked, iam.answers.asked) == (1, 1)


async def test_who_leaves_takes_the_answer_from_nobody_else() -> None:
    iam = Iam()
    iam.open.clear()
    first, second = asyncio.create_task(iam.get()), asyncio.create_task(iam.get())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    iam.open.set()
    assert await second == YES


async def test_equal_questions_of_two_are_two() -> None:
    iam = Iam()
    await iam.get("alice")
    await iam.get("rita")
    assert iam.asked == 2


async def test_a_refusal_is_told_and_not_remembered() -> None:
    iam = Iam()
    iam.says = Unauthenticated("the token counts no longer")
    for _ in range(2 * FAILURES):
        with pytest.raises(Unauthenticated):
            await iam.get()
    iam.says = YES
    assert await iam.get() == YES
    assert iam.answers.trouble() == ""


async def test_while_the_iam_is_away_what_was_known_serves_for_the_grace_time() -> None:
    iam = Iam()
    await iam.get()
    iam.says = Away("it cannot be reached")
    iam.now = 129.9
    assert await iam.get() == YES
    assert iam.answers.in_grace == 1
    assert iam.answers.trouble() == "it cannot be reached"
    iam.now = 130
    with pytest.raises(Unavailable, match="issuer `corp` does not answer now") as refused:
        await iam.get()
    assert refused.value.retry_after == 2


async def test_a_recheck_during_an_outage_takes_what_is_still_true() -> None:
    iam = Iam()
    await iam.get()
    iam.now, iam.says = 106, Away("it cannot be reached")
    assert await iam.get(recheck=True) == YES
    assert iam.answers.in_grace == 0


async def test_an_answer_that_gave_nothing_has_no_grace() -> None:
    iam = Iam()
    iam.says = NO
    await iam.get()
    iam.now, iam.says = 103, Away("it cannot be reached")
    with pytest.raises(Unavailable):
        await iam.get()


async def test_without_a_grace_time_an_outage_is_a_refusal() -> None:
    iam = Iam(Ages(yes=10, no=2))
    await iam.get()
    iam.now, iam.says = 110, Away("it cannot be reached")
    with pytest.raises(Unavailable):
        await iam.get()


async def test_who_is_not_known_is_refused_during_an_outage() -> None:
    iam = Iam()
    await iam.get("alice")
    await iam.fails()


async def test_after_a_few_failures_nobody_asks_for_a_while() -> None:
    iam = Iam()
    await iam.fails(FAILURES)
    asked = iam.asked
    with pytest.raises(Unavailable):
        await iam.get()
    assert (iam.asked, iam.answers.failed) == (asked, FAILURES)
    assert iam.answers.trouble() == "it cannot be reached"


async def test_after_the_pause_one_asks_and_finds_the_iam_back() -> None:
    iam = Iam()
    await iam.fails(FAILURES)
    iam.now += PAUSE
    iam.open.clear()
    first = asyncio.create_task(iam.get("alice"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await iam.get("rita")
    iam.open.set()
    assert await first == YES
    assert await iam.get("rita") == YES
    assert iam.answers.trouble() == ""


async def test_an_iam_that_is_still_away_after_the_pause_gets_another() -> None:
    iam = Iam()
    await iam.fails(FAILURES)
    iam.now += PAUSE
    await iam.fails()
    asked = iam.asked
    with pytest.raises(Unavailable):
        await iam.get()
    assert iam.asked == asked


@pytest.mark.parametrize("why", [Unclear("it answered with HTTP status 400"), RecursionError()])
async def test_an_answer_that_says_nothing_is_no_outage(why: Exception) -> None:
    iam = Iam()
    iam.says = why
    for number in range(FAILURES + 1):
        with pytest.raises(Unavailable):
            await iam.get(f"odd-{number}")
    assert iam.answers.trouble() != ""
    assert (iam.answers.failed, iam.answers.spared) == (FAILURES + 1, False)
    iam.says = YES
    assert await iam.get() == YES
    assert iam.answers.trouble() == ""


async def test_an_answer_that_says_nothing_ends_an_outage() -> None:
    """Whoever sends odd tokens could else be the one who asks after each pause."""
    iam = Iam()
    await iam.fails(FAILURES)
    iam.now += PAUSE
    iam.says = Unclear("it answered with HTTP status 400")
    with pytest.raises(Unavailable):
        await iam.get("odd")
    iam.says = YES
    assert await iam.get() == YES


async def test_who_was_known_has_the_grace_time_when_an_answer_says_nothing() -> None:
    iam = Iam()
    await iam.get()
    iam.now, iam.says = 111, Unclear("it answered with HTTP status 403")
    assert await iam.get() == YES


async def test_an_answer_that_does_not_come_is_none() -> None:
    iam = Iam(Ages(yes=10, no=2, timeout=0.01))
    iam.open.clear()
    with pytest.raises(Unavailable):
        await iam.get()
    assert iam.answers.failed == 1


async def test_a_queue_before_the_iam_is_no_sign_that_it_is_away() -> None:
    """Whoever can send many tokens must not be able to open the breaker for all."""
    iam = Iam(Ages(yes=10, no=2, timeout=0.02))
    never = asyncio.Event()

    async def hangs() -> str:
        await never.wait()
        return YES

    many = [iam.answers.get(f"k{n}", hangs) for n in range(AT_ONCE + 50)]
    outcomes = await asyncio.gather(*many, return_exceptions=True)
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    assert iam.answers.asked <= AT_ONCE + FAILURES


async def hangs() -> str:
    await asyncio.Event().wait()
    return YES


async def test_those_who_are_known_are_asked_about_in_a_crowd_of_strangers() -> None:
    """A flood of made-up tokens must not be an outage for everybody."""
    iam = Iam()
    await iam.get()
    crowd = [asyncio.create_task(iam.answers.get(f"k{n}", hangs)) for n in range(1000)]
    await asyncio.sleep(0)
    iam.now = 105
    assert await iam.get(recheck=True) == YES
    assert iam.asked == 2
    await iam.answers.close()
    await asyncio.gather(*crowd, return_exceptions=True)


class Crowd:
    """Known ones of whom more ask than have their turn at once, before an IAM that answers."""

    def __init__(self) -> None:
        self.iam = Iam(Ages(yes=10, no=2, grace=20, timeout=0.05))
        self._keys = [f"k{n}" for n in range(2 * AT_ONCE)]
        self._first = asyncio.Event()

    async def outlasts(self, seconds: float, *, recheck: bool = False) -> asyncio.Task[str]:
        """Alice, who asks so long after she was known, and waits behind them to the end."""
        for key in (*self._keys, "alice"):
            await self.iam.get(key)
        self.iam.now += seconds
        asks = [self._at_last] * AT_ONCE + [hangs] * AT_ONCE
        self.tasks = [
            asyncio.create_task(self.iam.answers.get(key, ask, recheck=recheck))
            for key, ask in zip(self._keys, asks, strict=True)
        ]
        alice = asyncio.create_task(self.iam.get(recheck=recheck))
        for _ in range(5):
            await asyncio.sleep(0)
        # From here on those who hang have the turns, and their time ends after hers.
        self._first.set()
        return alice

    async def _at_last(self) -> str:
        await self._first.wait()
        return YES

    async def leaves(self) -> None:
        await self.iam.answers.close()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_a_crowd_gives_nobody_a_grace_time() -> None:
    """Who was disabled could otherwise stay in by sending many tokens at once."""
    crowd = Crowd()
    alice = await crowd.outlasts(11)
    with pytest.raises(Unavailable):
        await alice
    await crowd.leaves()


async def test_what_is_still_true_serves_in_a_crowd() -> None:
    crowd = Crowd()
    alice = await crowd.outlasts(6, recheck=True)
    assert await alice == YES
    assert crowd.iam.asked == 2 * AT_ONCE + 1
    await crowd.leaves()


async def test_a_crowd_before_an_iam_that_hangs_has_its_grace_time() -> None:
    iam = Iam(Ages(yes=10, no=2, grace=20, timeout=0.02))
    everybody = [f"k{n}" for n in range(2 * AT_ONCE)]
    for key in everybody:
        await iam.get(key)
    iam.now = 111
    found = await asyncio.gather(*(iam.answers.get(key, hangs) for key in everybody))
    assert found == [YES] * len(everybody)


async def test_questions_under_way_are_given_up_at_the_end() -> None:
    iam = Iam()
    iam.open.clear()
    waiting = asyncio.create_task(iam.get())
    await asyncio.sleep(0)
    await iam.answers.close()
    assert (await asyncio.gather(waiting, return_exceptions=True))[0].__class__ is (
        asyncio.CancelledError
    )


@pytest.mark.parametrize(
    "ages",
    [
        {"yes": 0, "no": 0},
        {"yes": 10, "no": 11},
        {"yes": float("inf"), "no": 1},
        {"yes": 10, "no": 1, "timeout": 0},
        {"yes": 10, "no": 1, "grace": -1},
        {"yes": 10, "no": 1, "grace": float("inf")},
    ],
)
def test_ages_that_take_nothing_or_everything_for_true_are_refused(ages: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        Ages(**ages)


async def test_answers_are_remembered_as_far_as_there_is_room_for_their_weight() -> None:
    iam = Iam(room=Room(10, len))
    iam.says = "four"
    for who in ("alice", "rita", "otto"):
        await iam.get(who)
    await iam.get("otto")
    assert iam.asked == 3
    await iam.get("alice")
    assert iam.asked == 4


async def test_an_answer_that_nobody_foresaw_is_none_and_is_noted() -> None:
    iam = Iam()
    iam.says = RecursionError()
    with pytest.raises(Unavailable):
        await iam.get()
    assert iam.answers.trouble() == "its answer caused a RecursionError"
    assert iam.answers.failed == 1


async def test_an_outage_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    iam = Iam()
    await iam.fails(2)
    assert caplog.messages == ["issuer `corp` does not answer: it cannot be reached"]
