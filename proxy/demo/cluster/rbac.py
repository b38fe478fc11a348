"""May they: evaluate the RBAC objects stored in the cluster.

`rbac.authorization.k8s.io/v1` as `k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac` reads it.
No rule matches: no. A pure function of the attributes and the objects.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from proxy.demo.cluster.builtin import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES
from proxy.demo.cluster.objects import Object, name_of, namespace_of
from proxy.demo.cluster.store import Key, Store

MASTERS = "system:masters"
_SERVICE_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...]
    uid: str = ""
    extra: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is asked, as authorization sees it."""

    verb: str
    path: str = ""
    """Set for what is no resource."""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def combined(self) -> str:
        """The resource as rules name it, `hostclaims/status`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no, and why."""

    allowed: bool
    reason: str = ""


def authorize(user: User, asked: Attributes, store: Store) -> Decision:
    """Decide by the roles bound to a user."""
    if MASTERS in user.groups:
        return Decision(allowed=True)
    for rule, reason in rules_for(user, asked.namespace, store):
        if _covers(rule, asked):
            return Decision(allowed=True, reason=reason)
    return Decision(allowed=False)


def denial(user: User, asked: Attributes) -> str:
    """Say what was denied, in the words of kube-apiserver."""
    if asked.path:
        return f'User "{user.name}" cannot {asked.verb} path "{asked.path}"'
    where = f' in the namespace "{asked.namespace}"' if asked.namespace else " at the cluster scope"
    return (
        f'User "{user.name}" cannot {asked.verb} resource "{asked.combined}" '
        f'in API group "{asked.group}"{where}'
    )


def rules_for(user: User, namespace: str, store: Store) -> Iterator[tuple[Object, str]]:
    """Give every rule a user has in a namespace, or cluster-wide where that is empty."""
    for binding in store.select(CLUSTER_ROLE_BINDINGS.group_resource):
        yield from _bound(user, binding, "ClusterRoleBinding", "", store)
    if namespace:
        for binding in store.select(ROLE_BINDINGS.group_resource, namespace):
            yield from _bound(user, binding, "RoleBinding", namespace, store)


def _bound(
    user: User, binding: Object, kind: str, namespace: str, store: Store
) -> Iterator[tuple[Object, str]]:
    subject = next(
        (item for item in binding.get("subjects") or () if _is_subject(user, item)), None
    )
    if subject is None:
        return
    reference = binding["roleRef"]
    named = f"{name_of(binding)}/{namespace}" if namespace else name_of(binding)
    reason = (
        f'RBAC: allowed by {kind} "{named}" of {reference["kind"]} "{reference["name"]}" '
        f"to {_subject_name(subject)}"
    )
    role = _role(reference, namespace_of(binding), store)
    for rule in (role or {}).get("rules") or ():
        yield rule, reason


def _subject_name(subject: Object) -> str:
    if subject["kind"] == "ServiceAccount":
        return f'ServiceAccount "{subject["name"]}/{subject.get("namespace", "")}"'
    return f'{subject["kind"]} "{subject["name"]}"'


def _role(reference: Object, namespace: str, store: Store) -> Object | None:
    if reference["kind"] == "Role":
        return store.get(Key(*ROLES.group_resource, namespace, reference["name"]))
    return store.get(Key(*CLUSTER_ROLES.group_resource, "", reference["name"]))


def _is_subject(user: User, subject: Object) -> bool:
    name = subject["name"]
    match subject["kind"]:
        case "User":
            return bool(name == user.name)
        case "Group":
            return name in user.groups
        case "ServiceAccount":
            return f"{_SERVICE_ACCOUNT}{subject.get('namespace', '')}:{name}" == user.name
        case _:
            return False


def _covers(rule: Object, asked: Attributes) -> bool:
    if not _any(rule, "verbs", asked.verb):
        return False
    if asked.path:
        return any(_path_fits(asked.path, url) for url in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames")
    return (
        _any(rule, "apiGroups", asked.group)
        and _resource_fits(rule, asked)
        and (not names or asked.name in names)
    )


def _any(rule: Object, field: str, wanted: str) -> bool:
    found = rule.get(field) or ()
    return "*" in found or wanted in found


def _resource_fits(rule: Object, asked: Attributes) -> bool:
    found = rule.get("resources") or ()
    by_subresource = bool(asked.subresource) and f"*/{asked.subresource}" in found
    return "*" in found or asked.combined in found or by_subresource


def _path_fits(path: str, url: str) -> bool:
    return url in {"*", path} or (url.endswith("*") and path.startswith(url[:-1]))
