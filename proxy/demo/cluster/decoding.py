"""Which object is meant: a decoded body as an object of the kind it was sent for.

Nothing the schema does not know gets past here: it is refused, warned of or dropped, as
`fieldValidation` says.
"""

from dataclasses import dataclass, field
from typing import Any

from proxy.demo.cluster import schema
from proxy.demo.cluster.codecs import Document
from proxy.demo.cluster.objects import Object
from proxy.demo.cluster.resources import Resource
from proxy.demo.cluster.status import bad_request, internal, unprocessable


@dataclass(frozen=True, slots=True)
class Decoder:
    """Reads objects of one kind, under one `fieldValidation`."""

    resource: Resource
    validation: str
    warnings: list[str] = field(default_factory=list)
    """What `Warn` found; the caller sends these on."""

    def body(self, document: Document) -> Object:
        """Read a whole body.

        Raises:
            ApiError: it is no such object, or strictly it has a field too many.
        """
        value = document.value
        if not isinstance(value, dict):
            told = schema.type_name(value)
            raise bad_request(
                f"the object provided is unrecognized (must be of type {self.resource.kind}): "
                f"couldn't get version/kind; json parse error: cannot unmarshal {told} into Go "
                "value of type struct"
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
            ApiError: strictly, the patch added a field that there is not.
        """
        obj, unknown = self._pruned(value)
        if unknown and self.validation == "Strict":
            told = f"strict decoding error: {', '.join(unknown)}"
            raise unprocessable(f' "" is invalid: patch: Invalid value: {told}')
        self._warn(unknown)
        return self.typed(obj)

    def applied(self, document: Document) -> Object:
        """Read the body of an apply, which always speaks of fields there are.

        Raises:
            ApiError: it is no such object, or has a field too many.
        """
        value = document.value
        if not isinstance(value, dict):
            raise bad_request("error decoding YAML: expected an object")
        self._check_kind(value)
        _, unknown = schema.prune(value, self.resource.schema)
        if unknown:
            meta = value.get("metadata") or {}
            named = f"{meta.get('namespace', '')}/{meta.get('name', '')}".lstrip("/")
            kind = f"{self.resource.api_version}, Kind={self.resource.kind}"
            raise internal(
                f"failed to create typed patch object ({named}; {kind}): "
                f".{unknown[0]}: field not declared in schema"
            )
        return self.typed(value)

    def _warn(self, wrong: list[str]) -> None:
        if self.validation == "Warn":
            self.warnings.extend(wrong)

    def _pruned(self, value: Object) -> tuple[Object, list[str]]:
        obj, unknown = schema.prune(value, self.resource.schema)
        return obj, [f'unknown field "{name}"' for name in unknown]

    def _check_kind(self, value: Object) -> None:
        resource = self.resource
        told, kind = value.get("apiVersion"), value.get("kind")
        if not told and not kind and not resource.custom:
            return
        if not told or not kind:
            missing = "kind" if not kind else "apiVersion"
            raise bad_request(
                f"the object provided is unrecognized (must be of type {resource.kind}): "
                f"Object '{missing.capitalize()}' is missing"
            )
        if (
            kind != resource.kind
            or str(told).partition("/")[0] != (resource.api_version.partition("/")[0])
        ):
            raise bad_request(
                f"{kind} in version {_quoted(str(told).rpartition('/')[2])} cannot be handled as a "
                f"{resource.kind}: no kind {_quoted(str(kind))} is registered for version "
                f"{_quoted(str(told))}"
            )
        if told != resource.api_version:
            raise bad_request(
                f"the API version in the data ({told}) does not match the expected API version "
                f"({resource.api_version})"
            )

    def typed(self, value: Object) -> Object:
        """Complete an object: its kind, its defaults, and no empty metadata.

        Raises:
            ApiError: a built-in kind's field is of another type, which Go cannot read.
        """
        resource = self.resource
        meta = value.get("metadata") or {}
        if not isinstance(meta, dict):
            raise bad_request(self._unhandled("metadata must be an object"))
        kept = {name: item for name, item in meta.items() if item not in _EMPTY}
        whole = {
            **value,
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": kept,
        }
        if not resource.custom:
            whole = _without_nulls(whole)
            self._check_types(whole)
        return schema.default(whole, resource.schema)  # type: ignore[no-any-return] # an object in, an object out

    def _check_types(self, value: Object) -> None:
        for cause in schema.validate(value, self.resource.schema):
            if cause.reason == "FieldValueTypeInvalid":
                where = f"{self.resource.kind}.{cause.field}"
                raise bad_request(
                    self._unhandled(f"json: cannot unmarshal into Go struct field {where}")
                )

    def _unhandled(self, why: str) -> str:
        kind = self.resource.kind
        return f'{kind} in version "{self.resource.version}" cannot be handled as a {kind}: {why}'


_EMPTY: tuple[Any, ...] = (None, "", {}, [])


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _quoted(text: str) -> str:
    return f'"{text}"'
