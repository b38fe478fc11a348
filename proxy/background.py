"""What goes on until the stop: following files, watching others.

None of it ever ends by itself, so if one does, something is broken, and a proxy
that no longer follows its policies must not go on.
"""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import AsyncExitStack

_log = logging.getLogger(__name__)


class Background:
    """Runs such work, and says when one has ended."""

    def __init__(self) -> None:
        self._failed = asyncio.Event()

    def run(self, stack: AsyncExitStack, work: Coroutine[None, None, None]) -> None:
        """Run `work` until the stack is left."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        stack.push_async_callback(end)

    async def failed(self) -> None:
        """Return once something has ended by itself."""
        await self._failed.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            _log.critical("a part of the proxy failed", exc_info=task.exception())
            self._failed.set()
