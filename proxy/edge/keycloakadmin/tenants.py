"""Tenants at Keycloak: made, found, given another secret, and ended."""

from dataclasses import dataclass
from typing import Final, assert_never

from keycloak import KeycloakAdmin

from proxy.core.policy import Role
from proxy.core.tenant import EntitledBy, Tenant
from proxy.edge.keycloakadmin import clients, groups
from proxy.edge.keycloakadmin.clients import LOGOUT_URL, MARK, Representation
from proxy.edge.keycloakadmin.connection import AdminError, Hand, doing
from proxy.edge.keycloakadmin.permissions import Permissions

# What the tenant was made of, kept with its client, so that nothing else has to keep it.
_ISSUER: Final = f"{MARK}.issuer"
_NAMESPACES: Final = f"{MARK}.namespaces"
_ROLE: Final = f"{MARK}.role"
_BY: Final = f"{MARK}.by"
_GROUP: Final = f"{MARK}.group"
_SERVER: Final = f"{MARK}.resource-server"


@dataclass(frozen=True, slots=True)
class Options:
    """How tenants are made here.

    `audience` is what the proxy takes tokens for, `resource_server` the client whose
    Authorization Services hold permissions, and `logout_url` where the proxy is told
    of logouts, empty where it is not.
    """

    audience: str = "hostclaim-proxy"
    resource_server: str = "hostclaim-proxy"
    logout_url: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A tenant that is there: what it was made of, and its state at Keycloak.

    `resource_server` is the client that has its permissions, empty if it has none.

    Raises:
        ValueError: it has permissions nowhere, or has a place for none.
    """

    tenant: Tenant
    id: str
    enabled: bool
    resource_server: str

    def __post_init__(self) -> None:
        if (self.tenant.by is EntitledBy.PERMISSIONS) != bool(self.resource_server):
            raise ValueError("a resource server goes with a tenant that is entitled by permissions")


@dataclass(frozen=True, slots=True)
class Staying:
    """Why a tenant's group stays when the tenant ends.

    `members` are the names of those in it, `below` the paths of the groups under it;
    without either, it was there before the tenant.
    """

    members: tuple[str, ...]
    below: tuple[str, ...]


class Tenants:
    """All tenants of a realm."""

    def __init__(self, admin: KeycloakAdmin, hand: Hand, options: Options) -> None:
        self._admin = admin
        self._hand = hand
        self._options = options

    def all(self) -> tuple[list[Found], list[str]]:
        """Every tenant, by name; and what is wrong with those that somebody has changed.

        Raises:
            AdminError: Keycloak refused.
        """
        found: list[Found] = []
        broken: list[str] = []
        for client in clients.every(self._admin):
            try:
                found.append(_read(client))
            except AdminError as exc:
                broken.append(str(exc))
        return sorted(found, key=lambda each: each.tenant.name), sorted(broken)

    def find(self, name: str) -> Found:
        """One tenant.

        Raises:
            AdminError: there is none of that name, somebody has changed it, or Keycloak refused.
        """
        match _marked(self._admin, name):
            case []:
                raise AdminError(f"there is no tenant `{name}`")
            case [client]:
                return _read(client)
            case several:
                # Whoever may write one client could else have another one taken for it.
                named = ", ".join(f"`{client['clientId']}`" for client in several)
                raise AdminError(
                    f"tenant `{name}` has several clients, {named}: take the attribute `{MARK}`"
                    " from those that are not its own"
                )

    def add(self, tenant: Tenant) -> str | None:
        """Have the tenant be there as wanted. Returns its client's secret; None in a dry run.

        Raises:
            AdminError: Keycloak refused, or the tenant is there with another client, or
                entitled in another way.
        """
        own = _attributes(tenant, self._options)
        for other in _marked(self._admin, tenant.name):
            _check_same(other, tenant, own)
        current = clients.find(self._admin, tenant)
        # What entitles comes first: if the right to make it is missing, nothing is made at all.
        match tenant.by:
            case EntitledBy.GROUP:
                group = groups.put(self._admin, self._hand, tenant.group, tenant.name)
                client = self._put_client(tenant, own, current)
                groups.join(self._admin, self._hand, client, group, tenant.group)
            case EntitledBy.PERMISSIONS:
                permissions = self._permissions(self._options.resource_server)
                client = self._put_client(tenant, own, current)
                permissions.put(tenant, client)
            case EntitledBy.CLIENT:
                client = self._put_client(tenant, own, current)
            case _:
                assert_never(tenant.by)
        return None if client is None else self.secret(client)

    def secret(self, client: str) -> str:
        """The secret of a client, by its id."""
        with doing("read the client's secret"):
            return str(self._admin.get_client_secrets(client)["value"])

    def rotate(self, found: Found) -> str | None:
        """Give the tenant's client another secret and return it; None in a dry run."""
        made = self._hand.change(
            f"make another secret for client `{found.tenant.client_id}`",
            lambda: self._admin.generate_client_secrets(found.id),
        )
        return None if made is None else str(made["value"])

    def remove(self, found: Found) -> Staying | None:
        """End a tenant: nothing new first, then what it had.

        Returns why the tenant's group stays, if it does.

        Raises:
            AdminError: Keycloak refused. What was done stays done; doing it again goes on.
        """
        tenant, admin, hand = found.tenant, self._admin, self._hand
        if found.enabled:
            hand.change(
                f"disable client `{tenant.client_id}`",
                lambda: admin.update_client(
                    found.id, admin.get_client(found.id) | {"enabled": False}
                ),
            )
        staying: Staying | None = None
        match tenant.by:
            case EntitledBy.GROUP:
                staying = self._remove_group(tenant)
            case EntitledBy.PERMISSIONS:
                # They end with the client whose they are, if that was faster.
                if permissions := Permissions.find(admin, hand, found.resource_server):
                    permissions.remove(tenant.name)
            case EntitledBy.CLIENT:
                pass
            case _:
                assert_never(tenant.by)
        # Its service account and its sessions go with it. Last, since as long as it is there
        # an end that was broken off is found again.
        hand.change(f"delete client `{tenant.client_id}`", lambda: admin.delete_client(found.id))
        return staying

    def _put_client(
        self, tenant: Tenant, own: Representation, current: Representation | None
    ) -> str | None:
        client = clients.put(self._admin, self._hand, tenant, own, current)
        mappers = (clients.audience(self._options.audience), clients.groups())
        clients.put_mappers(self._admin, self._hand, client, mappers)
        return client

    def _remove_group(self, tenant: Tenant) -> Staying | None:
        group = groups.find(self._admin, tenant.group)
        if group is None:
            return None
        with doing(f"list the members of group `{tenant.group}`"):
            members = self._admin.get_group_members(group["id"])
        account = f"service-account-{tenant.client_id}"
        people = tuple(name for member in members if (name := member["username"]) != account)
        below = tuple(groups.below(self._admin, group))
        if people or below or not groups.is_own(group, tenant.name):
            return Staying(people, below)
        self._hand.change(
            f"delete group `{tenant.group}`", lambda: self._admin.delete_group(group["id"])
        )
        return None

    def _permissions(self, server: str) -> Permissions:
        found = Permissions.find(self._admin, self._hand, server)
        if found is None:
            raise AdminError(
                f"client `{server}` is not there, or without Authorization Services:"
                " name another with --resource-server"
            )
        found.check(server)
        return found


def _attributes(tenant: Tenant, options: Options) -> Representation:
    attributes = {
        _ISSUER: tenant.issuer,
        _NAMESPACES: " ".join(tenant.namespaces),
        _ROLE: tenant.role.value,
        _BY: tenant.by.value,
    }
    if tenant.group:
        attributes[_GROUP] = tenant.group
    if tenant.by is EntitledBy.PERMISSIONS:
        attributes[_SERVER] = options.resource_server
    if options.logout_url:
        attributes[LOGOUT_URL] = options.logout_url
    return attributes


def _marked(admin: KeycloakAdmin, name: str) -> list[Representation]:
    return [each for each in clients.every(admin) if each["attributes"][MARK] == name]


def _check_same(there: Representation, tenant: Tenant, own: Representation) -> None:
    """See that nothing would be left behind that nobody remembers.

    Raises:
        AdminError: something would.
    """
    had = there["attributes"]
    if there["clientId"] != tenant.client_id:
        raise AdminError(
            f"tenant `{tenant.name}` has client `{there['clientId']}`: remove it first"
        )
    # One that somebody has taken away is put right.
    if had.get(_GROUP) not in {None, own.get(_GROUP)}:
        raise AdminError(
            f"tenant `{tenant.name}` is entitled by group `{had[_GROUP]}`: remove it first"
        )
    if had.get(_SERVER) not in {None, own.get(_SERVER)}:
        raise AdminError(
            f"tenant `{tenant.name}` has permissions at client `{had[_SERVER]}`: remove it first"
        )


def _read(client: Representation) -> Found:
    attributes = client["attributes"]
    try:
        tenant = Tenant(
            name=attributes[MARK],
            client_id=client["clientId"],
            issuer=attributes.get(_ISSUER, ""),
            namespaces=tuple(attributes.get(_NAMESPACES, "").split()),
            role=Role(attributes.get(_ROLE, "")),
            by=EntitledBy(attributes.get(_BY, "")),
            group=attributes.get(_GROUP, ""),
        )
        return Found(tenant, client["id"], client["enabled"], attributes.get(_SERVER, ""))
    except ValueError as exc:
        raise AdminError(
            f"client `{client['clientId']}` has attributes of a tenant that were changed: {exc}"
        ) from exc
