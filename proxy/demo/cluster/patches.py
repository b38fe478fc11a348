"""What does a patch make of an object: JSON patch, merge patch, strategic merge patch.

RFC 6902 (by the `jsonpatch` library), RFC 7386, and Kubernetes' own
`k8s.io/apimachinery/pkg/util/strategicpatch`. Nothing here changes what it is given.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jsonpatch

from proxy.demo.cluster.objects import Object, clone
from proxy.demo.cluster.resources import Resource
from proxy.demo.cluster.schema import ANYTHING, Schema, child, type_name
from proxy.demo.cluster.status import ApiError, bad_request, unsupported_media_type

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

_MAX_OPERATIONS = 10000


def accepted(resource: Resource) -> Sequence[str]:
    """Name the patch types that a resource takes."""
    strategic = [] if resource.custom else [STRATEGIC_PATCH]
    return [JSON_PATCH, MERGE_PATCH, *strategic, APPLY_PATCH]


def patcher(resource: Resource, content_type: str, patch: Any) -> Callable[[Object], Object]:
    """Give the function that applies a decoded patch, of any type but apply.

    Raises:
        ApiError: the resource does not take that type, or the body is no patch of it.
    """
    match content_type:
        case "application/json-patch+json":
            operations = _operations(patch)
            return lambda obj: _json(obj, operations)
        case "application/merge-patch+json":
            return lambda obj: merge(obj, _an_object(patch))
        case "application/strategic-merge-patch+json" if not resource.custom:
            return lambda obj: strategic(obj, _an_object(patch), resource.schema)
        case _:
            raise unsupported_media_type(accepted(resource))


def _an_object(patch: Any) -> Object:
    if not isinstance(patch, dict):
        raise _undecodable(patch, "map[string]interface {}")
    return patch


def _undecodable(patch: Any, wanted: str) -> ApiError:
    told = f"json: cannot unmarshal {type_name(patch)} into Go value of type {wanted}"
    return bad_request(f"error decoding patch: {told}")


def _operations(patch: Any) -> list[Object]:
    if not isinstance(patch, list) or not all(isinstance(item, dict) for item in patch):
        raise _undecodable(patch, "[]handlers.jsonPatchOp")
    if len(patch) > _MAX_OPERATIONS:
        raise ApiError(
            413,
            "RequestEntityTooLarge",
            "Request entity too large: The allowed maximum operations in a JSON patch is "
            f"{_MAX_OPERATIONS}, got {len(patch)}",
        )
    return patch


def _json(obj: Object, operations: list[Object]) -> Object:
    try:
        patched = jsonpatch.apply_patch(clone(obj), operations)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError) as exc:
        # The words of a GenericServerResponse; what failed is not told, as upstream does not.
        message = "the server rejected our request due to an error in our request"
        raise ApiError(422, "Invalid", message, {}) from exc
    return _an_object(patched)


def merge(target: Any, patch: Any) -> Any:
    """Apply a merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


_DIRECTIVE = "$patch"
_DELETE_PRIMITIVES = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"
_RETAIN = "$retainKeys"


def strategic(target: Mapping[str, Any], patch: Object, schema: Schema) -> Object:
    """Apply a strategic merge patch, by the merge keys in the schema."""
    if patch.get(_DIRECTIVE) == "replace":
        return {name: value for name, value in patch.items() if name != _DIRECTIVE}
    if patch.get(_DIRECTIVE) == "delete":
        return {}
    kept = patch.get(_RETAIN)
    merged = {name: value for name, value in target.items() if kept is None or name in kept}
    for name, value in patch.items():
        if name.startswith(_DELETE_PRIMITIVES):
            field = name.removeprefix(_DELETE_PRIMITIVES)
            merged[field] = [item for item in merged.get(field) or () if item not in value]
        elif name.startswith("$"):
            continue
        elif value is None:
            merged.pop(name, None)
        else:
            merged[name] = _field(merged.get(name), value, child(schema, name) or ANYTHING)
    for name, order in patch.items():
        field = name.removeprefix(_ORDER)
        if name.startswith(_ORDER) and isinstance(merged.get(field), list):
            key = _merge_key(child(schema, field) or ANYTHING)
            merged[field] = _ordered(merged[field], order, key)
    return merged


def _field(was: Any, value: Any, schema: Schema) -> Any:
    if isinstance(value, dict):
        return strategic(was if isinstance(was, dict) else {}, value, schema)
    if isinstance(value, list) and schema.get("x-kubernetes-patch-strategy") == "merge":
        return _items(list(was or ()), value, schema)
    return value


def _merge_key(schema: Schema) -> str:
    return str(schema.get("x-kubernetes-patch-merge-key", ""))


def _items(was: list[Any], patch: list[Any], schema: Schema) -> list[Any]:
    key = _merge_key(schema)
    if not key:
        return patch + [item for item in was if item not in patch]
    if any(item.get(_DIRECTIVE) == "replace" for item in patch):
        return [item for item in patch if _DIRECTIVE not in item]
    items = {item.get(key): item for item in was}
    for item in patch:
        if key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        if item.get(_DIRECTIVE) == "delete":
            items.pop(item[key], None)
        else:
            items[item[key]] = strategic(
                items.get(item[key], {}), item, schema.get("items", ANYTHING)
            )
    return list(items.values())


def _ordered(items: list[Any], order: list[Any], key: str) -> list[Any]:
    """Put items in the order told; those it does not name stay after their neighbours."""

    def place(item: Any) -> int:
        name = item.get(key) if key else item
        wanted = [entry.get(key) if key else entry for entry in order]
        return wanted.index(name) if name in wanted else len(wanted)

    return sorted(items, key=place)
