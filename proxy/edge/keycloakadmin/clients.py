"""A tenant's OAuth client: confidential, and good for nothing but its own service account."""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from keycloak import KeycloakAdmin

from proxy.core.tenant import Tenant
from proxy.edge.keycloakadmin.connection import AdminError, Hand, doing

Representation: TypeAlias = dict[str, Any]
"""An object as the admin API has it in JSON."""

MARK: Final = "hostclaim-proxy.tenant"
"""The attribute by which a client, or a group, is known to be of this command's making."""

LOGOUT_URL: Final = "backchannel.logout.url"


def every(admin: KeycloakAdmin) -> Iterator[Representation]:
    """All tenants' clients."""
    with doing("list the clients"):
        clients = admin.get_clients()
    return (client for client in clients if MARK in client.get("attributes", {}))


def find(admin: KeycloakAdmin, tenant: Tenant) -> Representation | None:
    """The tenant's client, if there is one.

    Raises:
        AdminError: another client has that id, or Keycloak refused.
    """
    with doing(f"look for client `{tenant.client_id}`"):
        found = admin.get_client_id(tenant.client_id)
        current = dict(admin.get_client(found)) if found else None
    if current is not None and current.get("attributes", {}).get(MARK) != tenant.name:
        raise AdminError(
            f"client `{tenant.client_id}` is there and not of tenant `{tenant.name}`:"
            " choose another with --client-id"
        )
    return current


def put(
    admin: KeycloakAdmin,
    hand: Hand,
    tenant: Tenant,
    own: Representation,
    current: Representation | None,
) -> str | None:
    """Have the client be as wanted. Returns its id, None if it is still to be made.

    `own` are the attributes besides the mark, `current` is what was found.

    Raises:
        AdminError: Keycloak refused.
    """
    wanted = _wanted(tenant, own)
    if current is None:
        return hand.change(
            f"create client `{tenant.client_id}`", lambda: admin.create_client(wanted)
        )
    if different := sorted(_differences(current, wanted)):
        merged = current | wanted | {"attributes": current["attributes"] | wanted["attributes"]}
        what = f"set {', '.join(different)} of client `{tenant.client_id}`"
        hand.change(what, lambda: admin.update_client(current["id"], merged))
    return str(current["id"])


def put_mappers(
    admin: KeycloakAdmin, hand: Hand, client: str | None, wanted: tuple[Representation, ...]
) -> None:
    """Have the claims of the client's tokens be as wanted; `client` is its id."""
    current: dict[str, Representation] = {}
    if client is not None:
        with doing("read the client's mappers"):
            current = {mapper["name"]: mapper for mapper in admin.get_mappers_from_client(client)}
    for mapper in wanted:
        _put_mapper(admin, hand, client, mapper, current.get(mapper["name"]))


def audience(value: str) -> Representation:
    """Names the proxy in the tokens' `aud`; without it they are for somebody else."""
    return _mapper("audience", "oidc-audience-mapper", {"included.custom.audience": value})


def groups() -> Representation:
    """Lists groups in the tokens by their full paths: two of a name must not meet."""
    config = {"claim.name": "groups", "full.path": "true"}
    return _mapper("groups", "oidc-group-membership-mapper", config)


def _wanted(tenant: Tenant, own: Representation) -> Representation:
    return {
        "clientId": tenant.client_id,
        "name": f"HostClaims of {tenant.name}",
        "protocol": "openid-connect",
        "enabled": True,
        "publicClient": False,
        "serviceAccountsEnabled": True,
        # Nobody logs in through it, and what else the realm's roles open is not its business.
        "standardFlowEnabled": False,
        "implicitFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "fullScopeAllowed": False,
        "attributes": {MARK: tenant.name, **own},
    }


def _differences(current: Representation, wanted: Representation) -> Iterator[str]:
    for name, value in wanted.items():
        if isinstance(value, dict):
            yield from _differences(current.get(name, {}), value)
        elif current.get(name) != value:
            yield name


def _put_mapper(
    admin: KeycloakAdmin,
    hand: Hand,
    client: str | None,
    wanted: Representation,
    current: Representation | None,
) -> None:
    name = wanted["name"]
    if current is None:
        hand.change(
            f"create mapper `{name}`", lambda: admin.add_mapper_to_client(str(client), wanted)
        )
    elif any(_differences(current, wanted)):
        merged = current | wanted | {"config": current["config"] | wanted["config"]}
        hand.change(
            f"set mapper `{name}`",
            lambda: admin.update_client_mapper(str(client), current["id"], merged),
        )


def _mapper(name: str, kind: str, config: dict[str, str]) -> Representation:
    return {
        "name": name,
        "protocol": "openid-connect",
        "protocolMapper": kind,
        "config": config
        | {
            "access.token.claim": "true",
            # What introspection says is what counts where the proxy asks.
            "introspection.token.claim": "true",
            "id.token.claim": "false",
            "userinfo.token.claim": "false",
        },
    }
