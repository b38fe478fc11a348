"""The tenants' address, for several processes: a socket for each, not listening yet.

The kernel spreads connections over those that listen (SO_REUSEPORT), more evenly
than processes that accept from one socket would.
"""

import socket
from collections.abc import Iterable
from typing import Any

_Address = tuple[Any, ...]
Endpoint = tuple[socket.AddressFamily, _Address]


def bind(host: str, port: int, count: int) -> tuple[socket.socket, ...]:
    """Bind an address once for each; of port 0, all to the one that the system chooses.

    Raises:
        OSError: the address cannot be had.
        ValueError: the host has several addresses.
    """
    family, address = _resolve(host, port)
    if port:
        _need_free(family, address)
    bound: list[socket.socket] = []
    try:
        for _ in range(count):
            bound.append(_socket(family))
            bound[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            bound[-1].bind(address)
            address = bound[-1].getsockname()
    except OSError:
        for each in bound:
            each.close()
        raise
    return tuple(bound)


def _resolve(host: str, port: int) -> Endpoint:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return the_one(host, ((family, address) for family, _, _, _, address in found))


def the_one(host: str, found: Iterable[Endpoint]) -> Endpoint:
    """The address of a host.

    Raises:
        ValueError: it has several.
    """
    addresses = set(found)
    if len(addresses) > 1:
        raise ValueError(f"`{host}` has several addresses: name one")
    [address] = addresses
    return address


def _need_free(family: socket.AddressFamily, address: _Address) -> None:
    """Who shares a port shares it with every process of the user.

    A proxy that is started twice by mistake would get a part of the connections, and
    hear nothing of what the other is told.
    """
    with _socket(family) as alone:
        alone.bind(address)


def _socket(family: socket.AddressFamily) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    # As asyncio's own: connections of a process that has just ended are in nobody's way.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made
