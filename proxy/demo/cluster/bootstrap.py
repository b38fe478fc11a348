"""What is there before anyone writes: the first namespaces and roles.

The part of kube-apiserver's bootstrap policy that the story touches.
"""

from typing import Any

from proxy.demo.cluster import kinds
from proxy.demo.cluster.builtin import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    NAMESPACES,
    RBAC,
)
from proxy.demo.cluster.objects import Object
from proxy.demo.cluster.rbac import MASTERS
from proxy.demo.cluster.registry import Registry, Target
from proxy.demo.cluster.resources import Resource
from proxy.demo.cluster.tokens import AUTHENTICATED

_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_DISCOVERY = (
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/healthz",
    "/livez",
    "/openapi",
    "/openapi/*",
    "/readyz",
    "/version",
    "/version/",
)
_REVIEWS = (
    ("authorization.k8s.io", ("selfsubjectaccessreviews", "selfsubjectrulesreviews")),
    ("authentication.k8s.io", ("selfsubjectreviews",)),
)
_ROLES: dict[str, list[dict[str, Any]]] = {
    "cluster-admin": [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ],
    "system:discovery": [{"nonResourceURLs": list(_DISCOVERY), "verbs": ["get"]}],
    "system:basic-user": [
        {"apiGroups": [group], "resources": list(plurals), "verbs": ["create"]}
        for group, plurals in _REVIEWS
    ],
}
_HELD_BY = {
    "cluster-admin": MASTERS,
    "system:discovery": AUTHENTICATED,
    "system:basic-user": AUTHENTICATED,
}


def fill(registry: Registry) -> None:
    """Make the objects that every cluster begins with."""
    for name in _NAMESPACES:
        _create(registry, NAMESPACES, name, {})
    for name, rules in _ROLES.items():
        _create(registry, CLUSTER_ROLES, name, {"rules": rules})
        holder = {"kind": "Group", "name": _HELD_BY[name], "apiGroup": RBAC}
        reference = {"kind": "ClusterRole", "name": name, "apiGroup": RBAC}
        binding: Object = {"roleRef": reference, "subjects": [holder]}
        _create(registry, CLUSTER_ROLE_BINDINGS, name, binding)


def _create(registry: Registry, resource: Resource, name: str, content: Object) -> None:
    obj: Object = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name},
        **content,
    }
    obj = kinds.of(resource).default(obj)
    registry.create(Target(resource), obj, lambda _before, after: after, dry_run=False)
