"""Which fields does a value have: sets of paths, as managedFields writes them.

A path is a tuple of FieldsV1 steps: `f:NAME` a field, `k:{...}` an item of a keyed list,
`v:VALUE` an item of a set. See `sigs.k8s.io/structured-merge-diff`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from proxy.demo.cluster.schema import ANYTHING, Schema, child

Path: TypeAlias = tuple[str, ...]
FieldSet: TypeAlias = frozenset[Path]

EMPTY: FieldSet = frozenset()


def read(fields_v1: Mapping[str, Any], above: Path = ()) -> FieldSet:
    """Read a set as managedFields writes it."""
    return frozenset(_members(fields_v1, above))


def _members(fields_v1: Mapping[str, Any], above: Path) -> Iterator[Path]:
    for step, below in fields_v1.items():
        if step == ".":
            yield above
        elif not below:
            yield (*above, step)
        else:
            yield from _members(below, (*above, step))


def write(fields: FieldSet) -> dict[str, Any]:
    """Write a set as managedFields has it."""
    tree: dict[str, Any] = {}
    # Shorter paths first: a member is a leaf until something comes to stand below it.
    for *above, last in sorted(fields, key=lambda path: (len(path), path)):
        place = tree
        for depth, step in enumerate(above, 1):
            place = place.setdefault(step, {})
            if tuple(above[:depth]) in fields:
                place.setdefault(".", {})
        place.setdefault(last, {})
    return tree


def told(path: Path) -> str:
    """Write a path as people read it, `.spec.taints[key="x"].effect`."""
    return "".join(_told_step(step) for step in path)


def _told_step(step: str) -> str:
    kind, _, name = step.partition(":")
    match kind:
        case "f":
            return f".{name}"
        case "v":
            return f"[={name}]"
        case _:
            keys = json.loads(name)
            return "[" + ",".join(f"{key}={_compact(keys[key])}" for key in sorted(keys)) + "]"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def is_atomic(value: Any, schema: Schema) -> bool:
    """Say whether a value is owned as a whole."""
    if isinstance(value, dict):
        return bool(schema.get("x-kubernetes-map-type") == "atomic")
    if isinstance(value, list):
        return bool(schema.get("x-kubernetes-list-type", "atomic") == "atomic")
    return True


def step_of(item: Any, schema: Schema) -> str:
    """Name an item of a list that is a set or has keys."""
    if schema.get("x-kubernetes-list-type") == "set":
        return f"v:{_compact(item)}"
    properties = schema.get("items", ANYTHING).get("properties", {})
    keys = {
        key: item.get(key, properties.get(key, {}).get("default"))
        for key in schema.get("x-kubernetes-list-map-keys", ())
    }
    return f"k:{_compact(keys)}"


def steps(value: Any, schema: Schema) -> Iterator[tuple[str, Any, Schema]]:
    """Give what a value that is not atomic is made of: step, value and schema of each part."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield f"f:{name}", item, child(schema, name) or ANYTHING
    elif isinstance(value, list):
        for item in value:
            yield step_of(item, schema), item, schema.get("items", ANYTHING)


def flatten(value: Any, schema: Schema, above: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Give every path of a value with what stands there; a container is told by its type."""
    for step, item, known in steps(value, schema):
        path = (*above, step)
        if is_atomic(item, known):
            yield path, item
        else:
            yield path, type(item)
            yield from flatten(item, known, path)


def applied(value: Any, schema: Schema, above: Path = ()) -> Iterator[Path]:
    """Give the paths that a value claims when it is applied: its leaves and its items."""
    for step, item, known in steps(value, schema):
        path = (*above, step)
        named = step.removeprefix("f:") in schema.get("properties", {})
        if is_atomic(item, known) or not item or not named:
            yield path
        if not is_atomic(item, known):
            yield from applied(item, known, path)


def without(value: Any, schema: Schema, path: Path) -> Any:
    """Give a value without what stands at a path."""
    wanted, *below = path
    if isinstance(value, dict):
        name = wanted.removeprefix("f:")
        if name not in value:
            return value
        rest = {key: item for key, item in value.items() if key != name}
        if not below:
            return rest
        return {**value, name: without(value[name], child(schema, name) or ANYTHING, tuple(below))}
    if not isinstance(value, list) or is_atomic(value, schema):
        return value
    kept = []
    for item in value:
        if step_of(item, schema) != wanted:
            kept.append(item)
        elif below:
            kept.append(without(item, schema.get("items", ANYTHING), tuple(below)))
    return kept


def at(value: Any, schema: Schema, path: Path) -> Any:
    """Give what stands at a path, None where nothing does."""
    for wanted in path:
        found = next(
            ((item, known) for step, item, known in steps(value, schema) if step == wanted), None
        )
        if found is None:
            return None
        value, schema = found
    return value


def merge(live: Any, config: Any, schema: Schema) -> Any:
    """Lay an applied value over what is there."""
    if is_atomic(config, schema) or type(live) is not type(config):
        return config
    if isinstance(config, dict):
        merged = dict(live)
        for name, item in config.items():
            known = child(schema, name) or ANYTHING
            merged[name] = merge(live[name], item, known) if name in live else item
        return merged
    items = {step: item for step, item, _ in steps(live, schema)}
    for step, item, known in steps(config, schema):
        items[step] = merge(items[step], item, known) if step in items else item
    return list(items.values())
