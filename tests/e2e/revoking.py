"""What the admins of the world's IAM do to people, and whom the IAM tells."""

import asyncio
import dataclasses
import functools
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.demo import files
from proxy.demo.issuer import EmbeddedIssuer, Receiver
from proxy.edge.certificate import Certificate
from tests.e2e.serving import Settings
from tests.e2e.world import PATIENCE, EmbeddedIam, Iam, KeycloakIam, World
from tests.real.keycloak import Keycloak

PROXY_CLIENT = "hostclaim-proxy"
"""The proxy itself, as the IAM knows it."""

CACHE = 5.0
"""Seconds for which what the IAM said counts: so soon everything must have ended."""


def asks_the_iam(world: World, settings: Settings, **introspection: Any) -> None:
    """Have a proxy ask about tokens, as the client that it is to the IAM."""
    secret = world.directory / "introspection-secret"
    files.write(secret, world.iam.secret(PROXY_CLIENT))
    usual = {"clientId": PROXY_CLIENT, "clientSecretFile": str(secret)}
    times = {"cacheSeconds": CACHE, "timeoutSeconds": CACHE / 4}
    settings["issuers"][0] |= {"verify": "both", "introspection": usual | times | introspection}


class Admin(Protocol):
    """An admin of the IAM. Names are those of people and of clients with service accounts."""

    async def disable(self, name: str) -> None:
        """Let somebody in no more."""
        ...

    async def enable(self, name: str) -> None:
        """Undo `disable`."""
        ...

    async def log_out(self, name: str) -> None:
        """End all sessions of somebody."""
        ...

    async def move(self, name: str, *groups: str) -> None:
        """Have somebody in these groups and in no others."""
        ...

    async def permit(self, client: str, namespace: str, *scopes: str) -> None:
        """Permit a client's service account this, by Keycloak's Authorization Services."""
        ...

    async def forbid(self, client: str, namespace: str) -> None:
        """Undo `permit`."""
        ...

    async def listen(self, receiver: Receiver) -> None:
        """Tell a receiver of logouts from the peoples' client, and of pushes to the proxy's."""
        ...

    async def push(self, moment: int) -> None:
        """Push to the proxy that tokens made before this second count no longer."""
        ...


def admin(iam: Iam) -> Admin:
    """The admin of an IAM."""
    match iam:
        case EmbeddedIam(issuer=issuer):
            return EmbeddedAdmin(issuer)
        case KeycloakIam(keycloak=keycloak):
            return KeycloakAdmin(keycloak, iam.peoples_client)
    raise AssertionError(iam)


class EmbeddedAdmin:
    """The demo's issuer is told directly."""

    def __init__(self, issuer: EmbeddedIssuer) -> None:
        self._issuer = issuer
        self._receiver: Receiver | None = None

    async def disable(self, name: str) -> None:
        self._issuer.disable(name)

    async def enable(self, name: str) -> None:
        self._issuer.enable(name)

    async def log_out(self, name: str) -> None:
        if self._receiver is None:
            self._issuer.end_sessions(name)
        else:
            assert set(await self._issuer.log_out(name, self._receiver)) == {200}

    async def move(self, name: str, *groups: str) -> None:
        self._issuer.move(name, *groups)

    async def permit(self, client: str, namespace: str, *scopes: str) -> None:
        self._issuer.permissions.permit(f"service-account-{client}", namespace, scopes)

    async def forbid(self, client: str, namespace: str) -> None:
        self._issuer.permissions.forbid(f"service-account-{client}", namespace)

    async def listen(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def push(self, moment: int) -> None:
        assert self._receiver is not None
        status = await self._issuer.push_not_before(PROXY_CLIENT, moment, self._receiver)
        assert status == 200


class KeycloakAdmin:
    """Keycloak is told through its admin API, and does the rest."""

    def __init__(self, keycloak: Keycloak, peoples_client: str) -> None:
        self._keycloak = keycloak
        self._peoples_client = peoples_client
        self._call = functools.partial(self._ask, "/realms/metal3")

    async def disable(self, name: str) -> None:
        await self._set_enabled(name, enabled=False)

    async def enable(self, name: str) -> None:
        await self._set_enabled(name, enabled=True)

    async def log_out(self, name: str) -> None:
        await self._call("POST", f"/users/{(await self._user(name))['id']}/logout")

    async def move(self, name: str, *groups: str) -> None:
        path = f"/users/{(await self._user(name))['id']}/groups"
        for group in await self._call("GET", path):
            await self._call("DELETE", f"{path}/{group['id']}")
        for group in groups:
            found = await self._call("GET", f"/group-by-path{group}")
            await self._call("PUT", f"{path}/{found['id']}")

    async def permit(self, client: str, namespace: str, *scopes: str) -> None:
        server = await self._resource_server()
        who = f"is {client}"
        if not await self._call("GET", f"{server}/policy/search?name={quote(who)}"):
            policy = {"name": who, "clients": [client]}
            await self._call("POST", f"{server}/policy/client", policy)
        permission = {
            "name": f"{client} in {namespace}",
            "resources": [namespace],
            "scopes": scopes,
            "policies": [who],
        }
        await self._call("POST", f"{server}/permission/scope", permission)

    async def forbid(self, client: str, namespace: str) -> None:
        server = await self._resource_server()
        name = quote(f"{client} in {namespace}")
        found = await self._call("GET", f"{server}/permission/search?name={name}")
        await self._call("DELETE", f"{server}/permission/scope/{found['id']}")

    async def _resource_server(self) -> str:
        return f"/clients/{(await self._client(PROXY_CLIENT))['id']}/authz/resource-server"

    async def listen(self, receiver: Receiver) -> None:
        client = await self._client(self._peoples_client)
        told = {
            "backchannel.logout.url": f"{receiver.url}/backchannel-logout",
            "backchannel.logout.session.required": str(receiver.session_required).lower(),
        }
        attributes = client.get("attributes", {}) | told
        await self._call("PUT", f"/clients/{client['id']}", client | {"attributes": attributes})
        own = await self._client(PROXY_CLIENT)
        await self._call("PUT", f"/clients/{own['id']}", own | {"adminUrl": receiver.url})

    async def push(self, moment: int) -> None:
        own = await self._client(PROXY_CLIENT)
        await self._call("PUT", f"/clients/{own['id']}", own | {"notBefore": moment})
        pushed = await self._call("POST", f"/clients/{own['id']}/push-revocation")
        assert pushed.get("successRequests"), pushed
        assert not pushed.get("failedRequests"), pushed

    async def _set_enabled(self, name: str, *, enabled: bool) -> None:
        user = await self._user(name)
        await self._call("PUT", f"/users/{user['id']}", user | {"enabled": enabled})

    async def _user(self, name: str) -> dict[str, Any]:
        username = f"service-account-{name}" if name in self._keycloak.client_secrets else name
        (user,) = await self._call("GET", f"/users?username={username}&exact=true")
        found: dict[str, Any] = user
        return found

    async def _client(self, client_id: str) -> dict[str, Any]:
        (client,) = await self._call("GET", f"/clients?clientId={client_id}")
        found: dict[str, Any] = client
        return found

    async def _ask(self, realm: str, method: str, path: str, body: object = None) -> Any:
        return await self._keycloak.admin(method, realm + path, body)


async def logout_token(world: World, name: str) -> str:
    """What the IAM posts when a person logs out."""
    posted: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def take(request: web.Request) -> web.Response:
        if not posted.done():
            posted.set_result(str((await request.post())["logout_token"]))
        return web.Response()

    app = web.Application()
    app.router.add_post("/backchannel-logout", take)
    server = TestServer(app, scheme="https")
    files = (world.directory / "proxy.crt", world.directory / "proxy.key")
    await server.start_server(ssl=Certificate(*files).context)
    try:
        told = admin(world.iam)
        await told.listen(receiver(server.port or 0, world.directory / "proxy-ca.crt"))
        await world.iam.access_token(name)
        await told.log_out(name)
        return await asyncio.wait_for(posted, PATIENCE)
    finally:
        await server.close()


def receiver(port: int, ca_file: Path, **changes: Any) -> Receiver:
    """The back channel of a proxy on this machine."""
    return dataclasses.replace(Receiver(f"https://127.0.0.1:{port}", ca_file), **changes)
