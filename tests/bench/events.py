"""What a watch says: events in chunks, made at one end and told apart at the other.

An event names the moment at which it was made, in nanoseconds of the monotonic clock, which
all processes of a machine share.
"""

import re
from collections.abc import Iterator
from typing import Final

from tests.bench import objects

SENT: Final = "bench/sent"
_SENT_AT: Final = re.compile(rb'"bench/sent":"(\d+)"')
_LONGEST_SIZE: Final = 18


class BadStream(Exception):  # noqa: N818 - what was read, and not what went wrong here
    """The bytes are no chunked answer."""


def event(name: str, moment: int, *, padding: int = 0) -> bytes:
    """One event, a line of JSON."""
    claim = objects.claim(name)
    claim["metadata"]["annotations"] = {SENT: str(moment), "bench/padding": "x" * padding}
    return objects.text({"type": "MODIFIED", "object": claim}).encode() + b"\n"


def chunk(payload: bytes) -> bytes:
    """A chunk (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def moment(line: bytes) -> int:
    """When an event was made.

    Raises:
        BadStream: it does not say.
    """
    found = _SENT_AT.search(line)
    if found is None:
        raise BadStream(f"not an event of ours: {line[:80]!r}")
    return int(found.group(1))


class Lines:
    """The lines of a chunked body, however its bytes were cut."""

    def __init__(self) -> None:
        self._raw = bytearray()
        self._left = 0
        self._line = bytearray()
        self.ended = False
        """Whether the last chunk has come."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take more bytes; yields each line that they complete.

        Raises:
            BadStream: they are not chunks.
        """
        self._raw += data
        while payload := self._next():
            *whole, rest = payload.split(b"\n")
            for line in whole:
                yield bytes(self._line) + line
                self._line.clear()
            self._line += rest

    @property
    def in_between(self) -> bool:
        """Whether no line is begun."""
        return not self._line

    def _next(self) -> bytes:
        """More of the body; nothing while the next chunk is not there."""
        if not self._left:
            self._left = self._size()
        payload = bytes(self._raw[: self._left])
        del self._raw[: len(payload)]
        self._left -= len(payload)
        return payload

    def _size(self) -> int:
        """The size of the next chunk, past the end of the one before; 0 while it is not there."""
        start = 2 if self._raw.startswith(b"\r\n") else 0
        end = self._raw.find(b"\r\n", start)
        if end < 0:
            if len(self._raw) > _LONGEST_SIZE:
                raise BadStream(f"not a chunk: {bytes(self._raw[:40])!r}")
            return 0
        try:
            size = int(self._raw[start:end], 16)
        except ValueError as exc:
            raise BadStream(f"not a chunk: {bytes(self._raw[:40])!r}") from exc
        self.ended = self.ended or size == 0
        del self._raw[: end + 2]
        return size
