"""Where a message ends: the framing its head announces, and the reader of its body.

Two framings of one message are request smuggling (RFC 9112, 6.1 and 11.2), so
there is one or there is none.
"""

import re
from enum import Enum
from typing import Final, Protocol

from proxy.core.wire import Headers
from proxy.http1.errors import MalformedError
from proxy.http1.head import TOKEN


class Framing(Enum):
    """How a body without a length ends."""

    CHUNKED = "chunked"
    UNTIL_CLOSE = "until the connection closes"


Announced = int | Framing
"""How a body is framed: by its number of bytes, or as said."""


class Body(Protocol):
    """A body that is being received."""

    @property
    def complete(self) -> bool:
        """Whether all of it was fed."""
        ...

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """What `data` has of the body, and what it has after the message.

        Raises:
            MalformedError: the framing is broken.
        """
        ...

    def close(self) -> None:
        """Take note that nothing follows.

        Raises:
            MalformedError: it is not complete.
        """
        ...


_LENGTH = re.compile(r"[0-9]{1,18}")
# The size in hexadecimal, and extensions that nobody reads (RFC 9112, 7.1.1).
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER = re.compile(rb"(%b):[\t\x20-\x7e\x80-\xff]*" % TOKEN.pattern.encode())
_LONGEST_LINE: Final = 4 * 1024
_LONGEST_TRAILER: Final = 16 * 1024
_CODED: Final = "transfer-encoding"
_SIZED: Final = "content-length"
_FRAMING_NAMES: Final = frozenset({_CODED, _SIZED})
_FRAMING: Final = frozenset(name.encode() for name in _FRAMING_NAMES)


def of_request(headers: Headers) -> Announced:
    """How the body of a request is framed; without a word of it, there is none.

    Raises:
        MalformedError: it says two things, or nothing that can be relied on.
    """
    announced = _announced(headers)
    return 0 if announced is None else announced


def of_response(code: int, headers: Headers) -> Announced:
    """How the body of an answer to a GET or a write is framed (RFC 9112, 6.3).

    Raises:
        MalformedError: it says two things, or nothing that can be relied on.
    """
    announced = _announced(headers)
    if code < 200 or code in {204, 304}:
        return 0
    return Framing.UNTIL_CLOSE if announced is None else announced


def opened(announced: Announced) -> Body:
    """A reader for a body that is framed so."""
    match announced:
        case Framing.CHUNKED:
            return _Chunked()
        case Framing.UNTIL_CLOSE:
            return _UntilClose()
        case int():
            return _Sized(announced)


def _announced(headers: Headers) -> Announced | None:
    said = [(name, value) for key, value in headers if (name := key.lower()) in _FRAMING_NAMES]
    match said:
        case []:
            return None
        case [(name, coding)] if name == _CODED and coding.lower() == "chunked":
            return Framing.CHUNKED
        case [(name, length)] if name == _SIZED and _LENGTH.fullmatch(length):
            return int(length)
        case _:
            raise MalformedError


class _Sized:
    """A body of so many bytes."""

    __slots__ = ("_left",)

    def __init__(self, length: int) -> None:
        self._left = length

    @property
    def complete(self) -> bool:
        return not self._left

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        left = self._left
        if len(data) <= left:
            self._left = left - len(data)
            return data, b""
        self._left = 0
        return data[:left], data[left:]

    def close(self) -> None:
        if self._left:
            raise MalformedError


class _UntilClose:
    """A body that is all that comes."""

    __slots__ = ("complete",)

    def __init__(self) -> None:
        self.complete = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        return data, b""

    def close(self) -> None:
        self.complete = True


class _Chunked:
    """A body in chunks (RFC 9112, 7.1). Extensions and trailers are checked and dropped."""

    __slots__ = ("_in_chunk", "_left", "_pending", "_trailer", "complete")

    def __init__(self) -> None:
        self.complete = False
        self._pending = b""
        self._left = 0
        self._in_chunk = False
        # How many bytes of trailer there were; None: not there yet.
        self._trailer: int | None = None

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        data = self._pending + data
        self._pending = b""
        pieces = []
        at = 0
        while not self.complete:
            if self._left:
                piece = data[at : at + self._left]
                self._left -= len(piece)
                at += len(piece)
                pieces.append(piece)
                if self._left:
                    return b"".join(pieces), b""
            end = data.find(b"\r\n", at)
            line = data[at:] if end < 0 else data[at:end]
            if end < 0:
                self._check_pending(line)
                self._pending = line
                return b"".join(pieces), b""
            at = end + 2
            self._read_line(line)
        return b"".join(pieces), data[at:]

    def close(self) -> None:
        if not self.complete:
            raise MalformedError

    def _read_line(self, line: bytes) -> None:
        if self._in_chunk:
            # The CRLF that ends a chunk stands right after its data.
            if line:
                raise MalformedError
            self._in_chunk = False
        elif self._trailer is not None:
            self._read_trailer(line)
        else:
            found = _CHUNK.fullmatch(line)
            if found is None or len(line) > _LONGEST_LINE:
                raise MalformedError
            self._left = int(found.group(1), 16)
            self._in_chunk = bool(self._left)
            self._trailer = None if self._left else 0

    def _read_trailer(self, line: bytes) -> None:
        if not line:
            self.complete = True
            return
        self._trailer = (self._trailer or 0) + len(line)
        found = _TRAILER.fullmatch(line)
        if found is None or self._trailer > _LONGEST_TRAILER:
            raise MalformedError
        if found.group(1).lower() in _FRAMING:
            # RFC 9110, 6.5.1: not to be sent there, where some readers take it for the next.
            raise MalformedError

    def _check_pending(self, line: bytes) -> None:
        """Refuse at once what cannot become the line that is due."""
        if len(line) > _LONGEST_LINE or b"\n" in line:
            raise MalformedError
        if self._in_chunk and line not in {b"", b"\r"}:
            raise MalformedError
        first = line.removesuffix(b"\r")
        if self._trailer is None and not self._in_chunk and first and not _CHUNK.fullmatch(first):
            raise MalformedError
