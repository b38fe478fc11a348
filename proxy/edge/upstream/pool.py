"""The connections to the apiserver: those under way, and those that wait for a request.

The one that was used last is used next, so that what is not needed stays idle and ends.
"""

import asyncio

from proxy.edge.upstream.addresses import Address, Resolver
from proxy.edge.upstream.connection import Connection
from proxy.edge.upstream.credentials import Credentials
from proxy.edge.upstream.dialer import Dialer


class Pool:
    """Connections that were verified as the credentials have it that were adopted last."""

    def __init__(self, resolver: Resolver, connect_seconds: float) -> None:
        self._resolver = resolver
        self._connect_seconds = connect_seconds
        self._dialer: Dialer | None = None
        # Who made each that is open.
        self._open: dict[Connection, Dialer] = {}
        # A dictionary for its order: what came last is taken first, and any can leave.
        self._idle: dict[Connection, None] = {}
        self._emptied = asyncio.Event()
        self.made = 0
        """Connections made since the start."""

    @property
    def open(self) -> int:
        """Connections that there are."""
        return len(self._open)

    def adopt(self, credentials: Credentials) -> None:
        """Connect by these from now on; what was verified otherwise is used for no more."""
        if self._dialer is not None and self._dialer.tls is credentials.tls:
            return
        self._dialer = Dialer(credentials, self._resolver, self._connect_seconds)
        for connection in tuple(self._idle):
            connection.abort()

    def take(self) -> Connection | None:
        """A connection that waits for a request, if there is one."""
        idle = self._idle
        while idle:
            connection, _ = idle.popitem()
            if connection.usable:
                return connection
        return None

    def give(self, connection: Connection) -> None:
        """Take a connection back, or end it where it cannot be used for more."""
        if self._open.get(connection) is not self._dialer:
            connection.abort()
        elif connection.release():
            self._idle[connection] = None

    async def connect(self) -> Connection:
        """A new connection.

        Raises:
            OSError: there is none to be had.
            TimeoutError: not in time.
        """
        dialer = self._dialer
        if dialer is None:
            raise ConnectionError("nobody knows yet where to")
        connection = await dialer.connect(self._lost)
        self._open[connection] = dialer
        self.made += 1
        return connection

    def proven(self, connection: Connection) -> None:
        """Take note that a new connection brought an answer."""
        if (dialer := self._open.get(connection)) is not None:
            dialer.proven(connection)

    async def close(self) -> None:
        """End all connections; requests under way break."""
        self._dialer = None
        while self._open:
            self._emptied.clear()
            for connection in tuple(self._open):
                connection.abort()
            await self._emptied.wait()

    def _lost(self, connection: Connection) -> None:
        dialer = self._open.pop(connection, None)
        self._idle.pop(connection, None)
        if dialer is not None and connection.hung:
            self._avoid(connection.address, dialer)
        if not self._open:
            self._emptied.set()

    def _avoid(self, address: Address, dialer: Dialer) -> None:
        """Rather connect elsewhere for a while; what is idle there would hang as well."""
        dialer.failed(address)
        for connection in tuple(self._idle):
            if connection.address == address:
                connection.abort()
