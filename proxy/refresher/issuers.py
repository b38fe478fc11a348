"""The issuers that are allowed here, and nobody else, are asked for tokens."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Final, assert_never

from proxy.edge.oidc import Client, KeyClient, Login, LoginError, Provider, SecretClient, SigningKey
from proxy.refresher.credentials import ClientSecret, Credentials, PrivateKey, Proof
from proxy.refresher.errors import RefreshError
from proxy.refresher.schedule import Lifetime
from proxy.refresher.tokens import Token

AT_ONCE: Final = 5
"""Questions that one issuer is asked at the same time; the others do not wait for it."""


class AllowedIssuers:
    """The port `Issuers`."""

    def __init__(self, urls: Iterable[str], ca_file: Path | None) -> None:
        """`ca_file` is what they are trusted by, instead of the system's certificates.

        Raises:
            ValueError: an url does not begin with `https://`.
        """
        self._providers = {url: Provider(url, ca_file) for url in urls}
        self._turns = {url: asyncio.Semaphore(AT_ONCE) for url in self._providers}

    async def token(self, credentials: Credentials) -> Token:
        """As the port says."""
        # Who can write a Secret could else have it sent to wherever they listen.
        provider = self._providers.get(credentials.issuer)
        if provider is None:
            raise RefreshError("the key `issuer-url` names no issuer that is allowed here")
        login = Login(
            provider, _client(credentials.client_id, credentials.proof), credentials.scopes
        )
        try:
            async with self._turns[credentials.issuer]:
                tokens = await login.client_credentials()
        except LoginError as exc:
            raise RefreshError(f"the issuer: {exc}") from exc
        return Token(tokens.access, Lifetime(tokens.asked_at, tokens.expires_at))


def _client(client_id: str, proof: Proof) -> Client:
    match proof:
        case ClientSecret(value):
            return SecretClient(client_id, value)
        case PrivateKey(pem):
            try:
                return KeyClient(client_id, SigningKey.read(pem.encode()))
            except ValueError as exc:
                raise RefreshError(f"the key `private-key`: {exc}") from exc
        case _:
            assert_never(proof)
