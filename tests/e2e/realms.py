"""The IAM by its own APIs, as whoever administers tenants there: the same on both worlds."""

import http.client
import json
import secrets
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt

from proxy.demo.issuer.admin import ADMIN_CLIENT
from tests.e2e.world import EmbeddedIam, KeycloakIam, World

RESOURCE_SERVER = "hostclaim-proxy"
LEAST_ROLES = ("manage-clients", "manage-users")


@dataclass(frozen=True)
class Realm:
    """A realm, and the client by which it is administered. Methods block."""

    world: World
    client_id: str
    secret: str

    @property
    def url(self) -> str:
        return self.world.iam.url

    def token(self, client: str, secret: str) -> str:
        """An access token of a client's service account; AssertionError if it gets none."""
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
        code, found = self.post("token", form)
        assert code == 200, found
        return str(found["access_token"])

    def claims(self, client: str, secret: str) -> dict[str, Any]:
        """What such a token says."""
        token = self.token(client, secret)
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
        return claims

    def is_active(self, token: str) -> bool:
        """What introspection says of a token."""
        form = {
            "client_id": RESOURCE_SERVER,
            "client_secret": self.world.iam.secret(RESOURCE_SERVER),
            "token": token,
        }
        return bool(self.post("token/introspect", form)[1]["active"])

    def permissions(self, token: str) -> dict[str, set[str]]:
        """What the owner of a token is permitted, by resource."""
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:uma-ticket",
            "audience": RESOURCE_SERVER,
            "response_mode": "permissions",
        }
        code, found = self.post("token", form, token)
        # Who is permitted nothing is refused.
        return {each["rsname"]: set(each["scopes"]) for each in found} if code == 200 else {}

    def client(self, client_id: str) -> Any:
        """A client as the admin API shows it."""
        (found,) = self.admin("GET", f"/clients?clientId={client_id}")[1]
        return found

    def has_group(self, path: str) -> bool:
        """Whether there is a group of this path."""
        return self.admin("GET", f"/group-by-path{path}")[0] == 200

    def admin(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Ask the admin API; the code and the document."""
        headers = {"Authorization": f"Bearer {self.token(self.client_id, self.secret)}"}
        root = urlsplit(self.url).path.replace("/realms/", "/admin/realms/")
        sent = None if body is None else json.dumps(body).encode()
        return self._ask(method, root + path, headers | {"Content-Type": "application/json"}, sent)

    def post(self, endpoint: str, form: dict[str, str], token: str = "") -> tuple[int, Any]:
        """Post a form to an endpoint of OIDC; the code and the document."""
        path = f"{urlsplit(self.url).path}/protocol/openid-connect/{endpoint}"
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return self._ask("POST", path, headers, urlencode(form).encode())

    def _ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None
    ) -> tuple[int, Any]:
        trust = ssl.create_default_context(cafile=self.world.iam.ca_file)
        connection = http.client.HTTPSConnection(
            urlsplit(self.url).netloc, context=trust, timeout=60
        )
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"null")
        finally:
            connection.close()


def administered(world: World, roles: tuple[str, ...] = LEAST_ROLES, name: str = "") -> Realm:
    """The world's realm, with a client that may do there what these roles allow."""
    match world.iam:
        case KeycloakIam(keycloak=keycloak):
            name, secret = name or ADMIN_CLIENT, secrets.token_urlsafe()
            world.run(keycloak.add_admin(name, secret, roles))
            return Realm(world, name, secret)
        case EmbeddedIam() as iam:
            return Realm(world, ADMIN_CLIENT, iam.secret(ADMIN_CLIENT))
        case _:
            raise AssertionError("an IAM of no known kind")
