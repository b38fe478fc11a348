"""Events survive however a proxy cuts them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench import events
from tests.bench.events import BadStream, Lines


def read(pieces: list[bytes]) -> list[bytes]:
    lines = Lines()
    return [line for piece in pieces for line in lines.feed(piece)]


@given(
    payloads=st.lists(st.binary(min_size=1, max_size=30), max_size=5),
    cuts=st.lists(st.integers(min_value=0, max_value=200), max_size=8),
)
def test_lines_are_the_same_however_the_bytes_are_cut(
    payloads: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(events.chunk(payload) for payload in payloads)
    marks = [0, *sorted(cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(marks)]
    assert read(pieces) == b"".join(payloads).split(b"\n")[:-1]


def test_the_last_chunk_ends_it() -> None:
    lines = Lines()
    assert list(lines.feed(events.chunk(b"a\n") + b"0\r\n\r\n")) == [b"a"]
    assert lines.ended


def test_half_a_line_is_not_in_between() -> None:
    lines = Lines()
    assert list(lines.feed(events.chunk(b"a\nb"))) == [b"a"]
    assert not lines.in_between


@pytest.mark.parametrize("stream", [b"xyz\r\n", b"no chunk at all here"])
def test_what_is_not_chunked_is_found(stream: bytes) -> None:
    with pytest.raises(BadStream):
        read([stream])


def test_an_event_says_when_it_was_made() -> None:
    assert events.moment(events.event("worker-0", 123456789)) == 123456789


def test_another_event_is_found() -> None:
    with pytest.raises(BadStream):
        events.moment(b'{"type":"BOOKMARK"}')
