"""The heads of messages: what is one, what it says, and how it is written."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.core.wire import Fields, RawRequest
from proxy.http1 import (
    HeadTooLargeError,
    Limits,
    MalformedError,
    RequestReader,
    fields,
    find_end,
    find_response_end,
    of_request,
    parse_response,
    render,
)
from tests.e2e.smuggling import HEADS

LIMITS = Limits(line=64, field=64, fields=3, head=128)
TOKENS = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1)
VALUES = st.text(
    st.characters(max_codepoint=0xFF, exclude_categories=["Cc"], include_characters="\t")
).map(lambda text: text.strip(" \t"))
FIELDS = st.lists(st.tuples(TOKENS.filter(lambda name: name.lower() != "host"), VALUES))


def said(received: bytes, limits: Limits = Limits()) -> RawRequest:  # noqa: B008 - a constant
    end = find_end(received, limits)
    assert end >= 0
    return RequestReader().read(received[:end], "")


def test_a_request_is_what_its_bytes_say() -> None:
    head = said(b"GET /a%2Fb?x=+#y HTTP/1.1\r\nHost: p\r\nx-two:\t 2 \xff \r\nX-Two:\r\n\r\nrest")
    assert head == RawRequest(
        "GET", "/a%2Fb?x=+#y", Fields((("Host", "p"), ("x-two", "2 \xff"), ("X-Two", "")))
    )


@given(method=TOKENS, fields=FIELDS)
def test_what_is_rendered_parses_to_the_same(method: str, fields: list[tuple[str, str]]) -> None:
    headers = (("Host", "p"), *fields)
    assert said(render(f"{method} /x HTTP/1.1", headers), Limits(fields=1000)) == RawRequest(
        method, "/x", Fields(headers)
    )


HEADS_OF_ONE = st.lists(
    st.tuples(st.sampled_from("ab"), st.lists(st.sampled_from(["X: 1", "X: 2", "no field"]))),
    max_size=6,
)


@given(HEADS_OF_ONE)
def test_each_request_of_a_connection_is_read_as_if_it_were_the_first(
    asked: list[tuple[str, list[str]]],
) -> None:
    reader = RequestReader()
    for name, lines in asked:
        text = "".join(f"{line}\r\n" for line in (f"GET /{name} HTTP/1.1", "Host: p", *lines))
        assert outcome(reader.read, text) == outcome(RequestReader().read, text)


def outcome(read: Callable[[bytes, str], RawRequest], head: str) -> RawRequest | str:
    try:
        return read(head.encode(), "192.0.2.1")
    except MalformedError:
        return "malformed"


@pytest.mark.parametrize(("length", "kept"), [(1000, True), (5000, False)])
def test_fields_are_kept_as_long_as_they_are_short(length: int, *, kept: bool) -> None:
    reader = RequestReader()
    fields = "Host: p\r\nX: " + "x" * length
    first, second = (
        reader.read(f"GET /{number} HTTP/1.1\r\n{fields}\r\n".encode(), "").fields
        for number in range(2)
    )
    assert first == second
    assert (first is second) is kept


@given(code=st.integers(100, 999), fields=FIELDS)
def test_an_answer_that_is_rendered_parses_to_the_same(
    code: int, fields: list[tuple[str, str]]
) -> None:
    found = parse_response(render(f"HTTP/1.1 {code} Whatever", tuple(fields))[:-2])
    assert (found.code, found.headers) == (code, tuple(fields))


@pytest.mark.parametrize("first", ["HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.1 200 All\tis w\xe9ll"])
def test_the_words_after_a_code_may_be_any_or_none(first: str) -> None:
    assert parse_response(f"{first}\r\n".encode("latin-1")).code == 200


@pytest.mark.parametrize(
    "first",
    [
        "HTTP/1.0 200 OK",
        "HTTP/2 200",
        "HTTP/1.1 099 X",
        "HTTP/1.1 20 X",
        "HTTP/1.1 2000",
        "ICY 200",
    ],
)
def test_another_first_line_is_no_answer(first: str) -> None:
    with pytest.raises(MalformedError):
        parse_response(f"{first}\r\n".encode())


AMBIGUOUS = {name: head for name, head in HEADS.items() if name != "a read with a body"}


@pytest.mark.parametrize("attack", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_head_that_says_two_things_is_none(attack: bytes) -> None:
    with pytest.raises(MalformedError):
        of_request(said(attack).fields.pairs)


@pytest.mark.parametrize(
    "begun",
    [b"", b"G", b"GET", b"GET / HTTP/1.1\r", b"GET / HTTP/1.1\r\nHost: p\r\n", b"x\r\n\r"],
)
def test_a_head_that_has_begun_is_waited_for(begun: bytes) -> None:
    assert find_end(begun, LIMITS) == -1


@pytest.mark.parametrize(
    "begun", [b"\x16\x03\x01", b" GET", b"\r\n", b"GET / HTTP/1.1\nHost: p\n", b"\0"]
)
def test_what_cannot_become_a_head_is_not_waited_for(begun: bytes) -> None:
    with pytest.raises(MalformedError):
        find_end(begun, LIMITS)


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"], ids=["begun", "whole"])
@pytest.mark.parametrize(
    "head",
    [b"G" * 5000, b"G\r\nX: " + b"x" * 5000, b"\r\n".join([b"G", b"X: " + b"x" * 999] * 5)],
    ids=["the line", "a field", "the head"],
)
def test_a_head_over_a_bound_is_too_large(head: bytes, end: bytes) -> None:
    limits = Limits(line=4999, field=4999, head=5100 if b"\n" not in head else 4999)
    with pytest.raises(HeadTooLargeError):
        find_end(head + end, limits)


PIECES = st.lists(st.sampled_from([b"G", b"aaaaa", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" "]))


@example([b"aaaaa\r\n", b"aaaaa", b"aaaaa"])
@example([b"G\r\n"] * 4)
@given(PIECES)
def test_a_head_is_found_or_refused_at_the_same_byte_however_it_is_cut(pieces: list[bytes]) -> None:
    limits = Limits(line=6, field=12, fields=3, head=14)
    received = b""
    for piece in pieces:
        looked, received = len(received), received + piece
        found = ended(received, limits, looked)
        assert found == ended(received, limits, 0)
        if found != -1:
            break


def ended(received: bytes, limits: Limits, looked: int) -> int | str:
    try:
        return find_end(received, limits, looked)
    except MalformedError as exc:
        return type(exc).__name__


def test_what_was_looked_at_is_not_looked_at_again() -> None:
    assert find_end(b"G\n" + b"x" * 9, LIMITS, looked=8) == -1


@pytest.mark.parametrize("text", ["a\r\nb", "a\nb", "a\rb"])
def test_a_line_break_is_not_written_into_a_head(text: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        render("HTTP/1.1 200 OK", (("X", text),))


def test_prepared_fields_come_last() -> None:
    prepared = fields((("B", "2"),))
    assert render("GET / HTTP/1.1", (("A", "1"),), prepared) == (
        b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\n\r\n"
    )


@pytest.mark.parametrize("text", ["a\r\nb", "a\nb", "a\rb", "a\r\n", "\u20ac"])
@pytest.mark.parametrize("named", [False, True])
def test_what_would_end_a_line_is_not_prepared(text: str, *, named: bool) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - either of two
        fields(((text, "x") if named else ("X", text),))


@pytest.mark.parametrize(
    "received", [b"", b"H", b"HTTP/1.1", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\n"]
)
def test_the_beginning_of_an_answer_is_waited_on(received: bytes) -> None:
    assert find_response_end(received, Limits()) == -1


@pytest.mark.parametrize("received", [b"S", b"HTTP/1.0 ", b"HTTP/2 200", b"SSH-2.0-x\r\n", b"\x16"])
def test_what_begins_as_no_answer_is_not_waited_on(received: bytes) -> None:
    with pytest.raises(MalformedError):
        find_response_end(received, Limits())


@pytest.mark.parametrize("rest", [b"", b"A: b\r\nx", b"A: b\n\r", b"A: b\r", b"xy"])
def test_a_head_ends_with_the_end_of_a_line(rest: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_response(b"HTTP/1.1 200 OK" + (b"\r\n" + rest if rest else b""))
