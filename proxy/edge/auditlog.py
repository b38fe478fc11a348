"""The audit log: one JSON object a line, to a file or standard output.

A line is written whole and at once, so a crash loses nothing that was
answered, and a failure to write is known before the next request is.
"""

import fcntl
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec


class JsonLines:
    """The port `AuditLog`. `path` None means standard output.

    `shared` says that other processes write there, too. A short line to a file would
    be whole without: what a pipe or a full disk takes is a part, and another's follows.
    """

    def __init__(self, path: Path | None, *, shared: bool) -> None:
        """Open the log.

        Raises:
            OSError: the file cannot be opened for appending.
        """
        self._path = path
        self._shared = shared
        self._encoder = msgspec.json.Encoder()
        self._file = sys.stdout.fileno() if path is None else _open(path)

    def write(self, event: Mapping[str, Any]) -> None:
        """As the port says."""
        line = self._encoder.encode(event) + b"\n"
        if not self._shared:
            _write(self._file, line)
            return
        # Of the process, so that it is gone with a process that is.
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            _write(self._file, line)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def reopen(self) -> None:
        """Start anew under the same name, after the file was moved away (SIGHUP)."""
        if self._path is not None:
            fresh = _open(self._path)
            os.close(self._file)
            self._file = fresh

    def close(self) -> None:
        """Close the file; standard output stays open."""
        if self._path is not None:
            os.close(self._file)


def _write(file: int, line: bytes) -> None:
    while line:
        line = line[os.write(file, line) :]


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
