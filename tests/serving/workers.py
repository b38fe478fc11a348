"""Workers without processes: both ends of a line in one, and what a worker serves made up."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from proxy.edge.management import Check, Looks, Page, looking
from proxy.serving import messages
from proxy.serving.link import Link
from proxy.serving.worker import Worker


async def fine() -> str:
    return ""


async def hang() -> str:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


@dataclass
class MadeUpTenants:
    """Writes down what it is told; `refusal` is what it says to notices."""

    checks: dict[str, Check] = field(default_factory=lambda: {"audit": fine})
    page: bytes = b"up 1\n"
    refusal: Exception | None = None
    told: list[str] = field(default_factory=list)
    broken: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def looks(self) -> Looks:
        return Looks(
            live=looking({}),
            ready=looking(self.checks),
            notes=looking({"policies": fine}),
            metrics=self._page,
            pages={"/policies": self._page},
        )

    @property
    def notices(self) -> "MadeUpTenants":
        return self

    async def log_out(self, logout_token: str) -> None:
        await self._take(f"log out {logout_token}")

    async def push(self, action: str) -> None:
        await self._take(f"push {action}")

    async def listen(self, bound: socket.socket) -> int:
        self.told.append("listen")
        return int(bound.getsockname()[1])

    async def drain(self, *, at_once: bool = False) -> None:
        self.told.append("drain at once" if at_once else "drain")

    async def failed(self) -> None:
        await self.broken.wait()

    def reopen_logs(self) -> None:
        self.told.append("reopen")

    async def _take(self, notice: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.told.append(notice)

    async def _page(self) -> Page:
        return self.page, "text/plain"


@dataclass
class Line:
    """A link, the other end of it, and the worker there; `ended` is what that ended with."""

    link: Link
    other: asyncio.StreamWriter
    ended: "asyncio.Task[bool]"


@asynccontextmanager
async def employed(tenants: MadeUpTenants) -> AsyncIterator[Line]:
    """A worker, until the context is left."""
    ours, theirs = socket.socketpair()
    link = Link(3, ours)
    await link.open()
    reader, writer = await asyncio.open_unix_connection(sock=theirs, limit=messages.LONGEST)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        ended = asyncio.create_task(Worker(tenants, bound, writer).run(reader))
        try:
            yield Line(link, writer, ended)
        finally:
            await link.close()
            await asyncio.wait_for(ended, 10)
            writer.close()
