"""How long an answer is taken for true, and who asks for the next one.

One question at a time for each key, however many want to know; what was said
serves for its age, and while the IAM is away for a grace time besides.
"""

import asyncio
import hashlib
import logging
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from cachetools import TLRUCache

from proxy.core.errors import Refused, Unavailable
from proxy.edge.iam.breaker import PAUSE, Away, Breaker, Unclear

_log = logging.getLogger(__name__)

AT_ONCE: Final = 16
"""How many questions an IAM is asked at the same time."""

OF_STRANGERS: Final = 12
"""How many of these may be about keys of which nothing good is known.

Anybody can make such keys up, and must not take all the turns of those who cannot.
"""

JITTER: Final = 0.1
"""By how much, as a part of it, an age may come out shorter: never all tokens at once."""

_V = TypeVar("_V")
_Outcome: TypeAlias = _V | Refused | Away

Ask: TypeAlias = Callable[[], Awaitable[_V]]
"""Asks the IAM.

Raises:
    Away: it gave no answer, or as `Unclear` none that can be used.
    Refused: it gave one by which the request is refused. It is not remembered.
"""


@dataclass(frozen=True, slots=True)
class Ages:
    """How long what an IAM said is taken for true, in seconds.

    `yes` is for an answer that gives something, `no` for one that gives nothing.
    For `grace` after its age a `yes` serves on, while the IAM is away. A question
    is given up after `timeout`.

    Raises:
        ValueError: an age that would take nothing, or everything, for true.
    """

    yes: float
    no: float
    grace: float = 0
    timeout: float = 5

    def __post_init__(self) -> None:
        if not 0 < self.no <= self.yes < math.inf or not 0 < self.timeout < math.inf:
            raise ValueError("must hold: 0 < no <= yes < infinity, 0 < timeout < infinity")
        if not 0 <= self.grace < math.inf:
            raise ValueError("grace must be zero or more seconds")


@dataclass(frozen=True, slots=True)
class Room(Generic[_V]):
    """How much is remembered: answers that weigh `size` together."""

    size: int
    weigh: Callable[[_V], int]


class _Crowded(Away):
    """Whether the IAM is away nobody knows, since many others wait before it."""


@dataclass(frozen=True, slots=True)
class _Known(Generic[_V]):
    """What was said, when, and for how long it is true."""

    value: _V
    said: float
    age: float
    gives: bool


class Answers(Generic[_V]):
    """What one IAM has said about many tokens. Use it in one event loop.

    `gives` tells an answer that gives something from one that gives nothing.
    Without `room`, ten thousand are remembered.
    `asked`, `failed` and `in_grace` count the questions that were asked, those
    without an answer, and the answers that served although their age was over.
    """

    def __init__(
        self,
        issuer: str,
        ages: Ages,
        gives: Callable[[_V], bool],
        *,
        room: Room[_V] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.asked = 0
        self.failed = 0
        self.in_grace = 0
        self._issuer = issuer
        self._ages = ages
        self._gives = gives
        self._monotonic = monotonic
        self._chance = chance
        self._breaker = Breaker(monotonic)
        self._unclear = ""
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._turns_of_strangers = asyncio.Semaphore(OF_STRANGERS)
        self._flights: dict[str, asyncio.Task[_Outcome[_V]]] = {}
        room = room or Room(10_000, lambda _: 1)
        self._known: TLRUCache[str, _Known[_V]] = TLRUCache(
            room.size,
            lambda _, known, now: now + known.age + ages.grace,
            timer=monotonic,
            getsizeof=lambda known: room.weigh(known.value),
        )

    async def get(self, token: str, ask: Ask[_V], *, recheck: bool = False) -> _V:
        """What the IAM says of a token, asked unless it is known.

        With `recheck`, half the age has to be left, so that who comes back each
        half of the age knows of a change within the whole of it.

        Raises:
            Unavailable: the IAM is away, and what was known is too old.
            Refused: as `ask` raises it.
        """
        # By a digest, so that no token is kept longer than its request.
        key = hashlib.sha256(token.encode()).hexdigest()
        known = self._known.get(key)
        if known is not None and self._is_true(known, recheck=recheck):
            return known.value
        if (flight := self._flights.get(key)) is None:
            flight = self._flights[key] = asyncio.create_task(self._fly(key, ask))
        # One of many who wait may leave; the others still want to know.
        outcome = await asyncio.shield(flight)
        if isinstance(outcome, Refused):
            raise outcome
        if not isinstance(outcome, Away):
            return outcome
        return self._in_place_of(outcome, key)

    def trouble(self) -> str:
        """Why the IAM cannot be asked now, or did not tell; empty if all is well."""
        return self._breaker.reason or self._unclear

    @property
    def spared(self) -> bool:
        """Whether the breaker keeps questions from the IAM."""
        return self._breaker.open

    async def close(self) -> None:
        """Give up the questions that are under way."""
        for flight in (flights := list(self._flights.values())):
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _in_place_of(self, away: Away, key: str) -> _V:
        # INVARIANT: what is in the cache is no older than its age and the grace time.
        known = self._known.get(key)
        if known is not None and self._is_true(known, recheck=False):
            return known.value
        # A crowd is made by whoever sends many tokens, so it gives nobody a grace time.
        if known is None or not known.gives or isinstance(away, _Crowded):
            raise Unavailable(
                f"issuer `{self._issuer}` does not answer now", retry_after=math.ceil(PAUSE)
            ) from away
        self.in_grace += 1
        return known.value

    def _is_true(self, known: _Known[_V], *, recheck: bool) -> bool:
        age = known.age / 2 if recheck else known.age
        return self._monotonic() - known.said < age

    async def _fly(self, key: str, ask: Ask[_V]) -> _Outcome[_V]:
        try:
            return await self._ask(key, ask)
        except (Away, Refused) as exc:
            # A value: nobody may be left to take an exception.
            return exc
        finally:
            del self._flights[key]

    async def _ask(self, key: str, ask: Ask[_V]) -> _V:
        async with self._turn(key):
            self._breaker.check()
            # From before it is asked, so that an answer is never older than it seems.
            said = self._monotonic()
            value = await self._answer(ask)
        gives = self._gives(value)
        age = (self._ages.yes if gives else self._ages.no) * (1 - JITTER * self._chance())
        self._known[key] = _Known(value, said, age, gives)
        return value

    @asynccontextmanager
    async def _turn(self, key: str) -> AsyncIterator[None]:
        """Wait until there are few enough who ask.

        Raises:
            Away: there are too many.
        """
        known = self._known.get(key)
        async with AsyncExitStack() as turns:
            try:
                async with asyncio.timeout(self._ages.timeout):
                    if known is None or not known.gives:
                        await turns.enter_async_context(self._turns_of_strangers)
                    await turns.enter_async_context(self._turns)
            except TimeoutError as exc:
                kind = Away if self.spared else _Crowded
                raise kind("too many questions wait for it") from exc
            yield

    async def _answer(self, ask: Ask[_V]) -> _V:
        self.asked += 1
        try:
            async with asyncio.timeout(self._ages.timeout):
                value = await ask()
        except TimeoutError as exc:
            raise self._note(f"it did not answer within {self._ages.timeout:g} s") from exc
        except Unclear as exc:
            raise self._note_unclear(str(exc)) from exc
        except Away as exc:
            raise self._note(str(exc)) from exc
        except Refused:
            self._breaker.answered()
            raise
        except Exception as exc:
            # No answer of an IAM may end more than the question.
            raise self._note_unclear(f"its answer caused a {type(exc).__name__}") from exc
        self._breaker.answered()
        self._unclear = ""
        return value

    def _note_unclear(self, reason: str) -> Away:
        """One question has failed, and not the IAM. Anybody may cause it: no line in the log."""
        self.failed += 1
        self._breaker.answered()
        self._unclear = reason
        return Away(reason)

    def _note(self, reason: str) -> Away:
        self.failed += 1
        if reason != self._breaker.reason:  # else a long outage fills the log
            _log.warning("issuer `%s` does not answer: %s", self._issuer, reason)
        self._breaker.failed(reason)
        return Away(reason)
