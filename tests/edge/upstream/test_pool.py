"""Connections that are kept, and made: how many there are, and who is asked what on which."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.core.errors import BadGateway, Timeout, Unavailable
from proxy.edge.upstream import Address, ApiServer, ClusterAccess, Timeouts
from tests.edge.apiservers import (
    OK,
    Behaviour,
    Call,
    FakeApiServer,
    agree,
    asking,
    connected,
    hang_up,
    never,
    running,
    saying,
)
from tests.edge.certificates import Authority

CLOSING = OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")
OTHER = OK.replace(b"{}", b"[]")


async def until(done: Callable[[], bool]) -> None:
    """Wait for the other side of a socket."""
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)


async def bye(call: Call) -> None:
    """Answer, and close the connection without having said so."""
    await call.say(OK)
    call.writer.close()


async def test_a_read_on_a_connection_that_was_dead_is_sent_once_more(tmp_path: Path) -> None:
    async with running(tmp_path, agree, hang_up, agree) as fake, connected(fake) as upstream:
        await upstream.ask(asking("/1"))
        assert (await upstream.ask(asking("/2"))).code == 200
        assert (upstream.retried, upstream.connections_made) == (1, 2)
    assert [call.first.split()[1] for call in fake.calls] == ["/1", "/2", "/2"]


async def test_a_read_is_sent_no_more_than_once_more(tmp_path: Path) -> None:
    async with running(tmp_path, agree, hang_up) as fake, connected(fake) as upstream:
        await upstream.ask(asking())
        with pytest.raises(Unavailable):
            await upstream.ask(asking())
    assert len(fake.calls) == 3


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_write_is_never_sent_once_more(tmp_path: Path, method: str) -> None:
    async with running(tmp_path, agree, hang_up, agree) as fake, connected(fake) as upstream:
        await upstream.ask(asking())
        with pytest.raises(BadGateway):
            await upstream.ask(asking(method=method))
        assert upstream.retried == 0
    assert len(fake.calls) == 2


async def test_a_read_whose_answer_had_begun_is_not_sent_once_more(tmp_path: Path) -> None:
    async def begin(call: Call) -> None:
        await call.say(b"HTTP/1.1 2")
        call.writer.close()

    async with running(tmp_path, agree, begin) as fake, connected(fake) as upstream:
        await upstream.ask(asking())
        with pytest.raises(Unavailable):
            await upstream.ask(asking())
    assert len(fake.calls) == 2


@pytest.mark.parametrize("behaviour", [bye, saying(CLOSING)], ids=["closed", "said so"])
async def test_a_write_is_not_sent_where_the_other_side_has_closed(
    tmp_path: Path, behaviour: Behaviour
) -> None:
    async with running(tmp_path, behaviour, agree) as fake, connected(fake) as upstream:
        await upstream.ask(asking())
        await until(lambda: not upstream.connections_open)
        assert (await upstream.ask(asking(method="PUT", body=b"{}"))).code == 200
    assert (len(fake.calls), fake.connections) == (2, 2)


async def test_an_answer_too_many_is_nobodys(tmp_path: Path) -> None:
    async with running(tmp_path, saying(OK + OTHER), agree) as fake, connected(fake) as upstream:
        assert (await upstream.ask(asking())).body == b"{}"
        assert (await upstream.ask(asking())).body == b"{}"
    assert fake.connections == 2


async def test_an_answer_that_comes_late_is_nobodys(tmp_path: Path) -> None:
    more = asyncio.Event()

    async def twice(call: Call) -> None:
        await call.say(OK)
        await more.wait()
        await call.say(OTHER)

    async with running(tmp_path, twice, agree) as fake, connected(fake) as upstream:
        await upstream.ask(asking())
        more.set()
        await until(lambda: not upstream.connections_open)
        assert (await upstream.ask(asking(method="PUT"))).body == b"{}"


async def test_a_stream_that_was_read_to_its_end_leaves_its_connection(tmp_path: Path) -> None:
    said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    async with running(tmp_path, saying(said)) as fake, connected(fake) as upstream:
        for _ in range(3):
            async with upstream.stream(asking(streams=True)) as stream:
                assert [chunk async for chunk in stream.chunks()] == [b"{}"]
    assert fake.connections == 1


async def test_who_asks_at_once_does_not_wait_for_each_other(tmp_path: Path) -> None:
    async with running(tmp_path) as fake, connected(fake) as upstream:
        await asyncio.gather(*(upstream.ask(asking()) for _ in range(5)))
        assert upstream.connections_open == upstream.connections_made == fake.connections == 5
        await upstream.ask(asking())
        assert upstream.connections_made == 5
    assert upstream.connections_open == 0


async def test_what_was_verified_by_another_authority_is_not_used_again(tmp_path: Path) -> None:
    more = asyncio.Event()

    async def wait(call: Call) -> None:
        await more.wait()
        await call.say(OK)

    async with running(tmp_path, agree, agree, wait) as fake, connected(fake) as upstream:
        await asyncio.gather(upstream.ask(asking()), upstream.ask(asking()))
        under_way = asyncio.create_task(upstream.ask(asking()))
        await until(lambda: len(fake.calls) == 3)
        Authority(tmp_path).ca.cert_pem.write_to_path(fake.folder / "ca.crt")
        await upstream._reload()
        more.set()
        assert (await under_way).code == 200
        with pytest.raises(Unavailable):
            await upstream.ask(asking())
    assert len(fake.calls) == 3


async def test_a_session_of_tls_is_gone_on_with(tmp_path: Path) -> None:
    resumed = []

    async def note(call: Call) -> None:
        resumed.append(call.writer.get_extra_info("ssl_object").session_reused)
        await call.say(CLOSING)

    async with running(tmp_path, note) as fake, connected(fake) as upstream:
        for _ in range(3):
            await upstream.ask(asking())
        fake.kubeconfig(
            {"tls-server-name": "127.0.0.1", "server": f"https://localhost:{fake.port}"}
        )
        await upstream._reload()
        await upstream.ask(asking())
    assert resumed == [False, True, True, False]


@asynccontextmanager
async def found_at(
    fake: FakeApiServer, *addresses: tuple[str, int], timeouts: Timeouts | None = None
) -> AsyncIterator[ApiServer]:
    """The apiserver under a name with several addresses."""

    async def resolve(_host: str, _port: int) -> Sequence[Address]:
        return [Address(socket.AF_INET, address) for address in addresses]

    access = ClusterAccess(
        fake.kubeconfig({"server": "https://api", "tls-server-name": "127.0.0.1"})
    )
    upstream = ApiServer(access, timeouts or Timeouts(), resolve)
    await upstream.start()
    yield upstream
    await upstream.close()


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeApiServer]:
    async with running(tmp_path, saying(CLOSING)) as fake:
        yield fake


async def test_an_address_that_refuses_is_passed_over(fake: FakeApiServer) -> None:
    async with found_at(fake, ("127.0.0.1", 1), ("127.0.0.1", fake.port)) as upstream:
        for _ in range(3):
            assert (await upstream.ask(asking(method="PUT"))).code == 200
    assert len(fake.calls) == 3


async def test_an_address_that_says_nothing_leaves_time_for_the_next(fake: FakeApiServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        addresses = (silent.getsockname(), ("127.0.0.1", fake.port))
        async with found_at(fake, *addresses, timeouts=Timeouts(connect=2)) as upstream:
            for _ in range(2):
                assert (await upstream.ask(asking())).code == 200


async def test_when_no_address_says_anything_it_is_a_timeout(fake: FakeApiServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        addresses = (silent.getsockname(), silent.getsockname())
        async with found_at(fake, *addresses, timeouts=Timeouts(connect=0.2)) as upstream:
            with pytest.raises(Timeout):
                await upstream.ask(asking())


async def test_an_address_that_is_not_verified_is_passed_over(
    fake: FakeApiServer, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    async with (
        running(stranger) as other,
        found_at(fake, ("127.0.0.1", other.port), ("127.0.0.1", fake.port)) as upstream,
    ):
        for _ in range(4):
            assert (await upstream.ask(asking())).code == 200
    assert (len(fake.calls), other.calls) == (4, [])


async def test_what_hangs_is_not_asked_again_over_what_was_kept(tmp_path: Path) -> None:
    async with (
        running(tmp_path, agree, agree, never, agree) as fake,
        connected(fake, Timeouts(answer=0.2)) as upstream,
    ):
        await asyncio.gather(upstream.ask(asking()), upstream.ask(asking()))
        with pytest.raises(Timeout):
            await upstream.ask(asking())
        await until(lambda: not upstream.connections_open)
        assert (await upstream.ask(asking())).code == 200
    assert fake.connections == 3
