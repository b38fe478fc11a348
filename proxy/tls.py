"""TLS over a connection: what comes is opened, what goes is sealed, and next to nothing is kept.

A protocol to the socket below it, and a transport to the protocol above. Event loops
bring one that keeps a buffer for each connection, and lets OpenSSL's grow to the most
that ever came or went at once: a watch that began with a large list held a megabyte
for as long as it was open. Here OpenSSL is handed a record at a time.
"""

import asyncio
import ssl
from collections.abc import Iterator
from typing import Any, Final, cast

# The most that a record holds (RFC 8446, 5.1).
_RECORD: Final = 16 * 1024
# For the other side to say that it has heard of the end, while what it still sends is let go.
_PARTING_SECONDS: Final = 30.0


class _Nobody(asyncio.Protocol):
    """Who is above a connection that is lost."""


_NOBODY: Final = _Nobody()


class Secured(asyncio.Transport, asyncio.Protocol):
    """One end of one connection; the client's, where it knows the name of the server.

    What is above is told of the connection once the handshake is done, and of its end if
    it was told of the connection. An end that the other side did not seal is no `eof_received`:
    anybody on the way can make one.
    """

    __slots__ = (
        "_above",
        "_below",
        "_closing",
        "_ended",
        "_fault",
        "_incoming",
        "_loop",
        "_outgoing",
        "_seconds",
        "_settled",
        "_shaken",
        "_timer",
        "_tls",
        "_waiter",
    )

    _below: asyncio.Transport

    def __init__(
        self,
        above: asyncio.Protocol,
        context: ssl.SSLContext,
        seconds: float,
        server_name: str | None = None,
    ) -> None:
        """Begin, with so many seconds for the handshake.

        Raises:
            ValueError: `server_name` is no name.
        """
        self._loop = asyncio.get_running_loop()
        self._above = above
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_name is None,
            server_hostname=server_name,
        )
        self._seconds = seconds
        self._shaken = self._ended = self._closing = False
        self._settled = server_name is None
        self._fault: Exception | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def handshake(self) -> None:
        """Wait until the handshake is done.

        Raises:
            OSError: the connection ended before.
            ssl.SSLError: the other side is not who it is to be, or speaks no TLS.
        """
        while not self._shaken:
            if self._fault is not None:
                raise self._fault
            self._waiter = self._loop.create_future()
            await self._waiter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        # The transports of uvloop are such by their methods alone.
        self._below = cast("asyncio.Transport", transport)
        self._timer = self._loop.call_later(self._seconds, self.abort)
        if not self._tls.server_side:
            self._shake()
            self._push()

    def data_received(self, data: bytes) -> None:
        """Open what has come, and hand it up as one piece."""
        pieces: list[bytes] = []
        try:
            for at in range(0, len(data), _RECORD):
                self._incoming.write(data[at : at + _RECORD])
                if self._shaken or self._shake():
                    self._open(pieces)
            if pieces and not self._settled:
                self._settle()
        except ssl.SSLError as exc:
            self._fail(exc)
            return
        if self._outgoing.pending:
            self._push()
        if pieces and not self._closing:
            self._above.data_received(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if self._ended:
            self._part()

    def eof_received(self) -> None:
        """Nothing follows: have the socket closed."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who is above, and let go of them."""
        self._closing = True
        self._stop_timer()
        above, self._above = self._above, _NOBODY
        if self._shaken:
            above.connection_lost(exc)
        self._fault = self._fault or exc or ConnectionResetError("the connection ended")
        self._wake()

    def pause_writing(self) -> None:
        """Pass on that the other side is slow."""
        self._above.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that it has caught up."""
        self._above.resume_writing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """As asyncio says."""
        if self._closing:
            return
        try:
            if len(data) <= _RECORD:
                self._below.write(self._seal(data))
            else:
                # In one step, since each has its price.
                self._below.writelines([self._seal(record) for record in _records(data)])
        except ssl.SSLError as exc:
            self._fail(exc)

    def close(self) -> None:
        """End after what was written, and after the other side has said that it ends too."""
        if self._closing:
            return
        self._closing = True
        if not self._shaken:
            self._below.abort()
            return
        self._timer = self._loop.call_later(_PARTING_SECONDS, self.abort)
        self._below.resume_reading()
        try:
            self._tls.unwrap()
        except ssl.SSLWantReadError:
            self._push()
        except ssl.SSLError as exc:
            self._fail(exc)
        else:
            self._push()
            self._below.close()

    def abort(self) -> None:
        """As asyncio says."""
        self._closing = True
        self._below.abort()

    def is_closing(self) -> bool:
        """As asyncio says."""
        # A socket that fails as it is written to says so later, and not while somebody writes on.
        return self._closing or self._below.is_closing()

    def pause_reading(self) -> None:
        """As asyncio says."""
        self._below.pause_reading()

    def resume_reading(self) -> None:
        """As asyncio says."""
        self._below.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """As asyncio says."""
        self._below.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """As asyncio says."""
        return self._below.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As asyncio says."""
        return self._tls if name == "ssl_object" else self._below.get_extra_info(name, default)

    def _shake(self) -> bool:
        """Go on with the handshake; returns whether it is done."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self._shaken = True
        self._stop_timer()
        # What the handshake says last goes before whatever is said above.
        self._push()
        self._above.connection_made(self)
        self._wake()
        return True

    def _open(self, pieces: list[bytes]) -> None:
        """Add what the records hold that have come."""
        try:
            while self._incoming.pending:
                piece = self._tls.read(_RECORD)
                if not piece:
                    self._ended = True
                    return
                pieces.append(piece)
        except ssl.SSLWantReadError:
            return
        except ssl.SSLZeroReturnError:
            self._ended = True

    def _settle(self) -> None:
        """Have OpenSSL free the 16 KiB that it keeps to write to, once a ticket has come.

        Of a watch nothing more is written, which would free them. To write nothing sends
        nothing (SSL_write_ex, "can be called with num=0").
        """
        self._settled = True
        self._tls.write(b"")

    def _part(self) -> None:
        """The other side says that it ends."""
        if self._closing:
            self._below.close()
            return
        self._above.eof_received()
        self.close()

    def _seal(self, data: bytes | bytearray | memoryview) -> bytes:
        # Memory takes all of it.
        self._tls.write(data)
        return self._outgoing.read()

    def _push(self) -> None:
        sealed = self._outgoing.read()
        if sealed:
            self._below.write(sealed)

    def _fail(self, exc: ssl.SSLError) -> None:
        if self._shaken:
            self.abort()
            return
        self._fault = exc
        # The other side is told why, in a few bytes, which fit before the end.
        self._push()
        self._closing = True
        self._below.close()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _records(data: bytes | bytearray | memoryview) -> Iterator[memoryview]:
    view = memoryview(data)
    return (view[at : at + _RECORD] for at in range(0, len(view), _RECORD))
