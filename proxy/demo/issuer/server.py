"""Where the demo's IAM listens: one realm over TLS on loopback, and what tests do to it.

Every request is counted before anything else happens to it, outages included.
"""

import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum, auto
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web

from proxy.demo.issuer.accounts import DEMO_REALM, Realm
from proxy.demo.issuer.admin import Admin
from proxy.demo.issuer.assertions import Assertions
from proxy.demo.issuer.device import DeviceLogins
from proxy.demo.issuer.endpoints import Endpoint, Endpoints
from proxy.demo.issuer.grants import Grants
from proxy.demo.issuer.keys import KeyRing, SigningKey, sign
from proxy.demo.issuer.logout import Announcer, Receiver, logout_claims, push_claims
from proxy.demo.issuer.permissions import Permissions

_HOST = "127.0.0.1"


class Outage(Enum):
    """How an IAM can be down."""

    ANSWERS_503 = auto()
    REFUSES_CONNECTIONS = auto()


class EmbeddedIssuer:
    """A realm of one process, with doors for tests that Keycloak would not have.

    Once it is started, `url` is the value of `iss`, and `ca_file` is what verifies the
    issuer's certificate. A port of 0 takes a free one and keeps it over restarts.
    """

    def __init__(
        self,
        directory: Path,
        port: int = 0,
        realm: Realm = DEMO_REALM,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.realm = realm
        self.ca_file = directory / "issuer-ca.pem"
        self.requests: Counter[Endpoint] = Counter()
        self.permissions = Permissions()
        self._port = port
        self._clock = clock
        self._keys = KeyRing(realm.algorithm)
        self._tls = _server_tls(self.ca_file)
        self._running_grants: Grants | None = None
        self._assertions: Assertions
        self._devices: DeviceLogins
        self._admin: Admin
        self._runner: web.AppRunner | None = None
        self._outage: Outage | None = None
        self._announcer = Announcer(self.mint)

    @property
    def url(self) -> str:
        """The issuer's identifier, which all its endpoints begin with."""
        if self._port == 0:
            raise RuntimeError("the issuer has no address before it is started")
        return f"https://{_HOST}:{self._port}/realms/{self.realm.name}"

    async def start(self) -> None:
        """Return once the endpoints answer; sessions of an earlier run count on."""
        listener = _bound(self._port)
        self._port = listener.getsockname()[1]
        if self._running_grants is None:
            self._running_grants = Grants(self.realm, self.url, self._keys, self._clock)
            self._assertions = Assertions(self.realm, self.url, self._clock)
            self._devices = DeviceLogins(self.url, self.realm.device_interval, self._clock)
            self._admin = Admin(self.realm, self._grants, self.permissions)
        endpoints = Endpoints(
            self.realm,
            self.url,
            self._keys,
            self._grants,
            self._assertions,
            self._devices,
            self.permissions,
            self._admin,
            self._is_open,
        )
        self._runner = web.AppRunner(endpoints.application(), access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.SockSite(self._runner, listener, ssl_context=self._tls).start()

    async def stop(self) -> None:
        """Close the port and every connection; harmless when nothing runs."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def pause(self, outage: Outage = Outage.ANSWERS_503) -> None:
        """Be down until `resume`."""
        self._outage = outage
        if outage is Outage.REFUSES_CONNECTIONS:
            await self.stop()

    async def resume(self) -> None:
        """Be back, with the same keys and sessions on the same port."""
        self._outage = None
        if self._runner is None:
            await self.start()

    @property
    def signing_key(self) -> SigningKey:
        """The key that signs now."""
        return self._keys.signing

    def rotate(self, *, keep_old: bool) -> str:
        """Sign with a new key from now on, whose kid this returns.

        Unless the old keys are kept, what they signed counts no longer.
        """
        return self._keys.rotate(keep_old=keep_old)

    def remove_key(self, kid: str) -> None:
        """Publish a key no longer; the signing one signs on, unpublished.

        Raises:
            KeyError: no such key is published.
        """
        self._keys.remove(kid)

    def token_for(self, name: str) -> str:
        """Log a person or a client's service account in; return the access token.

        Raises:
            KeyError: the realm knows nobody of this name.
        """
        return self.mint(self.claims_for(name))

    def claims_for(self, name: str) -> dict[str, Any]:
        """What `token_for` would sign: a sound base for an unsound token."""
        return self._grants.claims_for(name)

    def mint(
        self,
        claims: Mapping[str, Any],
        headers: Mapping[str, Any] | None = None,
        key: SigningKey | bytes | None = None,
    ) -> str:
        """Sign anything, as an attacker would.

        Args:
            claims: the whole payload; nothing is added.
            headers: laid over `alg`, `typ` and `kid`; None as a value removes one. An `alg`
                of `none` leaves the signature out; `HS256` takes the secret from `key`, or
                the public key's PEM for it.
            key: what to sign with, if not the realm's own key.
        """
        named = key if isinstance(key, SigningKey) else self._keys.signing
        header = {"alg": named.algorithm, "typ": "JWT", "kid": named.kid} | dict(headers or {})
        kept = {name: value for name, value in header.items() if value is not None}
        return sign(claims, kept, named if key is None else key)

    def disable(self, name: str) -> None:
        """Let a person or client in no more; what they hold introspects as inactive."""
        self._grants.disable(name)

    def enable(self, name: str) -> None:
        """Undo `disable`."""
        self._grants.enable(name)

    def end_sessions(self, name: str) -> None:
        """Log a person or client out everywhere."""
        self._grants.end_sessions(name)

    async def log_out(self, name: str, receiver: Receiver) -> list[int]:
        """The same, and tell a receiver of each session; returns the statuses of its answers."""
        now = int(self._clock())
        return [
            await self._announcer.log_out(receiver, logout_claims(self.url, session, receiver, now))
            for session in self._grants.end_sessions(name)
        ]

    async def push_not_before(self, client_id: str, moment: int, receiver: Receiver) -> int:
        """Tell a client that older tokens count no longer; returns the status of the answer."""
        claims = push_claims(client_id, moment, int(self._clock()))
        return await self._announcer.push(receiver, claims)

    def move(self, name: str, *groups: str) -> None:
        """Have a person or client in these groups from now on."""
        self._grants.move(name, groups)

    def approve(self, user_code: str, username: str) -> None:
        """Have a person log in whom a program waits for, by the code it showed (RFC 8628).

        Raises:
            KeyError: nobody waits with this code, or the realm knows no such person.
        """
        person = self.realm.person(username)
        if person is None:
            raise KeyError(f"nobody in realm `{self.realm.name}` is called `{username}`")
        self._devices.approve(user_code, person)

    def deny(self, user_code: str) -> None:
        """Have whoever a program waits for say no.

        Raises:
            KeyError: nobody waits with this code.
        """
        self._devices.deny(user_code)

    @property
    def _grants(self) -> Grants:
        if self._running_grants is None:
            raise RuntimeError("the issuer is not started")
        return self._running_grants

    def _is_open(self, endpoint: Endpoint) -> bool:
        self.requests[endpoint] += 1
        return self._outage is None


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # A port that was closed a moment ago is to be had again at once.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
    except OSError:
        listener.close()
        raise
    return listener


def _server_tls(ca_file: Path) -> ssl.SSLContext:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca_file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(_HOST, "localhost").configure_cert(context)
    return context
