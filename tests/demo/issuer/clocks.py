"""A clock that stands until it is moved."""

from dataclasses import dataclass


@dataclass(slots=True)
class Clock:
    now: float = 1_700_000_000

    def __call__(self) -> float:
        return self.now
