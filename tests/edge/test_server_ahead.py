"""What comes before it is due: of a listener's connection, without a socket."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.edge.server.connection import Bounds, Connection, House
from tests.e2e.wire import request
from tests.edge.listening import Answering

ASK = request("GET", "/")
KIB = 1024


class Wire(asyncio.Transport):
    """The other end, which sends as long as it is read and takes whatever it is sent."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1)})
        self.reading = True
        self.closing = False
        self.service = Answering()
        self.connection = Connection(House(self.service, Bounds()))
        self.connection.connection_made(self)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def write(self, _: Any) -> None:
        pass

    def abort(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    async def flood(self, piece: bytes, times: int) -> int:
        """Send a piece each time that it is read; returns how many were taken in."""
        taken = 0
        for _ in range(times):
            if self.reading:
                self.connection.data_received(piece)
                taken += 1
            await asyncio.sleep(0)
        return taken


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    wire = Wire()
    yield wire
    wire.closing = True
    await asyncio.sleep(0)
    wire.connection.connection_lost(None)
    await asyncio.sleep(0)


async def test_requests_are_let_in_no_faster_than_they_are_answered(wire: Wire) -> None:
    taken = await wire.flood(ASK * 1000, times=300)
    waiting = (taken * 1000 - len(wire.service.asked)) * len(ASK)
    assert waiting < 64 * KIB + len(ASK * 1000)


async def test_a_head_that_is_larger_than_what_may_wait_is_read_on(wire: Wire) -> None:
    fields = [f"X: {'x' * 60 * KIB}"] * 2
    large = request("GET", "/", *fields)
    wire.connection.data_received(ASK + large[: 100 * KIB])
    await wire.flood(b"", times=5)
    assert wire.reading
    wire.connection.data_received(large[100 * KIB :])
    assert len(wire.service.asked) == 1
    await wire.flood(b"", times=5)
    assert len(wire.service.asked) == 2


async def test_between_two_requests_of_one_connection_others_have_their_turn(wire: Wire) -> None:
    wire.connection.data_received(ASK * 100)
    for turn in range(1, 50):
        await asyncio.sleep(0)
        assert len(wire.service.asked) <= turn
