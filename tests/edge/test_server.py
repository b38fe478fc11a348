"""The tenants' listener, byte for byte over TLS."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.core.wire import RawRequest, Reply
from proxy.edge.server.connection import Connection as Accepted
from proxy.edge.server.connection import House
from proxy.ports import Client, ClientGone
from tests.e2e.smuggling import BODIES, CHUNKED, HEADS, SMUGGLED, post
from tests.e2e.wire import Answer, Connection, connected, request
from tests.edge.listening import BODY_LIMIT, BOUNDS, Answering, Listener, Serve, echo, listening

JSON = (("Content-Type", "application/json"),)


@pytest.fixture
async def listener(tmp_path: Path) -> AsyncIterator[Listener]:
    async with listening(tmp_path) as listener:
        yield listener


@pytest.fixture
async def connection(listener: Listener) -> AsyncIterator[Connection]:
    async with listener.connect() as connection:
        yield connection


async def test_a_request_arrives_as_its_bytes_said_it(
    listener: Listener, connection: Connection
) -> None:
    await connection.say(request("GET", "/a%2Fb/../c?x=%41&x=+#y", "X-Two: 1", "x-two:  2 "))
    await connection.answer()
    (raw,) = listener.service.asked
    assert raw.target == "/a%2Fb/../c?x=%41&x=+#y"
    assert raw.fields.pairs == (("Host", "proxy"), ("X-Two", "1"), ("x-two", "2"))
    assert raw.peer == "127.0.0.1"


async def streamed(_: RawRequest, client: Client) -> None:
    await client.begin(200, JSON)
    await client.end()


async def silent(_: RawRequest, client: Client) -> None:
    """Give no answer at all."""


@pytest.mark.parametrize("said", [request("GET", "/"), b"no request\r\n\r\n"])
@pytest.mark.parametrize("answer", [echo, streamed, silent])
async def test_no_answer_names_what_made_it(tmp_path: Path, said: bytes, answer: Serve) -> None:
    async with listening(tmp_path, answer) as listener, listener.connect() as connection:
        await connection.say(said)
        found = await connection.answer()
    assert {key for key, _ in found.fields} <= {
        *("Content-Type", "Content-Length", "Transfer-Encoding", "Cache-Control"),
        *("Connection", "Date"),
    }


async def test_a_connection_serves_one_request_after_the_other(
    listener: Listener, connection: Connection
) -> None:
    for target in ("/1", "/2"):
        await connection.say(request("GET", target))
        assert (await connection.answer()).code == 200
    assert listener.service.targets == ["/1", "/2"]


async def test_requests_sent_at_once_are_answered_in_order(connection: Connection) -> None:
    bodies = (b"one", b"two")
    await connection.say(
        b"".join(request("POST", "/", f"Content-Length: {len(b)}", body=b) for b in bodies)
    )
    assert [(await connection.answer()).body for _ in bodies] == [b"one", b"two"]


async def test_a_head_that_comes_byte_by_byte_is_one_request(
    listener: Listener, connection: Connection
) -> None:
    for byte in request("GET", "/slow"):
        await connection.say(bytes([byte]))
    assert (await connection.answer()).code == 200
    assert listener.service.targets == ["/slow"]


async def test_many_requests_sent_at_once_are_answered_in_order(connection: Connection) -> None:
    bodies = [b"%d" % number * 100 for number in range(1000, 1200)]
    await connection.say(
        b"".join(request("POST", "/", f"Content-Length: {len(b)}", body=b) for b in bodies)
    )
    assert [(await connection.answer()).body for _ in bodies] == bodies


async def test_a_client_that_says_it_is_done_is_let_go(connection: Connection) -> None:
    await connection.say(request("GET", "/", "Connection: x, Close") + request("GET", "/2"))
    assert [answer.code for answer in await connection.answers()] == [200]


async def test_a_body_that_nobody_reads_is_not_taken_in(tmp_path: Path) -> None:
    async def answer(*_: object) -> None:
        await asyncio.Event().wait()

    async def send_all(connection: Connection) -> None:
        for _ in range(2**10):
            await connection.say(b"x" * 2**20)

    async with listening(tmp_path, answer) as listener, listener.connect() as connection:
        await connection.say(post(f"Content-Length: {2**30}"))
        await asked(listener)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(send_all(connection), 2)


async def test_an_answer_of_a_known_length_says_it(tmp_path: Path) -> None:
    async def answer(_: RawRequest, client: Client) -> None:
        await client.begin(200, JSON, 4)
        await client.write(b"{ ")
        await client.write(b" }")
        await client.end()

    async with listening(tmp_path, answer) as listener, listener.connect() as connection:
        for _ in range(2):
            await connection.say(request("GET", "/"))
            answered = await connection.answer()
            assert (answered.header("Content-Length"), answered.body) == ("4", b"{  }")


@pytest.mark.parametrize("body", [b"123", b"12345"], ids=["short of it", "beyond it"])
async def test_an_answer_that_has_not_its_length_is_broken_off(tmp_path: Path, body: bytes) -> None:
    async def answer(_: RawRequest, client: Client) -> None:
        await client.begin(200, JSON, 4)
        await client.write(body)
        await client.end()

    async with listening(tmp_path, answer) as listener, listener.connect() as connection:
        await connection.say(request("GET", "/") * 2)
        answered: list[Answer] = []
        with contextlib.suppress(AssertionError):
            answered = await connection.answers()
    assert answered == []
    assert len(listener.service.asked) == 1


async def test_an_answer_that_was_left_unfinished_is_broken_off(tmp_path: Path) -> None:
    async def answer(_: RawRequest, client: Client) -> None:
        await client.begin(200, JSON)
        await client.write(b"part")

    async with listening(tmp_path, answer) as listener, listener.connect() as connection:
        await connection.say(request("GET", "/"))
        with pytest.raises(AssertionError, match="ended within an answer"):
            await connection.answers()


async def test_a_fault_of_a_service_breaks_its_connection_and_says_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(raw: RawRequest, _: Client) -> None:
        raise RuntimeError(raw.target)

    async with listening(tmp_path, answer) as listener:
        async with listener.connect() as connection:
            await connection.say(request("GET", "/secret"))
            assert await connection.answers() == []
        async with listener.connect() as connection:
            await connection.say(b"no request\r\n\r\n")
            assert [answered.code for answered in await connection.answers()] == [400]
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("attack", HEADS.values(), ids=HEADS)
async def test_a_head_that_says_two_things_is_refused_and_the_connection_closed(
    listener: Listener, connection: Connection, attack: bytes
) -> None:
    await connection.say(attack)
    (answer,) = await connection.answers()
    assert (answer.code, answer.json["kind"]) == (400, "Status")
    assert not any(target.endswith("smuggled") for target in listener.service.targets)


@pytest.mark.parametrize("split", [False, True], ids=["in one segment", "after the head"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_broken_chunk_is_refused_once_and_the_connection_closed(
    listener: Listener, connection: Connection, body: bytes, *, split: bool
) -> None:
    await connection.say(post(CHUNKED))
    if split:
        await asked(listener)
    await connection.say(body + SMUGGLED)
    (answer,) = await connection.answers()
    assert (answer.code, answer.json["kind"]) == (400, "Status")
    assert not any(target.endswith("smuggled") for target in listener.service.targets)


async def asked(listener: Listener, count: int = 1) -> None:
    async with asyncio.timeout(10):
        while len(listener.service.asked) < count:  # noqa: ASYNC110 - the other side of a socket
            await asyncio.sleep(0)


@pytest.mark.parametrize("framing", ["Content-Length: 2", CHUNKED])
async def test_a_body_is_read_whole(connection: Connection, framing: str) -> None:
    body = b"{}" if framing != CHUNKED else b"1;x=y\r\n{\r\n1\r\n}\r\n0\r\nX-Sum: 1\r\n\r\n"
    await connection.say(post(framing) + body)
    assert (await connection.answer()).body == b"{}"


async def test_a_trailer_is_no_header(listener: Listener, connection: Connection) -> None:
    await connection.say(post(CHUNKED) + b"0\r\nImpersonate-User: admin\r\n\r\n")
    assert (await connection.answer()).code == 200
    assert [key for key, _ in listener.service.asked[0].fields.pairs][-1] == "Transfer-Encoding"


@pytest.mark.parametrize(
    ("body", "framing"),
    [
        (b"", f"Content-Length: {BODY_LIMIT + 1}"),
        (b"x" * BODY_LIMIT, f"Content-Length: {BODY_LIMIT + 1}"),
        (b"%x\r\n" % (BODY_LIMIT + 1) + b"x" * (BODY_LIMIT + 1), CHUNKED),
    ],
    ids=["announced", "announced and begun", "chunked"],
)
async def test_a_body_over_the_bound_is_refused_before_it_is_read_whole(
    connection: Connection, body: bytes, framing: str
) -> None:
    await connection.say(post(framing) + body)
    (answer,) = await connection.answers()
    assert (answer.code, answer.json["reason"]) == (413, "RequestEntityTooLarge")


async def test_a_body_of_just_the_bound_is_taken(connection: Connection) -> None:
    await connection.say(post(f"Content-Length: {BODY_LIMIT}") + b"x" * BODY_LIMIT)
    assert len((await connection.answer()).body) == BODY_LIMIT


async def test_a_body_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    async with (
        listening(tmp_path, bounds=replace(BOUNDS, body=0.05)) as listener,
        listener.connect() as connection,
    ):
        await connection.say(post("Content-Length: 9") + b"{")
        (answer,) = await connection.answers()
    assert (answer.code, answer.json["reason"]) == (408, "Timeout")


async def test_the_rest_of_a_refused_body_is_not_the_next_request(
    listener: Listener, connection: Connection
) -> None:
    await connection.say(post(f"Content-Length: {BODY_LIMIT + len(SMUGGLED)}"))
    await asked(listener)
    await connection.say(SMUGGLED)
    (answer,) = await connection.answers()
    assert answer.code == 413
    assert len(listener.service.asked) == 1


async def test_a_client_that_asks_first_is_told_to_send_its_body(connection: Connection) -> None:
    await connection.say(post("Content-Length: 2", "Expect: 100-continue"))
    assert (await connection.answer()).code == 100
    await connection.say(b"{}")
    answer = await connection.answer()
    assert (answer.code, answer.body) == (200, b"{}")


async def test_a_client_that_asks_first_is_refused_without_its_body(
    connection: Connection,
) -> None:
    await connection.say(post(f"Content-Length: {BODY_LIMIT + 1}", "Expect: 100-continue"))
    (answer,) = await connection.answers()
    assert answer.code == 413


async def test_a_client_that_asks_first_and_then_is_silent_gets_one_answer(
    tmp_path: Path,
) -> None:
    async with (
        listening(tmp_path, bounds=replace(BOUNDS, body=0.05)) as listener,
        listener.connect() as connection,
    ):
        await connection.say(post("Content-Length: 2", "Expect: 100-continue"))
        codes = [answer.code for answer in await connection.answers()]
    assert codes == [100, 408]


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: p\r\nX: " + b"a" * 70_000, 431),
        (b"GET / HTTP/1.1\r\nHost: p\r\n" + b"a" * 70_000, 431),
        (b"GET /" + b"a" * 20_000, 431),
        (b"GET / HTTP/1.1\r\nHost: p\r\n" + b"X: a\r\n" * 101 + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: p\r\n" + (b"X: " + b"a" * 60_000 + b"\r\n") * 20, 431),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/0.9\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 400),
        (b"\x16\x03\x01\x00\xa5\x01\x00", 400),
        (b"hello\r\n\r\n", 400),
    ],
    ids=[
        "a long value",
        "a long name",
        "a long target",
        "many headers",
        "many long headers",
        "HTTP/0.9",
        "HTTP/0.9, so called",
        "HTTP/2",
        "TLS in TLS",
        "a greeting",
    ],
)
async def test_what_is_no_request_ends_as_a_status_and_is_not_served(
    listener: Listener,
    connection: Connection,
    head: bytes,
    code: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        await connection.say(head)
        (answer,) = await connection.answers()
    assert (answer.code, answer.json["code"]) == (code, code)
    assert listener.service.asked == []
    assert len(listener.service.malformed_requests) == 1
    assert b"aaaa" not in answer.body
    assert "aaaa" not in caplog.text


@pytest.mark.parametrize(
    "head",
    [
        request("CONNECT", "apiserver:6443"),
        request("TRACE", "/"),
        request("OPTIONS", "*"),
        request("GET", "/", "Connection: Upgrade", "Upgrade: h2c"),
        request("GET", "/", "Connection: Upgrade", "Upgrade: websocket"),
    ],
    ids=["CONNECT", "TRACE", "OPTIONS", "h2c", "websocket"],
)
async def test_after_an_attempt_to_change_the_protocol_nothing_more_is_read(
    listener: Listener, connection: Connection, head: bytes
) -> None:
    await connection.say(head + SMUGGLED)
    (answer,) = await connection.answers()
    assert answer.code in {400, 405}
    assert len(listener.service.asked) == 1


async def test_a_silent_client_is_disconnected(tmp_path: Path) -> None:
    async with (
        listening(tmp_path, bounds=replace(BOUNDS, idle=0.05)) as listener,
        listener.connect() as connection,
    ):
        assert await connection.at_end()


async def test_a_head_that_does_not_come_to_its_end_is_given_up(tmp_path: Path) -> None:
    async with (
        listening(tmp_path, bounds=replace(BOUNDS, idle=0.05)) as listener,
        listener.connect() as connection,
    ):
        await connection.say(b"GET / HTTP/1.1\r\nHost: p\r\n")
        assert await connection.answers() == []


async def test_where_the_oldest_goes_those_who_hold_connections_keep_nobody_out(
    tmp_path: Path,
) -> None:
    """Idle or in the middle of a request: a notice of an issuer comes once, and has to get in."""
    bounds = replace(BOUNDS, connections=2, oldest_goes=True)
    async with (
        listening(tmp_path, bounds=bounds) as listener,
        listener.connect() as busy,
        listener.connect() as idle,
    ):
        await busy.say(post("Content-Length: 2") + b"{")
        await asked(listener)
        async with listener.connect() as third, listener.connect() as fourth:
            for late in (third, fourth):
                await late.say(request("GET", "/"))
                assert (await late.answer()).code == 200
            assert [await held.answers() for held in (busy, idle)] == [[], []]


async def test_connections_over_the_bound_are_closed_and_the_others_served(
    tmp_path: Path,
) -> None:
    async with (
        listening(tmp_path, bounds=replace(BOUNDS, connections=1)) as listener,
        listener.connect() as first,
    ):
        async with listener.connect() as second:
            assert await second.at_end()
        await first.say(request("GET", "/"))
        assert (await first.answer()).code == 200


async def test_http_2_is_not_offered(listener: Listener) -> None:
    trust = listener.authority.trust
    trust.set_alpn_protocols(["h2", "http/1.1"])
    async with connected(listener.port, trust) as connection:
        assert connection.protocol == "http/1.1"


async def test_a_client_that_speaks_no_tls_gets_no_answer(listener: Listener) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(request("GET", "/"))
    answered = await reader.read()
    assert not answered.startswith(b"HTTP")
    writer.close()


async def test_an_answer_to_head_has_the_length_and_no_body(tmp_path: Path) -> None:
    async def answer(_: RawRequest, client: Client) -> None:
        await client.send(Reply(200, JSON, b"{}"))

    async with listening(tmp_path, answer) as listener, listener.connect() as connection:
        for _ in range(2):
            await connection.say(request("HEAD", "/"))
            assert (await connection.answer(to="HEAD")).header("Content-Length") == "2"


async def test_a_streamed_answer_to_head_has_no_body(tmp_path: Path) -> None:
    async def answer(_: RawRequest, client: Client) -> None:
        await client.begin(200, JSON)
        await client.write(b"{}")
        await client.end()

    async with listening(tmp_path, answer) as listener, listener.connect() as connection:
        for _ in range(2):
            await connection.say(request("HEAD", "/"))
            assert (await connection.answer(to="HEAD")).code == 200


async def test_a_piece_reaches_the_client_before_the_next_is_there(tmp_path: Path) -> None:
    more = asyncio.Event()

    async def answer(_: RawRequest, client: Client) -> None:
        await client.begin(200, JSON)
        await client.write(b"first\n")
        await more.wait()
        await client.write(b"second\n")
        await client.end()

    async with listening(tmp_path, answer) as listener, listener.connect() as connection:
        await connection.say(request("GET", "/"))
        await connection.head()
        chunks = connection.chunks()
        assert await anext(chunks) == b"first\n"
        more.set()
        assert [chunk async for chunk in chunks] == [b"second\n"]


@contextlib.asynccontextmanager
async def narrow(listener: Listener) -> AsyncIterator[asyncio.StreamWriter]:
    """Somebody whose own system keeps little, so that what is not taken stays where it was."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.settimeout(0)
    await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", listener.port))
    _, writer = await asyncio.open_connection(
        sock=made, ssl=listener.authority.trust, server_hostname="127.0.0.1"
    )
    try:
        yield writer
    finally:
        writer.transport.abort()


async def test_a_client_that_does_not_read_is_waited_for(tmp_path: Path) -> None:
    given = 0
    stuck = asyncio.Event()

    async def answer(_: RawRequest, client: Client) -> None:
        nonlocal given
        await client.begin(200, JSON)
        while True:
            writing = asyncio.ensure_future(client.write(b"x" * 64 * 1024))
            done, _pending = await asyncio.wait([writing], timeout=1)
            if not done:
                stuck.set()
                await writing
            given += 64 * 1024

    async with listening(tmp_path, answer) as listener, narrow(listener) as writer:
        writer.write(request("GET", "/"))
        async with asyncio.timeout(20):
            await stuck.wait()
        assert given < 1024 * 1024


class Endless:
    """A service whose answer has no end; it notes what was taken of it."""

    def __init__(self) -> None:
        self.pieces = 0
        self.gone = asyncio.Event()

    async def answer(self, _: RawRequest, client: Client) -> None:
        await client.begin(200, JSON)
        try:
            while True:
                await client.write(b"x" * 64 * 1024)
                self.pieces += 1
        except ClientGone:
            self.gone.set()


async def test_a_client_that_takes_nothing_is_given_up(tmp_path: Path) -> None:
    endless = Endless()
    async with (
        listening(tmp_path, endless.answer, replace(BOUNDS, stall=0.05)) as listener,
        listener.connect() as connection,
    ):
        await connection.say(request("GET", "/"))
        async with asyncio.timeout(10):
            await endless.gone.wait()
        await connection.head()
        with pytest.raises(AssertionError, match="ended within an answer"):
            _ = [chunk async for chunk in connection.chunks()]


async def test_a_client_that_is_slow_but_takes_is_not_given_up(tmp_path: Path) -> None:
    endless, stall = Endless(), 1.0
    async with (
        listening(tmp_path, endless.answer, replace(BOUNDS, stall=stall)) as listener,
        listener.connect() as connection,
    ):
        await connection.say(request("GET", "/"))
        await connection.head()
        chunks = connection.chunks()
        for _ in range(4):
            await asyncio.sleep(stall / 2)  # it is slow: together twice as long as the bound
            taken = endless.pieces
            while endless.pieces == taken:
                await anext(chunks)
        assert not endless.gone.is_set()


async def test_a_deadline_around_a_write_stays_its_own(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def answer(raw: RawRequest, client: Client) -> None:
        try:
            async with asyncio.timeout(0.05):
                await Endless().answer(raw, client)
        except TimeoutError:
            ended.set()
            client.abort()

    async with listening(tmp_path, answer) as listener, listener.connect() as connection:
        await connection.say(request("GET", "/"))
        async with asyncio.timeout(10):
            await ended.wait()


async def test_an_aborted_answer_cannot_be_taken_for_complete(tmp_path: Path) -> None:
    async def answer(_: RawRequest, client: Client) -> None:
        await client.begin(200, JSON)
        await client.write(b"part")
        client.abort()

    async with listening(tmp_path, answer) as listener, listener.connect() as connection:
        await connection.say(request("GET", "/"))
        await connection.head()
        with pytest.raises(AssertionError, match="ended within an answer"):
            _ = [chunk async for chunk in connection.chunks()]


async def test_a_client_that_leaves_ends_the_work_for_it(tmp_path: Path) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def answer(_: RawRequest, client: Client) -> None:
        await client.begin(200, JSON)
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with listening(tmp_path, answer) as listener, listener.connect() as connection:
        await connection.say(request("GET", "/"))
        await began.wait()
        await connection.hang_up()
        async with asyncio.timeout(10):
            await ended.wait()


async def test_writing_to_a_client_that_has_left_says_so(tmp_path: Path) -> None:
    told = asyncio.Event()

    async def answer(_: RawRequest, client: Client) -> None:
        await client.begin(200, JSON)
        client.abort()
        try:
            while True:
                await client.write(b"x" * 64 * 1024)
        except ClientGone:
            told.set()

    async with listening(tmp_path, answer) as listener, listener.connect() as connection:
        await connection.say(request("GET", "/"))
        async with asyncio.timeout(10):
            await told.wait()


class Held:
    """A service that answers when it is let go."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.released = asyncio.Event()

    async def answer(self, _: RawRequest, client: Client) -> None:
        body = await client.body(BODY_LIMIT)
        self.begun.set()
        await self.released.wait()
        await client.send(Reply(200, JSON, body))


async def test_a_request_under_way_is_finished_before_the_stop(tmp_path: Path) -> None:
    held = Held()
    async with listening(tmp_path, held.answer) as listener, listener.connect() as connection:
        await connection.say(post("Content-Length: 2") + b"{}")
        await held.begun.wait()
        stopping = asyncio.create_task(listener.server.stop(grace=20))
        await nobody_listens(listener)
        held.released.set()
        (answer,) = await connection.answers()
        await stopping
    assert (answer.code, answer.header("Connection")) == (200, "close")


async def test_a_body_under_way_is_read_to_its_end_before_the_stop(tmp_path: Path) -> None:
    held = Held()
    held.released.set()
    async with listening(tmp_path, held.answer) as listener, listener.connect() as connection:
        await connection.say(post("Content-Length: 2") + b"{")
        await asked(listener)
        stopping = asyncio.create_task(listener.server.stop(grace=20))
        await nobody_listens(listener)
        await connection.say(b"}")
        (answer,) = await connection.answers()
        await stopping
    assert (answer.code, answer.body) == (200, b"{}")


async def test_an_answer_under_way_comes_to_its_end_before_the_stop(tmp_path: Path) -> None:
    more = asyncio.Event()

    async def answer(_: RawRequest, client: Client) -> None:
        await client.begin(200, JSON)
        await more.wait()
        await client.end()

    async with listening(tmp_path, answer) as listener, listener.connect() as connection:
        await connection.say(request("GET", "/"))
        await connection.head()
        stopping = asyncio.create_task(listener.server.stop(grace=20))
        await nobody_listens(listener)
        more.set()
        assert [chunk async for chunk in connection.chunks()] == []
        assert await connection.at_end()
        await stopping


async def test_an_idle_connection_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    async with listening(tmp_path) as listener, listener.connect() as connection:
        await connection.say(request("GET", "/"))
        await connection.answer()
        async with asyncio.timeout(5):
            await listener.server.stop(grace=60)
        assert await connection.at_end()


async def test_a_request_that_does_not_finish_is_cut_after_the_grace(tmp_path: Path) -> None:
    held = Held()
    async with listening(tmp_path, held.answer) as listener, listener.connect() as connection:
        await connection.say(post("Content-Length: 2") + b"{}")
        await held.begun.wait()
        async with asyncio.timeout(5):
            await listener.server.stop(grace=0.05)
        assert await connection.answers() == []


async def nobody_listens(listener: Listener) -> None:
    """Wait until the server takes no more connections: it has begun to stop."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            except ConnectionError:
                return
            writer.close()


class Closing(asyncio.Transport):
    """A transport that has been closed, and whose connection is not yet lost."""

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("127.0.0.1", 1) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return True


async def test_what_comes_after_the_last_answer_is_no_request() -> None:
    house = House(Answering(), BOUNDS)
    connection = Accepted(house)
    connection.connection_made(Closing())
    connection.data_received(request("GET", "/"))
    assert connection.is_idle
    connection.connection_lost(None)
