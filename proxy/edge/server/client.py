"""The other end of one request: the port `Client` over one aiohttp request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from proxy.core.errors import BadRequest, RequestTimeout, TooLarge
from proxy.core.wire import Headers, Reply
from proxy.edge.server.connection import HttpServer
from proxy.ports import ClientGone

# After these, where the next request begins is a guess, and guesses smuggle.
_NOT_UNDERSTOOD = frozenset({400, 405, 411})


class _Unnamed(web.StreamResponse):
    """An answer that does not name, in `Server`, the library to look for holes in."""

    async def _write_headers(self) -> None:
        self.headers.popall("Server", None)
        await super()._write_headers()


class _Whole(_Unnamed, web.Response):
    """The same, its body there from the start."""


class HttpClient:
    """Reads the body when it is asked for, and writes one answer."""

    def __init__(self, request: web.BaseRequest, http: HttpServer) -> None:
        self._request = request
        self._http = http
        self._response: web.StreamResponse | None = None

    @property
    def response(self) -> web.StreamResponse:
        """What aiohttp sends or has sent; without an answer, the connection ends."""
        if self._response is None:
            self._response = _Whole(status=500)
            self._response.force_close()
        return self._response

    @property
    def begun(self) -> bool:
        """As the port says."""
        return self._response is not None

    async def body(self, limit: int) -> bytes:
        """As the port says."""
        request = self._request
        if (request.content_length or 0) > limit:
            raise TooLarge(f"the body is larger than {limit} bytes")
        if not request.can_read_body:
            return b""
        await self._invite_body()
        received = bytearray()
        try:
            async with asyncio.timeout(self._http.bounds.body):
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
        """As the port says."""
        self._response = _Whole(status=reply.code, body=reply.body)
        self._set(self._response, reply.headers)
        async with self._taken():
            await self._response.prepare(self._request)
            await self._response.write_eof()

    async def begin(self, code: int, headers: Headers) -> None:
        """As the port says."""
        self._response = _Unnamed(status=code)
        self._set(self._response, headers)
        async with self._taken():
            await self._response.prepare(self._request)

    async def write(self, chunk: bytes) -> None:
        """As the port says."""
        if self._request.method == "HEAD":
            return
        async with self._taken():
            await self.response.write(chunk)

    async def end(self) -> None:
        """As the port says."""
        async with self._taken():
            await self.response.write_eof()

    def abort(self) -> None:
        """As the port says."""
        if self._request.transport is not None:
            self._request.transport.abort()

    @asynccontextmanager
    async def _taken(self) -> AsyncIterator[None]:
        """Wait inside for the client to take what it is given, but not for ever.

        Raises:
            ClientGone: it has left, or takes nothing.
        """
        try:
            async with asyncio.timeout(self._http.bounds.stall) as scope:
                yield
        except ConnectionError as exc:
            raise ClientGone from exc
        except TimeoutError as exc:
            if not scope.expired():
                raise
            # What waits for it would be kept for as long as it likes.
            self.abort()
            raise ClientGone from exc

    def _set(self, response: web.StreamResponse, headers: Headers) -> None:
        for key, value in headers:
            response.headers.add(key, value)
        unread = not self._request.content.is_eof()
        # What was refused unread must not be read as the next request.
        if unread or response.status in _NOT_UNDERSTOOD or self._http.finishing:
            response.force_close()
