"""What may be said: OpenAPI v3 for every group and version.

Enough for `kubectl explain`, for client-side validation, and for kubectl's question whether a
write takes `fieldValidation` and `dryRun`.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from proxy.demo.cluster.metadata import (
    LIST_META,
    MANAGED_FIELDS_ENTRY,
    OBJECT_META,
    OWNER_REFERENCE,
    Schema,
)
from proxy.demo.cluster.objects import Object
from proxy.demo.cluster.patches import accepted
from proxy.demo.cluster.resources import Resource, Table

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_SHARED: Mapping[str, Schema] = {
    f"{_META}.ObjectMeta": OBJECT_META,
    f"{_META}.ListMeta": LIST_META,
    f"{_META}.OwnerReference": OWNER_REFERENCE,
    f"{_META}.ManagedFieldsEntry": MANAGED_FIELDS_ENTRY,
}
_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")
_LIST_PARAMETERS = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
)


def path_of(group: str, version: str) -> str:
    """Give the name under which a group and version is documented."""
    return f"apis/{group}/{version}" if group else f"api/{version}"


def index(table: Table) -> Object:
    """Answer `/openapi/v3`."""
    paths: Object = {}
    for group, versions in table.groups().items():
        for version in versions:
            path = path_of(group, version)
            text = json.dumps(document(table, group, version), sort_keys=True)
            digest = hashlib.sha512(text.encode()).hexdigest().upper()
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": paths}


def document(table: Table, group: str, version: str) -> Object | None:
    """Answer `/openapi/v3/PATH`; None where nothing is served there."""
    rows = table.of(group, version)
    if not rows:
        return None
    schemas = {name: _outlined(schema, name) for name, schema in _SHARED.items()}
    paths: Object = {}
    for row in rows:
        schemas |= _schemas(row)
        paths |= _paths(row)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.34.0-embedded"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _schema_name(row: Resource) -> str:
    package = {
        "": "io.k8s.api.core",
        "rbac.authorization.k8s.io": "io.k8s.api.rbac",
        "authorization.k8s.io": "io.k8s.api.authorization",
        "authentication.k8s.io": "io.k8s.api.authentication",
    }.get(row.group, ".".join(reversed(row.group.split("."))))
    return f"{package}.{row.version}.{row.kind}"


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _kinds(row: Resource, kind: str) -> list[Object]:
    return [{"group": row.group, "version": row.version, "kind": kind}]


def _schemas(row: Resource) -> Iterator[tuple[str, Schema]]:
    name = _schema_name(row)
    schema = _outlined(row.schema, name)
    yield name, {**schema, "x-kubernetes-group-version-kind": _kinds(row, row.kind)}
    if "list" not in row.verbs:
        return
    metadata = {"allOf": [_reference(f"{_META}.ListMeta")], "default": {}}
    properties = {
        "apiVersion": row.schema["properties"]["apiVersion"],
        "kind": row.schema["properties"]["kind"],
        "items": {"type": "array", "items": {"allOf": [_reference(name)], "default": {}}},
        "metadata": metadata,
    }
    yield (
        name.removesuffix(row.kind) + row.kind_of_list,
        {
            "description": f"{row.kind_of_list} is a list of {row.kind}",
            "type": "object",
            "required": ["items"],
            "properties": properties,
            "x-kubernetes-group-version-kind": _kinds(row, row.kind_of_list),
        },
    )


def _outlined(schema: Any, name: str = "") -> Any:
    """Put references in place of the shared schemas."""
    for shared, known in _SHARED.items():
        if schema is known and shared != name:
            return {"allOf": [_reference(shared)], "default": {}}
    if isinstance(schema, Mapping):
        return {key: _outlined(value) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_outlined(item) for item in schema]
    return schema


def _paths(row: Resource) -> Iterator[tuple[str, Object]]:
    root = f"/{path_of(row.group, row.version)}"
    base = (
        f"{root}/namespaces/{{namespace}}/{row.plural}"
        if row.namespaced
        else (f"{root}/{row.plural}")
    )
    yield base, _item(row, base, {"list": "get", "create": "post", "deletecollection": "delete"})
    if row.namespaced and "list" in row.verbs:
        yield f"{root}/{row.plural}", _item(row, f"{root}/{row.plural}", {"list": "get"})
    one = {"get": "get", "update": "put", "patch": "patch", "delete": "delete"}
    if "get" in row.verbs:
        yield f"{base}/{{name}}", _item(row, f"{base}/{{name}}", one)
    if row.status:
        part = {"get": "get", "update": "put", "patch": "patch"}
        yield f"{base}/{{name}}/status", _item(row, f"{base}/{{name}}/status", part)


def _item(row: Resource, path: str, verbs: Mapping[str, str]) -> Object:
    operations = {
        method: _operation(row, path, verb, method)
        for verb, method in verbs.items()
        if verb in row.verbs
    }
    names = [name for name in ("name", "namespace") if f"{{{name}}}" in path]
    parameters = [_parameter(name, "path") for name in names] + [_parameter("pretty", "query")]
    return {**operations, "parameters": parameters}


def _operation(row: Resource, path: str, verb: str, method: str) -> Object:
    content = {"application/json": {"schema": _reference(_schema_name(row))}}
    found: Object = {
        "operationId": f"{verb}{row.kind}" + ("Status" if path.endswith("/status") else ""),
        "tags": [row.group or "core"],
        "parameters": [_parameter(name, "query") for name in _parameters(verb)],
        "responses": {
            "200": {"description": "OK", "content": content},
            "401": {"description": "Unauthorized"},
        },
        "x-kubernetes-action": verb,
        "x-kubernetes-group-version-kind": _kinds(row, row.kind)[0],
    }
    if verb == "patch":
        body = {"type": "object", "description": "Patch is the change to make."}
        found["requestBody"] = {
            "content": {media_type: {"schema": body} for media_type in accepted(row)},
            "required": True,
        }
    elif method in {"post", "put"}:
        found["requestBody"] = {"content": {"*/*": content["application/json"]}, "required": True}
    return found


def _parameters(verb: str) -> tuple[str, ...]:
    match verb:
        case "list":
            return _LIST_PARAMETERS
        case "create" | "update":
            return _WRITE_PARAMETERS
        case "patch":
            return (*_WRITE_PARAMETERS, "force")
        case "delete" | "deletecollection":
            return ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
        case _:
            return ()


def _parameter(name: str, place: str) -> Object:
    kind = _PARAMETER_TYPES.get(name, "string")
    found: Object = {"name": name, "in": place, "schema": {"type": kind, "uniqueItems": True}}
    return {**found, "required": True} if place == "path" else found


_PARAMETER_TYPES: Mapping[str, str] = {
    "allowWatchBookmarks": "boolean",
    "force": "boolean",
    "gracePeriodSeconds": "integer",
    "limit": "integer",
    "orphanDependents": "boolean",
    "sendInitialEvents": "boolean",
    "timeoutSeconds": "integer",
    "watch": "boolean",
}
