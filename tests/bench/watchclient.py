"""Many watches from one process: each notes when an event reached it."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from tests.bench import objects
from tests.bench.events import Lines
from tests.bench.watchserver import SLOW

AT_ONCE: Final = 50
OPEN_SECONDS: Final = 60
SLOW_BUFFER: Final = 32 * 1024
TARGET: Final = f"{objects.CLAIMS}?watch=1"

Received = Callable[[bytes, int], None]
"""Told each line, and the moment at which it came."""


@dataclass(frozen=True, slots=True)
class Way:
    """How to reach whoever is measured, and as whom."""

    port: int
    token: str = field(repr=False)
    tls: ssl.SSLContext


class WatchRefused(Exception):  # noqa: N818 - an answer
    """A watch was not opened."""


class Watch(asyncio.Protocol):
    """One open watch. Whoever is slow reads the head of the answer and no more."""

    def __init__(self, request: bytes, received: Received, *, slow: bool) -> None:
        self._request = request
        self._received = received
        self._slow = slow
        self._head = bytearray()
        self._lines = Lines()
        self._transport: asyncio.Transport | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Who opens several hears of one refusal; asyncio would complain of the others.
        self.opened.add_done_callback(lambda future: future.cancelled() or future.exception())
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Uvloop's are of no class of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        if self.opened.cancelled():
            return
        if not self.opened.done():
            data = self._begin(data)
        for line in self._lines.feed(data):
            self._received(line, now)
        if self._lines.ended:
            # The watch has; its connection could be used for another.
            self.leave()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
        if not self.opened.done():
            self.opened.set_exception(WatchRefused(f"the connection ended: {exc}"))

    def leave(self) -> None:
        """Go without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _begin(self, data: bytes) -> bytes:
        """Read the head; returns what follows it."""
        self._head += data
        head, end, rest = bytes(self._head).partition(b"\r\n\r\n")
        if not end:
            return b""
        if b" 200 " not in head.partition(b"\r\n")[0]:
            self.opened.set_exception(WatchRefused(bytes(self._head[:600]).decode()))
            self.leave()
            return b""
        if self._slow and self._transport is not None:
            self._transport.pause_reading()
        self.opened.set_result(None)
        return rest


async def open_watches(
    way: Way, count: int, received: Received, *, slow: bool = False
) -> Sequence[Watch]:
    """Open so many; returns once all of them are. Else none is left open.

    Raises:
        OSError: somebody does not answer.
        TimeoutError: or not in time.
        WatchRefused: one of them is refused.
    """
    request = _request(way.token, slow=slow)
    limit = asyncio.Semaphore(AT_ONCE)
    begun: list[Watch] = []

    def begin() -> Watch:
        begun.append(Watch(request, received, slow=slow))
        return begun[-1]

    async def opened() -> Watch:
        async with limit, asyncio.timeout(OPEN_SECONDS):
            watch = await _connect(way, begin, slow=slow)
            await watch.opened
            return watch

    try:
        return await asyncio.gather(*(opened() for _ in range(count)))
    except BaseException:
        for watch in begun:
            watch.leave()
        raise


async def _connect(way: Way, begin: Callable[[], Watch], *, slow: bool) -> Watch:
    made = socket.socket()
    made.settimeout(0)
    if slow:
        # Else the system would read for it, megabytes ahead.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(made, ("127.0.0.1", way.port))
        _, watch = await loop.create_connection(
            begin, sock=made, ssl=way.tls, server_hostname="localhost"
        )
    except BaseException:
        made.close()
        raise
    return watch


def _request(token: str, *, slow: bool) -> bytes:
    selector = f"&labelSelector=reader%3D{SLOW}" if slow else ""
    return (
        f"GET {TARGET}{selector} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()
