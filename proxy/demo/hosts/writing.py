"""What of a plan is still to be written, and what has been.

What the mirror shows of an object that was just written is old news; to act on it would be
to decide the same thing twice. So an object is left alone until the watch tells of it again.
"""

import logging
from collections.abc import Iterable
from typing import Protocol

from proxy.demo.hosts.api import ApiError
from proxy.demo.hosts.planning import Patch

# Gone, changed meanwhile, not valid: the same patch will do no better a second time.
_FINAL = frozenset({404, 409, 422})
_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where patches go."""

    async def patch(self, patch: Patch) -> None:
        """Write one, or raise ApiError."""
        ...


class Writer:
    """Writes plans, each version of an object once."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._written: dict[str, str] = {}

    async def write(self, patches: Iterable[Patch]) -> bool:
        """Write; return False if some must be tried again though nothing changes."""
        outcomes = [await self._write(patch) for patch in patches if not self._is_old_news(patch)]
        return all(outcomes)

    def _is_old_news(self, patch: Patch) -> bool:
        return self._written.get(patch.target) == patch.version

    async def _write(self, patch: Patch) -> bool:
        try:
            await self._sink.patch(patch)
        except ApiError as exc:
            _log.info("cannot write %s: %s", patch.target, exc)
            if exc.status not in _FINAL:
                return False
        self._written[patch.target] = patch.version
        return True
