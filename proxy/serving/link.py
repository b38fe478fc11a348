"""The supervisor's end of the line to one worker."""

import asyncio
import logging
import socket
from typing import TypeVar

from proxy.app import StartError
from proxy.core.errors import BadRequest, InternalError, Refused, Unavailable
from proxy.serving import messages
from proxy.serving.messages import Answer, Ask, Asked, NotStarted, Refusal

_log = logging.getLogger(__name__)

_A = TypeVar("_A", bound=Answer)


class Link:
    """Asks one worker. `gone` is set once it says nothing any more."""

    def __init__(self, number: int, end: socket.socket) -> None:
        self.number = number
        self.gone = asyncio.Event()
        self._end = end
        self._last = messages.STARTED
        self._waiting: dict[int, asyncio.Future[Answer]] = {}

    async def open(self) -> None:
        """Begin to listen to it."""
        self._waiting[messages.STARTED] = asyncio.get_running_loop().create_future()
        self._reader, self._writer = await asyncio.open_unix_connection(
            sock=self._end, limit=messages.LONGEST
        )
        self._reading = asyncio.create_task(self._read())

    async def close(self) -> None:
        """Hang up: the worker ends."""
        self._writer.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def started(self) -> None:
        """Wait until it has started.

        Raises:
            StartError: it cannot.
            Unavailable: it is gone.
        """
        await self._answered(messages.STARTED, messages.Done)

    async def ask(self, ask: Ask, answer: type[_A], patience: float | None) -> _A:
        """Ask it, and wait `patience` seconds for the answer.

        Raises:
            Refused: it refuses.
            Unavailable: it does not answer, or is gone.
            StartError: something cannot be had.
        """
        if self.gone.is_set():
            raise self._silent()
        self._last += 1
        number = self._last
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self._writer.write(messages.line(Asked(number, ask)))
        try:
            async with asyncio.timeout(patience):
                return await self._answered(number, answer)
        except TimeoutError as exc:
            raise self._silent() from exc

    async def _answered(self, number: int, expected: type[_A]) -> _A:
        try:
            answer = await self._waiting[number]
        finally:
            self._waiting.pop(number, None)
        match answer:
            case Refusal(code=code, message=message):
                raise _refused(code, message)
            case NotStarted(message=message):
                raise StartError(message)
            case expected():
                return answer
            case _:
                raise TypeError(f"worker {self.number} answers beside the question")

    async def _read(self) -> None:
        try:
            while written := await self._reader.readline():
                answered = messages.read_answered(written)
                waiting = self._waiting.get(answered.number)
                if waiting is not None and not waiting.done():
                    waiting.set_result(answered.answer)
        except (OSError, ValueError) as exc:
            _log.critical("worker %d is not understood: %s", self.number, type(exc).__name__)
        finally:
            self.gone.set()
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(self._silent())

    def _silent(self) -> Unavailable:
        return Unavailable(f"worker {self.number} does not answer")


def _refused(code: int, message: str) -> Refused:
    kinds = {kind.code: kind for kind in (BadRequest, Unavailable)}
    return kinds.get(code, InternalError)(message)
