"""What a token would say: the example that Keycloak makes of somebody, without their login.

The admin console shows the same, under Clients, Client scopes, Evaluate (Keycloak 26,
`ClientScopeEvaluateResource`). It is signed by nobody and opens nothing.
"""

from typing import Any

from keycloak import KeycloakAdmin
from keycloak.exceptions import KeycloakGetError, raise_error_from_response

from proxy.core.errors import Unauthenticated
from proxy.edge.keycloakadmin import sight
from proxy.edge.keycloakadmin.clients import Representation
from proxy.edge.keycloakadmin.connection import AdminError, doing
from proxy.edge.keycloakadmin.sight import READS


def example(admin: KeycloakAdmin, client_id: str, username: str) -> dict[str, Any]:
    """The claims of an access token of somebody who logs in by a client, as of now.

    Without a username, of the client's own service account.

    Raises:
        AdminError: there is no such client or user, or Keycloak refused.
        Unauthenticated: either is disabled, and no token would be given.
    """
    client = _client(admin, client_id)
    user = _user(admin, username) if username else _account(admin, client)
    # An example is made of whomever.
    if not client["enabled"]:
        raise Unauthenticated(f"client `{client_id}` is disabled, and nobody gets a token by it")
    if not user["enabled"]:
        raise Unauthenticated(f"user `{user['username']}` is disabled, and gets no token")
    path = f"admin/realms/{admin.connection.realm_name}/clients/{client['id']}/evaluate-scopes"
    with doing("have an example of a token made", READS):
        answer = admin.connection.raw_get(
            f"{path}/generate-example-access-token", userId=user["id"], scope="openid"
        )
        claims = raise_error_from_response(answer, KeycloakGetError)
        if not isinstance(claims, dict):
            raise TypeError("not the claims of a token")
        return claims


def _client(admin: KeycloakAdmin, client_id: str) -> Representation:
    with doing(f"look for client `{client_id}`", READS):
        found = admin.get_client_id(client_id)
        if found is not None:
            return dict(admin.get_client(found))
    sight.check_clients(admin)
    raise AdminError(f"there is no client `{client_id}`")


def _user(admin: KeycloakAdmin, username: str) -> Representation:
    with doing(f"look for user `{username}`", READS):
        found = admin.get_users({"username": username.lower(), "exact": "true"})
        if found:
            return dict(found[0])
    sight.check_users(admin)
    raise AdminError(f"there is no user `{username}`")


def _account(admin: KeycloakAdmin, client: Representation) -> Representation:
    client_id = client["clientId"]
    if not client["serviceAccountsEnabled"]:
        raise AdminError(f"client `{client_id}` has no service account: say who logs in by it")
    with doing(f"look for the service account of client `{client_id}`", READS):
        return dict(admin.get_client_service_account_user(client["id"]))
