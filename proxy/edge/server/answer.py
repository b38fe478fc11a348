"""The answer to one request, as bytes: its head, its framing, its end."""

import time
from enum import Enum
from functools import lru_cache
from http import HTTPStatus
from typing import Final
from wsgiref.handlers import format_date_time

from proxy.core.wire import Headers
from proxy.http1 import render

_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}" for status in HTTPStatus}
_WITHOUT_BODY: Final = frozenset({204, 304})
_LAST_CHUNK: Final = b"0\r\n\r\n"
_CLOSE: Final = (("Connection", "close"),)
_CHUNKED: Final = (("Transfer-Encoding", "chunked"),)


class LengthError(Exception):
    """An answer has another length than its head has said."""


class _Shape(Enum):
    """How a body is written."""

    SIZED = "by its length"
    CHUNKED = "in chunks"
    ABSENT = "not at all: what is asked or said has none"


class Answer:
    """Says what to send. `length` is that of the body in bytes, or None: not known yet."""

    __slots__ = ("_left", "_shape", "head")

    def __init__(
        self, code: int, headers: Headers, length: int | None, *, to: str, closes: bool
    ) -> None:
        """Begin an answer `to` a method; it `closes` where nothing follows it."""
        framing: Headers = ()
        if code in _WITHOUT_BODY:
            length = 0
        elif length is None:
            framing = _CHUNKED
        else:
            framing = (("Content-Length", str(length)),)
        self._left = length or 0
        self._shape = _Shape.CHUNKED if length is None else _Shape.SIZED
        if to == "HEAD" or code in _WITHOUT_BODY:
            self._shape = _Shape.ABSENT
        ending = _CLOSE if closes else ()
        line = _LINES.get(code) or f"HTTP/1.1 {code} "
        self.head = render(line, (*headers, *framing, *_date(int(time.time())), *ending))

    def piece(self, chunk: bytes) -> bytes:
        """What to send for a piece of the body.

        Raises:
            LengthError: it goes beyond the length that was said.
        """
        match self._shape:
            case _Shape.CHUNKED:
                # An empty chunk would be the last one.
                return b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunk else b""
            case _Shape.SIZED:
                self._left -= len(chunk)
                if self._left < 0:
                    raise LengthError
                return chunk
            case _Shape.ABSENT:
                return b""

    def end(self) -> bytes:
        """What to send where the body is complete.

        Raises:
            LengthError: it falls short of the length that was said.
        """
        match self._shape:
            case _Shape.CHUNKED:
                return _LAST_CHUNK
            case _Shape.SIZED if self._left:
                raise LengthError
            case _Shape.SIZED | _Shape.ABSENT:
                return b""


@lru_cache(maxsize=1)
def _date(second: int) -> Headers:
    """RFC 9110, 6.6.1: who has a clock says what it shows."""
    return (("Date", format_date_time(second)),)
