"""What the realm permits: the resources of one client, and who may do what with them.

As the Authorization Services of Keycloak 26 answer a ticket grant with
`response_mode=permissions`. Whom a resource is for, Keycloak finds by policies;
here a test says it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import NAMESPACE_DNS, uuid5

from proxy.demo.issuer.grants import Form, Grants, OAuthError

TICKET_GRANT: Final = "urn:ietf:params:oauth:grant-type:uma-ticket"
RESOURCE_SERVER: Final = "hostclaim-proxy"


@dataclass(slots=True)
class Permissions:
    """What accounts are permitted, by their names; `asked` counts who wanted to know."""

    asked: int = 0
    _permitted: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)

    def permit(self, account: str, resource: str, scopes: Iterable[str]) -> None:
        """Let an account, by its `preferred_username`, do this with a resource."""
        self._permitted.setdefault(account, {})[resource] = tuple(scopes)

    def forbid(self, account: str, resource: str) -> None:
        """Let it do nothing with it any more."""
        self._permitted.get(account, {}).pop(resource, None)

    def forget(self) -> None:
        """Let nobody do anything any more."""
        self._permitted.clear()

    def answer(self, grants: Grants, unverified_token: str, form: Form) -> list[dict[str, Any]]:
        """Say all that the holder of a token is permitted.

        Raises:
            OAuthError: the token is not good, the client has no resources, or none for them.
        """
        self.asked += 1
        claims = grants.live(unverified_token)
        if claims is None or claims["typ"] != "Bearer":
            raise OAuthError(400, "invalid_grant", "Invalid bearer token")
        audience = form.get("audience", "")
        if audience != RESOURCE_SERVER:
            raise OAuthError(400, "invalid_request", f"Unknown resource server id: [{audience}]")
        if form.get("response_mode") != "permissions":
            raise OAuthError(400, "invalid_request", "Only permissions can be had here")
        permitted = self._permitted.get(claims["preferred_username"])
        if not permitted:
            raise OAuthError(403, "access_denied", "not_authorized")
        return [_permission(name, scopes) for name, scopes in permitted.items()]


def _permission(name: str, scopes: tuple[str, ...]) -> dict[str, Any]:
    """Keycloak leaves out scopes where a resource is permitted as a whole."""
    found: dict[str, Any] = {"scopes": list(scopes)} if scopes else {}
    return found | {"rsid": str(uuid5(NAMESPACE_DNS, name)), "rsname": name}
