"""What an IAM permits: its answer about one caller, read as rules.

The resources of the proxy's client at the IAM are namespaces, by their exact
names, and their scopes are what may be done there. Keycloak's token endpoint
answers so to a ticket grant with `response_mode=permissions` (Keycloak,
Authorization Services Guide, "Obtaining permissions").
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from proxy.core.attributes import HARDWAREDATA, HOSTCLAIMS, SECRETS, Verb
from proxy.core.policy.origins import PermissionOrigin
from proxy.core.policy.rules import READ, WRITE, Effect, Permission, Rule, product
from proxy.core.policy.subjects import may_be_claimed

# As no role does, no class of verbs deletes collections: that is granted by name.
SCOPES: Final[Mapping[str, frozenset[Permission]]] = {
    f"{resource.plural}:{name}": product((resource.plural,), verbs)
    for resource, name, verbs in (
        (HOSTCLAIMS, "read", READ),
        (HOSTCLAIMS, "write", WRITE),
        (HOSTCLAIMS, "deletecollection", (Verb.DELETECOLLECTION,)),
        (SECRETS, "read", READ),
        (SECRETS, "write", WRITE),
        (SECRETS, "deletecollection", (Verb.DELETECOLLECTION,)),
        (HARDWAREDATA, "read", READ),
    )
}
"""What each scope grants; any other grants nothing."""


def rules(issuer: str, permissions: Iterable[object]) -> Iterator[Rule]:
    """The rules that an answer makes, one for each scope.

    A resource that is not called by the name of a namespace grants nothing, and
    one without scopes neither: to Keycloak that is all of it, whatever is added.

    Raises:
        ValueError: it is not a list of permissions.
    """
    for permission in permissions:
        match permission:
            case {"rsname": str(name), "scopes": [*scopes]} if may_be_claimed(name):
                yield from _of_namespace(issuer, name, scopes)
            case {}:
                continue
            case _:
                raise ValueError("not a permission")


def _of_namespace(issuer: str, namespace: str, scopes: Iterable[object]) -> Iterator[Rule]:
    for scope, permissions in SCOPES.items():
        if scope in scopes:
            origin = PermissionOrigin(issuer, namespace, scope)
            yield Rule(origin, Effect.ALLOW, permissions, (namespace,))
