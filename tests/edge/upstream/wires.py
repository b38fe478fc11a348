"""A connection without a socket: what the event loop tells it, a test says."""

import asyncio
import socket
from typing import Any

from proxy.edge.upstream import Address
from proxy.edge.upstream.connection import Connection

ANYWHERE = Address(socket.AF_INET, ("192.0.2.1", 6443))


class Wire(asyncio.Transport):
    """The other end, which keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.open = True
        self._reading = True
        self.ended: list[Connection] = []
        self.connection = Connection(ANYWHERE, self.ended.append)
        self.connection.connection_made(self)

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return not self.open

    def is_reading(self) -> bool:
        return self._reading

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True

    def abort(self) -> None:
        self.open = False

    def say(self, *said: bytes) -> None:
        """Have the other side send, each piece by itself."""
        for piece in said:
            self.connection.data_received(piece)

    async def ask(
        self, *said: bytes, body: bytes = b"", read: float | None = None
    ) -> "asyncio.Task[int]":
        """Send a request, and have it answered so; done with the code, once it is there."""
        task = asyncio.create_task(self._exchange(body, read))
        await asyncio.sleep(0)
        self.say(*said)
        return task

    async def whole(self) -> bytes:
        """The rest of the body."""
        pieces = []
        while piece := await self.connection.piece():
            pieces.append(piece)
        return b"".join(pieces)

    async def _exchange(self, body: bytes, read: float | None) -> int:
        return (await self.connection.exchange(b"HEAD", body, read)).code
