"""The audit log: one JSON object a line, to a file or standard output.

Lines are written whole, all that are there at once, so a crash loses nothing but
what was answered in the very moment, and who writes knows of a failure at once.
"""

import fcntl
import os
import sys
from collections.abc import Mapping, Sequence
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

    def write(self, events: Sequence[Mapping[str, Any]]) -> None:
        """As the port says; one that cannot be said in JSON does not keep back the others."""
        lines: list[bytes] = []
        fault: Exception | None = None
        for event in events:
            try:
                lines.append(self._encoder.encode(event))
            except (TypeError, ValueError) as exc:
                fault = exc
        self._write(b"".join([line + b"\n" for line in lines]))
        if fault is not None:
            raise fault

    def _write(self, lines: bytes) -> None:
        if not self._shared:
            _write(self._file, lines)
            return
        # Of the process, so that it is gone with a process that is.
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            _write(self._file, lines)
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


def _write(file: int, lines: bytes) -> None:
    while lines:
        lines = lines[os.write(file, lines) :]


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
