"""Whoever asks the issuer something, and what they hear."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from proxy.demo.issuer import EmbeddedIssuer, Endpoint

INTROSPECTOR = {"client_id": "hostclaim-proxy", "client_secret": "proxy-secret"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    json: Any


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks the issuer something."""

    issuer: EmbeddedIssuer
    session: aiohttp.ClientSession

    async def get(self, endpoint: Endpoint) -> Reply:
        async with self.session.get(self.issuer.url + endpoint) as response:
            return await _read(response)

    async def post(
        self, endpoint: Endpoint, form: Mapping[str, str], authorization: str | None = None
    ) -> Reply:
        url = self.issuer.url + endpoint
        headers = {} if authorization is None else {"Authorization": authorization}
        async with self.session.post(url, data=dict(form), headers=headers) as response:
            return await _read(response)

    async def log_in(self, username: str, scope: str = "openid") -> dict[str, str]:
        form = {"grant_type": "password", "client_id": "demo-cli", "scope": scope}
        who = {"username": username, "password": f"{username}-password"}
        reply = await self.post(Endpoint.TOKEN, form | who)
        assert reply.status == 200, reply
        tokens: dict[str, str] = reply.json
        return tokens

    async def is_active(self, token: str) -> bool:
        reply = await self.post(Endpoint.INTROSPECTION, INTROSPECTOR | {"token": token})
        active: bool = reply.json["active"]
        return active


async def _read(response: aiohttp.ClientResponse) -> Reply:
    body = await response.json() if response.content_type == "application/json" else None
    return Reply(response.status, response.headers, body)
