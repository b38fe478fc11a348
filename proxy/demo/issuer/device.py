"""Logins that happen elsewhere: the device authorization grant (RFC 8628).

There is no page to open: a test, or whoever holds the issuer, says who has logged in.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from proxy.demo.issuer.accounts import Client, Person
from proxy.demo.issuer.grants import Form, OAuthError

GRANT = "urn:ietf:params:oauth:grant-type:device_code"

_LIFETIME = 600
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


class _Said(Enum):
    """What a person has said so far, if not who they are."""

    NOTHING = auto()
    NO = auto()


@dataclass(slots=True)
class _Login:
    client: Client
    form: Form
    device_code: str
    user_code: str
    begun_at: float
    polled_at: float
    said: Person | _Said = _Said.NOTHING


class DeviceLogins:
    """The logins that are under way. `interval` is in seconds, between two questions."""

    def __init__(self, issuer: str, interval: int, clock: Callable[[], float]) -> None:
        self._issuer = issuer
        self._interval = interval
        self._clock = clock
        self._logins: list[_Login] = []

    def begin(self, client: Client, form: Form) -> dict[str, object]:
        """Answer a device authorization request (RFC 8628, 3.2).

        Raises:
            OAuthError: the client may not ask.
        """
        if not client.device_grants:
            raise OAuthError(
                400,
                "unauthorized_client",
                "Client is not allowed to initiate OAuth 2.0 Device Authorization Grant. "
                "The flow is disabled for the client.",
            )
        now = self._clock()
        login = _Login(client, form, secrets.token_urlsafe(), _user_code(), now, float("-inf"))
        self._logins.append(login)
        page = f"{self._issuer}/device"
        return {
            "device_code": login.device_code,
            "user_code": login.user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={login.user_code}",
            "expires_in": _LIFETIME,
            "interval": self._interval,
        }

    def approve(self, user_code: str, person: Person) -> None:
        """Have a person log in.

        Raises:
            KeyError: no login under way has this code.
        """
        self._find(user_code).said = person

    def deny(self, user_code: str) -> None:
        """Have a person say no.

        Raises:
            KeyError: no login under way has this code.
        """
        self._find(user_code).said = _Said.NO

    def redeem(self, client: Client, device_code: str) -> tuple[Person, Form]:
        """Who has logged in, and what the client asked for; this is told once (RFC 8628, 3.4).

        Raises:
            OAuthError: nobody, or not yet.
        """
        login = next((each for each in self._logins if each.device_code == device_code), None)
        if login is None or login.client != client:
            raise OAuthError(400, "invalid_grant", "Device code not valid")
        now = self._clock()
        polled_at, login.polled_at = login.polled_at, now
        if now >= login.begun_at + _LIFETIME:
            raise OAuthError(400, "expired_token", "Device code is expired")
        if now < polled_at + self._interval:
            raise OAuthError(400, "slow_down", "Slow down")
        match login.said:
            case _Said.NOTHING:
                raise OAuthError(
                    400, "authorization_pending", "The authorization request is still pending"
                )
            case _Said.NO:
                raise OAuthError(
                    400, "access_denied", "The end user denied the authorization request"
                )
            case person:
                self._logins.remove(login)
                return person, login.form

    def _find(self, user_code: str) -> _Login:
        for login in self._logins:
            if login.user_code == user_code:
                return login
        raise KeyError(f"no login under way has the code `{user_code}`")


def _user_code() -> str:
    """Eight letters that spell nothing (RFC 8628, 6.1)."""
    first, second = ("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(2))
    return f"{first}-{second}"
