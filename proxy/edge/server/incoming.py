"""The body of a request, as it comes: taken in as far as somebody reads it."""

import asyncio
from typing import Final

from proxy.core.errors import BadRequest, RequestTimeout, TooLarge
from proxy.core.wire import Fields
from proxy.http1 import Announced, MalformedError, of_request, opened

# What waits unread before no more is taken in.
_WAITING: Final = 64 * 1024


class Incoming:
    """A body on its way."""

    __slots__ = ("_announced", "_body", "_broken", "_more", "_received")

    def __init__(self, announced: Announced) -> None:
        self._announced = announced
        self._body = opened(announced)
        self._received = bytearray()
        self._broken = False
        self._more: asyncio.Future[None] | None = None

    @property
    def complete(self) -> bool:
        """Whether all of it is here, and where the next request begins is known."""
        return self._body.complete

    @property
    def waits(self) -> bool:
        """Whether more is here than should be for one that nobody reads."""
        return self._more is None and len(self._received) > _WAITING

    def feed(self, data: bytes) -> bytes:
        """Take in what has come; returns what lies after the body."""
        if self._broken:
            return b""
        if self.complete:
            return data
        rest = b""
        try:
            piece, rest = self._body.feed(data)
            self._received += piece
        except MalformedError:
            # Whoever reads the body is told; what comes after it, nobody can tell.
            self._broken = True
        if self._more is not None and not self._more.done():
            self._more.set_result(None)
        return rest

    def check(self, limit: int) -> None:
        """Refuse a body that is, or will be, of more than `limit` bytes.

        Raises:
            TooLarge: it is.
        """
        announced = self._announced if isinstance(self._announced, int) else 0
        if max(announced, len(self._received)) > limit:
            raise TooLarge(f"the body is larger than {limit} bytes")

    async def read(self, limit: int, seconds: float) -> bytes:
        """Wait for all of it, for so many seconds.

        Raises:
            BadRequest, RequestTimeout, TooLarge: as the port `Client` says.
        """
        if not self.complete:
            await self._rest(limit, seconds)
        if self._broken:
            raise BadRequest("the body is not framed as RFC 9112 has it")
        return bytes(self._received)

    async def _rest(self, limit: int, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not self.complete and not self._broken:
                    self._more = asyncio.get_running_loop().create_future()
                    await self._more
                    self.check(limit)
        except TimeoutError as exc:
            raise RequestTimeout("the body did not arrive in time") from exc
        finally:
            self._more = None


# INVARIANT: a body that is complete changes no more, so all requests without one share it.
NOTHING: Final = Incoming(0)


def expected(fields: Fields) -> Incoming:
    """The body that a request with these fields has.

    Raises:
        MalformedError: where it ends cannot be told.
    """
    announced = fields.derived(_announced)
    return Incoming(announced) if announced != 0 else NOTHING


def _announced(fields: Fields) -> Announced:
    return of_request(fields.pairs)
