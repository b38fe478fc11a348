"""The way to the apiserver, seen from the apiserver's end of the wire."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.core.errors import BadGateway, Refused, Timeout, Unavailable
from proxy.edge.upstream import ApiServer, ClusterAccess, ClusterError, Timeouts
from tests.e2e.relay import Relay
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

QUICK = Timeouts(connect=0.2, answer=0.2)
UNAUTHORIZED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{"


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeApiServer]:
    async with running(tmp_path) as fake:
        yield fake


async def test_a_request_goes_out_as_it_was_rendered(fake: FakeApiServer) -> None:
    target = "/api/v1/x?labelSelector=a%3Db%2Cc%2B&continue=%2e%2E~%20+"
    async with connected(fake) as upstream:
        reply = await upstream.ask(
            asking(target, method="PUT", headers=(("Content-Type", "a/b"),), body=b"{}")
        )
    (call,) = fake.calls
    assert call.first == f"PUT {target} HTTP/1.1"
    assert call.body == b"{}"
    assert (reply.code, reply.body) == (200, b"{}")


async def test_only_what_was_built_and_our_own_credentials_are_sent(fake: FakeApiServer) -> None:
    built = (("Accept", "application/json"), ("Audit-ID", "a-1"))
    async with connected(fake) as upstream:
        await upstream.ask(asking(headers=built))
    assert fake.calls[0].fields == (
        ("Host", f"127.0.0.1:{fake.port}"),
        *built,
        ("Authorization", "Bearer ours"),
    )


async def test_connections_are_used_again(fake: FakeApiServer) -> None:
    async with connected(fake) as upstream:
        for _ in range(3):
            await upstream.ask(asking())
        assert upstream.sent == 3
    assert fake.connections == 1


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"302 Found\r\nLocation: https://127.0.0.1:1/", 302),
        (b"307 Temporary Redirect\r\nLocation: /elsewhere", 307),
        (b"404 Not Found\r\nRetry-After: 3", 404),
        (b"500 Internal Server Error", 500),
    ],
)
async def test_an_answer_is_not_acted_upon(tmp_path: Path, head: bytes, code: int) -> None:
    said = b"HTTP/1.1 " + head + b"\r\nContent-Length: 0\r\n\r\n"
    async with running(tmp_path, saying(said)) as fake, connected(fake) as upstream:
        assert (await upstream.ask(asking())).code == code
    assert len(fake.calls) == 1


async def test_cookies_are_not_kept(tmp_path: Path) -> None:
    said = OK.replace(b"OK\r\n", b"OK\r\nSet-Cookie: a=b; Path=/\r\n")
    async with running(tmp_path, saying(said)) as fake, connected(fake) as upstream:
        await upstream.ask(asking())
        await upstream.ask(asking())
    assert "Cookie" not in dict(fake.calls[1].fields)


async def test_a_compressed_answer_stays_as_it_is(tmp_path: Path) -> None:
    packed = gzip.compress(b"{}")
    said = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    async with (
        running(tmp_path, saying(said % len(packed) + packed)) as fake,
        connected(fake) as upstream,
    ):
        reply = await upstream.ask(asking())
    assert (reply.header("Content-Encoding"), reply.body) == ("gzip", packed)


async def test_a_proxy_of_the_environment_is_not_asked(
    fake: FakeApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    async with connected(fake) as upstream:
        assert (await upstream.ask(asking())).code == 200


@pytest.mark.parametrize(
    ("behaviour", "method", "expected"),
    [
        (never, "PUT", Timeout),
        (saying(HALF), "PUT", Timeout),
        (hang_up, "PUT", BadGateway),
        (hang_up, "GET", Unavailable),
        (saying(b"HTTP/1.1 abc\r\n\r\n"), "GET", BadGateway),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), "GET", BadGateway),
    ],
    ids=["no answer", "half an answer", "a reset", "a reset of a read", "no HTTP", "SSH"],
)
async def test_a_fault_of_the_apiserver_is_said_as(
    tmp_path: Path, behaviour: Behaviour, method: str, expected: type[Refused]
) -> None:
    async with running(tmp_path, behaviour) as fake, connected(fake, QUICK) as upstream:
        with pytest.raises(expected) as refused:
            await upstream.ask(asking(method=method))
    assert type(refused.value) is expected
    assert "127.0.0.1" not in refused.value.message


async def test_an_answer_that_breaks_off_is_a_bad_gateway(tmp_path: Path) -> None:
    async def break_off(call: Call) -> None:
        await call.say(HALF)
        call.writer.close()

    async with running(tmp_path, break_off) as fake, connected(fake) as upstream:
        with pytest.raises(BadGateway):
            await upstream.ask(asking())


@pytest.mark.parametrize("announced", [b"Content-Length: 1000000000", b"X: until the close"])
async def test_an_answer_over_the_bound_is_not_read_whole(tmp_path: Path, announced: bytes) -> None:
    sent = 0

    async def flood(call: Call) -> None:
        nonlocal sent
        await call.say(b"HTTP/1.1 200 OK\r\n" + announced + b"\r\n\r\n")
        while True:
            await call.say(b" " * 1024 * 1024)
            sent += 1

    async with running(tmp_path, flood) as fake, connected(fake) as upstream:
        with pytest.raises(BadGateway, match="larger"):
            await upstream.ask(asking())
        async with asyncio.timeout(10):
            await fake.closed.wait()
    assert sent < 40


async def test_an_apiserver_that_is_away_is_unavailable_until_it_is_back(tmp_path: Path) -> None:
    async with running(tmp_path) as fake:
        port = fake.port
        async with connected(fake) as upstream:
            fake.kubeconfig({"server": "https://127.0.0.1:1"})
            await upstream._reload()
            with pytest.raises(Unavailable) as refused:
                await upstream.ask(asking())
            assert refused.value.retry_after
            assert not await upstream.reachable()
            fake.kubeconfig({"server": f"https://127.0.0.1:{port}"})
            await upstream._reload()
            assert await upstream.reachable()


async def test_another_certificate_than_the_clusters_is_not_talked_to(
    fake: FakeApiServer, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    async with running(stranger) as other:
        fake.kubeconfig({"server": f"https://127.0.0.1:{other.port}"})
        async with connected(fake) as upstream:
            with pytest.raises(Unavailable):
                await upstream.ask(asking())
    assert other.calls == []


async def test_a_write_is_sent_once_even_if_its_connection_breaks(tmp_path: Path) -> None:
    async with running(tmp_path, agree, hang_up) as fake, connected(fake) as upstream:
        await upstream.ask(asking())
        with pytest.raises(BadGateway):
            await upstream.ask(asking(method="PUT", body=b"{}"))
    assert [call.first.split()[0] for call in fake.calls] == ["GET", "PUT"]


async def test_pieces_come_as_soon_as_they_are_there(tmp_path: Path) -> None:
    more = asyncio.Event()

    async def drip(call: Call) -> None:
        await call.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await more.wait()
        await call.say(b"6\r\nsecond\r\n0\r\n\r\n")

    async with (
        running(tmp_path, drip) as fake,
        connected(fake) as upstream,
        upstream.stream(asking(streams=True)) as stream,
    ):
        chunks = stream.chunks()
        assert await anext(chunks) == b"first"
        more.set()
        assert [chunk async for chunk in chunks] == [b"second"]


async def test_a_watch_may_be_idle_for_longer_than_an_answer_takes(tmp_path: Path) -> None:
    async def idle(call: Call) -> None:
        await call.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await asyncio.sleep(3 * QUICK.answer)
        await call.say(b"0\r\n\r\n")

    async with (
        running(tmp_path, idle) as fake,
        connected(fake, QUICK) as upstream,
        upstream.stream(asking(streams=True)) as stream,
    ):
        assert [chunk async for chunk in stream.chunks()] == []


async def test_leaving_a_stream_closes_its_connection(tmp_path: Path) -> None:
    async def go_on(call: Call) -> None:
        await call.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await asyncio.Event().wait()

    async with running(tmp_path, go_on) as fake, connected(fake) as upstream:
        async with upstream.stream(asking(streams=True)) as stream:
            await anext(stream.chunks())
        async with asyncio.timeout(1):
            await fake.closed.wait()


async def test_a_stream_that_nobody_reads_is_not_taken_in(tmp_path: Path) -> None:
    sent = 0
    full = asyncio.Event()

    async def flood(call: Call) -> None:
        nonlocal sent
        await call.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            call.writer.write(b" " * 64 * 1024)
            try:
                await asyncio.wait_for(call.writer.drain(), 1)
            except TimeoutError:
                full.set()
                return
            sent += 64 * 1024

    async with (
        running(tmp_path, flood) as fake,
        connected(fake) as upstream,
        upstream.stream(asking(streams=True)),
        asyncio.timeout(20),
    ):
        await full.wait()
    assert sent < 32 * 1024 * 1024


async def test_leaving_a_stream_does_not_wait_for_an_apiserver_that_hangs(
    tmp_path: Path,
) -> None:
    async def go_on(call: Call) -> None:
        await call.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await asyncio.Event().wait()

    async with running(tmp_path, go_on) as fake:
        relay = Relay(fake.port)
        await relay.start()
        fake.kubeconfig({"server": f"https://127.0.0.1:{relay.port}"})
        async with connected(fake) as upstream:
            async with upstream.stream(asking(streams=True)) as stream:
                await anext(stream.chunks())
                await relay.hold()
            async with asyncio.timeout(2):
                while relay.open:  # noqa: ASYNC110 - the other side of a socket
                    await asyncio.sleep(0.01)
        await relay.stop()


async def test_a_rotated_token_is_read_again_when_the_old_one_is_refused(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")

    async def check(call: Call) -> None:
        await call.say(OK if call.token == "new" else UNAUTHORIZED)

    async with running(tmp_path, check) as fake:
        fake.kubeconfig(tokenFile=str(token))
        async with connected(fake) as upstream:
            token.write_text("new\n")
            codes = [(await upstream.ask(asking())).code for _ in range(2)]
    assert codes == [401, 200]


async def test_a_rotated_token_is_read_again_in_time(fake: FakeApiServer, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    fake.kubeconfig(tokenFile=str(token))
    async with connected(fake, Timeouts(reload=0.01)) as upstream, asyncio.timeout(10):
        token.write_text("new")
        await upstream.ask(asking())
        while fake.calls[-1].token != "new":
            await upstream.ask(asking())


async def test_credentials_that_cannot_be_read_leave_the_last(
    fake: FakeApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(fake) as upstream:
        (fake.folder / "kubeconfig").write_text("users: [{user: {token: secret}")
        await upstream._reload()
        assert (await upstream.ask(asking())).code == 200
    assert "keeping the last" in caplog.text
    assert "secret" not in caplog.text


async def test_a_rotated_authority_is_trusted_and_the_old_one_no_more(
    fake: FakeApiServer, tmp_path: Path
) -> None:
    authority = fake.folder / "ca.crt"
    old = authority.read_bytes()
    async with connected(fake) as upstream:
        assert await upstream.reachable()
        Authority(tmp_path).ca.cert_pem.write_to_path(authority)
        await upstream._reload()
        assert not await upstream.reachable()
        authority.write_bytes(old)
        await upstream._reload()
        assert await upstream.reachable()


async def test_an_authority_that_cannot_be_read_leaves_the_last(fake: FakeApiServer) -> None:
    async with connected(fake) as upstream:
        (fake.folder / "ca.crt").write_text("not a certificate")
        await upstream._reload()
        assert await upstream.reachable()


@pytest.mark.parametrize(
    ("cluster", "user", "why"),
    [
        ({"server": "http://127.0.0.1:1"}, {"token": "t"}, "https"),
        ({"insecure-skip-tls-verify": True}, {"token": "t"}, "insecure-skip-tls-verify"),
        ({"proxy-url": "http://127.0.0.1:1"}, {"token": "t"}, "proxy-url"),
        ({"certificate-authority": "/nowhere"}, {"token": "t"}, "loaded"),
        ({"server": None}, {"token": "t"}, "https"),
        ({}, {"username": ""}, "neither a token nor a certificate"),
        ({}, {"tokenFile": "/nowhere"}, "loaded"),
    ],
    ids=["http", "insecure", "proxy", "no CA", "no server", "nobody", "no token file"],
)
async def test_a_way_in_that_is_not_safe_is_refused_at_the_start(
    fake: FakeApiServer, cluster: dict[str, Any], user: dict[str, Any], why: str
) -> None:
    fake.kubeconfig(cluster, **user)
    with pytest.raises(ClusterError, match=why):
        async with connected(fake):
            pass


async def test_a_kubeconfig_that_is_missing_is_refused_at_the_start(tmp_path: Path) -> None:
    upstream = ApiServer(ClusterAccess(tmp_path / "none"), Timeouts())
    with pytest.raises(ClusterError, match="loaded"):
        await upstream.start()


async def test_before_the_start_nothing_is_reachable(tmp_path: Path) -> None:
    upstream = ApiServer(ClusterAccess(tmp_path / "none"), Timeouts())
    with pytest.raises(Unavailable):
        await upstream.ask(asking())
