"""Which object is meant: a decoded body as an object of the kind it was sent for.

Nothing the schema does not know gets past here: it is refused, warned of or dropped, as
`fieldValidation` says.
"""

import json
from dataclasses import dataclass, replace
from typing import Any

from proxy.demo.cluster import kinds, schema
from proxy.demo.cluster.codecs import Document
from proxy.demo.cluster.objects import Object, name_of
from proxy.demo.cluster.resources import Resource
from proxy.demo.cluster.status import ApiError, bad_request, internal, invalid, unprocessable
from proxy.demo.cluster.validation import invalid as invalid_field


@dataclass(frozen=True, slots=True)
class Decoder:
    """Reads objects of one kind, under one `fieldValidation`."""

    resource: Resource
    validation: str
    warnings: list[str]
    """Where `Warn` puts what it found; the caller sends it on."""

    def body(self, document: Document) -> Object:
        """Read a whole body.

        Raises:
            ApiError: it is no such object, or strictly it has a field too many.
        """
        value = document.value
        if not isinstance(value, dict):
            raise bad_request(
                f"the object provided is unrecognized (must be of type {self.resource.kind}): "
                "couldn't get version/kind; json parse error: json: cannot unmarshal "
                f"{_go_type(value)} into Go value of type struct"
            )
        self._check_kind(value)
        obj, unknown = self._pruned(value)
        wrong = [f'duplicate field "{name}"' for name in document.duplicates] + unknown
        if wrong and self.validation == "Strict":
            raise bad_request(self._unhandled(f"strict decoding error: {', '.join(wrong)}"))
        self._warn(wrong)
        return self.typed(obj)

    def patched(self, value: Object) -> Object:
        """Read what a patch made of an object.

        Raises:
            ApiError: the patch made it another kind, or strictly added a field there is not.
        """
        obj, unknown = self._pruned(value)
        if unknown and self.validation == "Strict":
            raise _bad_patch(value, f"strict decoding error: {', '.join(unknown)}")
        self._warn(unknown)
        self._check_custom_kind(value)
        try:
            return self.typed(obj)
        except ApiError as exc:
            raise _bad_patch(value, exc.message) from exc

    def applied(self, document: Document) -> Object:
        """Read the body of an apply, which speaks only of fields that there are.

        Raises:
            ApiError: it is no such object, or has a field too many.
        """
        value = document.value if isinstance(document.value, dict) else {}
        told, kind = value.get("apiVersion", ""), value.get("kind", "")
        if (told, kind) != (self.resource.api_version, self.resource.kind):
            version = told if "/" in told or not told else f"/{told}"
            raise bad_request(f"invalid object type: {version or '/'}, Kind={kind}")
        _, unknown = schema.prune(value, self.resource.schema)
        if unknown:
            meta = value.get("metadata") or {}
            named = f"{meta.get('namespace', '')}/{meta.get('name', '')}"
            group = told if "/" in told else f"/{told}"
            raise internal(
                f"failed to create typed patch object ({named}; {group}, Kind={kind}): "
                f".{unknown[0]}: field not declared in schema"
            )
        # Without defaults: an applier owns what it says, not what the server adds.
        return self._whole(value)

    def _warn(self, wrong: list[str]) -> None:
        if self.validation == "Warn":
            self.warnings.extend(wrong)

    def _pruned(self, value: Object) -> tuple[Object, list[str]]:
        obj, unknown = schema.prune(value, self.resource.schema)
        return obj, [f'unknown field "{name}"' for name in unknown]

    def _check_kind(self, value: Object) -> None:
        resource = self.resource
        told, kind = value.get("apiVersion") or "", value.get("kind") or ""
        if resource.custom and not kind:
            raise bad_request(
                f"the object provided is unrecognized (must be of type {resource.kind}): "
                f"Object 'Kind' is missing in '{json.dumps(value, separators=(',', ':'))}'"
            )
        known = {(resource.api_version, resource.kind), ("", ""), ("", resource.kind)}
        if not resource.custom and (told, kind) not in known:
            raise bad_request(
                f'{kind} in version "{told.rpartition("/")[2]}" cannot be handled as a '
                f'{resource.kind}: no kind "{kind}" is registered for version "{told}"'
            )
        if told != resource.api_version and resource.custom:
            raise bad_request(
                f"the API version in the data ({told}) does not match the expected API version "
                f"({resource.api_version})"
            )
        self._check_custom_kind(value)

    def _check_custom_kind(self, value: Object) -> None:
        resource = self.resource
        wanted = {"apiVersion": resource.api_version, "kind": resource.kind}
        causes = [
            invalid_field(field, value.get(field, ""), f"must be {told}")
            for field, told in wanted.items()
            if value.get(field) != told
        ]
        if causes and resource.custom:
            named = replace(resource, kind=str(value.get("kind", "")))
            raise invalid(named, name_of(value), causes)

    def typed(self, value: Object) -> Object:
        """Complete an object: its kind, its defaults, and no empty metadata.

        Raises:
            ApiError: a built-in kind's field is of another type, which Go cannot read.
        """
        whole = schema.default(self._whole(value), self.resource.schema)
        return kinds.of(self.resource).default(whole)

    def _whole(self, value: Object) -> Object:
        resource = self.resource
        meta = value.get("metadata") or {}
        if not isinstance(meta, dict):
            raise bad_request(self._unhandled("metadata must be an object"))
        whole = {
            **value,
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {name: item for name, item in meta.items() if item not in _EMPTY},
        }
        if resource.custom:
            self._check_types({"metadata": whole["metadata"]}, "ObjectMeta")
            return whole
        typed: Object = _without_nulls(whole)
        self._check_types(typed, resource.kind)
        return {name: item for name, item in typed.items() if item not in _EMPTY}

    def _check_types(self, value: Object, shown: str) -> None:
        for cause in schema.validate(value, self.resource.schema):
            if cause.reason == "FieldValueTypeInvalid":
                where = f"{shown}.{cause.field.removeprefix('metadata.')}"
                raise bad_request(
                    self._unhandled(f"json: cannot unmarshal into Go struct field {where}")
                )

    def _unhandled(self, why: str) -> str:
        kind = self.resource.kind
        return f'{kind} in version "{self.resource.version}" cannot be handled as a {kind}: {why}'


def _bad_patch(value: Object, why: str) -> ApiError:
    told = json.dumps(value, separators=(",", ":"), sort_keys=True)
    cause = invalid_field("patch", told, why)
    return unprocessable(f' "" is invalid: patch: {cause.message}', {}, [cause])


def _go_type(value: Any) -> str:
    name = schema.type_name(value)
    return {"integer": "number", "boolean": "bool"}.get(name, name)


_EMPTY: tuple[Any, ...] = (None, "", {}, [])


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
