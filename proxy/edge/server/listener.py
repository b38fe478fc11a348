"""Where tenants connect: takes connections, hands each request to a `Service`."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from proxy.core.errors import BadRequest, HeadersTooLarge, Refused
from proxy.core.wire import Headers, RawRequest
from proxy.edge.server.client import HttpClient
from proxy.edge.server.connection import Bounds, HttpServer
from proxy.ports import Client

# For the last bytes of answers, and for what is cut to notice that.
_CUT_SECONDS = 0.5


class Service(Protocol):
    """Who answers; the pipeline."""

    async def serve(self, raw: RawRequest, client: Client) -> None:
        """Answer one request."""
        ...

    async def malformed(self, refused: Refused, peer: str, client: Client) -> None:
        """Answer what is no request."""
        ...


class Server:
    """Listens, and hands each request to a `Service`."""

    def __init__(self, service: Service, context: ssl.SSLContext, bounds: Bounds) -> None:
        self._service = service
        self._context = context
        self._http = HttpServer(self._handle, self._malformed, bounds)
        self._listener: asyncio.Server | None = None
        self._under_way = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

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
        self._http.finish()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), grace)
        await self._http.shutdown(_CUT_SECONDS)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        client = HttpClient(request, self._http)
        # INVARIANT: the raw path, not `request.path`, which aiohttp has decoded.
        raw = RawRequest(
            request.method, request.raw_path, _decode(request.raw_headers), request.remote or ""
        )
        with self._counted():
            await self._service.serve(raw, client)
        if self._http.finishing:
            client.response.force_close()
        return client.response

    async def _malformed(
        self, request: web.BaseRequest, fault: BaseException | None
    ) -> web.StreamResponse:
        client = HttpClient(request, self._http)
        refused: Refused = BadRequest("the request is not HTTP/1.1 as RFC 9112 has it")
        if isinstance(fault, LineTooLong):
            refused = HeadersTooLarge("the request line or a header is too long")
        await self._service.malformed(refused, request.remote or "", client)
        client.response.force_close()
        return client.response

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Know whether a request is under way."""
        self._under_way += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._quiet.set()


def _decode(headers: tuple[tuple[bytes, bytes], ...]) -> Headers:
    """Header bytes as text, one character a byte, so that nothing is lost or merged."""
    return tuple((key.decode("latin-1"), value.decode("latin-1")) for key, value in headers)
