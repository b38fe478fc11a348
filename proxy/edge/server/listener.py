"""Where tenants connect: takes connections, hands each request to a `Service`."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

from proxy.edge.server.connection import Bounds, Connection, House, Service
from proxy.tls import Secured

_HANDSHAKE_SECONDS = 10.0
# For the last bytes of answers, and for what is cut to notice that.
_CUT_SECONDS = 0.5
# Bytes of an answer that the system keeps of what is not even sent; by itself it would
# keep megabytes for each client that takes nothing.
_UNSENT = 128 * 1024


class Server:
    """Listens, and hands each request to a `Service`."""

    def __init__(self, service: Service, context: ssl.SSLContext, bounds: Bounds) -> None:
        self._context = context
        self._house = House(service, bounds)
        self._listener: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which the system chose where `port` is 0.

        Raises:
            OSError: the address cannot be had.
        """
        return await self._listen(host=host, port=port)

    async def start_on(self, bound: socket.socket) -> int:
        """Listen on a socket that is bound; returns its port.

        Raises:
            OSError: others listen there.
        """
        return await self._listen(sock=bound)

    async def _listen(self, **where: Any) -> int:
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: Secured(Connection(self._house), self._context, _HANDSHAKE_SECONDS),
            backlog=1024,
            **where,
        )
        for each in self._listener.sockets:
            # What is accepted there has this from there.
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self, grace: float) -> None:
        """Take no more connections, let requests under way finish for `grace` seconds."""
        house = self._house
        if self._listener is not None:
            self._listener.close()
        house.finishing = True
        for connection in list(house.connections):
            connection.finish()
        await self._until(lambda: house.is_quiet, grace)
        await self._until(lambda: not house.connections, _CUT_SECONDS)
        rest = list(house.connections)
        tasks = [connection.task for connection in rest if connection.task is not None]
        for connection in rest:
            connection.abort()
        if tasks:
            await asyncio.wait(tasks, timeout=_CUT_SECONDS)

    async def _until(self, done: Callable[[], bool], seconds: float) -> None:
        """Wait for something to be done, for so many seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not done():
                    self._house.changed.clear()
                    await self._house.changed.wait()
