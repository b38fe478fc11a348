"""The framing of bodies: what a head announces, and where a body ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.wire import Headers
from proxy.http1 import Framing, MalformedError, of_request, of_response, opened
from proxy.http1.body import Announced, Body
from tests.e2e.smuggling import BODIES

SIZED: Headers = (("content-LENGTH", "2"),)
CODED: Headers = (("Transfer-encoding", "Chunked"),)


@pytest.mark.parametrize(("headers", "announced"), [((), 0), (SIZED, 2), (CODED, Framing.CHUNKED)])
def test_a_request_ends_as_it_announces(headers: Headers, announced: Announced) -> None:
    assert of_request(headers) == announced


@pytest.mark.parametrize(
    ("code", "headers", "announced"),
    [
        (200, (), Framing.UNTIL_CLOSE),
        (200, SIZED, 2),
        (404, CODED, Framing.CHUNKED),
        (204, (), 0),
        (304, SIZED, 0),
        (103, (), 0),
    ],
)
def test_an_answer_ends_as_it_announces(code: int, headers: Headers, announced: Announced) -> None:
    assert of_response(code, headers) == announced


@pytest.mark.parametrize(
    "headers",
    [
        SIZED + CODED,
        SIZED * 2,
        CODED * 2,
        *(
            (("Content-Length", value),)
            for value in ("", "+2", "-2", "2, 2", "2 2", "0x2", "\u0662")
        ),
        (("Content-Length", "9" * 19),),
        *(
            (("Transfer-Encoding", value),)
            for value in ("", "identity", "gzip, chunked", "chunked,")
        ),
    ],
)
def test_what_announces_two_ends_or_none_is_refused(headers: Headers) -> None:
    with pytest.raises(MalformedError):
        of_request(headers)
    with pytest.raises(MalformedError):
        of_response(200, headers)


def fed(body: Body, pieces: list[bytes]) -> tuple[bytes, bytes]:
    """What pieces make together: the body, and what comes after it."""
    received, rest = b"", b""
    for piece in pieces:
        if body.complete:
            rest += piece
            continue
        more, rest = body.feed(piece)
        received += more
    return received, rest


CHUNKS = st.lists(st.binary(min_size=1, max_size=40), max_size=5)
EXTENSIONS = st.sampled_from([b"", b";", b";x=y", b';x="a b"'])
TRAILERS = st.sampled_from([b"", b"X-Sum: 1\r\n", b"A:\r\nB: \xff\r\n"])


@given(st.data(), CHUNKS, EXTENSIONS, TRAILERS)
def test_chunks_come_out_whole_wherever_they_were_split(
    data: st.DataObject, chunks: list[bytes], extension: bytes, trailer: bytes
) -> None:
    wire = b"".join(b"%X%s\r\n%s\r\n" % (len(c), extension, c) for c in chunks)
    wire += b"0%s\r\n%s\r\nGET /" % (extension, trailer)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    body = opened(Framing.CHUNKED)
    assert fed(body, pieces) == (b"".join(chunks), b"GET /")
    assert body.complete


@pytest.mark.parametrize("split", [False, True], ids=["at once", "byte for byte"])
@pytest.mark.parametrize("wire", BODIES.values(), ids=BODIES)
def test_broken_chunks_are_refused_at_once(wire: bytes, *, split: bool) -> None:
    body = opened(Framing.CHUNKED)
    pieces = [wire[at : at + 1] for at in range(len(wire))] if split else [wire]
    with pytest.raises(MalformedError):
        fed(body, pieces)


@pytest.mark.parametrize(
    "wire",
    [b"1;" + b"x" * 5000, b"1;" + b"x" * 5000 + b"\r\n", b"0\r\n" + b"X: 1\r\n" * 5000],
    ids=["an extension without end", "a long extension", "a long trailer"],
)
def test_what_nobody_reads_is_bounded(wire: bytes) -> None:
    with pytest.raises(MalformedError):
        opened(Framing.CHUNKED).feed(wire)


def test_a_body_of_a_length_ends_there() -> None:
    body = opened(3)
    assert fed(body, [b"ab", b"cGET"]) == (b"abc", b"GET")
    body.close()


@pytest.mark.parametrize(("announced", "begun"), [(3, b"ab"), (Framing.CHUNKED, b"1\r\n")])
def test_a_body_that_breaks_off_is_not_taken_for_whole(announced: Announced, begun: bytes) -> None:
    body = opened(announced)
    body.feed(begun)
    with pytest.raises(MalformedError):
        body.close()


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    body = opened(Framing.UNTIL_CLOSE)
    assert body.feed(b"ab") == (b"ab", b"")
    assert not body.complete
    body.close()
    assert body.complete
