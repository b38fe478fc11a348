"""The workers as processes: made before anything runs, watched, and gone at the end.

They are forked: what is loaded is shared by all, and each has the settings that were
read, whatever became of the file meanwhile. That takes a process in which there is
neither a thread nor an event loop yet.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import uvloop

from proxy.app import needing
from proxy.serving import sockets
from proxy.serving.worker import work
from proxy.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hand:
    """One worker, as its parent has it: a handle on the process, and an end of the line."""

    number: int
    process: int
    end: socket.socket

    async def ended(self) -> int:
        """Wait for its end; returns the exit code, negative for a signal."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self.process, over.set)
        try:
            await over.wait()
        finally:
            loop.remove_reader(self.process)
        found = os.waitid(os.P_PIDFD, self.process, os.WEXITED)  # noqa: ASYNC222 - it has ended
        os.close(self.process)
        if found is None:
            raise ChildProcessError("there is no such process")
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def kill(self) -> None:
        """End it now."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.process, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Crew:
    """All workers, and the port that they share."""

    port: int
    hands: tuple[Hand, ...]


def hire(settings: Settings, named: Callable[[int], None]) -> Crew:
    """Make the workers; only the parent returns.

    `named` is called in each with its number, before anything else.

    Raises:
        StartError: the tenants' address cannot be had.
    """
    server = settings.server
    with needing("server.address"):
        bound = sockets.bind(server.address.host, server.address.port, server.workers)
    port = int(bound[0].getsockname()[1])
    hands: list[Hand] = []
    for number in range(server.workers):
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            named(number)
            # A worker that held the others' lines open would keep them from ending.
            _close([hand.end for hand in hands], [ours], bound[:number], bound[number + 1 :])
            _be(settings, bound[number], theirs)
        hands.append(Hand(number, os.pidfd_open(child), ours))
        theirs.close()
    # Else what is sent to a worker that listens no more would wait here for ever.
    _close(bound)
    return Crew(port, tuple(hands))


def _be(settings: Settings, bound: socket.socket, end: socket.socket) -> NoReturn:
    """Be a worker until the end, and never return to what the parent was about to do."""
    code = 1
    try:
        # Who signals all processes of a group means the parent, which tells us.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        code = 0 if uvloop.run(work(settings, bound, end)) else 1
    except BaseException:  # noqa: BLE001 - whatever it was, there is nobody above
        _log.critical("it failed", exc_info=True)
    finally:
        os._exit(code)


def _close(*groups: Sequence[socket.socket]) -> None:
    for group in groups:
        for each in group:
            each.close()
