"""The parent of the workers: starts them, serves who is beside tenants, and stops them.

What one worker was told of and another was not, nobody could tell; so where one is
lost, all end, and whoever started the proxy starts it anew.
"""

import asyncio
import contextlib
import logging
from contextlib import AsyncExitStack

from proxy.app import needing
from proxy.background import Background
from proxy.core.errors import Refused
from proxy.edge.certificate import Certificate
from proxy.serving import exposition
from proxy.serving.crew import Crew, Hand
from proxy.serving.front import Front
from proxy.serving.link import Link
from proxy.serving.messages import Ask, Done, Drain, Fail, Listen, Reopen
from proxy.serving.running import Addresses
from proxy.serving.team import PATIENCE, Team
from proxy.settings import Settings

_log = logging.getLogger(__name__)

_CLOSING = 5.0
"""Seconds for a worker that serves nobody to end."""


class Supervisor:
    """All of the proxy, in a process for each worker and this one."""

    def __init__(self, settings: Settings, crew: Crew) -> None:
        self._settings = settings
        self._crew = crew
        self._links = [Link(hand.number, hand.end) for hand in crew.hands]
        self._team = Team(self._links, exposition.own)
        self._background = Background()
        self._reopening: set[asyncio.Task[None]] = set()
        self._codes: list[int] = []
        self._stack = AsyncExitStack()

    async def start(self) -> Addresses:
        """As the protocol says."""
        settings = self._settings
        async with AsyncExitStack() as stack:
            for link in self._links:
                await link.open()
            stack.push_async_callback(self._dismiss)
            await asyncio.gather(*(link.started() for link in self._links))
            for link in self._links:
                self._background.run(stack, _end_of(link))
            with needing("server.certFile, server.keyFile"):
                certificate = Certificate(settings.server.cert_file, settings.server.key_file)
            self._background.run(stack, certificate.run())
            front = Front(self._team.looks, self._team, certificate.context)
            beside = await front.start(settings.management, settings.back_channel)
            stack.push_async_callback(front.stop)
            listening = (link.ask(Listen(), Done, PATIENCE) for link in self._links)
            await asyncio.gather(*listening)
            self._stack = stack.pop_all()
        return Addresses(self._crew.port, *beside)

    async def failed(self) -> None:
        """As the protocol says."""
        await self._background.failed()

    async def stop(self) -> bool:
        """As the protocol says."""
        shutdown = self._settings.shutdown
        await self._tell(Drain(), shutdown.delay_seconds + shutdown.grace_seconds + _CLOSING)
        await self._stack.aclose()
        return not any(self._codes)

    def reopen_logs(self) -> None:
        """As the protocol says."""
        reopening = asyncio.create_task(self._tell(Reopen(), PATIENCE))
        self._reopening.add(reopening)
        reopening.add_done_callback(self._reopening.discard)

    async def _tell(self, ask: Ask, patience: float) -> None:
        """Tell each; one that fails says so itself."""

        async def told(link: Link) -> None:
            with contextlib.suppress(Refused):
                await link.ask(ask, Done, patience)

        await asyncio.gather(*(told(link) for link in self._links))

    async def _dismiss(self) -> None:
        """Hang up, and wait for the workers' ends."""
        for link in self._links:
            await link.close()
        self._codes = await asyncio.gather(*(_ended(hand) for hand in self._crew.hands))


async def _end_of(link: Link) -> None:
    """Return once a part of a worker has failed, or all of it."""
    try:
        await link.ask(Fail(), Done, None)
    except Refused:
        _log.critical("worker %d is gone", link.number)


async def _ended(hand: Hand) -> int:
    ending = asyncio.create_task(hand.ended())
    await asyncio.wait([ending], timeout=_CLOSING)
    if not ending.done():
        _log.critical("worker %d does not end, and is killed", hand.number)
        hand.kill()
    return await ending
