"""One worker: serves tenants on its socket, and answers its supervisor.

It ends when its supervisor hangs up, for whatever reason: nobody could tell it any
more what has been revoked.
"""

import asyncio
import contextlib
import logging
import socket
from typing import Literal, Protocol, assert_never

from proxy.app import App, StartError
from proxy.core.errors import InternalError, Refused
from proxy.edge.management import POLICIES, Findings, Looks
from proxy.ports import Notices
from proxy.serving import messages
from proxy.serving.messages import (
    Answer,
    Answered,
    Ask,
    Done,
    Drain,
    Fail,
    Found,
    Listen,
    LogOut,
    Look,
    NotStarted,
    Push,
    Refusal,
    Reopen,
    Show,
    Shown,
    ShownPolicies,
    ShowPolicies,
)
from proxy.settings import Settings

_log = logging.getLogger(__name__)


class Tenants(Protocol):
    """What serves tenants; the app."""

    @property
    def looks(self) -> Looks:
        """What operators see of it."""
        ...

    @property
    def notices(self) -> Notices:
        """What takes what issuers end."""
        ...

    async def listen(self, bound: socket.socket) -> int:
        """Let tenants in."""
        ...

    async def drain(self, *, at_once: bool = False) -> None:
        """Let nobody in any more."""
        ...

    async def failed(self) -> None:
        """Return once a part has failed."""
        ...

    def reopen_logs(self) -> None:
        """Start a new audit file."""
        ...


async def work(settings: Settings, bound: socket.socket, end: socket.socket) -> bool:
    """Be a worker, with `end` of the line; returns whether all ended as it should."""
    reader, writer = await asyncio.open_unix_connection(sock=end, limit=messages.LONGEST)
    try:
        app = App(settings)
        await app.start()
    except StartError as exc:
        writer.write(messages.line(Answered(messages.STARTED, NotStarted(str(exc)))))
        with contextlib.suppress(OSError):
            await reader.read()  # until it has been heard
        return False
    try:
        return await Worker(app, bound, writer).run(reader)
    finally:
        await app.close()


class Worker:
    """Answers, each question by itself, so that none waits for another."""

    def __init__(
        self, tenants: Tenants, bound: socket.socket, writer: asyncio.StreamWriter
    ) -> None:
        self._tenants = tenants
        self._bound = bound
        self._writer = writer
        self._drained = False

    async def run(self, reader: asyncio.StreamReader) -> bool:
        """Answer until the supervisor hangs up; returns whether it had all drained before."""
        self._say(Answered(messages.STARTED, Done()))
        answering: set[asyncio.Task[None]] = set()
        try:
            while written := await reader.readline():
                asked = messages.read_asked(written)
                task = asyncio.create_task(self._answer(asked.number, asked.ask))
                answering.add(task)
                task.add_done_callback(answering.discard)
        except OSError:
            _log.warning("the line to the supervisor broke")
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)
        if not self._drained:
            _log.critical("the supervisor is gone")
            await self._tenants.drain(at_once=True)
        return self._drained

    async def _answer(self, number: int, ask: Ask) -> None:
        try:
            answer = await self._do(ask)
        except Refused as refused:
            answer = Refusal(refused.code, refused.message)
        except StartError as exc:
            answer = NotStarted(str(exc))
        except Exception:  # noqa: BLE001 - who asked must not wait for ever
            _log.exception("%s failed", type(ask).__name__)
            answer = Refusal(InternalError.code, "a worker failed")
        self._say(Answered(number, answer))

    async def _do(self, ask: Ask) -> Answer:
        tenants = self._tenants
        match ask:
            case Listen():
                await tenants.listen(self._bound)
            case Fail():
                await tenants.failed()
            case Look(at=at):
                return Found(dict(await self._look(at)))
            case Show():
                page, _ = await tenants.looks.metrics()
                return Shown(page.decode())
            case ShowPolicies():
                page, _ = await tenants.looks.pages[POLICIES]()
                return ShownPolicies(await asyncio.to_thread(messages.pack, page))
            case LogOut(token=token):
                await tenants.notices.log_out(token)
            case Push(action=action):
                await tenants.notices.push(action)
            case Reopen():
                tenants.reopen_logs()
            case Drain():
                await tenants.drain()
                self._drained = True
            case _:
                assert_never(ask)
        return Done()

    async def _look(self, at: Literal["live", "ready", "notes"]) -> Findings:
        looks = self._tenants.looks
        match at:
            case "live":
                return await looks.live()
            case "ready":
                return await looks.ready()
            case "notes":
                return await looks.notes()
            case _:
                assert_never(at)

    def _say(self, answered: Answered) -> None:
        try:
            written = messages.line(answered)
        except ValueError as exc:
            _log.error("an answer cannot be said: %s", exc)
            refusal = Refusal(InternalError.code, "a worker's answer is too long")
            written = messages.line(Answered(answered.number, refusal))
        self._writer.write(written)
