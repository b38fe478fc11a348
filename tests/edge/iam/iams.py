"""An IAM for tests: real TLS, and says of a token whatever a test wants."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

CLIENT = "hostclaim-proxy"
SECRET = "s:e c+r%t"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def basic(authorization: str) -> tuple[str, str]:
    """Who a client says it is (RFC 6749, 2.3.1)."""
    client, _, secret = (
        base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
    )
    return unquote_plus(client), unquote_plus(secret)


@dataclass
class Iam:
    """What it says, what it was asked, and how it may be spoilt."""

    url: str
    ca_file: Path
    says: Any = field(default_factory=lambda: {"active": True, "sub": "alice"})
    metadata: dict[str, Any] = field(default_factory=dict)
    secret: str = SECRET
    handler: Handler | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    discoveries: int = 0
    connections: set[Any] = field(default_factory=set)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def discover(self, _: web.Request) -> web.Response:
        self.discoveries += 1
        usual = {"issuer": self.url, "introspection_endpoint": f"{self.url}/introspect"}
        return web.json_response(usual | self.metadata)

    async def introspect(self, request: web.Request) -> web.StreamResponse:
        self.connections.add(request.transport)
        form = await request.post()
        self.asked.append({name: str(value) for name, value in form.items()})
        self.headers.append(dict(request.headers))
        self.reached.set()
        await self.gate.wait()
        if self.handler is not None:
            return await self.handler(request)
        if basic(request.headers.get("Authorization", "")) != (CLIENT, self.secret):
            return web.json_response({"error": "invalid_client"}, status=401)
        return web.json_response(self.says)


@asynccontextmanager
async def running_iam(folder: Path) -> AsyncIterator[Iam]:
    """Serve an IAM on loopback, with a certificate of its own authority."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    iam = Iam("", folder / "iam.pem")
    authority.cert_pem.write_to_path(iam.ca_file)
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", iam.discover)
    app.router.add_post("/introspect", iam.introspect)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    iam.url = f"https://127.0.0.1:{server.port}"
    try:
        yield iam
    finally:
        iam.gate.set()
        await server.close()
