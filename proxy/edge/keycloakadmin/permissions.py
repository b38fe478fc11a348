"""A tenant's permissions in Keycloak's Authorization Services.

Resources of the proxy's own client are named by namespace; a permission gives a
tenant's client scopes on one. Other tenants of the namespace have others beside it.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from keycloak import KeycloakAdmin
from keycloak.exceptions import KeycloakGetError

from proxy.core.policy import ROLES, Role, permitted
from proxy.core.tenant import Tenant
from proxy.edge.keycloakadmin.clients import Representation
from proxy.edge.keycloakadmin.connection import AdminError, Hand, doing

SCOPES: Final = {
    role: tuple(name for name, granted in permitted.SCOPES.items() if granted <= permissions)
    for role, permissions in ROLES.items()
}
"""What a role is in scopes."""

_POLICY: Final = "hostclaim-proxy tenant {}"
_PERMISSION: Final = "hostclaim-proxy tenant {} in {}"


class Permissions:
    """The Authorization Services of one client, the resource server."""

    def __init__(
        self, admin: KeycloakAdmin, hand: Hand, server: str, settings: Representation
    ) -> None:
        """`server` is the resource server's id, `settings` are those of its authorization."""
        self._admin = admin
        self._hand = hand
        self._id = server
        self._settings = settings

    @classmethod
    def find(cls, admin: KeycloakAdmin, hand: Hand, server: str) -> "Permissions | None":
        """Those of a client, by its client id; None if it has none, or is not there."""
        with doing(f"read the authorization settings of client `{server}`"):
            found = admin.get_client_id(server)
            if found is None:
                return None
            try:
                return cls(admin, hand, found, admin.get_client_authz_settings(found))
            except KeycloakGetError as exc:
                if exc.response_code == 404:
                    return None
                raise

    def check(self, server: str) -> None:
        """See that permissions mean what they have to there, at the client of that id.

        Raises:
            AdminError: they do not.
        """
        if self._settings.get("decisionStrategy") != "AFFIRMATIVE":
            # With UNANIMOUS, two tenants of a namespace would shut each other out.
            raise AdminError(
                f"client `{server}`: set its authorization's decision strategy to Affirmative"
            )

    def put(self, tenant: Tenant, client: str | None) -> None:
        """Have the tenant's client, by id, have its scopes on its namespaces, and no others."""
        scopes = self._put_scopes(SCOPES[tenant.role])
        policy = self._put_policy(tenant.name, client)
        resources = self._resources()
        wanted = {_PERMISSION.format(tenant.name, n): n for n in tenant.namespaces}
        present = self._permissions_of(tenant.name)
        for name, permission in present.items():
            if name not in wanted:
                self._delete(name, permission)
        for name, namespace in wanted.items():
            resource = resources.get(namespace) or self._create_resource(namespace)
            payload = {
                "name": name,
                "type": "scope",
                "logic": "POSITIVE",
                "decisionStrategy": "UNANIMOUS",
                "resources": [resource],
                "scopes": scopes,
                "policies": [policy],
            }
            self._put_permission(payload, present.get(name))

    def remove(self, tenant: str) -> None:
        """Take the tenant's permissions away; namespaces stay, for those of others."""
        for name, permission in self._permissions_of(tenant).items():
            self._delete(name, permission)
        name = _POLICY.format(tenant)
        if policy := self._policies().get(name):
            self._delete(name, policy)

    def _put_scopes(self, names: tuple[str, ...]) -> list[str | None]:
        with doing("list the scopes"):
            scopes = self._admin.get_client_authz_scopes(self._id)
        known = {scope["name"]: scope["id"] for scope in scopes}
        return [known.get(name) or self._create_scope(name) for name in names]

    def _create_scope(self, name: str) -> str | None:
        made = self._hand.change(
            f"create scope `{name}`",
            lambda: self._admin.create_client_authz_scopes(self._id, {"name": name}),
        )
        return made["id"] if made else None

    def _create_resource(self, namespace: str) -> str | None:
        scopes = [{"name": name} for name in SCOPES[Role.EDITOR]]
        made = self._hand.change(
            f"create resource `{namespace}`",
            lambda: self._admin.create_client_authz_resource(
                self._id, {"name": namespace, "displayName": namespace, "scopes": scopes}
            ),
        )
        return made["_id"] if made else None

    def _put_policy(self, tenant: str, client: str | None) -> str | None:
        name = _POLICY.format(tenant)
        if policy := self._policies().get(name):
            if _lets_in_alone(policy, client):
                return str(policy["id"])
            # The library cannot change one. Until there is another, nobody is let in by it.
            self._delete(name, policy)
        payload = {"name": name, "type": "client", "logic": "POSITIVE", "clients": [client]}
        made = self._hand.change(
            f"create policy `{name}`",
            lambda: self._admin.create_client_authz_client_policy(payload, self._id),
        )
        return made["id"] if made else None

    def _put_permission(self, payload: dict[str, Any], present: Representation | None) -> None:
        name = payload["name"]
        if present is not None and present["type"] != payload["type"]:
            self._delete(name, present)
            present = None
        if present is None:
            self._hand.change(
                f"create permission `{name}`",
                lambda: self._admin.create_client_authz_scope_permission(payload, self._id),
            )
            return
        if different := sorted(self._differences(payload, present)):
            self._hand.change(
                f"set {', '.join(different)} of permission `{name}`",
                lambda: self._admin.update_client_authz_scope_permission(
                    payload | {"id": present["id"]}, self._id, present["id"]
                ),
            )

    def _differences(self, wanted: dict[str, Any], present: Representation) -> Iterator[str]:
        """The fields in which a permission is not as wanted."""
        admin, place = self._admin, (self._id, present["id"])
        with doing(f"read permission `{wanted['name']}`"):
            scopes = admin.get_client_authz_policy_scopes(*place)
            resources = admin.get_client_authz_policy_resources(*place)
            policies = admin.get_client_authz_permission_associated_policies(*place)
        found = present | {
            "scopes": {scope["id"] for scope in scopes},
            "resources": {resource["_id"] for resource in resources},
            "policies": {policy["id"] for policy in policies},
        }
        for field, value in wanted.items():
            if found.get(field) != (set(value) if isinstance(value, list) else value):
                yield field

    def _delete(self, name: str, policy: Representation) -> None:
        self._hand.change(
            f"delete `{name}`",
            lambda: self._admin.delete_client_authz_policy(self._id, policy["id"]),
        )

    def _resources(self) -> dict[str, str]:
        with doing("list the resources"):
            resources = self._admin.get_client_authz_resources(self._id)
        return {resource["name"]: resource["_id"] for resource in resources}

    def _permissions_of(self, tenant: str) -> dict[str, Representation]:
        with doing("list the permissions"):
            permissions = self._admin.get_client_authz_permissions(self._id)
        beginning = _PERMISSION.format(tenant, "")
        return {p["name"]: p for p in permissions if p["name"].startswith(beginning)}

    def _policies(self) -> dict[str, Representation]:
        with doing("list the policies"):
            policies = self._admin.get_client_authz_policies(self._id)
        return {policy["name"]: policy for policy in policies}


def _lets_in_alone(policy: Representation, client: str | None) -> bool:
    """Whether a policy holds for a client, by id, and for nobody else."""
    clients = policy.get("config", {}).get("clients")
    return (policy["type"], policy["logic"], clients) == (
        "client",
        "POSITIVE",
        json.dumps([client]),
    )
