"""What was found for somebody, remembered as long as the token counts that it was found by.

In a bounded room, from which who was not seen for longest has to go first.
"""

from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

from cachetools import LRUCache

from proxy.ports import Clock

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")

_REST: Final = 60.0
"""Seconds between two times that what has expired is looked for: it does no harm, but room."""


class Memory(Generic[_K, _V]):
    """Remembers values by keys. `weigh` says how much of the `room` a value takes."""

    def __init__(self, room: int, clock: Clock, weigh: Callable[[_V], int]) -> None:
        self.room = room
        """How much all values may weigh."""
        self._clock = clock
        self._weigh = weigh
        self._kept: LRUCache[_K, tuple[_V, float]] = LRUCache(
            room, getsizeof=lambda kept: weigh(kept[0])
        )
        self._due = 0.0

    def __len__(self) -> int:
        """How many values are remembered."""
        return len(self._kept)

    @property
    def weight(self) -> int:
        """How much of the room is taken."""
        return int(self._kept.currsize)

    def get(self, key: _K) -> _V | None:
        """The value of a key, be it expired or not."""
        try:
            return self._kept[key][0]
        except KeyError:
            return None

    def put(self, key: _K, value: _V, expires: float) -> None:
        """Remember a value until `expires`, in seconds since the epoch, if there is room at all."""
        now = self._clock()
        if now >= self._due:
            self._due = now + _REST
            self._forget_expired(now)
        if self._weigh(value) <= self.room:
            self._kept[key] = (value, expires)

    def forget(self, key: _K) -> None:
        """Forget the value of a key, if there is one."""
        self._kept.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

    def _forget_expired(self, now: float) -> None:
        for key in [key for key, (_, expires) in self._kept.items() if expires <= now]:
            del self._kept[key]
