"""A token endpoint for tests, over real TLS: it permits, refuses and misbehaves as a test wants."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.edge.iam.lines import Realm
from tests.edge.certificates import Authority

PATH = "/realms/corp/protocol/openid-connect/token"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Asked:
    """One request, as it came."""

    token: str
    form: Mapping[str, str]
    headers: Mapping[str, str]
    connection: object


@dataclass
class FakeRealm:
    """A realm whose answer a test may change while it runs."""

    url: str
    ca_file: Path
    permitted: dict[str, list[Any]] = field(default_factory=dict)
    handler: Handler | None = None
    asked: list[Asked] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def realm(self, **overrides: Any) -> Realm:
        usual: dict[str, Any] = {
            "url": self.url,
            "client_id": "hostclaim-proxy",
            "ca_file": self.ca_file,
        }
        return Realm(**usual | overrides)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        assert scheme == "Bearer"
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(Asked(token, form, request.headers, request.transport))
        await self.open.wait()
        if self.handler is not None:
            return await self.handler(request)
        if token not in self.permitted:
            return says(403, error="access_denied", error_description="not_authorized")
        return web.json_response(self.permitted[token])


def says(status: int, **body: str) -> web.Response:
    return web.json_response(body, status=status)


def permission(name: str, *scopes: str) -> dict[str, Any]:
    return {"rsid": f"id-of-{name}", "rsname": name, "scopes": list(scopes)}


@asynccontextmanager
async def running_realm(folder: Path) -> AsyncIterator[FakeRealm]:
    """Serve a realm on loopback, with a certificate of its own authority."""
    authority = Authority(folder)
    authority.issue()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.cert_file, authority.key_file)
    ca_file = folder / "realm.pem"
    authority.ca.cert_pem.write_to_path(ca_file)
    realm = FakeRealm("", ca_file)
    realm.open.set()
    app = web.Application()
    app.router.add_post(PATH, realm.answer)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context, access_log=None)
    realm.url = f"https://127.0.0.1:{server.port}/realms/corp"
    try:
        yield realm
    finally:
        realm.open.set()
        await server.close()
