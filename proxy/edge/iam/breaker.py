"""Whether to ask at all: a circuit breaker, so that nothing piles up before an IAM that is away.

After a few failures in a row nobody asks for a while; then one asks, and the
answer to that one says for all how it goes on.
"""

from collections.abc import Callable
from typing import Final

FAILURES: Final = 3
"""How many in a row open the breaker."""

PAUSE: Final = 2.0
"""Seconds for which nobody asks; short, since a lost second of service is one of every tenant's."""


class Away(Exception):  # noqa: N818 - a state of the IAM, not a fault of ours
    """The IAM gave no answer. The message completes `issuer X: ...` and names no address."""


class Unclear(Away):
    """It gave one that says nothing of what was asked, while another question may fare better.

    Whoever asks can bring that about, by a token that a gateway does not let pass or of
    which there is too much to say, and must not have everybody else refused.
    """


class Breaker:
    """Counts failures, and says whether the next question is worth asking."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failures = 0
        self._closed_from = 0.0
        self.reason = ""

    @property
    def open(self) -> bool:
        """Whether so many failed that nobody asks as a matter of course."""
        return self._failures >= FAILURES

    def check(self) -> None:
        """Let a question through, or say why not; after the pause, one at a time.

        Raises:
            Away: the last answers were none.
        """
        if not self.open:
            return
        now = self._monotonic()
        if now < self._closed_from:
            raise Away(self.reason)
        # Whoever comes next waits for what this one learns, or for another pause.
        self._closed_from = now + PAUSE

    def answered(self) -> None:
        """Note an answer, whatever it said."""
        self._failures = 0
        self.reason = ""

    def failed(self, reason: str) -> None:
        """Note that there was none, and why."""
        self._failures += 1
        self.reason = reason
        if self.open:
            self._closed_from = self._monotonic() + PAUSE
