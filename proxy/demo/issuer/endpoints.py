"""What the issuer answers over HTTP: the endpoints of OIDC under Keycloak's paths.

Reads requests into forms and writes JSON; who gets what is `grants`' to say.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_plus

from aiohttp import web
from aiohttp.typedefs import Handler

from proxy.demo.issuer import device
from proxy.demo.issuer.accounts import Client, Realm
from proxy.demo.issuer.admin import Admin
from proxy.demo.issuer.assertions import Assertions
from proxy.demo.issuer.device import DeviceLogins
from proxy.demo.issuer.grants import Form, Grants, OAuthError
from proxy.demo.issuer.keys import KeyRing
from proxy.demo.issuer.permissions import TICKET_GRANT, Permissions

_NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class Endpoint(StrEnum):
    """What can be asked of the issuer, as the path below the realm's."""

    DISCOVERY = "/.well-known/openid-configuration"
    JWKS = "/protocol/openid-connect/certs"
    TOKEN = "/protocol/openid-connect/token"
    INTROSPECTION = "/protocol/openid-connect/token/introspect"
    REVOCATION = "/protocol/openid-connect/revoke"
    LOGOUT = "/protocol/openid-connect/logout"
    DEVICE = "/protocol/openid-connect/auth/device"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The realm's HTTP face.

    `is_open` is asked once for every request, before anything is read; while it says no,
    the answer is 503.
    """

    realm: Realm
    issuer: str
    keys: KeyRing
    grants: Grants
    assertions: Assertions
    devices: DeviceLogins
    permissions: Permissions
    admin: Admin
    is_open: Callable[[Endpoint], bool]

    def application(self) -> web.Application:
        """Everything behind one port."""
        app = web.Application()
        root = f"/realms/{self.realm.name}"
        for method, endpoint, handler in (
            ("GET", Endpoint.DISCOVERY, self._discovery),
            ("GET", Endpoint.JWKS, self._jwks),
            ("POST", Endpoint.TOKEN, self._token),
            ("POST", Endpoint.INTROSPECTION, self._introspect),
            ("POST", Endpoint.REVOCATION, self._revoke),
            ("POST", Endpoint.LOGOUT, self._log_out),
            ("POST", Endpoint.DEVICE, self._device),
        ):
            app.router.add_route(method, root + endpoint, self._guarded(endpoint, handler))
        app.router.add_routes(self.admin.routes())
        return app

    def _guarded(
        self, endpoint: Endpoint, handler: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Handler:
        async def guarded(request: web.Request) -> web.Response:
            if not self.is_open(endpoint):
                return web.Response(status=503, text="Service Unavailable")
            try:
                return await handler(request)
            except OAuthError as refusal:
                return _refused(refusal)

        return guarded

    async def _discovery(self, _: web.Request) -> web.Response:
        """OpenID Connect Discovery 1.0, section 3, of what is really there.

        RFC 8414 section 2: no `authorization_endpoint` where no grant type needs one.
        """
        methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
        known = ["client_credentials", "password", "refresh_token", device.GRANT, TICKET_GRANT]
        return web.json_response(
            {
                "issuer": self.issuer,
                "jwks_uri": self.issuer + Endpoint.JWKS,
                "token_endpoint": self.issuer + Endpoint.TOKEN,
                "introspection_endpoint": self.issuer + Endpoint.INTROSPECTION,
                "revocation_endpoint": self.issuer + Endpoint.REVOCATION,
                "end_session_endpoint": self.issuer + Endpoint.LOGOUT,
                "device_authorization_endpoint": self.issuer + Endpoint.DEVICE,
                "grant_types_supported": known,
                "response_types_supported": ["none"],
                "subject_types_supported": ["public"],
                "scopes_supported": ["openid", "profile", "email"],
                "id_token_signing_alg_values_supported": [self.realm.algorithm],
                "token_endpoint_auth_methods_supported": methods,
                "token_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256"],
                "introspection_endpoint_auth_methods_supported": methods,
                "revocation_endpoint_auth_methods_supported": methods,
            }
        )

    async def _jwks(self, _: web.Request) -> web.Response:
        return web.json_response(self.keys.jwks(), headers={"Cache-Control": "no-cache"})

    async def _token(self, request: web.Request) -> web.Response:
        if (await request.post()).get("grant_type") == TICKET_GRANT:
            return await self._permit(request)
        client, form = await self._read(request)
        if form.get("grant_type") == device.GRANT:
            login = self.devices.redeem(client, _required(form, "device_code"))
            answer = self.grants.log_in(client, *login)
        else:
            answer = self.grants.grant(client, form)
        return web.json_response(answer, headers=_NOT_STORED)

    async def _device(self, request: web.Request) -> web.Response:
        client, form = await self._read(request)
        return web.json_response(self.devices.begin(client, form), headers=_NOT_STORED)

    async def _permit(self, request: web.Request) -> web.Response:
        """What is asked with a caller's own token needs no client besides."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        found = self.permissions.answer(self.grants, token, await _form(request))
        return web.json_response(found, headers=_NOT_STORED)

    async def _introspect(self, request: web.Request) -> web.Response:
        client, form = await self._read(request)
        token = _required(form, "token")
        return web.json_response(self.grants.introspect(client, token), headers=_NOT_STORED)

    async def _revoke(self, request: web.Request) -> web.Response:
        client, form = await self._read(request)
        self.grants.revoke(client, _required(form, "token"))
        return web.Response()

    async def _log_out(self, request: web.Request) -> web.Response:
        client, form = await self._read(request)
        self.grants.log_out(client, _required(form, "refresh_token"))
        return web.Response(status=204)

    async def _read(self, request: web.Request) -> tuple[Client, Form]:
        form = await _form(request)
        if "client_assertion" in form:
            return self.assertions.client(form), form
        client_id, secret = _client_credentials(request.headers.get("Authorization"), form)
        return self.grants.authenticate(client_id, secret), form


async def _form(request: web.Request) -> Form:
    fields = await request.post()
    return {name: value for name, value in fields.items() if isinstance(value, str)}


def _client_credentials(authorization: str | None, form: Form) -> tuple[str, str | None]:
    """Who the client says it is (RFC 6749 2.3.1): a client uses one way, not both."""
    if authorization is None:
        return form.get("client_id", ""), form.get("client_secret")
    if "client_secret" in form:
        raise OAuthError(400, "invalid_request", "More than one way of client authentication")
    scheme, _, encoded = authorization.partition(" ")
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise OAuthError(401, "invalid_client", "Unreadable client credentials") from exc
    if scheme.lower() != "basic":
        raise OAuthError(401, "invalid_client", "Unsupported client authentication")
    client_id, _, secret = decoded.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


def _required(form: Form, name: str) -> str:
    if name not in form:
        raise OAuthError(400, "invalid_request", f"Missing form parameter: {name}")
    return form[name]


def _refused(refusal: OAuthError) -> web.Response:
    body: dict[str, Any] = {"error": refusal.error, "error_description": refusal.description}
    headers = dict(_NOT_STORED)
    if refusal.error == "invalid_client":
        headers["WWW-Authenticate"] = 'Basic realm="hostclaim-proxy demo"'
    return web.json_response(body, status=refusal.status, headers=headers)
