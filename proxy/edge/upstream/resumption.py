"""TLS sessions that are gone on with: a second handshake costs a fraction of the first.

Who resumes a session verifies no certificate again, so a session is of one
context, which is made anew with each change of whom to trust, and of one name.
"""

import math
import ssl
import time
from typing import Final

_REST: Final = 60.0
"""Seconds between two sessions that are taken."""


class ResumingContext(ssl.SSLContext):
    """A context whose connections resume the last session with the same server.

    Event loops have no parameter for a session, but both have their contexts wrap
    what they send and receive, which is where `ssl` takes one.
    """

    def __init__(self, _protocol: int) -> None:
        super().__init__()
        self._sessions: dict[str | bytes | None, ssl.SSLSession] = {}
        self._rests_until = -math.inf

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - the signature of `ssl`
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """As `ssl` says, with the session that is known."""
        known = session or self._sessions.get(server_hostname)
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, known)

    def keep(self, wrapped: ssl.SSLObject) -> None:
        """Remember the session of a connection; in TLS 1.3 there is one only after the handshake.

        The tickets that carry it come with the first bytes of the server. CPython loses the
        memory of each session that it hands out, 6 KiB, so none is taken while the one at
        hand is gone on with, nor often where none ever is.
        """
        now = time.monotonic()
        if wrapped.session_reused or now < self._rests_until:
            return
        self._rests_until = now + _REST
        session = wrapped.session
        if session is not None and session.has_ticket:
            self._sessions[wrapped.server_hostname] = session
