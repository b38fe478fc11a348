"""Who we are to tenants: the certificate and its key, followed as they are renewed."""

import asyncio
import logging
import ssl
from pathlib import Path

log = logging.getLogger(__name__)


class Certificate:
    """The server side of TLS 1.2 and newer; HTTP/1.1 is the only protocol offered.

    `context` stays the same object; new connections get what its files hold now.
    """

    def __init__(self, cert_file: Path, key_file: Path, *, interval: float = 1.0) -> None:
        """Read the files; `interval` is the number of seconds between two looks at them.

        Raises:
            OSError, ssl.SSLError: they are not a certificate and its key.
        """
        self._files = (cert_file, key_file)
        self._interval = interval
        self._seen = self._stamps()
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self.context.load_cert_chain(*self._files)

    async def run(self) -> None:
        """Follow the files until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            self.look()

    def look(self) -> None:
        """Look at the files once, and take what is new; what is broken is not taken.

        The two of a pair may be written one after the other: the first alone is
        refused, and both are read when the second has come.
        """
        now = self._stamps()
        if now == self._seen:
            return
        self._seen = now
        try:
            # First into a context of its own: half of a pair must not reach the live one.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self._files)
            self.context.load_cert_chain(*self._files)
        except (OSError, ssl.SSLError) as exc:
            log.warning("the renewed certificate cannot be used, keeping the last: %s", exc)
        else:
            log.info("the certificate was renewed")

    def _stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        """What changes when a file is written anew or a symlink is swapped."""
        return tuple(_stamp(path) for path in self._files)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
