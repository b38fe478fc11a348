"""Does it fit: hold a value against a structural OpenAPI schema.

Pruning, defaulting and validation of `apiextensions.k8s.io/v1`, minus CEL rules. Nothing here
changes what it is given.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from proxy.demo.cluster.objects import parse_timestamp
from proxy.demo.cluster.status import Cause

Schema = Mapping[str, Any]
ANYTHING: Schema = {"x-kubernetes-preserve-unknown-fields": True}


def prune(value: Any, schema: Schema, path: str = "") -> tuple[Any, list[str]]:
    """Drop the fields that the schema does not know.

    Returns:
        The value without them, and their paths, `spec.hosts[0].colour`.
    """
    if isinstance(value, list):
        items = schema.get("items", ANYTHING)
        parts = [prune(item, items, f"{path}[{index}]") for index, item in enumerate(value)]
        return [part for part, _ in parts], [name for _, names in parts for name in names]
    if not isinstance(value, dict):
        return value, []
    kept: dict[str, Any] = {}
    unknown: list[str] = []
    for name, item in value.items():
        below = f"{path}.{name}" if path else name
        found = child(schema, name)
        if found is None:
            unknown.append(below)
            continue
        kept[name], names = prune(item, found, below)
        unknown += names
    return kept, unknown


def child(schema: Schema, name: str) -> Schema | None:
    """Give the schema of a field, or None where there is no such field."""
    known = schema.get("properties", {}).get(name)
    if known is not None:
        return known  # type: ignore[no-any-return] # a schema's properties are schemas
    more = schema.get("additionalProperties")
    if isinstance(more, Mapping):
        return more
    return ANYTHING if more or schema.get("x-kubernetes-preserve-unknown-fields") else None


def default(value: Any, schema: Schema) -> Any:
    """Fill in what the schema gives for absent fields, and drop nulls it does not know."""
    if isinstance(value, list):
        return [default(item, schema.get("items", ANYTHING)) for item in value]
    if not isinstance(value, dict):
        return value
    filled = {
        name: default(item, child(schema, name) or ANYTHING)
        for name, item in value.items()
        if not _dropped_null(item, schema, name)
    }
    for name, known in schema.get("properties", {}).items():
        if name not in filled and "default" in known:
            filled[name] = default(known["default"], known)
    return filled


def _dropped_null(item: Any, schema: Schema, name: str) -> bool:
    """A null where the schema has none counts as absent."""
    known = schema.get("properties", {}).get(name)
    return item is None and known is not None and not known.get("nullable")


def validate(value: Any, schema: Schema, path: str = "") -> list[Cause]:
    """Name every field that breaks the schema, in the order of the value."""
    if value is None and schema.get("nullable"):
        return []
    wrong = _type_error(value, schema, path)
    if wrong is not None:
        return [wrong]
    return [
        *_own_errors(value, schema, path),
        *_errors_below(value, schema, path),
        *_missing(value, schema, path),
    ]


def _errors_below(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from validate(item, schema.get("items", ANYTHING), f"{path}[{index}]")
    elif isinstance(value, dict):
        for name, item in value.items():
            below = f"{path}.{name}" if path else name
            yield from validate(item, child(schema, name) or ANYTHING, below)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: _is_number(value) and float(value).is_integer(),
    "number": _is_number,
}


def type_name(value: Any) -> str:
    """Name a JSON value's type as the schema would."""
    for name in ("object", "array", "string", "boolean", "integer", "number"):
        if _TYPES[name](value):
            return name
    return "null"


def _type_error(value: Any, schema: Schema, path: str) -> Cause | None:
    if schema.get("x-kubernetes-int-or-string"):
        wanted, fits = "integer,string", isinstance(value, str) or _TYPES["integer"](value)
    else:
        wanted = schema.get("type", "")
        fits = not wanted or _TYPES[wanted](value)
    if fits:
        return None
    told = f'"{type_name(value)}"'
    message = f"Invalid value: {told}: {path} in body must be of type {wanted}: {told}"
    return Cause("FieldValueTypeInvalid", message, path or "<nil>")


def _own_errors(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    for keyword, broken in _KEYWORDS.items():
        if keyword in schema:
            cause = broken(value, schema[keyword], path)
            if cause is not None:
                yield cause
    if isinstance(value, list):
        yield from _duplicates(value, schema, path)


def _missing(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    for name in schema.get("required", ()) if isinstance(value, dict) else ():
        if name not in value:
            yield Cause("FieldValueRequired", "Required value", f"{path}.{name}".lstrip("."))


def _duplicates(items: list[Any], schema: Schema, path: str) -> Iterator[Cause]:
    kind = schema.get("x-kubernetes-list-type")
    if kind not in {"set", "map"}:
        return
    seen: list[Any] = []
    for index, item in enumerate(items):
        keys = schema.get("x-kubernetes-list-map-keys", ())
        key = {name: item.get(name) for name in keys if name in item} if kind == "map" else item
        if key in seen:
            told = f"Duplicate value: {json.dumps(key, separators=(',', ':'))}"
            yield Cause("FieldValueDuplicate", told, f"{path}[{index}]")
        seen.append(key)


def _told(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _invalid(value: Any, path: str, why: str) -> Cause:
    told = f"Invalid value: {_told(value)}: {path} in body {why}"
    return Cause("FieldValueInvalid", told, path)


def _enum(value: Any, allowed: list[Any], path: str) -> Cause | None:
    if value in allowed:
        return None
    told = ", ".join(_told(item) for item in allowed)
    message = f"Unsupported value: {_told(value)}: supported values: {told}"
    return Cause("FieldValueNotSupported", message, path)


def _pattern(value: Any, pattern: str, path: str) -> Cause | None:
    if not isinstance(value, str) or re.search(pattern, value):
        return None
    return _invalid(value, path, f"should match '{pattern}'")


def _format(value: Any, name: str, path: str) -> Cause | None:
    if name != "date-time" or not isinstance(value, str):
        return None
    try:
        parse_timestamp(value)
    except ValueError:
        return _invalid(value, path, f"must be of type date-time: {_told(value)}")
    return None


def _minimum(value: Any, bound: float, path: str) -> Cause | None:
    if not _is_number(value) or value >= bound:
        return None
    return _invalid(value, path, f"should be greater than or equal to {bound}")


def _maximum(value: Any, bound: float, path: str) -> Cause | None:
    if not _is_number(value) or value <= bound:
        return None
    return _invalid(value, path, f"should be less than or equal to {bound}")


def _min_length(value: Any, bound: int, path: str) -> Cause | None:
    if not isinstance(value, str) or len(value) >= bound:
        return None
    return _invalid(value, path, f"should be at least {bound} chars long")


def _max_length(value: Any, bound: int, path: str) -> Cause | None:
    if not isinstance(value, str) or len(value) <= bound:
        return None
    return Cause("FieldValueTooLong", f"Too long: may not be more than {bound} bytes", path)


def _min_items(value: Any, bound: int, path: str) -> Cause | None:
    if not isinstance(value, list) or len(value) >= bound:
        return None
    return _invalid(len(value), path, f"should have at least {bound} items")


def _max_items(value: Any, bound: int, path: str) -> Cause | None:
    if not isinstance(value, list) or len(value) <= bound:
        return None
    told = f"Too many: {len(value)}: must have at most {bound} items"
    return Cause("FieldValueTooMany", told, path)


_KEYWORDS: Mapping[str, Callable[[Any, Any, str], Cause | None]] = {
    "enum": _enum,
    "pattern": _pattern,
    "format": _format,
    "minimum": _minimum,
    "maximum": _maximum,
    "minLength": _min_length,
    "maxLength": _max_length,
    "minItems": _min_items,
    "maxItems": _max_items,
}
