"""How is a part made that is not there yet: compiled from a Go module, or fetched by Maven.

Whatever appears under its final name is whole: it is made under a name that ends in
`.partial` and renamed, by one run at a time.
"""

import asyncio
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from proxy.demo.process import StartError
from tests.real.keycloak import Keycloak

REPORT_SECONDS = 30
LOG_TAIL_LINES = 15

Say = Callable[[str], None]


class Missing(Exception):  # noqa: N818 - a state of the machine, not somebody's mistake
    """A part is not on this machine, and why."""


@contextmanager
def alone(cache: Path, say: Say) -> Iterator[None]:
    """Hold the cache's lock, which the kernel gives back however this process ends."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run is providing the parts; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def compile_program(
    module: Path, package: str, stamps: Mapping[str, str], target: Path, say: Say
) -> None:
    """Compile one program of a Go module into `target`.

    Args:
        module: the folder with go.mod.
        package: the program's import path.
        stamps: variables to set at link time, by their full names.
        target: the file to make.
        say: told what is going on.

    Raises:
        Missing: there is no Go, or it cannot compile this.
    """
    _require("go", f"it compiles {target.name}")
    partial = _partial(target)
    ldflags = " ".join(["-s", "-w", *(f"-X={name}={value}" for name, value in stamps.items())])
    # Two packages at a time: memory stays within 3 GiB.
    flags: list[str | Path] = ["-p", "2", "-trimpath", "-ldflags", ldflags, "-o", partial]
    _run(
        ["go", "build", *flags, package],
        what=f"compiling {target.name}",
        aside="minutes where Go has not compiled the like before, once",
        directory=module,
        environment={"CGO_ENABLED": "0", "GOWORK": "off"},
        say=say,
    )
    partial.rename(target)


def fetch_keycloak(artifact: str, target: Path, say: Say) -> None:
    """Fetch a distribution of Keycloak, and start it once so that later starts are fast.

    Args:
        artifact: its Maven coordinates, `GROUP:ARTIFACT:VERSION:zip`.
        target: the folder to make, its home.
        say: told what is going on.

    Raises:
        Missing: Maven or Java is not there, or this Keycloak does not run on them.
    """
    _require("mvn", "it fetches Keycloak")
    partial = _partial(target)
    partial.mkdir()
    flags = [f"-Dartifact={artifact}", f"-DoutputDirectory={partial}"]
    _run(
        ["mvn", "--batch-mode", "--no-transfer-progress", "dependency:copy", *flags],
        what="fetching Keycloak",
        aside="nearly 200 MB",
        directory=partial,
        environment={},
        say=say,
    )
    (archive,) = partial.glob("*.zip")
    home = _unzip(archive, partial)
    _augment(home, say)
    home.rename(target)
    shutil.rmtree(partial)


def _augment(home: Path, say: Say) -> None:
    """Start it once: a first start rewrites its own code for the options that it finds."""
    say("starting Keycloak once, which makes later starts fast")
    with tempfile.TemporaryDirectory() as directory:
        try:
            asyncio.run(_start_and_stop(Keycloak(home, Path(directory))))
        except StartError as error:
            raise Missing(str(error)) from error
    shutil.rmtree(home / "data", ignore_errors=True)


async def _start_and_stop(keycloak: Keycloak) -> None:
    await keycloak.start()
    await keycloak.stop()


def _unzip(archive: Path, directory: Path) -> Path:
    """Unpack an archive that holds one folder, and return that folder.

    `zipfile` drops the mode that Unix keeps in the upper half of `external_attr`.
    """
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            unpacked = Path(packed.extract(entry, directory))
            if entry.external_attr >> 16 & 0o100:
                unpacked.chmod(0o755)
    archive.unlink()
    (home,) = directory.iterdir()
    return home


def _partial(target: Path) -> Path:
    """Name what is not finished, and clear away what interrupted runs left.

    No two runs use one name: what a killed run started may still be writing.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f"{target.name}.*.partial"):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()
    return target.with_name(f"{target.name}.{os.getpid()}.partial")


def _require(program: str, why: str) -> None:
    if shutil.which(program) is None:
        raise Missing(f"`{program}` is not installed; {why}")


def _run(
    argv: Sequence[str | Path],
    *,
    what: str,
    aside: str,
    directory: Path,
    environment: Mapping[str, str],
    say: Say,
) -> None:
    """Run a program that takes its time, and say now and then that it still does.

    Raises:
        Missing: it failed; the reason ends with its last words.
    """
    say(f"{what}: {aside}")
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=os.environ | environment,
        )
        try:
            while _is_running(process):
                say(f"  still {what}, {_elapsed(started)}")
        finally:
            process.terminate()
            process.wait()
        if process.returncode != 0:
            output.seek(0)
            last_words = "".join(output.readlines()[-LOG_TAIL_LINES:])
            raise Missing(f"{what} failed after {_elapsed(started)}:\n{last_words}")
    say(f"  done, {_elapsed(started)}")


def _is_running(process: subprocess.Popen[bytes]) -> bool:
    """Wait for it to end, but not for too long."""
    try:
        process.wait(REPORT_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _elapsed(started: float) -> str:
    minutes, seconds = divmod(int(time.monotonic() - started), 60)
    return f"{minutes} min {seconds:02} s"
