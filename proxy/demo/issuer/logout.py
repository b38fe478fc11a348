"""How a client hears that something has ended: what Keycloak 26 posts to it.

Logout tokens go to a client's backchannel logout URL, and pushes below its admin URL.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import aiohttp

from proxy.demo.issuer.tokens import Claims, Session

LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"

_LOGOUT_SECONDS = 120
_ACTION_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Receiver:
    """A client that is told: where, by which authority it is known, and of what.

    Without `session_required` a logout token names only the subject.
    """

    url: str
    ca_file: Path
    session_required: bool = True


def logout_claims(issuer: str, session: Session, receiver: Receiver, now: int) -> Claims:
    """A logout token for the client of a session (OIDC Back-Channel Logout 1.0, 2.4)."""
    claims: Claims = {
        "exp": now + _LOGOUT_SECONDS,
        "iat": now,
        "jti": str(uuid4()),
        "iss": issuer,
        "aud": session.client.client_id,
        "sub": session.account.subject,
        "typ": "Logout",
        "events": {LOGOUT_EVENT: {}},
    }
    return claims | ({"sid": session.sid} if receiver.session_required else {})


def push_claims(client_id: str, not_before: int, now: int) -> Claims:
    """The action that has a client refuse older tokens (Keycloak, PushNotBeforeAction)."""
    return {
        "id": f"{uuid4()}-{now}",
        "expiration": now + _ACTION_SECONDS,
        "resource": client_id,
        "action": "PUSH_NOT_BEFORE",
        "notBefore": not_before,
    }


class Announcer:
    """Posts to receivers what `sign` has signed."""

    def __init__(self, sign: Callable[[Claims, dict[str, Any]], str]) -> None:
        self._sign = sign

    async def log_out(self, receiver: Receiver, claims: Claims) -> int:
        """Post a logout token; returns the status of the answer."""
        token = self._sign(claims, {"typ": "logout+jwt"})
        return await self._post(receiver, "/backchannel-logout", {"logout_token": token})

    async def push(self, receiver: Receiver, claims: Claims) -> int:
        """Post an action; returns the status of the answer."""
        return await self._post(receiver, "/k_push_not_before", self._sign(claims, {}))

    async def _post(self, receiver: Receiver, path: str, data: str | dict[str, str]) -> int:
        trust = ssl.create_default_context(cafile=str(receiver.ca_file))
        async with (
            aiohttp.ClientSession() as session,
            session.post(receiver.url + path, data=data, ssl=trust) as answer,
        ):
            return answer.status
