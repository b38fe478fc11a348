"""An apiserver of raw bytes: keeps what it is sent, and answers as a test says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from proxy.core import narrowing
from proxy.core.narrowing import UpstreamRequest
from proxy.core.wire import Headers
from proxy.edge.upstream import ApiServer, ClusterAccess, Timeouts
from tests.edge.certificates import Authority

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

Behaviour = Callable[["Call"], Awaitable[None]]


@dataclass(frozen=True)
class Call:
    """One request that came, and the way to answer it."""

    first: str
    fields: tuple[tuple[str, str], ...]
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def token(self) -> str:
        return dict(self.fields)["Authorization"].removeprefix("Bearer ")

    async def say(self, said: bytes) -> None:
        self.writer.write(said)
        await self.writer.drain()
        # While there is room, it does not let others run, who may have to tell of an end.
        await asyncio.sleep(0)


async def agree(call: Call) -> None:
    """Answer that all is well."""
    await call.say(OK)


def saying(said: bytes) -> Behaviour:
    """Answer with these bytes."""

    async def behave(call: Call) -> None:
        await call.say(said)

    return behave


async def hang_up(call: Call) -> None:
    """Break the connection instead of answering."""
    call.writer.transport.abort()


async def never(_: Call) -> None:
    """Do not answer."""
    await asyncio.Event().wait()


@dataclass
class FakeApiServer:
    """Listens on loopback; `behaviours` are used up one a request, the last one stays."""

    folder: Path
    behaviours: list[Behaviour]
    calls: list[Call] = field(default_factory=list)
    connections: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not reader.at_eof():
                call = await _read(reader, writer)
                self.calls.append(call)
                last = len(self.behaviours) == 1
                behave = self.behaviours[0] if last else self.behaviours.pop(0)
                await _until_closed(behave(call), reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self.closed.set()
            writer.close()

    def kubeconfig(self, cluster: Mapping[str, Any] | None = None, **user: Any) -> Path:
        """Write a kubeconfig that leads here; None as a value leaves a field out."""
        usual = {
            "server": f"https://127.0.0.1:{self.port}",
            "certificate-authority": str(self.folder / "ca.crt"),
        } | dict(cluster or {})
        path = self.folder / "kubeconfig"
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "here",
                    "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
                    "clusters": [
                        {"name": "c", "cluster": {k: v for k, v in usual.items() if v is not None}}
                    ],
                    "users": [{"name": "u", "user": user or {"token": "ours"}}],
                }
            )
        )
        return path


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Call:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().removesuffix("\r\n\r\n")
    first, *lines = head.split("\r\n")
    fields = tuple((key, value) for key, _, value in (line.partition(": ") for line in lines))
    length = dict(fields).get("Content-Length", "0")
    return Call(first, fields, await reader.readexactly(int(length)), reader, writer)


async def _until_closed(behaving: Awaitable[None], reader: asyncio.StreamReader) -> None:
    """Behave, until the other side has hung up; it sends nothing while it waits."""
    answer = asyncio.ensure_future(behaving)
    left = asyncio.ensure_future(_end_of(reader))
    await asyncio.wait([answer, left], return_when=asyncio.FIRST_COMPLETED)
    left.cancel()
    if not answer.done():
        answer.cancel()
    await asyncio.gather(answer, left, return_exceptions=True)


async def _end_of(reader: asyncio.StreamReader) -> None:
    while not reader.at_eof():  # noqa: ASYNC110 - reading would take what belongs to the next request
        await asyncio.sleep(0.005)


@asynccontextmanager
async def running(folder: Path, *behaviours: Behaviour) -> AsyncIterator[FakeApiServer]:
    """Listen until the context is left."""
    authority = Authority(folder)
    authority.issue()
    authority.ca.cert_pem.write_to_path(folder / "ca.crt")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.cert_file, authority.key_file)
    fake = FakeApiServer(folder, list(behaviours) or [agree])
    server = await asyncio.start_server(fake.handle, "127.0.0.1", 0, ssl=context)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()


@asynccontextmanager
async def connected(
    fake: FakeApiServer, timeouts: Timeouts | None = None
) -> AsyncIterator[ApiServer]:
    """The port `Upstream`, with a kubeconfig that leads to a fake."""
    path = fake.folder / "kubeconfig"
    if not path.exists():
        fake.kubeconfig()
    upstream = ApiServer(ClusterAccess(path), timeouts or Timeouts())
    try:
        await upstream.start()
        yield upstream
    finally:
        await upstream.close()


def asking(
    target: str = "/api/v1/x",
    *,
    method: str = "GET",
    headers: Headers = (),
    body: bytes = b"",
    streams: bool = False,
) -> UpstreamRequest:
    """A request as the core would make it."""
    return UpstreamRequest(narrowing._SEAL, method, target, headers, body, streams)
