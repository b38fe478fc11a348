"""Recorded audit logs: their events, line by line, and what among the lines is none.

What `auditlog` wrote, and what has become of it since: moved away, compressed, cut
off, mixed with other output. No line is taken into memory but the one that is read,
and none that cannot be read ends the reading.
"""

import gzip
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast

import msgspec

LONGEST: Final = 1024 * 1024
"""Bytes of a line; an event has at most the names of somebody's groups, and those of a token."""

STDIN: Final = Path("-")
"""The name under which standard input is read."""

_GZIP: Final = b"\x1f\x8b"

Event = Mapping[str, Any]
"""An object that says that it is an `Event` of `audit.k8s.io/v1`; nothing else of it is checked."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a line is no event. With `ends_file`, nothing behind it could be read either."""

    message: str
    ends_file: bool = False


class Line(NamedTuple):
    """What stands in a line of a file; lines count from 1."""

    file: str
    number: int
    found: Event | Unreadable


def read(paths: Iterable[Path]) -> Iterator[Line]:
    """Read files one after another, compressed ones (gzip), too; `-` is standard input.

    Empty lines are passed over. A file that cannot be read, or not to its end, is a last
    `Unreadable` of it, and the next one is read.
    """
    for path in paths:
        name = "<stdin>" if path == STDIN else str(path)
        number = 0
        try:
            with _opened(path) as file:
                for number, line in enumerate(_lines(file), start=1):
                    if (found := _found(line)) is not None:
                        yield Line(name, number, found)
        except (OSError, EOFError, zlib.error) as exc:
            reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
            yield Line(name, number + 1, Unreadable(f"cannot be read: {reason}", ends_file=True))


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    if path == STDIN:
        # It is not ours to close.
        yield sys.stdin.buffer
        return
    with path.open("rb") as file:
        # No JSON begins as gzip does, whatever the file is called.
        if not file.peek(len(_GZIP)).startswith(_GZIP):
            yield file
            return
        with gzip.GzipFile(fileobj=file) as plain:
            yield cast("IO[bytes]", plain)


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file with their ends; of one that is too long, its beginning."""
    while line := file.readline(LONGEST):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST)
        yield line


def _found(line: bytes) -> Event | Unreadable | None:
    if not line.strip():
        return None
    ended = line.endswith(b"\n")
    if not ended and len(line) == LONGEST:
        return Unreadable(f"is longer than {LONGEST} bytes")
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, ValueError, RecursionError):
        # A line is written with its end, so one without is not all there yet.
        message = "is not JSON" if ended else "is not complete: the proxy may be writing it"
        return Unreadable(message)
    match found:
        case {"kind": "Event", "apiVersion": "audit.k8s.io/v1"}:
            return cast("Event", found)
    return Unreadable("is not an Event of audit.k8s.io/v1")
