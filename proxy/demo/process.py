"""How does a server of somebody else's live and die beside us.

It ends when `stop` returns, and only it: it is known by its pid, never by its name.
"""

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

POLL_SECONDS = 0.1
PORT_ATTEMPTS = 5
LOG_TAIL_BYTES = 4096


class StartError(Exception):
    """A server ended, or did not get ready in time."""

    def __init__(self, name: str, why: str, log: Path) -> None:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
            self.tail = file.read().decode(errors="replace")
        super().__init__(f"`{name}` {why}; the end of its log:\n{self.tail}")

    @property
    def port_was_taken(self) -> bool:
        """Whether somebody else got the port first, so that another one may do."""
        return "address already in use" in self.tail.lower()


def free_port() -> int:
    """Find a loopback port that nobody listens on; it can be taken before it is used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """One process, started in a session of its own so that ^C reaches it through us.

    Not bound to an event loop: it may be stopped from another than started it.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        log: Path,
        directory: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Describe the process.

        Args:
            argv: the program and its arguments.
            log: where its output goes; an older file is replaced.
            directory: its working directory.
            environment: what it sees beside our own environment.
        """
        self._name = Path(argv[0]).name
        self._argv = [str(argument) for argument in argv]
        self._log = log
        self._directory = directory
        self._environment = dict(os.environ) | dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, is_ready: Callable[[], Awaitable[bool]], *, seconds: float) -> None:
        """Start it, and return once it is ready.

        Raises:
            StartError: it ended, or was not ready within `seconds`. Nothing is left running.
        """
        self._process = self._spawn()
        try:
            await self._wait_until(is_ready, self._process, seconds)
        except BaseException:
            await self.stop()
            raise

    async def stop(self, *, grace_seconds: float = 20) -> None:
        """Ask it to end, and kill what has not ended after `grace_seconds`."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
        try:
            await asyncio.to_thread(process.wait, grace_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            await asyncio.to_thread(process.wait)
        self._process = None

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - an argument list, no shell reads it
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                env=self._environment,
                start_new_session=True,
            )

    async def _wait_until(
        self,
        is_ready: Callable[[], Awaitable[bool]],
        process: subprocess.Popen[bytes],
        seconds: float,
    ) -> None:
        deadline = time.monotonic() + seconds
        while not await is_ready():
            if process.poll() is not None:
                why = f"ended with exit code {process.returncode}"
                raise StartError(self._name, why, self._log)
            if time.monotonic() > deadline:
                raise StartError(self._name, f"was not ready after {seconds:.0f} s", self._log)
            await asyncio.sleep(POLL_SECONDS)


async def start_on_free_port(
    make: Callable[[int], ServerProcess],
    is_ready: Callable[[int], Awaitable[bool]],
    *,
    seconds: float,
) -> tuple[ServerProcess, int]:
    """Start a server that has to be told its port, and say which port it got.

    Between finding a port and using it somebody else may take it; then another is tried.

    Raises:
        StartError: it does not start on any port. Nothing is left running.
    """
    attempts_left = PORT_ATTEMPTS
    while True:
        attempts_left -= 1
        port = free_port()
        process = make(port)
        try:
            await process.start(partial(is_ready, port), seconds=seconds)
        except StartError as error:
            if not (error.port_was_taken and attempts_left):
                raise
        else:
            return process, port
