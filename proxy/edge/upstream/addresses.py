"""Where the apiserver is: the addresses of its name, those that work before those that do not.

A control plane of several machines is one name (a load balancer, a Service, or a
record for each machine), so that is all that is configured. New connections go
round the addresses; one that failed is the last choice for a while.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

log = logging.getLogger(__name__)


class Address(NamedTuple):
    """One address, as sockets take it."""

    family: int
    sockaddr: tuple[Any, ...]


Resolver = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Finds the addresses of a name. Raises OSError if it cannot."""

_KNOWN_FOR: Final = 10.0  # seconds that the addresses of a name are not asked for again
_AVOIDED_FOR: Final = 30.0  # seconds that one is the last choice


async def resolve(host: str, port: int) -> Sequence[Address]:
    """The addresses of a name, as the system finds them; what is an address is its own."""
    loop = asyncio.get_running_loop()
    flags = socket.AI_NUMERICHOST if _is_address(host) else 0
    if flags:
        # Nobody is asked, so it need not be done elsewhere, which takes a thread.
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    else:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [Address(family, sockaddr) for family, _, _, _, sockaddr in found]


class Addresses:
    """The addresses of one name, remembered for a moment, and how they did."""

    def __init__(self, host: str, port: int, resolve: Resolver) -> None:
        self._host, self._port = host, port
        self._resolve = resolve
        self._found: Sequence[Address] = ()
        self._asked = float("-inf")
        self._asking = asyncio.Lock()
        self._failed: dict[Address, float] = {}
        self._turn = 0

    async def find(self, now: float) -> Sequence[Address]:
        """The addresses, in the order in which they are to be tried.

        Raises:
            OSError: the name has none.
        """
        async with self._asking:
            if now - self._asked > _KNOWN_FOR:
                self._found = await self._ask()
                self._asked = now
        return self._ordered(now)

    def failed(self, address: Address, now: float) -> None:
        """Take note that an address does not serve."""
        self._failed[address] = now

    def worked(self, address: Address) -> None:
        """Take note that an address serves."""
        self._failed.pop(address, None)

    async def _ask(self) -> Sequence[Address]:
        try:
            found = await self._resolve(self._host, self._port)
        except OSError as exc:
            if not self._found:
                raise
            log.warning("the addresses of the apiserver cannot be found, keeping the last: %s", exc)
            return self._found
        if not found:
            raise OSError("the name of the apiserver has no address")
        self._failed = {address: at for address, at in self._failed.items() if address in found}
        return found

    def _ordered(self, now: float) -> Sequence[Address]:
        failed = {a: at for a, at in self._failed.items() if now - at < _AVOIDED_FOR}
        well = [address for address in self._found if address not in failed]
        ill = sorted((a for a in self._found if a in failed), key=failed.__getitem__)
        self._turn += 1
        start = self._turn % len(well) if well else 0
        return [*well[start:], *well[:start], *ill]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
