"""What a message says before its body: the first line and the header fields.

A head is in the grammar of RFC 9112 as its strictest readers have it, or it is
no head: lines end in CRLF, names are tokens up to the colon, nothing is folded.
"""

import re
from dataclasses import dataclass
from typing import Final

from proxy.core.wire import Fields, Headers, RawRequest
from proxy.http1.errors import HeadTooLargeError, MalformedError


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a head may be, in bytes, and how many fields it may have."""

    line: int = 16 * 1024
    field: int = 64 * 1024  # a Keycloak token with hundreds of groups fits
    fields: int = 100
    head: int = 128 * 1024  # all of it; the others multiply to megabytes before anybody is known


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """A status line, of which only the code says anything, and its fields."""

    code: int
    headers: Headers


TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""RFC 9110, 5.6.2."""

_REQUEST_LINE = re.compile(rf"({TOKEN.pattern}) ([\x21-\x7e]+) HTTP/1\.1")
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
# A line that is none leaves its CRLF over; blanks around the value are not of it (RFC 9112, 5.1).
_FIELD = re.compile(rf"\r\n({TOKEN.pattern}):[ \t]*([^\r]*[^\r \t]|)[ \t]*")
# All but the tab: what is allowed in no value (RFC 9110, 5.5), and ends lines.
_CONTROLS: Final = bytes({*range(0x20), 0x7F} - {ord("\t")})

_USUAL: Final = Limits()
_VERSION: Final = b"HTTP/1.1 "
_BEGINNING = re.compile(TOKEN.pattern.removesuffix("+").encode())
_BARE_LF = re.compile(rb"(?<!\r)\n")
_SHORT: Final = 4 * 1024


def find_end(received: bytes | bytearray, limits: Limits, looked: int = 0) -> int:
    """Where the head ends: after its last field's CRLF, before the empty line; -1: not yet.

    `looked` is how many bytes of it were looked at before, in vain. Who sends a head
    byte by byte must not have all of it read again for each.

    Raises:
        HeadTooLargeError: it will be larger than it may be, however it goes on.
        MalformedError: it cannot become a head any more.
    """
    end = received.find(b"\r\n\r\n", max(looked - 3, 0))
    if end < 0:
        _check_beginning(received, limits, looked)
        return -1
    # Else no part of it can be too long; how many there are is seen as they are read.
    if end > limits.line or end > limits.field:
        _check_lengths(received[:end], limits)
    return end + 2


def find_response_end(received: bytes | bytearray, limits: Limits) -> int:
    """As `find_end`, for the head of an answer: another protocol may never send an empty line."""
    end = find_end(received, limits)
    if end < 0 and received[: len(_VERSION)] != _VERSION[: len(received)]:
        raise MalformedError
    return end


class RequestReader:
    """Reads the heads of the requests of one connection.

    Most of them differ in their first line alone, so the fields of the last are kept, as
    far as they are short: what a connection holds while nothing is asked has to be little.
    """

    __slots__ = ("_block", "_fields", "_limits")

    def __init__(self, limits: Limits = _USUAL) -> None:
        self._limits = limits
        self._block = b""
        self._fields = Fields()

    def read(self, head: bytes, peer: str) -> RawRequest:
        """Read a head, up to and with its last field's CRLF.

        Each character of what comes out is a byte of the wire: nothing is decoded or merged.

        Raises:
            MalformedError: it is not in the grammar.
        """
        end = head.find(b"\r\n")
        block = head[end:]
        if block != self._block:
            fields = _request_fields(block, self._limits)
            if len(block) > _SHORT:
                return _request(head[:end], fields, peer)
            self._block, self._fields = block, fields
        return _request(head[:end], self._fields, peer)


def parse_response(head: bytes, limits: Limits = _USUAL) -> ResponseHead:
    """Read the head of an answer, up to and with its last field's CRLF.

    Raises:
        MalformedError: it is not in the grammar.
    """
    end = head.find(b"\r\n")
    found = _STATUS_LINE.fullmatch(head, 0, max(end, 0))
    if found is None:
        raise MalformedError
    return ResponseHead(int(found.group(1)), _fields(head[end:], limits))


def render(line: str, headers: Headers, prepared: bytes = b"") -> bytes:
    """A head with the empty line after it; `prepared` are more fields, by `fields`.

    Raises:
        ValueError: something in it would end a line before its time.
    """
    return b"".join((_rendered([f"{line}\r\n"], headers), prepared, b"\r\n"))


def fields(headers: Headers) -> bytes:
    """Header fields to be put into many heads.

    Raises:
        ValueError: something in them would end a line before its time.
    """
    return _rendered([], headers)


def _rendered(lines: list[str], headers: Headers) -> bytes:
    lines += [f"{key}: {value}\r\n" for key, value in headers]
    expected = len(lines)
    text = "".join(lines)
    # INVARIANT: whoever could put a line break into a value could write the next header.
    if text.count("\n") != expected or text.count("\r") != expected:
        raise ValueError("a line break within a head")
    return text.encode("latin-1")


def is_last(headers: Headers) -> bool:
    """Whether nothing follows the message on its connection (RFC 9112, 9.6)."""
    said = [value for key, value in headers if key.lower() == "connection"]
    options = (option.strip(" \t").lower() for value in said for option in value.split(","))
    return bool(said) and "close" in options


def _request(line: bytes, fields: Fields, peer: str) -> RawRequest:
    found = _REQUEST_LINE.fullmatch(line.decode("latin-1"))
    if found is None:
        raise MalformedError
    method, target = found.groups()
    return RawRequest(method, target, fields, peer)


def _request_fields(block: bytes, limits: Limits) -> Fields:
    fields = Fields(_fields(block, limits))
    # RFC 9112, 3.2: not one Host is not one message.
    if len(fields.values("host")) != 1:
        raise MalformedError
    return fields


def _fields(block: bytes, limits: Limits) -> Headers:
    """Read fields, each with the CRLF before it, and the one after the last."""
    text = block.decode("latin-1")
    found = _FIELD.findall(text, 0, len(text) - 2)
    # INVARIANT: the controls are the CRLF before each field, and that at the end.
    controls = len(block) - len(block.translate(None, _CONTROLS))
    if controls != 2 * (len(found) + 1) or not text.endswith("\r\n"):
        raise MalformedError
    if len(found) > limits.fields:
        raise MalformedError
    return tuple(found)


def _check_beginning(received: bytes | bytearray, limits: Limits, looked: int) -> None:
    """Refuse at once what would otherwise be waited for: another protocol, or too much."""
    if not received:
        return
    if not _BEGINNING.match(received) or _BARE_LF.search(received, looked):
        raise MalformedError
    if not looked or b"\n" in received[looked:]:
        # There are no more lines than there may be fields, so not often.
        _check_lengths(received, limits)
        return
    begun = received.rfind(b"\n") + 1
    longest = limits.field if begun else limits.line
    if len(received) > limits.head or len(received) - begun > longest:
        raise HeadTooLargeError


def _check_lengths(head: bytes | bytearray, limits: Limits) -> None:
    if len(head) > limits.head:
        raise HeadTooLargeError
    line, *fields = head.split(b"\r\n")
    if len(line) > limits.line or any(len(field) > limits.field for field in fields):
        raise HeadTooLargeError
    if len(fields) > limits.fields:
        raise MalformedError
