"""One connection: what is a request at all, and what a connection may cost.

What is not HTTP ends as a `Status` too, without an echo of what was sent.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.web_protocol import RequestHandler

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Malformed = Callable[[web.BaseRequest, BaseException | None], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one connection may cost. Sizes in bytes, times in seconds."""

    request_line: int = 16 * 1024
    header: int = 64 * 1024  # a Keycloak token with hundreds of groups fits
    headers: int = 100
    idle: float = 75.0  # between requests, and for the head of one
    body: float = 60.0
    connections: int = 10_000


class HttpServer(web.Server):
    """Makes a `_Connection` for each that connects, and counts them."""

    def __init__(self, handler: Handler, malformed: Malformed, bounds: Bounds) -> None:
        # An upstream watch must not outlive its client, so its leaving cancels the handler.
        super().__init__(handler, handler_cancellation=True)
        self.malformed = malformed
        self.bounds = bounds

    def __call__(self) -> RequestHandler:
        """Take one more connection."""
        return _Connection(self)


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
            lingering_time=1.0,
            auto_decompress=False,
            access_log_class=_NoAccessLogger,
        )
        self._http = http

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if len(self._http.connections) > self._http.bounds.connections:
            self.force_close()

    def _make_error_handler(self, err_info: Any) -> Handler:
        """Aiohttp's own would log and echo the offending bytes, which may hold a token."""

        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            return await self._http.malformed(request, err_info.exc)

        return handler


class _NoAccessLogger(AbstractAccessLogger):
    """The audit log is the access log."""

    @property
    def enabled(self) -> bool:
        return False

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Never called, since not enabled."""
