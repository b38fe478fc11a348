"""How a connection to the apiserver is made: to an address that answers, and verified.

One that does not answer in its share of the time, or that TLS does not verify,
is passed over for the next.
"""

import asyncio
import logging
import socket
import ssl

from proxy.edge.upstream.addresses import Address, Addresses, Resolver
from proxy.edge.upstream.connection import Connection, Ended
from proxy.edge.upstream.credentials import Credentials
from proxy.tls import Secured

log = logging.getLogger(__name__)


class Dialer:
    """Makes connections to one apiserver, all verified in the same way."""

    def __init__(self, credentials: Credentials, resolver: Resolver, seconds: float) -> None:
        origin = credentials.origin
        self.tls = credentials.tls
        """What verifies, and the proof of what was verified so."""
        self._server_name = origin.server_name
        self._addresses = Addresses(origin.host, origin.port, resolver)
        self._seconds = seconds

    async def connect(self, ended: Ended) -> Connection:
        """Connect; `ended` is called when the connection has ended.

        Raises:
            OSError: to none of the addresses.
            TimeoutError: not in time.
        """
        now = asyncio.get_running_loop().time
        due = now() + self._seconds
        async with asyncio.timeout_at(due):
            addresses = await self._addresses.find(now())
        fault: OSError = ConnectionError("the apiserver has no address")
        for tried, address in enumerate(addresses):
            try:
                # One that does not answer leaves time for the others.
                async with asyncio.timeout((due - now()) / (len(addresses) - tried)):
                    return await self._connect(address, ended)
            except OSError as exc:
                self.failed(address)
                fault = exc
                if len(addresses) > 1:
                    log.warning("an address of the apiserver is passed over: %r", exc)
        raise fault

    def failed(self, address: Address) -> None:
        """Take note that an address does not serve."""
        self._addresses.failed(address, asyncio.get_running_loop().time())

    def proven(self, connection: Connection) -> None:
        """Take note that a connection brought an answer."""
        self._addresses.worked(connection.address)
        wrapped = connection.get_extra_info("ssl_object")
        if isinstance(wrapped, ssl.SSLObject):
            self.tls.keep(wrapped)

    async def _connect(self, address: Address, ended: Ended) -> Connection:
        loop = asyncio.get_running_loop()
        connection = Connection(address, ended)
        secured = Secured(connection, self.tls, self._seconds, self._server_name)
        sock = _keepalive_socket(address)
        try:
            await loop.sock_connect(sock, address.sockaddr)
        except BaseException:
            sock.close()
            raise
        await loop.create_connection(lambda: secured, sock=sock)
        try:
            await secured.handshake()
        except BaseException:
            secured.abort()
            raise
        return connection


def _keepalive_socket(address: Address) -> socket.socket:
    """A socket that notices within a minute or two that the other side is gone.

    A watch may be idle for long, so no read timeout can tell.
    """
    made = socket.socket(address.family, socket.SOCK_STREAM)
    made.settimeout(0)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made
