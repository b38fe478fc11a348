"""Tenants at Keycloak: made, found, given another secret, and ended."""

from dataclasses import dataclass
from typing import Final

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
    """A tenant that is there: what it was made of, and its state at Keycloak."""

    tenant: Tenant
    id: str
    enabled: bool


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
        for client in clients.every(self._admin):
            if client["attributes"][MARK] == name:
                return _read(client)
        raise AdminError(f"there is no tenant `{name}`")

    def add(self, tenant: Tenant) -> str | None:
        """Have the tenant be there as wanted. Returns its client's secret; None in a dry run.

        Raises:
            AdminError: Keycloak refused, or the tenant is there with another client.
        """
        for other in clients.every(self._admin):
            if other["attributes"][MARK] == tenant.name and other["clientId"] != tenant.client_id:
                raise AdminError(
                    f"tenant `{tenant.name}` has client `{other['clientId']}`: remove it first"
                )
        client = clients.put(self._admin, self._hand, tenant, _attributes(tenant, self._options))
        mappers = (clients.audience(self._options.audience), clients.groups())
        clients.put_mappers(self._admin, self._hand, client, mappers)
        match tenant.by:
            case EntitledBy.GROUP:
                group = groups.put(self._admin, self._hand, tenant.group, tenant.name)
                groups.join(self._admin, self._hand, client, group, tenant.group)
            case EntitledBy.PERMISSIONS:
                self._permissions().put(tenant, client)
            case EntitledBy.CLIENT:
                pass
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

    def remove(self, found: Found) -> list[str]:
        """End a tenant: nothing new first, then what it had.

        Returns the names of those who stay in the tenant's group, which then stays, too.

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
        staying: list[str] = []
        match tenant.by:
            case EntitledBy.GROUP:
                staying = self._remove_group(tenant)
            case EntitledBy.PERMISSIONS:
                self._permissions().remove(tenant.name)
            case EntitledBy.CLIENT:
                pass
        # Its service account and its sessions go with it. Last, since as long as it is there
        # an end that was broken off is found again.
        hand.change(f"delete client `{tenant.client_id}`", lambda: admin.delete_client(found.id))
        return staying

    def _remove_group(self, tenant: Tenant) -> list[str]:
        group = groups.find(self._admin, tenant.group)
        if group is None or group.get("attributes", {}).get(MARK) != [tenant.name]:
            return []
        with doing(f"list the members of group `{tenant.group}`"):
            members = self._admin.get_group_members(group["id"])
        account = f"service-account-{tenant.client_id}"
        staying = [name for member in members if (name := member["username"]) != account]
        if not staying:
            self._hand.change(
                f"delete group `{tenant.group}`", lambda: self._admin.delete_group(group["id"])
            )
        return staying

    def _permissions(self) -> Permissions:
        return Permissions(self._admin, self._hand, self._options.resource_server)


def _attributes(tenant: Tenant, options: Options) -> Representation:
    attributes = {
        _ISSUER: tenant.issuer,
        _NAMESPACES: " ".join(tenant.namespaces),
        _ROLE: tenant.role.value,
        _BY: tenant.by.value,
    }
    if tenant.group:
        attributes[_GROUP] = tenant.group
    if options.logout_url:
        attributes[LOGOUT_URL] = options.logout_url
    return attributes


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
    except ValueError as exc:
        raise AdminError(
            f"client `{client['clientId']}` has attributes of a tenant that were changed: {exc}"
        ) from exc
    return Found(tenant, client["id"], client["enabled"])
