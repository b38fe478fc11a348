"""A tenant's group: made along its path, with the service account in it."""

from urllib.parse import quote

from keycloak import KeycloakAdmin
from keycloak.exceptions import KeycloakGetError

from proxy.edge.keycloakadmin.clients import MARK, Representation
from proxy.edge.keycloakadmin.connection import WRITES, AdminError, Hand, doing


def find(admin: KeycloakAdmin, path: str, roles: str = WRITES) -> Representation | None:
    """The group of a path; `roles` are those that whoever looks for it is told to have."""
    with doing(f"look for group `{path}`", roles):
        try:
            # The library puts it into a URL as it is, where `?` and `#` would end it.
            return dict(admin.get_group_by_path(quote(path)))
        except KeycloakGetError as exc:
            if exc.response_code == 404:
                return None
            raise


def put(admin: KeycloakAdmin, hand: Hand, path: str, tenant: str) -> str | None:
    """Have the group and those above it be there. Returns its id, None if still to be made.

    Raises:
        AdminError: it is another tenant's, or Keycloak refused.
    """
    parent: str | None = None
    at = ""
    names = path.removeprefix("/").split("/")
    for number, name in enumerate(names):
        at = f"{at}/{name}"
        found = find(admin, at)
        if found is None:
            own = {"attributes": {MARK: [tenant]}} if number == len(names) - 1 else {}
            parent = _create(admin, hand, at, {"name": name} | own, parent)
        else:
            parent = str(found["id"])
            if at == path:
                _check_owner(found, path, tenant)
    return parent


def join(
    admin: KeycloakAdmin, hand: Hand, client: str | None, group: str | None, path: str
) -> None:
    """Have the service account of a client, by id, be in a group."""
    if client is not None and group is not None:
        with doing("look for the groups of the service account"):
            user = admin.get_client_service_account_user(client)["id"]
            if group in {found["id"] for found in admin.get_user_groups(user)}:
                return
    hand.change(
        f"put the service account in group `{path}`",
        lambda: admin.group_user_add(
            admin.get_client_service_account_user(str(client))["id"], str(group)
        ),
    )


def is_own(group: Representation, tenant: str) -> bool:
    """Whether a group was made for the tenant."""
    return _owners(group) == [tenant]


def below(admin: KeycloakAdmin, group: Representation, roles: str = WRITES) -> list[str]:
    """The paths of the groups right below one, which would go with it."""
    with doing(f"list the groups below `{group['path']}`", roles):
        return [child["path"] for child in admin.get_group_children(group["id"])]


def _check_owner(found: Representation, path: str, tenant: str) -> None:
    owners = _owners(found)
    # Who is in the group of another tenant is let in by the policy of that one.
    if owners not in ([], [tenant]):
        named = " ".join(owners)
        raise AdminError(f"group `{path}` is of tenant `{named}`: choose another with --group")


def _owners(group: Representation) -> list[str]:
    return [*group.get("attributes", {}).get(MARK, [])]


def _create(
    admin: KeycloakAdmin, hand: Hand, path: str, payload: Representation, parent: str | None
) -> str | None:
    return hand.change(
        f"create group `{path}`", lambda: str(admin.create_group(payload, parent=parent))
    )
