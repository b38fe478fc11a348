"""One connection: what is a request at all, and what a connection may cost.

What is not HTTP ends as a `Status` too, without an echo of what was sent.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError, LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

log = logging.getLogger(__name__)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Malformed = Callable[[web.BaseRequest, BaseException | None], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one connection may cost. Sizes in bytes, times in seconds."""

    request_line: int = 16 * 1024
    header: int = 64 * 1024  # a Keycloak token with hundreds of groups fits
    headers: int = 100
    head: int = 128 * 1024  # all of it; the others multiply to megabytes before anybody is known
    idle: float = 75.0  # between requests, and for the head of one
    body: float = 60.0
    stall: float = 60.0  # for a client to take what waits for it of its answer
    linger: float = 1.0  # for a refused body that is still being sent, so that the refusal arrives
    connections: int = 10_000
    oldest_goes: bool = False  # for one too many; else that one does


class HttpServer(web.Server):
    """Makes a `_Connection` for each that connects, and counts them."""

    def __init__(self, handler: Handler, malformed: Malformed, bounds: Bounds) -> None:
        # An upstream watch must not outlive its client, so its leaving cancels the handler.
        super().__init__(handler, handler_cancellation=True)
        self.malformed = malformed
        self.bounds = bounds
        self.finishing = False
        """Whether every answer is the last one of its connection."""

    def __call__(self) -> RequestHandler:
        """Take one more connection."""
        return _Connection(self)

    def finish(self) -> None:
        """End each connection after what is under way on it, those without now.

        Aiohttp's own `pre_shutdown` and `shutdown` stop reading, and with that
        drop the rest of a body that is on its way.
        """
        self.finishing = True
        for connection in self.connections:
            if isinstance(connection, _Connection) and connection.is_idle:
                connection.close()


class _Connection(RequestHandler):
    """One connection. Differs from aiohttp's in how it says that it was not understood."""

    __slots__ = ("_http",)

    def __init__(self, http: HttpServer) -> None:
        bounds = http.bounds
        super().__init__(
            http,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=bounds.idle,
            max_line_size=bounds.request_line,
            max_field_size=bounds.header,
            max_headers=bounds.headers,
            lingering_time=bounds.linger,
            auto_decompress=False,
            access_log_class=_NoAccessLogger,
        )
        self._http = http
        parser: Any = _Parser(self._parser, bounds.head)  # stands in for it from here
        self._parser = parser

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way, nor waits."""
        return self._current_request is None and not self._messages

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        too_many = self._http.connections[: -self._http.bounds.connections]
        if too_many and not self._http.bounds.oldest_goes:
            self.force_close()
            return
        for connection in too_many:
            if connection.transport is not None:
                # At once: to close it properly would wait for the other end.
                connection.transport.abort()

    def _make_error_handler(self, err_info: Any) -> Handler:
        """Aiohttp's own would log and echo the offending bytes, which may hold a token."""

        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            return await self._http.malformed(request, err_info.exc)

        return handler

    def log_exception(self, *_args: object, exc_info: object = None, **_: object) -> None:
        """What aiohttp would log with a traceback may quote what was sent."""
        log.warning("a connection broke: %s", type(exc_info).__name__)


_Messages: TypeAlias = Sequence[tuple[RawRequestMessage, StreamReader]]


class _Parser:
    """Aiohttp's parser, held to what it leaves open.

    It lets any version pass, bounds each line of a head and not the head, and
    when chunks break it leaves the reader of the body waiting, and takes the
    fault for another request, to be answered as well.
    """

    def __init__(self, parser: Any, head: int) -> None:
        self._parser = parser
        self._most = head
        self._pending = 0
        self._body: StreamReader | None = None

    def feed_data(self, data: bytes) -> tuple[_Messages, bool, bytes]:
        """Parse what has come; returns requests whose heads are complete.

        Raises:
            HttpProcessingError: it is not HTTP/1.1.
        """
        try:
            messages, upgraded, tail = self._parser.feed_data(data)
        except HttpProcessingError:
            if self._body is None or self._body.is_eof():
                raise
            self._body.set_exception(web.RequestPayloadError("broken framing"))
            return (), False, b""
        if messages:
            self._pending = 0
            self._body = messages[-1][1]
            if any(message.version != HttpVersion11 for message, _ in messages):
                raise BadHttpMessage("another version than 1.1")
        elif self._body is None or self._body.is_eof():
            self._pending += len(data)
            if self._pending > self._most:
                raise LineTooLong(b"", self._most)
        return messages, upgraded, tail

    def __getattr__(self, name: str) -> Any:
        """Everything else is aiohttp's."""
        return getattr(self._parser, name)


class _NoAccessLogger(AbstractAccessLogger):
    """The audit log is the access log."""

    @property
    def enabled(self) -> bool:
        return False

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Never called, since not enabled."""
