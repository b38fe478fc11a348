"""What time it is, and how to wait for later."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks: the one on the wall may be set, the other only goes on."""

    def wall(self) -> float:
        """Seconds since the epoch."""
        ...

    def steady(self) -> float:
        """Seconds since some moment."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's."""

    def wall(self) -> float:
        """As the protocol says."""
        return time.time()

    def steady(self) -> float:
        """As the protocol says."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """As the protocol says."""
        await asyncio.sleep(seconds)
