"""A clock that a test moves."""

import asyncio
import heapq
from itertools import count

START = 1_900_000_000.0
"""What its wall shows at first, in seconds since the epoch."""


class ManualClock:
    """Time goes on when a test says so, and whoever waited for that moment goes on first."""

    def __init__(self) -> None:
        self._now = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    def wall(self) -> float:
        return START + self._now

    def steady(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        waiting = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), waiting))
        await waiting

    async def advance(self, seconds: float) -> None:
        """Let time go by, and everybody do what they do in it."""
        until = self._now + seconds
        await settled()
        while self._sleepers and self._sleepers[0][0] <= until:
            moment, _, waiting = heapq.heappop(self._sleepers)
            self._now = max(self._now, moment)
            if not waiting.done():
                waiting.set_result(None)
                await settled()
        self._now = until


async def settled() -> None:
    """Let everybody run who can: enough turns of the loop for the longest chain here."""
    for _ in range(50):
        await asyncio.sleep(0)
