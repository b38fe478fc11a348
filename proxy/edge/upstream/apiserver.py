"""The port `Upstream`: what is asked goes out with the proxy's own credentials added.

They are read again while the proxy runs, since projected tokens rotate. A read
whose kept connection turns out to be dead is sent once more, and nothing else is.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from proxy.core.errors import BadGateway, Timeout, Unavailable
from proxy.core.narrowing import UpstreamRequest
from proxy.core.wire import Headers, Reply
from proxy.edge.upstream import credentials
from proxy.edge.upstream.addresses import Resolver, resolve
from proxy.edge.upstream.connection import Connection, DroppedError
from proxy.edge.upstream.credentials import ClusterAccess, ClusterError, Credentials
from proxy.edge.upstream.pool import Pool
from proxy.http1 import MalformedError, ResponseHead, render

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; `reload` is how often the proxy's own credentials are read again."""

    connect: float = 5.0
    answer: float = 65.0  # the apiserver ends ordinary requests after 60
    reload: float = 30.0


# The largest answer that is looked into: a secret or an OpenAPI document.
_MAX_REPLY: Final = 16 * 1024 * 1024


class ApiServer:
    """The port `Upstream`, over connections of our own."""

    def __init__(
        self, access: ClusterAccess, timeouts: Timeouts, resolver: Resolver = resolve
    ) -> None:
        self._access = access
        self._timeouts = timeouts
        self._pool = Pool(resolver, timeouts.connect)
        self._credentials: Credentials | None = None
        self._reloading: asyncio.Task[None] | None = None
        self.sent = 0
        """Requests sent since the start; for metrics."""
        self.retried = 0
        """Reads that were sent once more."""

    @property
    def connections_made(self) -> int:
        """Connections made since the start."""
        return self._pool.made

    @property
    def connections_open(self) -> int:
        """Connections that there are."""
        return self._pool.open

    async def start(self) -> None:
        """Read the credentials; connections are made as they are needed.

        Raises:
            ClusterError: they are missing, or would have the proxy talk to an
                apiserver that it cannot verify.
        """
        await self._load()
        self._reloading = asyncio.create_task(self._keep_loading())

    async def close(self) -> None:
        """End all connections; requests under way break."""
        if self._reloading is not None:
            self._reloading.cancel()
            await asyncio.gather(self._reloading, return_exceptions=True)
        await self._pool.close()

    async def reachable(self) -> bool:
        """Whether the apiserver answers `/readyz` at all, whatever it says of us."""
        try:
            answer = await self._send("GET", "/readyz", (), b"", self._timeouts.connect)
        except (Unavailable, Timeout, BadGateway):
            return False
        answer.leave()
        return answer.code < 500

    async def ask(self, request: UpstreamRequest) -> Reply:
        """As the port says."""
        answer = await self.open(request)
        try:
            return Reply(answer.code, answer.headers, await answer.whole())
        finally:
            answer.leave()

    def stream(self, request: UpstreamRequest) -> "_Streaming":
        """As the port says."""
        return _Streaming(self, request)

    def open(self, request: UpstreamRequest) -> Coroutine[Any, Any, "_Answer"]:
        """Send a request and wait for the head of its answer, which is to be left."""
        read = None if request.streams else self._timeouts.answer
        return self._send(request.method, request.target, request.headers, request.body, read)

    async def _send(
        self, method: str, target: str, headers: Headers, body: bytes, read: float | None
    ) -> "_Answer":
        if self._credentials is None:
            raise Unavailable("the proxy is not connected to the cluster", retry_after=1)
        self.sent += 1
        head = _head(self._credentials, method, target, headers, body)
        try:
            answer = await self._exchange(method, head, body, read)
        except TimeoutError as exc:
            raise Timeout("the cluster did not answer in time") from exc
        except OSError as exc:
            log.warning("no connection to the apiserver: %s", exc)
            raise Unavailable("the cluster cannot be reached", retry_after=1) from exc
        except (DroppedError, MalformedError) as exc:
            log.warning("the apiserver broke off: %r", exc)
            if method == "GET" and isinstance(exc, DroppedError):
                # client-go asks again.
                raise Unavailable("the cluster broke off", retry_after=1) from exc
            # A write may or may not have happened, and the caller has to know that.
            raise BadGateway("the cluster broke off before it answered") from exc
        if answer.code == 401:
            await self._refused(answer)
        return answer

    async def _exchange(
        self, method: str, head: bytes, body: bytes, read: float | None
    ) -> "_Answer":
        pool = self._pool
        if (connection := pool.take()) is not None:
            try:
                return _Answer(pool, connection, await connection.exchange(head, body, read))
            except DroppedError as exc:
                # RFC 9112, 9.3.1: a kept connection may be closed as it is used, and a read
                # may be sent once more. A write may have been carried out.
                if method != "GET" or exc.heard:
                    raise
                self.retried += 1
        connection = await pool.connect()
        answered = await connection.exchange(head, body, read)
        pool.proven(connection)
        return _Answer(pool, connection, answered)

    async def _refused(self, answer: "_Answer") -> None:
        """Read the credentials again: the token may have been rotated a moment ago."""
        try:
            await self._reload()
        except BaseException:
            answer.leave()
            raise

    async def _keep_loading(self) -> None:
        while True:
            await asyncio.sleep(self._timeouts.reload)
            await self._reload()

    async def _reload(self) -> None:
        try:
            await self._load()
        except ClusterError as exc:
            log.warning("the proxy's own credentials cannot be read, keeping the last: %s", exc)

    async def _load(self) -> None:
        self._credentials = await credentials.load(self._access, self._credentials)
        self._pool.adopt(self._credentials)


class _Streaming:
    """A request whose answer is there while the context is."""

    __slots__ = ("_answer", "_request", "_server")

    def __init__(self, server: ApiServer, request: UpstreamRequest) -> None:
        self._server = server
        self._request = request

    async def __aenter__(self) -> "_Answer":
        self._answer = await self._server.open(self._request)
        return self._answer

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._answer.leave()


class _Answer:
    """The port `Stream` over the one exchange of a connection."""

    __slots__ = ("_connection", "_pool", "code", "headers", "length")

    def __init__(self, pool: Pool, connection: Connection, head: ResponseHead) -> None:
        self._pool = pool
        self._connection = connection
        self.code = head.code
        self.headers = head.headers
        self.length = connection.length

    def at_once(self) -> bytes | None:
        return self._connection.at_once()

    def chunks(self) -> AsyncIterator[bytes]:
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        connection = self._connection
        if connection.complete:
            raise StopAsyncIteration
        if piece := connection.take() or await self._piece():
            return piece
        raise StopAsyncIteration

    async def whole(self) -> bytes:
        """All of the body.

        Raises:
            BadGateway: it is larger than anything that is looked into.
        """
        if (self.length or 0) > _MAX_REPLY:
            raise _too_large()
        received = self._connection.take()
        if self._connection.complete:
            # It came with the head, as most do.
            return received
        gathered = bytearray(received)
        while piece := await self._piece():
            gathered += piece
            if len(gathered) > _MAX_REPLY:
                raise _too_large()
        return bytes(gathered)

    def leave(self) -> None:
        """Give the connection back, or end it at once where the answer is not at its end."""
        self._pool.give(self._connection)

    async def _piece(self) -> bytes:
        try:
            return await self._connection.piece()
        except TimeoutError as exc:
            raise Timeout("the cluster stopped answering") from exc
        except (DroppedError, MalformedError) as exc:
            raise BadGateway("the cluster broke off its answer") from exc


def _too_large() -> BadGateway:
    return BadGateway("the cluster's answer is larger than the proxy looks into")


def _head(known: Credentials, method: str, target: str, headers: Headers, body: bytes) -> bytes:
    fields = (known.host, *headers)
    if body or method != "GET":
        fields = (*fields, ("Content-Length", str(len(body))))
    return render(f"{method} {known.prefix}{target} HTTP/1.1", fields, known.authorization)
