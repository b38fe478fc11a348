"""One address, a socket for each process."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from proxy.serving import sockets


@contextmanager
def bound(host: str, port: int, count: int) -> Iterator[list[socket.socket]]:
    made = sockets.bind(host, port, count)
    try:
        yield list(made)
    finally:
        for each in made:
            each.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_all_share_the_port_that_the_system_chose(host: str) -> None:
    with bound(host, 0, 4) as made:
        for each in made:
            each.listen()
        assert len({each.getsockname() for each in made}) == 1
        assert made[0].getsockname()[1] != 0


def test_all_share_the_port_that_is_named() -> None:
    with bound("127.0.0.1", 0, 1) as made:
        port = made[0].getsockname()[1]
    with bound("127.0.0.1", port, 3) as made:
        assert [each.getsockname()[1] for each in made] == [port] * 3


def test_nobody_is_let_in_before_they_listen() -> None:
    with bound("127.0.0.1", 0, 2) as made, pytest.raises(ConnectionRefusedError):
        socket.create_connection(made[0].getsockname())


def test_a_port_that_others_share_is_not_free() -> None:
    with bound("127.0.0.1", 0, 2) as made:
        for each in made:
            each.listen()
        with pytest.raises(OSError, match="in use"):
            sockets.bind("127.0.0.1", made[0].getsockname()[1], 2)


def test_a_port_of_connections_that_have_just_ended_is_free() -> None:
    with bound("127.0.0.1", 0, 1) as [listening]:
        listening.listen()
        port = listening.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        served, _ = listening.accept()
        served.close()
        client.close()
    with bound("127.0.0.1", port, 2) as made:
        assert len(made) == 2


HERE = (socket.AF_INET, ("127.0.0.1", 1))
THERE = (socket.AF_INET6, ("::1", 1, 0, 0))


def test_a_name_of_several_addresses_is_an_error() -> None:
    with pytest.raises(ValueError, match="`localhost` has several addresses"):
        sockets.the_one("localhost", [HERE, THERE])


def test_a_name_may_be_told_one_address_twice() -> None:
    assert sockets.the_one("localhost", [HERE, HERE]) == HERE
