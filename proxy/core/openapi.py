"""How it looks: an OpenAPI v3 document cut down to one resource.

Paths that the grammar of `attributes` refuses go, and so do the schemas that
nothing left refers to. Enough stays for `kubectl explain` and for clients
that look up whether a server validates fields.
"""

from collections.abc import Iterator
from typing import Any

from proxy.core.attributes import Resource
from proxy.core.body import Object

_PREFIX = "#/components/schemas/"


def prune(document: Object, resource: Resource) -> Object:
    """The part of `document` that is about `resource`. What it is given stays as it is."""
    collection = f"{resource.root}/namespaces/{{namespace}}/{resource.plural}"
    kept = {collection, f"{collection}/{{name}}"}
    paths = {path: item for path, item in _section(document, "paths").items() if path in kept}
    for name in resource.subresources:
        path = f"{collection}/{{name}}/{name}"
        if path in _section(document, "paths"):
            item = _section(document, "paths")[path]
            paths[path] = {key: item[key] for key in ("get", "parameters") if key in item}
    schemas = _section(_section(document, "components"), "schemas")
    roots = [name for name, schema in schemas.items() if _is_of(schema, resource)]
    needed = _reachable(schemas, [*_references(paths), *roots])
    return {
        "openapi": document.get("openapi", "3.0.0"),
        "info": document.get("info", {}),
        "paths": paths,
        "components": {"schemas": {name: schemas[name] for name in sorted(needed)}},
    }


def _section(parent: Object, key: str) -> Object:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def _is_of(schema: Any, resource: Resource) -> bool:
    """Whether a schema says that it is the resource's kind or its list."""
    kinds = schema.get("x-kubernetes-group-version-kind", ()) if isinstance(schema, dict) else ()
    return any(
        kind.get("group") == resource.group
        and kind.get("version") == resource.version
        and kind.get("kind") in {resource.kind, resource.list_kind}
        for kind in kinds
    )


def _reachable(schemas: Object, roots: list[str]) -> set[str]:
    found: set[str] = set()
    open_ends = [name for name in roots if name in schemas]
    while open_ends:
        name = open_ends.pop()
        if name not in found:
            found.add(name)
            open_ends += [n for n in _references(schemas[name]) if n in schemas]
    return found


def _references(value: Any) -> Iterator[str]:
    match value:
        case dict():
            reference = value.get("$ref")
            if isinstance(reference, str) and reference.startswith(_PREFIX):
                yield reference.removeprefix(_PREFIX)
            for item in value.values():
                yield from _references(item)
        case list():
            for item in value:
                yield from _references(item)
