"""HTTP as bytes: says exactly what a test says, and reads exactly what is answered.

A client library would mend what these tests break. Answers are read strictly, so that
bytes that belong to no answer are a failure and not a leftover.
"""

import asyncio
import contextlib
import json
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

PATIENCE = 20.0
"""Seconds within which an answer, or the end of a connection, must come."""

# To what is no request at all, an answer in HTTP/1.0 is right (RFC 9110, 6.2): it says `close`.
_STATUS_LINE = re.compile(r"HTTP/1\.[01] ([0-9]{3})(?: [\x20-\x7e]*)?")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\x20-\x7e]*)")

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, whole."""

    code: int
    fields: Fields
    body: bytes = b""

    def header(self, name: str) -> str:
        """The one value of a header, or the empty string."""
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} comes more than once: {values}"
        return values[0] if values else ""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One connection, on which a test says what it likes."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: float
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._patience = patience
        self._ahead = b""

    @property
    def protocol(self) -> str | None:
        """What was agreed on by ALPN."""
        tls: ssl.SSLObject = self._writer.get_extra_info("ssl_object")
        return tls.selected_alpn_protocol()

    @property
    def certificate(self) -> bytes:
        """The other side's certificate."""
        tls: ssl.SSLObject = self._writer.get_extra_info("ssl_object")
        return tls.getpeercert(binary_form=True) or b""

    async def say(self, said: bytes) -> None:
        """Send bytes; the other side may have closed already."""
        self._writer.write(said)
        try:
            await self._writer.drain()
        except ConnectionError:
            return

    async def answer(self, *, to: str = "GET") -> Answer:
        """Read one answer; `to` is the method, since one to HEAD has no body."""
        head = await self.head()
        if to == "HEAD" or head.code in {204, 304} or head.code < 200:
            return head
        if head.header("Transfer-Encoding") == "chunked":
            assert not head.header("Content-Length"), "an answer has one framing"
            body = b"".join([chunk async for chunk in self.chunks()])
        else:
            body = await self._exactly(int(head.header("Content-Length")))
        return Answer(head.code, head.fields, body)

    async def answers(self) -> list[Answer]:
        """Read answers until the other side closes the connection."""
        found: list[Answer] = []
        while not await self.at_end():
            found.append(await self.answer())
        return found

    async def head(self) -> Answer:
        """Read the head of an answer."""
        first, *lines = (await self._until(b"\r\n\r\n")).decode("ascii").split("\r\n")
        status = _STATUS_LINE.fullmatch(first)
        assert status, f"no status line: {first!r}"
        return Answer(int(status[1]), tuple(_field(line) for line in lines))

    async def chunks(self) -> AsyncIterator[bytes]:
        """Read the chunks of a chunked body as they come, to the one that ends it."""
        while size := int(await self._until(b"\r\n"), 16):
            yield await self._exactly(size)
            assert await self._exactly(2) == b"\r\n"
        assert await self._exactly(2) == b"\r\n"

    async def at_end(self) -> bool:
        """Wait for another byte, or for the end of the connection, and say which it was."""
        return not self._ahead and not await self._more()

    async def hang_up(self) -> None:
        """Be gone, as a killed process is: without a goodbye."""
        self._writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _until(self, separator: bytes) -> bytes:
        while separator not in self._ahead:
            assert await self._more(), f"ended within an answer: {self._ahead!r}"
        found, _, self._ahead = self._ahead.partition(separator)
        return found

    async def _exactly(self, count: int) -> bytes:
        while len(self._ahead) < count:
            assert await self._more(), f"ended within an answer: {self._ahead!r}"
        found, self._ahead = self._ahead[:count], self._ahead[count:]
        return found

    async def _more(self) -> bool:
        try:
            async with asyncio.timeout(self._patience):
                more = await self._reader.read(64 * 1024)
        except ConnectionError:
            return False
        self._ahead += more
        return bool(more)


@asynccontextmanager
async def connected(
    port: int, trust: ssl.SSLContext, patience: float = PATIENCE
) -> AsyncIterator[Connection]:
    """Connect to a port of this machine; whoever leaves hangs up."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=trust, server_hostname="127.0.0.1"
    )
    connection = Connection(reader, writer, patience)
    try:
        yield connection
    finally:
        await connection.hang_up()


def request(method: str, target: str, *lines: str, body: bytes = b"") -> bytes:
    """The bytes of a request; `lines` are header lines beside `Host`."""
    head = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: proxy", *lines])
    return f"{head}\r\n\r\n".encode("latin-1") + body


def _field(line: str) -> tuple[str, str]:
    field = _FIELD.fullmatch(line)
    assert field, f"no header: {line!r}"
    return field[1], field[2]
