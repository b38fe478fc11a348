"""A listener on loopback, and services that stand behind it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from proxy.core import status, wire
from proxy.core.errors import Refused
from proxy.core.wire import RawRequest, Reply
from proxy.edge.certificate import Certificate
from proxy.edge.server import Bounds, Server
from proxy.ports import Client
from tests.e2e.wire import Connection, connected
from tests.edge.certificates import Authority

BODY_LIMIT = 1024
BOUNDS = Bounds(linger=0.05)

Serve = Callable[[RawRequest, Client], Awaitable[None]]


async def echo(raw: RawRequest, client: Client) -> None:
    """Answer with the body, once the pipeline's first checks have passed."""
    try:
        wire.admit(raw)
        body = await client.body(BODY_LIMIT)
    except Refused as refused:
        await client.send(status.reply(refused))
    else:
        await client.send(Reply(200, (("Content-Type", "text/plain"),), body))


@dataclass
class Answering:
    """A service that does what a test says, and notes what it was asked."""

    answer: Serve = echo
    asked: list[RawRequest] = field(default_factory=list)
    malformed_requests: list[Refused] = field(default_factory=list)

    async def serve(self, raw: RawRequest, client: Client) -> None:
        self.asked.append(raw)
        await self.answer(raw, client)

    async def malformed(self, refused: Refused, peer: str, client: Client) -> None:
        assert peer == "127.0.0.1"
        self.malformed_requests.append(refused)
        await client.send(status.reply(refused))

    @property
    def targets(self) -> list[str]:
        return [raw.target for raw in self.asked]


@dataclass(frozen=True)
class Listener:
    """A server that listens."""

    server: Server
    authority: Authority
    port: int
    service: Answering

    def connect(self) -> AbstractAsyncContextManager[Connection]:
        return connected(self.port, self.authority.trust)


@asynccontextmanager
async def listening(
    folder: Path, answer: Serve = echo, bounds: Bounds = BOUNDS
) -> AsyncIterator[Listener]:
    """Listen until the context is left."""
    authority = Authority(folder)
    authority.issue()
    context = Certificate(authority.cert_file, authority.key_file).context
    service = Answering(answer)
    server = Server(service, context, bounds)
    port = await server.start("127.0.0.1", 0)
    try:
        yield Listener(server, authority, port, service)
    finally:
        await server.stop(grace=1)
