"""Audit logs as they are found: moved away, compressed, cut off, mixed with other output."""

import gzip
import io
import json
import sys
import tracemalloc
from pathlib import Path

import pytest

from proxy.edge.auditlog import JsonLines
from proxy.edge.auditreader import LONGEST, STDIN, Line, Unreadable, read

NOT_JSON = Unreadable("is not JSON")
NO_EVENT = Unreadable("is not an Event of audit.k8s.io/v1")
CUT = Unreadable("is not complete: the proxy may be writing it")


def event(number: int) -> dict[str, str]:
    return {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": str(number)}


def line(number: int) -> bytes:
    return json.dumps(event(number)).encode() + b"\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def test_what_the_proxy_wrote_is_read(path: Path) -> None:
    log = JsonLines(path, shared=False)
    log.write([event(1), event(2)])
    log.close()
    assert [*read([path])] == [Line(str(path), 1, event(1)), Line(str(path), 2, event(2))]


def test_files_are_read_in_their_order_each_from_line_one(path: Path) -> None:
    other = path.with_name("audit.jsonl.1")
    path.write_bytes(line(2) + line(3))
    other.write_bytes(line(1))
    found = [(Path(file).name, number) for file, number, _ in read([other, path])]
    assert found == [("audit.jsonl.1", 1), ("audit.jsonl", 1), ("audit.jsonl", 2)]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        pytest.param(b"INFO proxy: it serves\n", NOT_JSON, id="other-output"),
        pytest.param(line(9)[:20] + b"\n", NOT_JSON, id="cut-within"),
        pytest.param(b"\0" * 40 + b"\n", NOT_JSON, id="a-hole-after-a-crash"),
        pytest.param(b'{"kind": "\xff"}\n', NOT_JSON, id="not-utf-8"),
        pytest.param(b'{"a":' * 100_000 + b"\n", NOT_JSON, id="nested-too-deep"),
        pytest.param(b"[]\n", NO_EVENT, id="no-object"),
        pytest.param(b'{"level": "info", "msg": "hello"}\n', NO_EVENT, id="another-log"),
        pytest.param(
            b'{"kind": "Event", "apiVersion": "v1"}\n', NO_EVENT, id="an-event-of-the-core"
        ),
        pytest.param(
            b'"' + b"a" * 3 * LONGEST + b'"\n',
            Unreadable(f"is longer than {LONGEST} bytes"),
            id="too-long",
        ),
    ],
)
def test_a_line_that_is_no_event_is_told_and_the_next_one_read(
    path: Path, bad: bytes, why: Unreadable
) -> None:
    path.write_bytes(line(1) + bad + line(3))
    assert [(number, found) for _, number, found in read([path])] == [
        (1, event(1)),
        (2, why),
        (3, event(3)),
    ]


def test_a_last_line_that_is_still_being_written_is_told(path: Path) -> None:
    path.write_bytes(line(1) + line(2)[:-10])
    assert [found for _, _, found in read([path])] == [event(1), CUT]


def test_a_last_line_that_lacks_nothing_but_its_end_is_read(path: Path) -> None:
    path.write_bytes(line(1)[:-1])
    assert [found for _, _, found in read([path])] == [event(1)]


def test_empty_lines_are_passed_over_and_count(path: Path) -> None:
    path.write_bytes(b"\n" + line(2) + b" \n")
    assert [(number, found) for _, number, found in read([path])] == [(2, event(2))]


@pytest.mark.parametrize("name", ["audit.jsonl.gz", "audit-20250101"])
def test_a_compressed_file_is_read_whatever_it_is_called(path: Path, name: str) -> None:
    packed = path.with_name(name)
    packed.write_bytes(gzip.compress(line(1) + line(2)))
    assert [found for _, _, found in read([packed])] == [event(1), event(2)]


def test_of_a_broken_compressed_file_is_read_what_can_be_and_then_the_next_one(path: Path) -> None:
    packed = path.with_name("audit.jsonl.1.gz")
    whole = gzip.compress(line(1), 0)
    packed.write_bytes(whole[:-4])
    path.write_bytes(line(2))
    first, broken, last = read([packed, path])
    assert (first.found, last.found) == (event(1), event(2))
    assert isinstance(broken.found, Unreadable)
    assert (broken.number, broken.found.ends_file) == (2, True)


@pytest.mark.parametrize(
    "trash",
    [b"\x1f\x8btrash", gzip.compress(line(1))[:12] + b"\xff" * 40],
    ids=["a word", "a broken block"],
)
def test_what_only_looks_compressed_is_told(path: Path, trash: bytes) -> None:
    path.write_bytes(trash)
    [only] = read([path])
    assert isinstance(only.found, Unreadable)
    assert only.found.ends_file


def test_a_file_that_is_not_there_is_told_and_the_next_one_read(path: Path) -> None:
    path.write_bytes(line(1))
    gone = path.with_name("gone")
    missing = Unreadable("cannot be read: No such file or directory", ends_file=True)
    assert [*read([gone, path])] == [Line(str(gone), 1, missing), Line(str(path), 1, event(1))]


def test_standard_input_is_read_and_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(line(1)))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert [*read([STDIN])] == [Line("<stdin>", 1, event(1))]
    assert not stdin.closed


def test_a_long_log_takes_no_more_memory_than_a_short_one(path: Path) -> None:
    path.write_bytes(line(1) * 50_000)
    tracemalloc.start()
    try:
        assert sum(1 for _ in read([path])) == 50_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size / 4
