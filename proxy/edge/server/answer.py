"""The answer to one request, as bytes: its head, its framing, its end."""

import time
from enum import Enum
from functools import lru_cache
from http import HTTPStatus
from typing import Final
from wsgiref.handlers import format_date_time

from proxy.core.wire import Headers, Reply
from proxy.http1 import fields, render

_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}" for status in HTTPStatus}
_WITHOUT_BODY: Final = frozenset({204, 304})
_LAST_CHUNK: Final = b"0\r\n\r\n"


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
        if code in _WITHOUT_BODY:
            length = 0
        self._left = length or 0
        self._shape = _Shape.CHUNKED if length is None else _Shape.SIZED
        if to == "HEAD" or code in _WITHOUT_BODY:
            self._shape = _Shape.ABSENT
        self.head = _head(code, (*headers, *_framing(code, length)), closes=closes)

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


def whole(reply: Reply, *, to: str, closes: bool) -> bytes:
    """All of an answer `to` a method; it `closes` where nothing follows it."""
    headers = (*reply.headers, *_framing(reply.code, len(reply.body)))
    head = _head(reply.code, headers, closes=closes)
    return head if to == "HEAD" or reply.code in _WITHOUT_BODY else head + reply.body


def _framing(code: int, length: int | None) -> Headers:
    if code in _WITHOUT_BODY:
        return ()
    if length is None:
        return (("Transfer-Encoding", "chunked"),)
    return (("Content-Length", str(length)),)


def _head(code: int, headers: Headers, *, closes: bool) -> bytes:
    return render(_LINES.get(code) or f"HTTP/1.1 {code} ", headers, _last(int(time.time()), closes))


@lru_cache(maxsize=2)
def _last(second: int, closes: bool) -> bytes:  # noqa: FBT001 - lru_cache takes them as they come
    """RFC 9110, 6.6.1: who has a clock says what it shows."""
    date: Headers = (("Date", format_date_time(second)),)
    return fields((*date, ("Connection", "close")) if closes else date)
