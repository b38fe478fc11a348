"""The tenants' listener: HTTP/1.1 over TLS, on aiohttp's low-level server.

Hands each request to the pipeline as its bytes said it, before any decoding,
and keeps a client that is slow, silent or wrong from costing the others. What
is not HTTP at all ends as a `Status` too, without an echo of what was sent.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web_protocol import RequestHandler

from proxy.core.errors import BadRequest, HeadersTooLarge, Refused, RequestTimeout, TooLarge
from proxy.core.wire import Headers, RawRequest, Reply
from proxy.ports import Client, ClientGone


class Service(Protocol):
    """Who answers; the pipeline."""

    async def serve(self, raw: RawRequest, client: Client) -> None:
        """Answer one request."""
        ...

    async def malformed(self, refused: Refused, peer: str, client: Client) -> None:
        """Answer what is no request."""
        ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one connection may cost. Sizes in bytes, times in seconds."""

    request_line: int = 16 * 1024
    header: int = 64 * 1024  # a Keycloak token with hundreds of groups fits
    headers: int = 100
    idle: float = 75.0  # between requests, and for the head of one
    body: float = 60.0
    connections: int = 10_000


def tls_context(cert_file: Path, key_file: Path) -> ssl.SSLContext:
    """The server side of TLS 1.2 and newer; HTTP/1.1 is the only protocol offered.

    Raises:
        OSError, ssl.SSLError: the files are not a certificate and its key.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(cert_file, key_file)
    return context


class Server:
    """Listens, and hands each request to a `Service`."""

    def __init__(self, service: Service, context: ssl.SSLContext, bounds: Bounds) -> None:
        self._service = service
        self._context = context
        self._bounds = bounds
        self._http = _HttpServer(self._handle, self._malformed, bounds)
        self._listener: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which the system chose where `port` is 0.

        Raises:
            OSError: the address cannot be had.
        """
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            self._http, host, port, ssl=self._context, ssl_handshake_timeout=10, backlog=1024
        )
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self, grace: float) -> None:
        """Take no more connections, let requests under way finish for `grace` seconds."""
        if self._listener is not None:
            self._listener.close()
        self._http.pre_shutdown()
        await self._http.shutdown(grace)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        client = _Client(request, self._bounds)
        # INVARIANT: the raw path, not `request.path`, which aiohttp has decoded.
        raw = RawRequest(
            request.method, request.raw_path, _decode(request.raw_headers), request.remote or ""
        )
        await self._service.serve(raw, client)
        return client.response

    async def _malformed(
        self, request: web.BaseRequest, fault: BaseException | None
    ) -> web.StreamResponse:
        client = _Client(request, self._bounds)
        refused: Refused = BadRequest("the request is not HTTP/1.1 as RFC 9112 has it")
        if isinstance(fault, LineTooLong):
            refused = HeadersTooLarge("the request line or a header is too long")
        await self._service.malformed(refused, request.remote or "", client)
        client.response.force_close()
        return client.response


_Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
_Malformed = Callable[[web.BaseRequest, BaseException | None], Awaitable[web.StreamResponse]]


class _HttpServer(web.Server):
    """Makes a `_Protocol` for each connection, and counts them."""

    def __init__(self, handler: _Handler, malformed: _Malformed, bounds: Bounds) -> None:
        # An upstream watch must not outlive its client, so its leaving cancels the handler.
        super().__init__(handler, handler_cancellation=True)
        self.malformed = malformed
        self.bounds = bounds

    def __call__(self) -> RequestHandler:
        return _Protocol(self)


class _Protocol(RequestHandler):
    """One connection. Differs from aiohttp's in how it says that it was not understood."""

    __slots__ = ("_http",)

    def __init__(self, http: _HttpServer) -> None:
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

    def _make_error_handler(self, err_info: Any) -> _Handler:
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


class _Client:
    """The port `Client` over one aiohttp request."""

    def __init__(self, request: web.BaseRequest, bounds: Bounds) -> None:
        self._request = request
        self._bounds = bounds
        self._response: web.StreamResponse | None = None

    @property
    def response(self) -> web.StreamResponse:
        """What aiohttp sends or has sent; without an answer, the connection ends."""
        if self._response is None:
            self._response = web.Response(status=500)
            self._response.force_close()
        return self._response

    @property
    def begun(self) -> bool:
        return self._response is not None

    async def body(self, limit: int) -> bytes:
        request = self._request
        if (request.content_length or 0) > limit:
            raise TooLarge(f"the body is larger than {limit} bytes")
        if not request.can_read_body:
            return b""
        await self._invite_body()
        received = bytearray()
        try:
            async with asyncio.timeout(self._bounds.body):
                async for chunk in request.content.iter_any():
                    received += chunk
                    if len(received) > limit:
                        raise TooLarge(f"the body is larger than {limit} bytes")
        except TimeoutError as exc:
            raise RequestTimeout("the body did not arrive in time") from exc
        except (HttpProcessingError, web.RequestPayloadError) as exc:
            raise BadRequest("the body is not framed as RFC 9112 has it") from exc
        return bytes(received)

    async def _invite_body(self) -> None:
        """RFC 9110, 10.1.1: a client that asked first waits for this, or for a refusal."""
        if self._request.headers.get("Expect", "").lower() == "100-continue":
            await self._request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            # It is no part of the answer, and must not count as its beginning.
            self._request.writer.output_size = 0

    async def send(self, reply: Reply) -> None:
        self._response = web.Response(status=reply.code, body=reply.body)
        self._set(self._response, reply.headers)
        with _client_there():
            await self._response.prepare(self._request)
            await self._response.write_eof()

    async def begin(self, code: int, headers: Headers) -> None:
        self._response = web.StreamResponse(status=code)
        self._set(self._response, headers)
        with _client_there():
            await self._response.prepare(self._request)

    async def write(self, chunk: bytes) -> None:
        if self._request.method == "HEAD":
            return
        with _client_there():
            await self.response.write(chunk)

    async def end(self) -> None:
        with _client_there():
            await self.response.write_eof()

    def abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

    def _set(self, response: web.StreamResponse, headers: Headers) -> None:
        for key, value in headers:
            response.headers.add(key, value)
        if not self._request.content.is_eof():
            # What was refused unread must not be read as the next request.
            response.force_close()


@contextmanager
def _client_there() -> Iterator[None]:
    try:
        yield
    except ConnectionError as exc:
        raise ClientGone from exc


def _decode(headers: tuple[tuple[bytes, bytes], ...]) -> Headers:
    """Header bytes as text, one character a byte, so that nothing is lost or merged."""
    return tuple((key.decode("latin-1"), value.decode("latin-1")) for key, value in headers)
