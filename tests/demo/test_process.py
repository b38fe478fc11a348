"""Other people's servers live and die beside us."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from proxy.demo.process import ServerProcess, StartError, start_on_free_port

SECONDS = 30.0
WRITES_ITS_PID = "import os, pathlib; pathlib.Path('pid').write_text(str(os.getpid()))"
WAITS = "import signal; signal.pause()"
IGNORES_REQUESTS_TO_END = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"


def server(directory: Path, *lines: str) -> ServerProcess:
    return ServerProcess(
        [sys.executable, "-c", "\n".join(lines)], log=directory / "log", directory=directory
    )


def has_written_its_pid(directory: Path) -> Callable[[], Awaitable[bool]]:
    async def is_ready() -> bool:
        return (directory / "pid").exists() and (directory / "pid").read_text() != ""

    return is_ready


async def never() -> bool:
    return False


def pid_in(directory: Path) -> int:
    return int((directory / "pid").read_text())


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_server_runs_from_start_to_stop(tmp_path: Path) -> None:
    process = server(tmp_path, WRITES_ITS_PID, WAITS)
    await process.start(has_written_its_pid(tmp_path), seconds=SECONDS)
    assert is_alive(pid_in(tmp_path))
    await process.stop()
    assert not is_alive(pid_in(tmp_path))


async def test_stopping_twice_or_too_early_is_harmless(tmp_path: Path) -> None:
    process = server(tmp_path, WRITES_ITS_PID, WAITS)
    await process.stop()
    await process.start(has_written_its_pid(tmp_path), seconds=SECONDS)
    await process.stop()
    await process.stop()


async def test_who_does_not_end_when_asked_is_killed(tmp_path: Path) -> None:
    process = server(tmp_path, IGNORES_REQUESTS_TO_END, WRITES_ITS_PID, "while True:", "  " + WAITS)
    await process.start(has_written_its_pid(tmp_path), seconds=SECONDS)
    await process.stop(grace_seconds=0)
    assert not is_alive(pid_in(tmp_path))


async def test_a_server_may_be_stopped_from_another_event_loop(tmp_path: Path) -> None:
    process = server(tmp_path, WRITES_ITS_PID, WAITS)
    await asyncio.to_thread(
        lambda: asyncio.run(process.start(has_written_its_pid(tmp_path), seconds=SECONDS))
    )
    await process.stop()
    assert not is_alive(pid_in(tmp_path))


async def test_a_server_that_ends_at_once_leaves_its_last_words(tmp_path: Path) -> None:
    process = server(tmp_path, "raise SystemExit('no such data directory')")
    with pytest.raises(StartError, match=r"ended with exit code 1.*\n.*no such data directory"):
        await process.start(never, seconds=SECONDS)


async def test_a_server_that_never_gets_ready_is_ended(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pid")
    pids: list[int] = []

    async def runs_but_is_not_ready() -> bool:
        pids.append(int(await asyncio.to_thread((tmp_path / "pid").read_text)))
        return False

    process = server(tmp_path, WRITES_ITS_PID, WAITS)
    with pytest.raises(StartError, match="was not ready after 0 s"):
        await process.start(runs_but_is_not_ready, seconds=0)
    assert not is_alive(pids[0])


async def test_another_port_is_tried_when_one_is_taken(tmp_path: Path) -> None:
    ports: list[int] = []

    def make(port: int) -> ServerProcess:
        ports.append(port)
        taken = "raise SystemExit('bind: Address already in use')"
        return server(tmp_path, *([taken] if len(ports) < 3 else [WRITES_ITS_PID, WAITS]))

    async def is_ready(_: int) -> bool:
        return await has_written_its_pid(tmp_path)()

    process, port = await start_on_free_port(make, is_ready, seconds=SECONDS)
    await process.stop()
    assert (len(ports), port) == (3, ports[-1])


async def test_ports_are_not_tried_for_ever(tmp_path: Path) -> None:
    ports: list[int] = []

    def make(port: int) -> ServerProcess:
        ports.append(port)
        return server(tmp_path, "raise SystemExit('bind: address already in use')")

    async def is_ready(_: int) -> bool:
        return False

    with pytest.raises(StartError):
        await start_on_free_port(make, is_ready, seconds=SECONDS)
    assert len(ports) == 5
