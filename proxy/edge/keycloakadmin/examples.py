"""What a token would say: the example that Keycloak makes of somebody, without their login.

The admin console shows the same, under Clients, Client scopes, Evaluate (Keycloak 26,
`ClientScopeEvaluateResource`). It is signed by nobody and opens nothing.
"""

from typing import Any

from keycloak import KeycloakAdmin
from keycloak.exceptions import KeycloakGetError, raise_error_from_response

from proxy.edge.keycloakadmin.connection import AdminError, doing


def example(admin: KeycloakAdmin, client_id: str, username: str) -> dict[str, Any]:
    """The claims of an access token of somebody who logs in by a client, as of now.

    Without a username, of the client's own service account.

    Raises:
        AdminError: there is no such client or user, or Keycloak refused.
    """
    with doing(f"look for client `{client_id}`"):
        client = admin.get_client_id(client_id)
    if client is None:
        raise AdminError(f"there is no client `{client_id}`")
    user = _user(admin, username) if username else _account(admin, client, client_id)
    path = f"admin/realms/{admin.connection.realm_name}/clients/{client}/evaluate-scopes"
    with doing("have an example of a token made"):
        answer = admin.connection.raw_get(
            f"{path}/generate-example-access-token", userId=user, scope="openid"
        )
        claims = raise_error_from_response(answer, KeycloakGetError)
        if not isinstance(claims, dict):
            raise TypeError("not the claims of a token")
        return claims


def _user(admin: KeycloakAdmin, username: str) -> str:
    with doing(f"look for user `{username}`"):
        found = admin.get_user_id(username)
    if found is None:
        raise AdminError(f"there is no user `{username}`")
    return str(found)


def _account(admin: KeycloakAdmin, client: str, client_id: str) -> str:
    with doing(f"look for the service account of client `{client_id}`"):
        return str(admin.get_client_service_account_user(client)["id"])
