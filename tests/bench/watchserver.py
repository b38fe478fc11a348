"""An apiserver that has nothing but watches: it keeps them open, and sends what it is told to.

It lives in the event loop of who measures, so that both ends have one clock.
"""

import asyncio
import ssl
from typing import Final, cast

from tests.bench import events
from tests.bench.certificates import Certificates

SLOW: Final = "slow"
"""In the selector of a watch whose reader will be slow."""

# The third line is for nginx, which would gather events before it sends them on.
_WATCHING: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Accel-Buffering: no\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_READY: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
# A slow reader's events are dropped from here on: it is the proxy's memory that is measured.
_ENOUGH: Final = 1024 * 1024


class WatchServer:
    """The watches that are open, and the server that takes them."""

    def __init__(self) -> None:
        self.watching: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, certificates: Certificates) -> int:
        """Listen on a port of the system's choice, and return it."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificates.chain, certificates.key)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), "127.0.0.1", 0, ssl=tls, backlog=8192
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def stop(self) -> None:
        """Listen no longer, and end all watches where they are."""
        assert self._server is not None
        self._server.close()
        for connection in list(self.watching):
            connection.abort()

    def count(self, *, slow: bool) -> int:
        """How many watches are open of readers that are slow, or of all others."""
        return sum(connection.slow is slow for connection in self.watching)

    async def emit(self, event: bytes, *, slow: bool | None = None) -> None:
        """Send an event to all, or to those that are slow or are not.

        Now and then others of the loop have their turn, or no client would read before
        the last has been sent to.
        """
        framed = events.chunk(event)
        for number, connection in enumerate(list(self.watching)):
            if slow is None or connection.slow is slow:
                connection.send(framed)
            if number % 50 == 49:
                await asyncio.sleep(0)


class _Connection(asyncio.Protocol):
    """One connection of a proxy."""

    def __init__(self, server: WatchServer) -> None:
        self._server = server
        self._received = bytearray()
        self._transport: asyncio.Transport
        self.slow = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Uvloop's are of no class of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, rest = bytes(self._received).partition(b"\r\n\r\n")
            self._received = bytearray(rest)
            self._answer(head.partition(b"\r\n")[0])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._server.watching.discard(self)

    def send(self, framed: bytes) -> None:
        if self._transport.get_write_buffer_size() < _ENOUGH:
            self._transport.write(framed)

    def abort(self) -> None:
        self._transport.abort()

    def _answer(self, request_line: bytes) -> None:
        if b"watch=" not in request_line:
            self._transport.write(_READY)
            return
        self.slow = SLOW.encode() in request_line
        self._server.watching.add(self)
        self._transport.write(_WATCHING)
