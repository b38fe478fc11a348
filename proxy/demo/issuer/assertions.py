"""Clients that sign instead of telling a secret: `private_key_jwt` (RFC 7523, 3)."""

from collections.abc import Callable
from typing import Any

import jwt

from proxy.demo.issuer.accounts import Client, Realm
from proxy.demo.issuer.grants import Form, OAuthError

_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Assertions:
    """Which clients have shown that they hold their key."""

    def __init__(self, realm: Realm, issuer: str, clock: Callable[[], float]) -> None:
        self._realm = realm
        self._issuer = issuer
        self._clock = clock
        self._seen: set[str] = set()

    def client(self, form: Form) -> Client:
        """Know a client by what it signed.

        Raises:
            OAuthError: not with its key, not for this issuer, not now, or not for the first time.
        """
        if form.get("client_assertion_type") != _TYPE:
            raise _refused("Parameter client_assertion_type is missing or wrong")
        try:
            client, claims = self._signed(form["client_assertion"])
        except jwt.InvalidTokenError as exc:
            raise _refused("Client authentication with signed JWT failed") from exc
        if claims["exp"] <= self._clock() or claims["jti"] in self._seen:
            raise _refused("Token is not active")
        self._seen.add(claims["jti"])
        return client

    def _signed(self, assertion: str) -> tuple[Client, dict[str, Any]]:
        named = jwt.decode(assertion, options={"verify_signature": False}).get("sub")
        client = self._realm.client(str(named))
        if client is None or client.public_key is None:
            raise _refused("Invalid client or Invalid client credentials")
        claims = jwt.decode(
            assertion,
            client.public_key,
            algorithms=["RS256", "ES256"],
            audience=self._issuer,
            issuer=client.client_id,
            # Time is this realm's own clock, which PyJWT does not know.
            options={
                "require": ["iss", "sub", "aud", "exp", "jti"],
                "verify_exp": False,
                "verify_iat": False,
            },
        )
        return client, claims


def _refused(description: str) -> OAuthError:
    return OAuthError(400, "invalid_client", description)
