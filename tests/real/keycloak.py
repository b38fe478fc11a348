"""Who says who somebody is: a real Keycloak with the realm of `realm.json`.

Secrets and passwords are made up when it starts and gone when it stops: its database is in
memory. It listens on loopback alone.
"""

import json
import secrets
import shutil
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from proxy.demo.process import ServerProcess, start_on_free_port
from tests.real import browser

REALM_FILE = Path(__file__).with_name("realm.json")
PEOPLES_CLIENT = "kubectl"
RESOURCE_SERVER = "hostclaim-proxy"
START_SECONDS = 240
PAGE = 500
"""How many events the admin API is asked for at once."""

TIMEOUT = aiohttp.ClientTimeout(total=30)
SIGNING_KEYS = {"providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider"}
ENVIRONMENT = {
    "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx512m",
    # It lives for a minute or two: compiling thoroughly would not pay.
    "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1",
}


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a token endpoint answers with."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    id: str | None = field(repr=False)


def private_copy(home: Path, directory: Path) -> Path:
    """Copy a distribution into `directory` for one Keycloak to write to, and return its home.

    The libraries, nearly all of it by size, are only read: a link will do.
    """
    libraries = home / "lib" / "lib"

    def skip(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if Path(folder, name) in {libraries, home / "data"}]

    copy = directory / "keycloak"
    shutil.copytree(home, copy, ignore=skip)
    (copy / "lib" / "lib").symlink_to(libraries.resolve())
    return copy


class Keycloak:
    """One Keycloak in development mode, over TLS with a certificate of its own."""

    def __init__(self, home: Path, directory: Path, trusted: Path | None = None) -> None:
        """Describe it; nothing happens before `start`.

        Args:
            home: an unpacked distribution that nobody else runs; Keycloak writes to it.
            directory: where its certificate and log go.
            trusted: the authority of those that it tells of what has ended.
        """
        realm = json.loads(REALM_FILE.read_text())
        self._home = home.resolve()
        self._directory = directory.resolve()
        self._trusted = trusted
        self._admin_password = secrets.token_urlsafe()
        self._realm = realm["realm"]
        self._process: ServerProcess | None = None
        self._url = ""
        self.client_secrets: Mapping[str, str] = {
            client["clientId"]: secrets.token_urlsafe()
            for client in realm["clients"]
            if not client.get("publicClient") and not _signs(client)
        }
        self.client_keys: Mapping[str, rsa.RSAPrivateKey] = {
            client["clientId"]: rsa.generate_private_key(public_exponent=65537, key_size=2048)
            for client in realm["clients"]
            if _signs(client)
        }
        self.passwords: Mapping[str, str] = {
            user["username"]: secrets.token_urlsafe()
            for user in realm["users"]
            if "serviceAccountClientId" not in user
        }

    @property
    def issuer(self) -> str:
        """The realm's issuer, `https://127.0.0.1:PORT/realms/metal3`, once it runs."""
        return f"{self._url}/realms/{self._realm}"

    @property
    def ca_file(self) -> Path:
        """The PEM bundle that its certificate is verified with."""
        return self._directory / "keycloak-ca.crt"

    async def start(self) -> None:
        """Return once the realm is there.

        Raises:
            StartError: it ended, or was not ready in time. Nothing is left running.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        self._write_certificate()
        self._process, port = await start_on_free_port(
            self._make, self._is_ready, seconds=START_SECONDS
        )
        self._url = _url(port)
        try:
            await self.admin("POST", "/realms", self._realm_with_secrets())
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End it; harmless when it does not run."""
        if self._process is not None:
            await self._process.stop()

    async def tokens_of_client(self, client: str) -> Tokens:
        """Get tokens for a client's service account (client credentials)."""
        return await self.tokens_by_secret(client, self.client_secrets[client])

    async def tokens_by_secret(self, client: str, secret: str) -> Tokens:
        """The same for a client that was made since."""
        return await self._tokens(
            self.issuer,
            {
                "grant_type": "client_credentials",
                "client_id": client,
                "client_secret": secret,
            },
        )

    async def permissions(self, access_token: str) -> dict[str, set[str]]:
        """What Authorization Services say that a token's owner may, by resource."""
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:uma-ticket",
            "audience": RESOURCE_SERVER,
            "response_mode": "permissions",
        }
        url = f"{self.issuer}/protocol/openid-connect/token"
        headers = {"Authorization": f"Bearer {access_token}"}
        async with (
            self._session() as session,
            session.post(url, data=form, headers=headers) as answer,
        ):
            found = await answer.json()
        return {each["rsname"]: set(each["scopes"]) for each in found}

    async def tokens_of_person(self, username: str) -> Tokens:
        """Get tokens for a person, who logs in with name and password."""
        return await self._tokens(
            self.issuer,
            {
                "grant_type": "password",
                "client_id": PEOPLES_CLIENT,
                "username": username,
                "password": self.passwords[username],
            },
        )

    async def offline_token(self, username: str) -> str:
        """A refresh token that outlives the session of a person, who is let have one for it."""
        (user,) = await self.admin(
            "GET", f"/realms/{self._realm}/users?username={username}&exact=true"
        )
        role = await self.admin("GET", f"/realms/{self._realm}/roles/offline_access")
        mappings = f"/realms/{self._realm}/users/{user['id']}/role-mappings/realm"
        await self.admin("POST", mappings, [role])
        grant = {"grant_type": "password", "client_id": PEOPLES_CLIENT, "username": username}
        login = {"password": self.passwords[username], "scope": "openid offline_access"}
        token = (await self._tokens(self.issuer, grant | login)).refresh
        if token is None:
            raise LookupError(f"Keycloak gave `{username}` no offline token")
        return token

    async def logins_of_client(self, client: str) -> int:
        """How often a client's service account was given a token."""
        query = f"type=CLIENT_LOGIN&client={client}&max={PAGE}"
        count = 0
        # A page is full until the last one.
        while count % PAGE == 0:
            path = f"/realms/{self._realm}/events?{query}&first={count}"
            found = await self.admin("GET", path)
            if not found:
                break
            count += len(found)
        return count

    async def approve(self, page: str, username: str) -> None:
        """Log a person in, in a browser, at the page that a device code came with."""
        tls = ssl.create_default_context(cafile=self.ca_file)
        await browser.approve(page, username, self.passwords[username], tls)

    async def set_enabled(self, username: str, *, enabled: bool) -> None:
        """Let a person log in, or no longer."""
        user = await self._user(username)
        await self.admin(
            "PUT", f"/realms/{self._realm}/users/{user['id']}", user | {"enabled": enabled}
        )

    async def is_active(self, token: str) -> bool:
        """What introspection says of a token."""
        asking = "blue-capm3"
        form = {"token": token}
        credentials = aiohttp.BasicAuth(asking, self.client_secrets[asking])
        url = f"{self.issuer}/protocol/openid-connect/token/introspect"
        async with (
            self._session() as session,
            session.post(url, data=form, auth=credentials) as answer,
        ):
            return bool((await answer.json())["active"])

    async def client(self, client_id: str) -> Any:
        """A client as the admin API shows it."""
        (found,) = await self.admin("GET", f"/realms/{self._realm}/clients?clientId={client_id}")
        return found

    async def group(self, path: str) -> Any:
        """A group as the admin API shows it, or None."""
        try:
            return await self.admin("GET", f"/realms/{self._realm}/group-by-path{path}")
        except aiohttp.ClientResponseError as exc:
            if exc.status == 404:
                return None
            raise

    async def join(self, username: str, group: str) -> None:
        """Put a person in a group."""
        users = f"/realms/{self._realm}/users"
        user, found = await self._user(username), await self.group(group)
        await self.admin("PUT", f"{users}/{user['id']}/groups/{found['id']}")

    async def add_admin(self, client_id: str, secret: str, roles: Collection[str]) -> None:
        """Make a client whose service account has roles of `realm-management`."""
        clients = f"/realms/{self._realm}/clients"
        await self.admin(
            "POST",
            clients,
            {"clientId": client_id, "secret": secret, "serviceAccountsEnabled": True},
        )
        management = (await self.client("realm-management"))["id"]
        known = await self.admin("GET", f"{clients}/{management}/roles")
        client = (await self.client(client_id))["id"]
        user = (await self.admin("GET", f"{clients}/{client}/service-account-user"))["id"]
        await self.admin(
            "POST",
            f"/realms/{self._realm}/users/{user}/role-mappings/clients/{management}",
            [role for role in known if role["name"] in roles],
        )

    async def _user(self, username: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = await self.admin(
            "GET", f"/realms/{self._realm}/users?username={username}&exact=true"
        )
        (user,) = found
        return user

    async def add_signing_key(self) -> None:
        """Sign with a new key from now on; the old ones are still published."""
        priorities = [int(key["config"]["priority"][0]) for key in await self._signing_keys()]
        config = {"priority": [str(max(priorities) + 1)], "algorithm": ["RS256"]}
        await self.admin(
            "POST",
            f"/realms/{self._realm}/components",
            {"name": "rotated", "config": config, **SIGNING_KEYS},
        )

    async def drop_old_signing_keys(self) -> None:
        """Publish only the key that is signed with: older tokens are no longer good."""
        *old, _ = sorted(
            await self._signing_keys(), key=lambda key: int(key["config"]["priority"][0])
        )
        for key in old:
            await self.admin("DELETE", f"/realms/{self._realm}/components/{key['id']}")

    async def admin(self, method: str, path: str, body: object = None) -> Any:
        """Call the admin API, and return its answer as JSON.

        Args:
            method: as in HTTP.
            path: what follows `/admin`, query included.
            body: sent as JSON, when there is one.

        Raises:
            aiohttp.ClientResponseError: it was refused.
        """
        tokens = await self._tokens(
            f"{self._url}/realms/master",
            {
                "grant_type": "password",
                "client_id": "admin-cli",
                "username": "admin",
                "password": self._admin_password,
            },
        )
        headers = {"Authorization": f"Bearer {tokens.access}"}
        async with self._session() as session:
            url = f"{self._url}/admin{path}"
            async with session.request(method, url, json=body, headers=headers) as answer:
                return json.loads(await answer.read() or "null")

    def _make(self, port: int) -> ServerProcess:
        flags = {
            "db": "dev-mem",
            "hostname": _url(port),
            "http-host": "127.0.0.1",
            # Development mode listens without TLS as well, whatever it is told.
            "http-port": 0,
            "https-port": port,
            "https-certificate-file": self._directory / "keycloak.crt",
            "https-certificate-key-file": self._directory / "keycloak.key",
        }
        if self._trusted is not None:
            flags["truststore-paths"] = self._trusted
        return ServerProcess(
            [self._home / "bin/kc.sh", "start-dev", *(f"--{k}={v}" for k, v in flags.items())],
            log=self._directory / "keycloak.log",
            directory=self._directory,
            environment=ENVIRONMENT
            | {
                "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
                "KC_BOOTSTRAP_ADMIN_PASSWORD": self._admin_password,
            },
        )

    async def _is_ready(self, port: int) -> bool:
        async with self._session() as session:
            try:
                async with session.get(f"{_url(port)}/realms/master"):
                    return True
            except (aiohttp.ClientError, TimeoutError):
                return False

    async def _signing_keys(self) -> list[dict[str, Any]]:
        kind = SIGNING_KEYS["providerType"]
        keys = await self.admin("GET", f"/realms/{self._realm}/components?type={kind}")
        return [key for key in keys if key["providerId"] == SIGNING_KEYS["providerId"]]

    async def _tokens(self, issuer: str, grant: Mapping[str, str]) -> Tokens:
        url = f"{issuer}/protocol/openid-connect/token"
        form = {"scope": "openid", **grant}
        async with self._session() as session, session.post(url, data=form) as answer:
            found = await answer.json()
        return Tokens(found["access_token"], found.get("refresh_token"), found.get("id_token"))

    def _session(self) -> aiohttp.ClientSession:
        """A session of the event loop that asks: callers come from more than one."""
        tls = ssl.create_default_context(cafile=self.ca_file)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls), timeout=TIMEOUT, raise_for_status=True
        )

    def _realm_with_secrets(self) -> Mapping[str, Any]:
        realm: dict[str, Any] = json.loads(REALM_FILE.read_text())
        for client in realm["clients"]:
            if client["clientId"] in self.client_secrets:
                client["secret"] = self.client_secrets[client["clientId"]]
            if client["clientId"] in self.client_keys:
                client["attributes"] = _with_key(self.client_keys[client["clientId"]])
        for user in realm["users"]:
            if user["username"] in self.passwords:
                password = self.passwords[user["username"]]
                user["credentials"] = [{"type": "password", "value": password}]
        return realm

    def _write_certificate(self) -> None:
        ca = trustme.CA(organization_name="hostclaim-proxy tests Keycloak")
        leaf = ca.issue_cert("127.0.0.1", "localhost")
        ca.cert_pem.write_to_path(self.ca_file)
        leaf.private_key_pem.write_to_path(self._directory / "keycloak.key")
        leaf.cert_chain_pems[0].write_to_path(self._directory / "keycloak.crt")


def _signs(client: Mapping[str, Any]) -> bool:
    """Whether a client shows who it is by a key (`private_key_jwt`)."""
    return client.get("clientAuthenticatorType") == "client-jwt"


def _with_key(key: rsa.RSAPrivateKey) -> Mapping[str, str]:
    """Where Keycloak looks for a client's public key."""
    jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"use": "sig", "alg": "RS256"}
    jwk = {name: value for name, value in jwk.items() if name != "key_ops"}
    return {"use.jwks.string": "true", "jwks.string": json.dumps({"keys": [jwk]})}


def _url(port: int) -> str:
    return f"https://127.0.0.1:{port}"
