"""What lets a tenant in: the documents that an administrator commits, made from a few values.

They are read by the very code that the proxy reads them with before they are
handed out, so nothing comes out of here that the proxy would refuse.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from proxy.core import rights
from proxy.core.attributes import is_name, is_namespace
from proxy.core.policy import API_VERSION, Document, PolicySet, Position, Role, parse
from proxy.core.policy.located import Path
from proxy.core.rights import Account

MAX_NAMESPACES: Final = 100


class EntitledBy(StrEnum):
    """What in the IAM makes somebody of the tenant's."""

    GROUP = "group"
    """A group, that people can be added to; a policy document names it."""
    CLIENT = "client"
    """The tenant's OAuth client alone; a policy document names it."""
    PERMISSIONS = "permissions"
    """Permissions of Keycloak's Authorization Services; no policy document is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One tenant, and what it is entitled to.

    `client_id` is its OAuth client, `group` the full path of its group, where it is
    entitled by one. `issuer` is what the proxy's configuration calls the IAM.
    `namespaces` are exact names; the first is where its kubeconfig starts.

    Raises:
        ValueError: a value that no document could hold.
    """

    name: str
    client_id: str
    issuer: str
    namespaces: tuple[str, ...]
    role: Role = Role.EDITOR
    by: EntitledBy = EntitledBy.GROUP
    group: str = ""

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise ValueError(f"`{self.name}` is not a name of RFC 1123")
        if not 0 < len(self.namespaces) <= MAX_NAMESPACES:
            raise ValueError(f"give 1 to {MAX_NAMESPACES} namespaces")
        for namespace in self.namespaces:
            if not is_namespace(namespace):
                raise ValueError(f"`{namespace}` is not the name of a namespace")
        if len(set(self.namespaces)) != len(self.namespaces):
            raise ValueError("a namespace is given twice")
        if (self.by is EntitledBy.GROUP) != bool(self.group):
            raise ValueError("a group goes with a tenant that is entitled by one")
        if self.group and not _is_group(self.group):
            raise ValueError(f"`{self.group}` is not the path of a group, such as /tenants/blue")
        _read(self)


def policy(tenant: Tenant) -> dict[str, Any] | None:
    """The AccessPolicy that lets the tenant in; None where the IAM does so by itself."""
    return None if tenant.by is EntitledBy.PERMISSIONS else _policy(tenant)


def bindings(tenant: Tenant, account: Account) -> Iterator[dict[str, Any]]:
    """The Roles and RoleBindings with which the proxy can serve the tenant, as `rbac` prints them.

    They are named by the tenant, so that those of two in one namespace do not replace each other.
    """
    policies = _read(tenant)
    for namespace in tenant.namespaces:
        needed = rights.needed(policies, namespace)
        for manifest in rights.manifests(needed, namespace, account):
            yield _renamed(manifest, f"{rights.ROLE}-{tenant.name}")


def _read(tenant: Tenant) -> PolicySet:
    """The tenant's rules, as the proxy reads them.

    Raises:
        ValueError: it would not.
    """
    match parse([Document("policy.yaml", _policy(tenant), _Nowhere())]):
        case PolicySet() as policies:
            return policies
        case problems:
            raise ValueError("; ".join(f"{p.field}: {p.message}" for p in problems))


def _policy(tenant: Tenant) -> dict[str, Any]:
    who = {"group": tenant.group} if tenant.group else {"client": tenant.client_id}
    return {
        "apiVersion": API_VERSION,
        "kind": "AccessPolicy",
        "metadata": {"name": tenant.name},
        "spec": {
            "subjects": [{"issuer": tenant.issuer, **who}],
            "allow": [{"namespaces": [*tenant.namespaces], "role": tenant.role.value}],
        },
    }


def _renamed(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    renamed = manifest | {"metadata": manifest["metadata"] | {"name": name}}
    if "roleRef" in manifest:
        renamed["roleRef"] = manifest["roleRef"] | {"name": name}
    return renamed


def _is_group(path: str) -> bool:
    """Whether Keycloak would show this group, and no other, by this path: `/` before each name."""
    head, *names = path.split("/")
    return not head and bool(names) and all(_is_group_name(name) for name in names)


def _is_group_name(name: str) -> bool:
    # Dots would be taken out of a URL. Keycloak writes a slash within a name as `~/`.
    fits = name == name.strip() and name not in {"", ".", ".."} and not name.endswith("~")
    return fits and name.isprintable()


class _Nowhere:
    """The layout of a document that stands in no file."""

    def value(self, _: Path) -> Position:
        return Position(1, 1)

    key = value
