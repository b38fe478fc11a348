"""What may the admin client see: of whom it does not find, is it certain that they are not there.

Keycloak leaves out of a list what somebody may not view, and says nothing of it: with
`query-clients` or `query-users` alone, all lists are empty. So whoever misses somebody looks
for themselves, who are there.
"""

from typing import Final

from keycloak import KeycloakAdmin

from proxy.edge.keycloakadmin.connection import doing, lacking

READS: Final = "`view-clients`, for groups and users also `view-users`"
"""The roles of `realm-management` with which it is looked who is there."""

ACCOUNT: Final = "service-account-"
"""What the username of a client's service account begins with."""


def check_clients(admin: KeycloakAdmin) -> None:
    """See that no clients are left out.

    Raises:
        AdminError: they are, or Keycloak refused.
    """
    what = "look for all clients"
    with doing(what, READS):
        found = admin.get_client_id(_own(admin))
    if found is None:
        raise lacking(what, READS)


def check_users(admin: KeycloakAdmin) -> None:
    """See that no users are left out.

    Raises:
        AdminError: they are, or Keycloak refused.
    """
    what = "look for all users"
    account = f"{ACCOUNT}{_own(admin).lower()}"
    with doing(what, READS):
        found = admin.get_users({"username": account, "exact": "true"})
    if not found:
        raise lacking(what, READS)


def _own(admin: KeycloakAdmin) -> str:
    return str(admin.connection.client_id)
