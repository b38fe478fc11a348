"""Where tokens come from: an issuer that is allowed here, or the pod's own token file."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from proxy.refresher.credentials import Credentials
from proxy.refresher.errors import RefreshError
from proxy.refresher.schedule import Lifetime, lifetime_of


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token, and how long it is good for by this machine's clock."""

    value: str = field(repr=False)
    lifetime: Lifetime


class Issuers(Protocol):
    """Who gives a client a token."""

    async def token(self, credentials: Credentials) -> Token:
        """Get a token with what a Secret holds.

        Raises:
            RefreshError: there is none.
        """
        ...


class TokenFile(Protocol):
    """Where our own token lies."""

    async def token(self) -> Token:
        """Read it.

        Raises:
            RefreshError: there is none.
        """
        ...


class ProjectedFile:
    """The port `TokenFile`: a projected service account token, which the kubelet replaces."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> Token:
        """As the port says."""
        try:
            text = (await asyncio.to_thread(self._path.read_text)).strip()
        except (OSError, ValueError) as exc:
            raise RefreshError("the token file cannot be read") from exc
        lifetime = lifetime_of(text)
        if lifetime is None:
            raise RefreshError("the token file holds no token that says how long it lives")
        return Token(text, lifetime)
