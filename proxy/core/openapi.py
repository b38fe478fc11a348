"""How it looks: an OpenAPI v3 document cut down to the resources that are served.

Paths that the grammar of `attributes` refuses go, and so do the schemas that
nothing left refers to. Enough stays for `kubectl explain` and for clients
that look up whether a server validates fields.
"""

from collections.abc import Iterator
from typing import Any

from proxy.core.attributes import Resource, Verb
from proxy.core.body import Object

_PREFIX = "#/components/schemas/"


# The methods of a path that only reads; those of a subresource are always so.
_READING = ("get", "parameters")


def prune(document: Object, *resources: Resource) -> Object:
    """The part of `document` that is about `resources`. What it is given stays as it is."""
    found = _section(document, "paths")
    paths = {
        path: {key: item[key] for key in _READING if key in item} if only_read else item
        for path, only_read in _kept(resources)
        if (item := found.get(path)) is not None
    }
    schemas = _section(_section(document, "components"), "schemas")
    roots = [name for name, schema in schemas.items() if any(_is_of(schema, r) for r in resources)]
    needed = _reachable(schemas, [*_references(paths), *roots])
    return {
        "openapi": document.get("openapi", "3.0.0"),
        "info": document.get("info", {}),
        "paths": paths,
        "components": {"schemas": {name: schemas[name] for name in sorted(needed)}},
    }


def _kept(resources: tuple[Resource, ...]) -> Iterator[tuple[str, bool]]:
    """The paths that are served, and whether they are only read."""
    for resource in resources:
        collection = f"{resource.root}/namespaces/{{namespace}}/{resource.plural}"
        only_read = Verb.CREATE not in resource.verbs
        yield collection, only_read
        yield f"{collection}/{{name}}", only_read
        for name in resource.subresources:
            yield f"{collection}/{{name}}/{name}", True


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
