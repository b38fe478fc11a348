"""The apiserver: send what the core rendered, as the proxy's own service account.

Connections are pooled; nothing is followed, retried unasked, decoded or kept.
The proxy's credentials come from kubernetes_asyncio's loaders, are read again
while it runs since projected tokens rotate, and are added last.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import hdrs
from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config import (
    ConfigException,
    load_incluster_config,
    load_kube_config,
)
from yarl import URL

from proxy.core.errors import BadGateway, Timeout, Unavailable
from proxy.core.narrowing import UpstreamRequest
from proxy.core.wire import Headers, Reply

log = logging.getLogger(__name__)


class ClusterError(Exception):
    """The configuration of the cluster cannot be used. The message names the field."""


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """Where the proxy's own credentials are: a kubeconfig, or the pod's service account."""

    kubeconfig: Path | None = None
    context: str | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; `reload` is how often the proxy's own credentials are read again."""

    connect: float = 5.0
    answer: float = 65.0  # the apiserver ends ordinary requests after 60
    reload: float = 30.0


# The largest answer that is looked into: a secret or an OpenAPI document.
_MAX_REPLY = 16 * 1024 * 1024


class ApiServer:
    """The port `Upstream`, over aiohttp's client."""

    def __init__(self, access: ClusterAccess, timeouts: Timeouts) -> None:
        self._access = access
        self._timeouts = timeouts
        self._host = ""
        self._server_name: str | None = None
        # Trusts nobody until the credentials say whom.
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._certificates: tuple[bytes, ...] = ()
        self._session: aiohttp.ClientSession | None = None
        self._reloading: asyncio.Task[None] | None = None
        self._authorization = ""
        self.sent = 0
        """Requests sent since the start; for metrics."""

    async def start(self) -> None:
        """Read the credentials and open the pool.

        Raises:
            ClusterError: they are missing, or would have the proxy talk to an
                apiserver that it cannot verify.
        """
        await self._load()
        connector = aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=75,
            socket_factory=_keepalive_socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=(hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.USER_AGENT),
            max_line_size=16 * 1024,
            max_field_size=64 * 1024,
        )
        # Aiohttp sends a PUT or DELETE anew when its connection breaks, though the first
        # may have been carried out; there is no public way to tell it not to.
        self._session._retry_connection = False  # noqa: SLF001
        self._reloading = asyncio.create_task(self._keep_loading())

    async def close(self) -> None:
        """Close the pool; requests under way break."""
        if self._reloading is not None:
            self._reloading.cancel()
        if self._session is not None:
            await self._session.close()

    async def reachable(self) -> bool:
        """Whether the apiserver answers `/readyz` at all, whatever it says of us."""
        try:
            async with self._send("GET", "/readyz", (), b"", self._timeouts.connect) as response:
                return response.status < 500
        except (Unavailable, Timeout, BadGateway):
            return False

    async def ask(self, request: UpstreamRequest) -> Reply:
        """As the port says."""
        async with self.stream(request) as stream:
            received = bytearray()
            async for chunk in stream.chunks():
                received += chunk
                if len(received) > _MAX_REPLY:
                    raise BadGateway("the cluster's answer is larger than the proxy looks into")
            return Reply(stream.code, stream.headers, bytes(received))

    @asynccontextmanager
    async def stream(self, request: UpstreamRequest) -> "AsyncIterator[_Answer]":
        """As the port says."""
        read = None if request.streams else self._timeouts.answer
        async with self._send(
            request.method, request.target, request.headers, request.body, read
        ) as response:
            yield _Answer(response)

    @asynccontextmanager
    async def _send(
        self, method: str, target: str, headers: Headers, body: bytes, read: float | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            raise Unavailable("the proxy is not connected to the cluster", retry_after=1)
        self.sent += 1
        timeout = aiohttp.ClientTimeout(total=None, connect=self._timeouts.connect, sock_read=read)
        try:
            response = await self._session.request(
                method,
                URL(self._host + target, encoded=True),
                headers=[*headers, (hdrs.AUTHORIZATION, self._authorization)],
                data=body or None,
                ssl=self._tls,
                server_hostname=self._server_name,
                allow_redirects=False,
                timeout=timeout,
            )
        except TimeoutError as exc:
            raise Timeout("the cluster did not answer in time") from exc
        except aiohttp.ClientConnectorError as exc:
            log.warning("no connection to the apiserver: %s", exc)
            raise Unavailable("the cluster cannot be reached", retry_after=1) from exc
        except aiohttp.ClientError as exc:
            log.warning("the apiserver broke off: %r", exc)
            if method == "GET" and isinstance(exc, aiohttp.ClientConnectionError):
                # A pooled connection that was closed as it was used. client-go asks again.
                raise Unavailable("the cluster broke off", retry_after=1) from exc
            # A write may or may not have happened, and the caller has to know that.
            raise BadGateway("the cluster broke off before it answered") from exc
        try:
            if response.status == 401:
                # The token may have been rotated a moment ago.
                await self._reload()
            yield response
        finally:
            _leave(response)

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
        fresh = Configuration()
        try:
            if self._access.kubeconfig is None:
                load_incluster_config(client_configuration=fresh)  # type: ignore[no-untyped-call] # kubernetes_asyncio
            else:
                await load_kube_config(
                    config_file=str(self._access.kubeconfig),
                    context=self._access.context,
                    client_configuration=fresh,
                    persist_config=False,
                )
        except (ConfigException, OSError) as exc:
            raise ClusterError(f"cluster: the credentials cannot be loaded: {exc}") from exc
        except Exception as exc:
            # The loaders raise whatever a broken file makes them raise, and may quote it.
            kind = type(exc).__name__
            raise ClusterError(f"cluster: the credentials cannot be loaded: {kind}") from exc
        host = fresh.host or ""
        if not host.startswith("https://"):
            raise ClusterError("cluster: the server must be an https:// address")
        if not fresh.verify_ssl:
            raise ClusterError("cluster: insecure-skip-tls-verify is not allowed, give the CA")
        if fresh.proxy:
            raise ClusterError("cluster: proxy-url is not supported, connect directly")
        token = await fresh.get_api_key_with_prefix("BearerToken")
        authorization = _one_line(token or "")
        if not authorization and not fresh.cert_file:
            raise ClusterError("cluster: the credentials hold neither a token nor a certificate")
        self._trust(fresh)
        self._authorization = authorization
        self._host, self._server_name = host, fresh.tls_server_name

    def _trust(self, fresh: Configuration) -> None:
        """Make a new context when certificates have changed: what is gone is trusted no more."""
        paths = (fresh.ssl_ca_cert, fresh.cert_file, fresh.key_file)
        try:
            certificates = tuple(Path(path).read_bytes() if path else b"" for path in paths)
            if certificates == self._certificates:
                return
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            if fresh.ssl_ca_cert:
                tls.load_verify_locations(cafile=fresh.ssl_ca_cert)
            else:
                tls.load_default_certs()
            if fresh.cert_file:
                tls.load_cert_chain(fresh.cert_file, fresh.key_file)
        except (OSError, ssl.SSLError) as exc:
            raise ClusterError(f"cluster: the certificates cannot be loaded: {exc}") from exc
        self._tls, self._certificates = tls, certificates


class _Answer:
    """The port `Stream` over one aiohttp response."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    @property
    def code(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Headers:
        return tuple(self._response.headers.items())

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except TimeoutError as exc:
            raise Timeout("the cluster stopped answering") from exc
        except aiohttp.ClientError as exc:
            raise BadGateway("the cluster broke off its answer") from exc


def _leave(response: aiohttp.ClientResponse) -> None:
    """Give the connection back, or end it at once where the answer is not at its end."""
    if response.content.at_eof():
        response.release()
        return
    # A polite end of TLS waits for the other side, which may hang.
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
    response.close()


def _one_line(token: str) -> str:
    """A mounted token file may end in a newline, which a header may not."""
    return " ".join(token.split())


def _keepalive_socket(
    address: tuple[int, int, int, str, tuple[object, ...]],
) -> socket.socket:
    """A socket that notices within a minute or two that the other side is gone.

    A watch may be idle for long, so no read timeout can tell.
    """
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made
