"""The keys of an issuer that cannot be reached: a JWK Set in a file, followed as it changes.

What somebody copied from the issuer is read as strictly as what it would have
answered. The file may be a ConfigMap's, whose symlinks are swapped.
"""

import asyncio
import json
import stat
import time
from pathlib import Path
from typing import Any, TypeAlias

from proxy.edge.jwks.config import IssuerConfig
from proxy.edge.jwks.discovery import FetchError
from proxy.edge.jwks.keys import KeySet, KeySetError, read_keys
from proxy.https import MAX_DOCUMENT

_Stamp: TypeAlias = tuple[int, int, int] | None


class KeyFile:
    """One file, and what it was like when it was last read."""

    def __init__(self, path: Path, *, interval: float = 1.0) -> None:
        """`interval` is the number of seconds between two looks at the file."""
        self._path = path
        self._interval = interval
        self._seen: _Stamp = None

    async def fetch(self, config: IssuerConfig) -> KeySet:
        """Read the keys that the file holds now.

        Raises:
            FetchError: they cannot be read, or are no JWK Set.
        """
        # Before it is read: what is written meanwhile is a change yet to be seen.
        self._seen = _stamp(self._path)
        document = await asyncio.to_thread(_document, self._path)
        try:
            return read_keys(document, config.algorithms)
        except KeySetError as exc:
            raise FetchError(str(exc)) from exc

    async def rest(self, seconds: float) -> None:
        """Return once the file has changed since it was read, or so many seconds have passed.

        A file that never rests is read once an interval.
        """
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, self._interval))
            if _stamp(self._path) != self._seen:
                return


def _document(path: Path) -> Any:
    try:
        # Opening a pipe would wait for somebody to write into it.
        if not stat.S_ISREG(path.stat().st_mode):
            raise FetchError("its key file is not a file")
        with path.open("rb") as file:
            content = file.read(MAX_DOCUMENT + 1)
    except OSError as exc:
        raise FetchError(f"its key file cannot be read: {exc.strerror}") from exc
    if len(content) > MAX_DOCUMENT:
        raise FetchError(f"its key file has more than {MAX_DOCUMENT} bytes")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise FetchError("its key file is not JSON") from exc


def _stamp(path: Path) -> _Stamp:
    """What changes when a file is written anew or a symlink is swapped."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
