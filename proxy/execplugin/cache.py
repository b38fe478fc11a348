"""Where a token lies between two calls: a file that nobody else can read, behind a lock.

The folder has to be ours alone, as ssh wants it of `~/.ssh`: who can write there can
have us present a token of theirs. A file in it that is not is left out, with a
warning, and replaced.
"""

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import msgspec

from proxy.execplugin.faults import WrongUseError
from proxy.execplugin.kept import Kept

Say: TypeAlias = Callable[[str], None]
Monotonic: TypeAlias = Callable[[], float]
Pause: TypeAlias = Callable[[float], None]

_MAX_FILE = 256 * 1024
_PAUSE = 0.02
_UNNOTICED = 2.0
"""Seconds that nobody minds to wait without being told for what."""


class LockError(Exception):
    """The cache is not to be had. The message completes `cannot use the cache: ...`."""


class Cache:
    """The token of one account.

    `say` takes warnings. Everything but `lock` is to be called while it is locked.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        say: Say,
        *,
        monotonic: Monotonic = time.monotonic,
        pause: Pause = time.sleep,
    ) -> None:
        """Open the folder, and make it if it is missing.

        Raises:
            WrongUseError: others can get at it.
            OSError: it cannot be made or opened.
        """
        _make(folder)
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._name = name
        self._say = say
        self._monotonic = monotonic
        self._pause = pause
        if not _is_ours(os.fstat(self._folder)):
            os.close(self._folder)
            raise WrongUseError(
                f"the cache folder `{folder}` must be yours and of nobody else: "
                "give another with --cache-dir, or make it so with `chmod 700`"
            )

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._folder)

    @contextmanager
    def lock(self, patience: float) -> Iterator[None]:
        """Keep other processes out; wait for them for so many seconds.

        The lock ends with its process, whatever ends that.

        Raises:
            LockError: another one did not let go, or there are no locks here.
        """
        try:
            lock = self._open(".lock", os.O_RDWR | os.O_CREAT)
        except OSError as exc:
            raise LockError("its lock cannot be opened") from exc
        try:
            self._wait(lock, patience)
            yield
        finally:
            os.close(lock)

    def read(self) -> Kept | None:
        """What lies there; None also for what cannot be trusted or read."""
        try:
            # Not to wait for a writer, should it be a pipe.
            opened = self._open(".json", os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError:  # a symbolic link, for one
            self._say("ignoring the cached token: its file cannot be opened")
            return None
        with os.fdopen(opened, "rb") as file:
            found = os.fstat(opened)
            if not stat.S_ISREG(found.st_mode) or not _is_ours(found):
                self._say("ignoring the cached token: its file is not yours alone (chmod 600)")
                return None
            text = file.read(_MAX_FILE + 1)
        try:
            return msgspec.json.decode(text, type=Kept) if len(text) <= _MAX_FILE else None
        except (msgspec.MsgspecError, RecursionError):
            return None

    def write(self, kept: Kept) -> None:
        """Put a token there, whole or not at all. Without it, the next call asks the IAM."""
        try:
            self._remove(".new")  # one that ended halfway may have left it
            with os.fdopen(self._open(".new", os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
                file.write(msgspec.json.encode(kept))
            folder = self._folder
            os.replace(
                f"{self._name}.new", f"{self._name}.json", src_dir_fd=folder, dst_dir_fd=folder
            )
        except OSError as exc:
            self._say(f"the token cannot be cached: {exc.strerror}")

    def _wait(self, lock: int, patience: float) -> None:
        begun = self._monotonic()
        told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                waited = self._monotonic() - begun
                if waited >= patience:
                    raise LockError(f"another process has held it for {patience:g} s") from exc
                if waited >= _UNNOTICED and not told:
                    self._say("waiting for another process that asks for the same token")
                    told = True
                self._pause(_PAUSE)
            except OSError as exc:  # some network file systems have none
                raise LockError("it cannot be locked") from exc
            else:
                return

    def _open(self, suffix: str, flags: int) -> int:
        return os.open(self._name + suffix, flags | os.O_NOFOLLOW, mode=0o600, dir_fd=self._folder)

    def _remove(self, suffix: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._name + suffix, dir_fd=self._folder)


def _make(folder: Path) -> None:
    """The folder and those above it, each for us alone (XDG Base Directory Specification)."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _is_ours(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & 0o077
