"""One connection, as a transcript: what is said, and what becomes of it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from proxy.edge.upstream.connection import DroppedError
from proxy.http1 import MalformedError
from tests.edge.apiservers import OK
from tests.edge.upstream.wires import Wire

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
KIB = 1024


@pytest.mark.parametrize("said", [OK, CHUNKED + b"2\r\n{}\r\n0\r\n\r\n"], ids=["sized", "chunked"])
@pytest.mark.parametrize("bytewise", [False, True])
async def test_an_answer_is_the_same_however_it_is_cut(said: bytes, *, bytewise: bool) -> None:
    wire = Wire()
    pieces = [said[at : at + 1] for at in range(len(said))] if bytewise else [said]
    assert await (await wire.ask(*pieces)) == 200
    assert await wire.whole() == b"{}"
    assert wire.connection.release()


async def test_a_small_request_is_one_write() -> None:
    wire = Wire()
    await (await wire.ask(OK, body=b"{}"))
    assert wire.written == [b"HEAD{}"]


@pytest.mark.parametrize(
    ("said", "length"), [(OK, 2), (CHUNKED, None), (b"HTTP/1.1 204 No Content\r\n\r\n", 0)]
)
async def test_the_length_is_what_was_announced(said: bytes, length: int | None) -> None:
    wire = Wire()
    await (await wire.ask(said))
    assert wire.connection.length == length


async def test_information_is_passed_over() -> None:
    wire = Wire()
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    processing = b"HTTP/1.1 102 Processing\r\n\r\n"
    assert await (await wire.ask(CONTINUE + processing, hints + OK)) == 200
    assert await wire.whole() == b"{}"
    assert wire.connection.release()


async def test_information_without_end_is_no_answer() -> None:
    wire = Wire()
    with pytest.raises(MalformedError):
        await (await wire.ask(17 * CONTINUE + OK))
    assert not wire.open


async def test_a_switch_of_protocols_is_the_end_of_the_connection() -> None:
    wire = Wire()
    said = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"
    assert await (await wire.ask(said)) == 101
    assert await wire.whole() == b""
    assert not wire.connection.release()
    assert not wire.open


@pytest.mark.parametrize("option", [b"close", b"Close", b"x, close"])
async def test_a_connection_that_will_close_is_not_kept(option: bytes) -> None:
    wire = Wire()
    await (await wire.ask(OK.replace(b"OK\r\n", b"OK\r\nConnection: " + option + b"\r\n")))
    assert await wire.whole() == b"{}"
    assert not wire.connection.release()


async def test_what_nobody_asked_for_ends_the_connection() -> None:
    wire = Wire()
    wire.say(OK)
    assert not wire.open
    assert not wire.connection.usable


async def test_what_comes_between_two_requests_ends_the_connection() -> None:
    wire = Wire()
    await (await wire.ask(OK))
    assert wire.connection.release()
    wire.say(OK)
    with pytest.raises(ConnectionResetError):
        await (await wire.ask())
    assert wire.written == [b"HEAD"]


@pytest.mark.parametrize("said", [(OK + OK,), (OK, OK), (OK, b"\r\n"), (OK + b"\n",)])
async def test_what_comes_after_an_answer_is_no_part_of_the_next(said: tuple[bytes, ...]) -> None:
    wire = Wire()
    await (await wire.ask(*said))
    assert await wire.whole() == b"{}"
    assert not wire.connection.release()
    assert not wire.open


async def test_what_comes_after_chunks_is_no_part_of_the_next() -> None:
    wire = Wire()
    await (await wire.ask(CHUNKED + b"0\r\n\r\n" + OK))
    assert await wire.whole() == b""
    assert not wire.connection.release()


async def test_an_answer_until_the_close_is_whole_at_its_clean_end() -> None:
    wire = Wire()
    await (await wire.ask(UNTIL_CLOSE, b"{", b"}"))
    wire.connection.eof_received()
    wire.connection.connection_lost(None)
    assert await wire.whole() == b"{}"
    assert not wire.connection.release()


@pytest.mark.parametrize("exc", [None, ConnectionResetError()])
async def test_an_answer_until_the_close_may_not_be_torn_off(exc: Exception | None) -> None:
    wire = Wire()
    await (await wire.ask(UNTIL_CLOSE, b"{"))
    wire.connection.connection_lost(exc)
    with pytest.raises(DroppedError):
        await wire.whole()


@pytest.mark.parametrize("said", [OK[:-1], CHUNKED + b"2\r\n{}\r\n"], ids=["sized", "chunked"])
async def test_a_body_that_breaks_off_is_not_whole_at_a_clean_end(said: bytes) -> None:
    wire = Wire()
    await (await wire.ask(said))
    wire.connection.eof_received()
    with pytest.raises(DroppedError):
        await wire.whole()


@pytest.mark.parametrize(("said", "heard"), [(b"", False), (b"HTTP/1.1 2", True), (CONTINUE, True)])
async def test_an_end_before_the_answer_says_whether_any_came(said: bytes, *, heard: bool) -> None:
    wire = Wire()
    asked = await wire.ask(*filter(None, [said]))
    wire.connection.connection_lost(None)
    with pytest.raises(DroppedError) as dropped:
        await asked
    assert dropped.value.heard is heard
    assert wire.ended == [wire.connection]


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
        OK.replace(b"\r\n", b"\n"),
        OK.replace(b"Length: 2", b"Length: 2\r\nTransfer-Encoding: chunked"),
        OK.replace(b"Length: 2", b"Length: 2\r\nContent-Length: 3"),
        OK.replace(b"200 OK", b"200 " + 17 * KIB * b"O"),
        OK.replace(b"application/json", 65 * KIB * b"a"),
        b"HTTP/1.1 200 OK\r\nX: " + 65 * KIB * b"a",
    ],
    ids=["SSH", "1.0", "LF", "two framings", "two lengths", "line", "field", "no end"],
)
async def test_what_is_no_answer_ends_the_connection(said: bytes) -> None:
    wire = Wire()
    with pytest.raises(MalformedError):
        await (await wire.ask(said))
    assert not wire.open


async def test_a_broken_chunk_ends_the_connection() -> None:
    wire = Wire()
    await (await wire.ask(CHUNKED, b"2\r\n{}x"))
    with pytest.raises(MalformedError):
        await wire.whole()
    assert not wire.open


async def test_a_body_is_taken_as_it_is_taken_away() -> None:
    wire = Wire()
    await (await wire.ask(CHUNKED, b"20000\r\n", 64 * KIB * b"a"))
    assert wire.is_reading()
    wire.say(b"a")
    assert not wire.is_reading()
    assert len(await wire.connection.piece()) == 64 * KIB + 1
    assert wire.is_reading()


async def test_a_large_request_is_sent_as_it_is_taken() -> None:
    wire = Wire()
    body = bytes(range(256)) * KIB
    wire.connection.pause_writing()
    asked = await wire.ask(body=body)
    assert wire.written == [b"HEAD"]
    wire.connection.resume_writing()
    await asyncio.sleep(0)
    assert b"".join(wire.written) == b"HEAD" + body
    wire.say(OK)
    assert await asked == 200
    assert wire.connection.release()


async def test_an_answer_may_come_before_the_request_was_sent() -> None:
    wire = Wire()
    wire.connection.pause_writing()
    asked = await wire.ask(OK, body=256 * KIB * b"a")
    assert await asked == 200
    assert await wire.whole() == b"{}"
    assert wire.written == [b"HEAD"]
    assert not wire.connection.release()


async def test_who_leaves_early_ends_the_connection() -> None:
    wire = Wire()
    await (await wire.ask(CHUNKED, b"2\r\n{}\r\n"))
    assert not wire.connection.release()
    assert not wire.open


async def test_who_is_cancelled_ends_the_connection() -> None:
    wire = Wire()
    asked = await wire.ask()
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert not wire.open


class Loop(asyncio.SelectorEventLoop):
    """An event loop in which time passes at once."""

    passed = 0.0

    def time(self) -> float:
        return super().time() + self.passed


def passing(test: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(test)


async def wait(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)
    # Who is to wait, waits by then; and what is due is done in the turns after.
    await asyncio.sleep(0)
    loop.passed += seconds
    for _ in range(3):
        await asyncio.sleep(0)


def test_what_is_idle_for_long_is_ended() -> None:
    async def test() -> None:
        wire = Wire()
        await (await wire.ask(OK))
        wire.connection.release()
        await wait(70)
        assert wire.connection.usable
        await wait(6)
        assert not wire.open

    passing(test())


def test_what_is_used_is_not_idle() -> None:
    async def test() -> None:
        wire = Wire()
        for _ in range(4):
            await (await wire.ask(OK, read=65))
            assert wire.connection.release()
            await wait(60)
        assert wire.connection.usable

    passing(test())


def test_a_stream_has_no_timeout_on_a_connection_that_had_one() -> None:
    async def test() -> None:
        wire = Wire()
        await (await wire.ask(OK, read=65))
        wire.connection.release()
        await (await wire.ask(CHUNKED))
        piece = asyncio.ensure_future(wire.connection.piece())
        await wait(600)
        wire.say(b"2\r\n{}\r\n")
        assert await piece == b"{}"

    passing(test())


def test_an_answer_that_stands_still_is_a_timeout() -> None:
    async def test() -> None:
        wire = Wire()
        await (await wire.ask(CHUNKED, read=65))
        for _ in range(3):
            piece = asyncio.ensure_future(wire.connection.piece())
            await wait(50)
            wire.say(b"2\r\n{}\r\n")
            assert await piece == b"{}"
        piece = asyncio.ensure_future(wire.connection.piece())
        await wait(66)
        with pytest.raises(TimeoutError):
            await piece
        assert (wire.open, wire.connection.hung) == (False, False)

    passing(test())


def test_who_takes_nothing_away_is_no_timeout_of_the_other_side() -> None:
    async def test() -> None:
        wire = Wire()
        await (await wire.ask(CHUNKED, b"2\r\n{}\r\n", read=65))
        await wait(600)
        assert await wire.connection.piece() == b"{}"

    passing(test())


def test_no_answer_in_time_is_said_of_the_connection() -> None:
    async def test() -> None:
        wire = Wire()
        asked = await wire.ask(b"HTTP/1.1 200", read=65)
        await wait(66)
        with pytest.raises(TimeoutError):
            await asked
        assert wire.connection.hung

    passing(test())
