"""Who exists in the realm: its clients and its people.

Values only. A test that needs another cast makes another `Realm`.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal
from uuid import NAMESPACE_DNS, uuid5

Algorithm = Literal["RS256", "ES256"]


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a token speaks of: a person, or the service account of a client."""

    username: str
    groups: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The account's uuid, the same in every run."""
        return str(uuid5(NAMESPACE_DNS, f"{self.username}.demo.hostclaim-proxy"))


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth client. Without a secret or a key it is a public one."""

    client_id: str
    secret: str | None = field(default=None, repr=False)
    service_account: bool = False
    direct_grants: bool = False
    """Whether a person's password may be exchanged through this client."""
    groups: tuple[str, ...] = ()
    """Full paths of the groups that the service account is in."""
    public_key: bytes | None = None
    """In PEM, what the client signs with instead of telling a secret."""
    device_grants: bool = False
    """Whether a person may log in elsewhere, by a device code."""

    @property
    def is_public(self) -> bool:
        """Whether anybody can be this client."""
        return self.secret is None and self.public_key is None

    @property
    def account(self) -> Account:
        """The service account."""
        return Account(f"service-account-{self.client_id}", self.groups)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who logs in with a password."""

    username: str
    password: str = field(repr=False)
    groups: tuple[str, ...] = ()
    """Full paths, as Keycloak's group mapper writes them: `/tenants/blue`."""
    roles: tuple[str, ...] = ()
    """Roles of the client `hostclaim-proxy`."""

    @property
    def account(self) -> Account:
        """The person as a token names them."""
        return Account(self.username, self.groups, self.roles)


@dataclass(frozen=True, slots=True)
class Realm:
    """Everything that one issuer knows.

    Raises:
        ValueError: two clients or people share a name.
    """

    name: str
    clients: tuple[Client, ...]
    people: tuple[Person, ...]
    audience: str = "hostclaim-proxy"
    algorithm: Algorithm = "RS256"
    access_lifetime: timedelta = timedelta(minutes=5)
    refresh_lifetime: timedelta = timedelta(minutes=30)
    device_interval: int = 1
    """Seconds between two questions whether a person has logged in."""

    def __post_init__(self) -> None:
        names = [c.client_id for c in self.clients] + [p.username for p in self.people]
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise ValueError(f"used twice in realm `{self.name}`: {', '.join(twice)}")

    def client(self, client_id: str) -> Client | None:
        """Find a client by its id."""
        return next((c for c in self.clients if c.client_id == client_id), None)

    def person(self, username: str) -> Person | None:
        """Find a person by their name."""
        return next((p for p in self.people if p.username == username), None)


DEMO_REALM = Realm(
    name="metal3",
    clients=(
        Client("blue-capm3", "blue-secret", service_account=True, groups=("/tenants/blue",)),
        Client("red-capm3", "red-secret", service_account=True, groups=("/tenants/red",)),
        Client("auditor", "auditor-secret", service_account=True, groups=("/auditors",)),
        Client("demo-cli", direct_grants=True, device_grants=True),
        Client("hostclaim-proxy", "proxy-secret"),
        Client("tenant-admin", "admin-secret", service_account=True),
    ),
    people=(
        Person("alice", "alice-password", ("/tenants/blue",)),
        Person("rita", "rita-password", ("/tenants/red",)),
        Person("otto", "otto-password", ("/auditors",)),
        Person("ines", "ines-password", ("/namespaces/blue-dev/viewer",), ("red:editor",)),
    ),
)
"""The demo's cast.

`hostclaim-proxy` is whom the proxy itself introspects tokens as, `tenant-admin` who makes
tenants by the admin API.
"""
