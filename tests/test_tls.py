"""TLS between two ends in memory, as a transcript: what goes over the wire is carried by hand."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from proxy.edge.certificate import Certificate
from proxy.tls import Secured
from tests.edge.certificates import Authority

PATIENCE = 10.0
NAME = "127.0.0.1"


class Above(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.received = b""

    def connection_made(self, _: asyncio.BaseTransport) -> None:
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> None:
        self.told.append("eof")

    def connection_lost(self, _: Exception | None) -> None:
        self.told.append("lost")

    def pause_writing(self) -> None:
        self.told.append("full")

    def resume_writing(self) -> None:
        self.told.append("room")


@dataclass
class Below(asyncio.Transport):
    """A socket: holds what is sent until it is carried."""

    sent: bytes = b""
    closed: bool = False
    aborted: asyncio.Event = field(default_factory=asyncio.Event)
    reads: bool = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted.set()

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 1)}.get(name, default)


class End:
    """One end: who is above, and the socket below."""

    def __init__(
        self, context: ssl.SSLContext, name: str | None = None, seconds: float = PATIENCE
    ) -> None:
        self.above, self.below = Above(), Below()
        self.secured = Secured(self.above, context, seconds, name)
        self.secured.connection_made(self.below)

    def say(self) -> bytes:
        """What it has to say on the wire, taken from it."""
        said, self.below.sent = self.below.sent, b""
        return said


@dataclass
class Pair:
    """A client and a server."""

    client: End
    server: End

    def carry(self, cut: int = 2**20) -> None:
        """Carry what is sent, in pieces of so many bytes, until nobody says more."""
        while said := (self.client.say(), self.server.say()):
            for data, end in zip(said, (self.server, self.client), strict=True):
                for at in range(0, len(data), cut):
                    end.secured.data_received(data[at : at + cut])
            if not any(said):
                return


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path)
    made.issue()
    return made


@pytest.fixture
def context(authority: Authority) -> ssl.SSLContext:
    return Certificate(authority.cert_file, authority.key_file).context


@pytest.fixture
async def pair(authority: Authority, context: ssl.SSLContext) -> AsyncIterator[Pair]:
    pair = Pair(End(authority.trust, NAME), End(context))
    pair.carry()
    await pair.client.secured.handshake()
    yield pair
    for end in (pair.client, pair.server):
        end.secured.connection_lost(None)


@pytest.mark.parametrize(
    ("size", "cut"),
    [(1, 1), (5_000, 1), (16_384, 2**20), (16_385, 2**20), (300_000, 2**20), (300_000, 1_000)],
)
async def test_what_is_written_comes_out_whole_however_it_is_cut(
    pair: Pair, size: int, cut: int
) -> None:
    data = bytes(number % 251 for number in range(size))
    pair.client.secured.write(data)
    pair.server.secured.write(data[::-1])
    pair.carry(cut)
    assert (pair.server.above.received, pair.client.above.received) == (data, data[::-1])


@pytest.mark.parametrize("cut", [1, 100, 2**20])
async def test_a_handshake_may_come_in_any_pieces(
    authority: Authority, context: ssl.SSLContext, cut: int
) -> None:
    pair = Pair(End(authority.trust, NAME), End(context))
    pair.carry(cut)
    await pair.client.secured.handshake()
    assert pair.client.above.told == pair.server.above.told == ["made"]


async def test_what_comes_with_the_end_of_a_handshake_is_for_who_is_above(
    authority: Authority, context: ssl.SSLContext
) -> None:
    client, server = End(authority.trust, NAME), End(context)
    server.secured.data_received(client.say())
    client.secured.data_received(server.say())
    client.secured.write(b"at once")
    server.secured.data_received(client.say())
    assert (server.above.told, server.above.received) == (["made"], b"at once")


@pytest.mark.parametrize("name", [NAME, "another.example"], ids=["authority", "name"])
async def test_a_server_that_is_another_is_told_so_and_not_spoken_to(
    tmp_path: Path, authority: Authority, context: ssl.SSLContext, name: str
) -> None:
    trust = Authority(tmp_path).trust if name == NAME else authority.trust
    pair = Pair(End(trust, name), End(context))
    pair.carry()
    with pytest.raises(ssl.SSLCertVerificationError):
        await pair.client.secured.handshake()
    assert pair.client.above.told == pair.server.above.told == []
    assert pair.client.below.closed
    assert pair.server.below.closed


async def test_what_is_no_tls_is_told_to_nobody(context: ssl.SSLContext) -> None:
    server = End(context)
    server.secured.data_received(b"GET / HTTP/1.1\r\nHost: proxy\r\n\r\n")
    server.secured.connection_lost(None)
    assert server.below.closed
    assert server.above.told == []


async def test_a_record_that_was_changed_on_the_way_ends_the_connection(pair: Pair) -> None:
    pair.client.secured.write(b"yes")
    said = bytearray(pair.client.say())
    said[-1] ^= 1
    pair.server.secured.data_received(bytes(said))
    assert pair.server.below.aborted.is_set()
    assert pair.server.above.received == b""


async def test_an_end_that_is_said_is_told_and_answered(pair: Pair) -> None:
    pair.client.secured.write(b"last")
    pair.client.secured.close()
    pair.carry()
    assert (pair.server.above.received, pair.server.above.told) == (b"last", ["made", "eof"])
    assert pair.server.below.closed
    assert pair.client.below.closed
    assert pair.client.above.told == ["made"]


async def test_an_end_that_is_not_said_is_no_end_of_what_was_sent(pair: Pair) -> None:
    pair.server.secured.write(b"half of it")
    pair.carry()
    assert not pair.client.secured.eof_received()  # type: ignore[func-returns-value] # None: close
    pair.client.secured.connection_lost(None)
    assert pair.client.above.told == ["made", "lost"]


async def test_after_the_end_nothing_is_sent_or_handed_up(pair: Pair) -> None:
    pair.server.secured.write(b"too late")
    pair.client.secured.close()
    pair.client.secured.close()
    pair.client.secured.write(b"too late")
    assert pair.client.secured.is_closing()
    pair.carry()
    assert pair.client.above.received == pair.server.above.received == b""


async def test_a_socket_that_has_failed_is_known_above_at_once(pair: Pair) -> None:
    assert not pair.server.secured.is_closing()
    pair.server.below.closed = True
    assert pair.server.secured.is_closing()


async def test_who_ends_hears_the_other_side_even_if_it_has_paused(pair: Pair) -> None:
    pair.client.secured.pause_reading()
    assert not pair.client.below.reads
    pair.client.secured.close()
    assert pair.client.below.reads


async def test_a_handshake_that_does_not_go_on_is_given_up(
    authority: Authority, context: ssl.SSLContext
) -> None:
    for end in (End(context, seconds=0.01), End(authority.trust, NAME, seconds=0.01)):
        async with asyncio.timeout(PATIENCE):
            await end.below.aborted.wait()
        end.secured.connection_lost(None)
        assert end.above.told == []


async def test_a_handshake_that_is_cut_off_fails_for_who_waits(authority: Authority) -> None:
    client = End(authority.trust, NAME)
    waiting = asyncio.create_task(client.secured.handshake())
    await asyncio.sleep(0)
    client.secured.connection_lost(None)
    with pytest.raises(ConnectionResetError):
        await waiting
    assert client.above.told == []


async def test_who_is_above_hears_that_the_other_side_is_slow(pair: Pair) -> None:
    pair.server.secured.pause_writing()
    pair.server.secured.resume_writing()
    assert pair.server.above.told == ["made", "full", "room"]


async def test_what_frees_the_room_for_writing_says_nothing(pair: Pair) -> None:
    pair.server.secured.write(b"an event")
    pair.client.secured.data_received(pair.server.say())
    assert pair.client.above.received == b"an event"
    assert pair.client.say() == b""


async def test_what_the_socket_knows_is_known_above(pair: Pair) -> None:
    assert pair.server.secured.get_extra_info("peername") == ("127.0.0.1", 1)
    assert isinstance(pair.server.secured.get_extra_info("ssl_object"), ssl.SSLObject)


def _rss() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def _carried_much(context: ssl.SSLContext, trust: ssl.SSLContext) -> Pair:
    pair = Pair(End(trust, NAME), End(context))
    pair.carry()
    for end in (pair.client, pair.server):
        end.secured.write(bytes(2**20))
    pair.carry()
    for end in (pair.client, pair.server):
        end.above.received = b""
    return pair


async def test_what_was_carried_is_not_kept(authority: Authority, context: ssl.SSLContext) -> None:
    """Event loops' own TLS holds more than a megabyte here."""
    trust = authority.trust
    pairs = [_carried_much(context, trust) for _ in range(5)]
    before = _rss()
    pairs += [_carried_much(context, trust) for _ in range(40)]
    assert (_rss() - before) / 40 < 2**18
    for pair in pairs:
        for end in (pair.client, pair.server):
            end.secured.connection_lost(None)
