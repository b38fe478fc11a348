"""Where does it listen: the cluster on a TLS socket of this machine.

The only room that touches the network.
"""

import contextlib
import logging
import ssl
import uuid
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import trustme
import yaml
from aiohttp import web

from proxy.demo.access import ClusterAccess
from proxy.demo.cluster.apiserver import Apiserver
from proxy.demo.cluster.calls import Call, Reply, Stream
from proxy.demo.cluster.codecs import WRITABLE, write_json
from proxy.demo.cluster.requests import parse
from proxy.demo.cluster.status import ApiError, internal, too_large

BODY_LIMIT = 3 * 1024 * 1024
_PROXY_USER = "system:serviceaccount:hostclaim-proxy:hostclaim-proxy"
_DEFINITIONS = Path(__file__).parent.parent / "crds"
_log = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


def _load_definitions(folder: Path) -> list[dict[str, Any]]:
    return [
        document
        for file in sorted(folder.glob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))
        if document
    ]


class EmbeddedCluster:
    """An apiserver in memory, on loopback."""

    def __init__(self, directory: Path, port: int = 0, *, definitions: Path = _DEFINITIONS) -> None:
        self._directory = directory
        self._port = port
        self._api = Apiserver(_load_definitions(definitions), _now)
        self._runner: web.ServerRunner | None = None
        self._stopping = False
        self._proxy_requests = 0

    async def start(self) -> ClusterAccess:
        """Listen; return once connections are accepted."""
        self._directory.mkdir(parents=True, exist_ok=True)
        ca_file = self._directory / "cluster-ca.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(ca_file)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost", "127.0.0.1", "::1").configure_cert(context)
        self._stopping = False
        # handler_cancellation: a watch ends when its client goes, not at its next event.
        server = web.Server(self._handle, access_log=None, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=5.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=context)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return ClusterAccess(f"https://127.0.0.1:{self._port}", ca_file, self._api.tokens.admin)

    async def stop(self) -> None:
        """End watches cleanly, then close."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        self._stopping = True
        self._api.store.nudge()
        await runner.cleanup()

    async def proxy_requests(self) -> int:
        """Count what the proxy's service account has sent."""
        return self._proxy_requests

    def forget(self) -> None:
        """Drop all history, as etcd's compaction does: older watches get 410."""
        self._api.store.forget()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {
            "Audit-Id": request.headers.get("Audit-ID") or str(uuid.uuid4()),
            "Cache-Control": "no-cache, private",
        }
        warnings: list[str] = []
        try:
            answer = await self._answer(request, warnings)
        except ApiError as exc:
            answer = Reply(exc.code, exc.status())
        except Exception:  # noqa: BLE001 # a fault in one request is its 500, as upstream's is
            _log.exception("%s %s failed", request.method, request.path)
            told = internal("an error on the server has prevented the request from succeeding")
            answer = Reply(told.code, told.status())
        if isinstance(answer, Stream):
            return await self._stream(request, answer, headers)
        return _response(answer, headers, warnings)

    async def _answer(self, request: web.BaseRequest, warnings: list[str]) -> Reply | Stream:
        caller = self._api.authenticate(request.headers.get("Authorization", ""))
        if caller.name == _PROXY_USER:
            self._proxy_requests += 1
        info = parse(request.method, request.raw_path)
        user = self._api.admit(caller, list(request.headers.items()), info)
        return self._api.answer(
            Call(
                info,
                user,
                request.headers.get("Accept", ""),
                request.headers.get("Content-Type", ""),
                request.headers.get("User-Agent", ""),
                request.host,
                await _body(request),
                warnings,
            )
        )

    async def _stream(
        self, request: web.BaseRequest, stream: Stream, headers: dict[str, str]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={**headers, "Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        first = True
        # A client that is gone needs no more events, and no end either.
        with contextlib.suppress(ConnectionResetError):
            async with aclosing(stream.watch.events(lambda: self._stopping)) as events:
                async for event in events:
                    shown = event.obj
                    if event.type != "ERROR":
                        shown, first = stream.view.event(event.obj, first=first), False
                    await response.write(write_json({"type": event.type, "object": shown}))
            await response.write_eof()
        return response


async def _body(request: web.BaseRequest) -> bytes:
    """Read a body, but never more of it than the limit."""
    if (request.content_length or 0) > BODY_LIMIT:
        raise too_large(BODY_LIMIT)
    parts: list[bytes] = []
    size = 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > BODY_LIMIT:
            raise too_large(BODY_LIMIT)
        parts.append(part)
    return b"".join(parts)


def _response(reply: Reply, headers: dict[str, str], warnings: list[str]) -> web.Response:
    response = web.Response(status=reply.code, headers={**headers, **reply.headers})
    for told in warnings:
        escaped = told.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{escaped}"')
    if isinstance(reply.body, str):
        response.body = reply.body.encode()
    else:
        response.body = WRITABLE.get(reply.media_type, write_json)(reply.body)
    response.headers["Content-Type"] = reply.media_type
    return response
