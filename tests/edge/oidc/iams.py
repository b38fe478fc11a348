"""An IAM that answers what a test wants, and remembers what it was asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from proxy.edge.oidc import Client, DeviceCode, Login, Provider, PublicClient
from tests.edge.jwks.issuers import Clock, Issuer

TOKENS = {"access_token": "access-1", "token_type": "Bearer", "expires_in": 300}
CODE = {
    "device_code": "device-1",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://iam.example.com/device",
    "verification_uri_complete": "https://iam.example.com/device?user_code=WDJB-MJHT",
    "expires_in": 600,
    "interval": 5,
}

Reply = web.Response | Mapping[str, Any]


def refused(error: object, status: int = 400) -> web.Response:
    return web.json_response({"error": error, "error_description": "s3cret"}, status=status)


@dataclass
class Iam:
    """A token endpoint and a device authorization endpoint.

    Each question takes one reply off its list; the last one stays.
    """

    issuer: Issuer
    tokens: list[Reply] = field(default_factory=lambda: [TOKENS])
    codes: list[Reply] = field(default_factory=lambda: [CODE])
    forms: list[dict[str, str]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.issuer.handlers |= {"/token": self._token, "/device": self._device}
        self.issuer.metadata = {
            "token_endpoint": f"{self.issuer.url}/token",
            "device_authorization_endpoint": f"{self.issuer.url}/device",
        }

    def login(self, client: Client | None = None, *scopes: str, **how: Any) -> Login:
        provider = Provider(self.issuer.url, self.issuer.ca_file)
        return Login(provider, client or PublicClient("cli"), scopes, **how)

    async def _token(self, request: web.Request) -> web.Response:
        return await self._reply(request, self.tokens)

    async def _device(self, request: web.Request) -> web.Response:
        return await self._reply(request, self.codes)

    async def _reply(self, request: web.Request, replies: list[Reply]) -> web.Response:
        fields = await request.post()
        self.forms.append({name: str(value) for name, value in fields.items()})
        self.headers.append(request.headers)
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if not isinstance(reply, web.Response):
            return web.json_response(reply)
        # Each can be sent once, and the last one stays.
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)


@dataclass
class Person:
    """Somebody who sees how their login goes, and a clock that runs as it is waited for."""

    clock: Clock
    shown: list[DeviceCode] = field(default_factory=list)
    left: list[float] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def show(self, code: DeviceCode) -> None:
        self.shown.append(code)

    def waiting(self, seconds_left: float) -> None:
        self.left.append(seconds_left)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.now += seconds
