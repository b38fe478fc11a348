"""How does a server under measure live: pinned to a core, ready, and ended when we are done."""

import http.client
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path

from proxy.demo.process import StartError
from tests.bench.machine import pinned

READY_SECONDS = 60
STOP_SECONDS = 20
POLL_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Command:
    """What is run: a program and its arguments, on a core, its output to a file."""

    argv: Sequence[str | Path]
    core: int
    log: Path
    environment: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """A server that is ready, and how long it took from its start."""

    pid: int
    seconds: float


@contextmanager
def running(command: Command, is_ready: Callable[[], bool]) -> Iterator[Started]:
    """Run a server until the context is left.

    Raises:
        StartError: it ended, or does not get ready.
    """
    began = time.monotonic()
    process = _spawn(command)
    try:
        _wait(process, command, is_ready)
        yield Started(process.pid, time.monotonic() - began)
    finally:
        _end(process)


def _spawn(command: Command) -> subprocess.Popen[bytes]:
    with pinned(command.core), command.log.open("ab") as log:
        return subprocess.Popen(
            [str(argument) for argument in command.argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environ | dict(command.environment or {}),
            start_new_session=True,
        )


def _wait(
    process: "subprocess.Popen[bytes]", command: Command, is_ready: Callable[[], bool]
) -> None:
    name = Path(command.argv[0]).name
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready():
        if process.poll() is not None:
            raise StartError(name, f"ended with exit code {process.returncode}", command.log)
        if time.monotonic() > deadline:
            raise StartError(name, f"was not ready after {READY_SECONDS} s", command.log)
        time.sleep(POLL_SECONDS)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    code: int
    body: bytes


def ask(
    port: int,
    target: str,
    *,
    trust: ssl.SSLContext | None = None,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
) -> Answer:
    """Ask a server on this machine once; without `trust`, in plain HTTP.

    Raises:
        OSError: it does not answer.
    """
    connection = (
        http.client.HTTPSConnection("127.0.0.1", port, context=trust, timeout=10)
        if trust
        else http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    )
    try:
        connection.request(method, target, body, dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, response.read())
    finally:
        connection.close()


def answers(
    port: int,
    target: str,
    *,
    trust: ssl.SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
) -> bool:
    """Whether a server is up and says 200."""
    try:
        return ask(port, target, trust=trust, headers=headers).code == 200
    except (OSError, http.client.HTTPException):
        return False
