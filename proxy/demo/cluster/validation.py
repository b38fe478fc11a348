"""Is the metadata fit: names, labels, finalizers and owners.

The rules and words of `k8s.io/apimachinery/pkg/api/validation`.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from proxy.demo.cluster.builtin import NAMESPACES, RBAC
from proxy.demo.cluster.objects import Object, metadata
from proxy.demo.cluster.resources import Resource
from proxy.demo.cluster.status import Cause

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"

_SUBDOMAIN_TOLD = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    f"for validation is '{_SUBDOMAIN}')"
)
_LABEL_TOLD = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    f"for validation is '{_LABEL}')"
)
QUALIFIED_TOLD = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    f"validation is '{_QUALIFIED}')"
)
VALUE_TOLD = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    f"or '12345', regex used for validation is '{_LABEL_VALUE}')"
)


def invalid(field: str, value: Any, why: str) -> Cause:
    """A field whose value is wrong."""
    told = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return Cause("FieldValueInvalid", f"Invalid value: {told}: {why}", field)


def required(field: str, why: str = "") -> Cause:
    """A field that is missing."""
    return Cause("FieldValueRequired", f"Required value: {why}" if why else "Required value", field)


def refused(field: str, why: str) -> Cause:
    """A field that may not be so now."""
    return Cause("FieldValueForbidden", f"Forbidden: {why}", field)


def validate_metadata(resource: Resource, obj: Object) -> list[Cause]:
    """Name what is wrong with an object's metadata."""
    meta = metadata(obj)
    return [
        *_name(resource, meta),
        *_labels(meta.get("labels") or {}),
        *_annotations(meta.get("annotations") or {}),
        *_owners(meta.get("ownerReferences") or []),
        *_finalizers(meta.get("finalizers") or []),
    ]


def validate_metadata_update(before: Object, after: Object) -> list[Cause]:
    """Name what an update may not change in the metadata."""
    was, now = metadata(before), metadata(after)
    going = now.get("deletionTimestamp")
    found = (
        [invalid("metadata.deletionTimestamp", going, "field is immutable")]
        if going is not None and going != was.get("deletionTimestamp")
        else []
    )
    added = sorted(set(now.get("finalizers") or ()) - set(was.get("finalizers") or ()))
    if was.get("deletionTimestamp") and added:
        told = ", ".join(f'"{name}"' for name in added)
        found.append(
            refused(
                "metadata.finalizers",
                "no new finalizers can be added if the object is being deleted, found new "
                f"finalizers []string{{{told}}}",
            )
        )
    return found


def _name(resource: Resource, meta: Object) -> Iterator[Cause]:
    name = meta.get("name") or ""
    if not name:
        yield required("metadata.name", "name or generateName is required")
        return
    check = _NAMES.get(resource.group, _subdomain)
    for why in (_label if resource is NAMESPACES else check)(name):
        yield invalid("metadata.name", name, why)


def _subdomain(name: str) -> Iterator[str]:
    if not re.fullmatch(_SUBDOMAIN, name):
        yield _SUBDOMAIN_TOLD
    if len(name) > 253:
        yield "must be no more than 253 bytes"


def _label(name: str) -> Iterator[str]:
    if not re.fullmatch(_LABEL, name):
        yield _LABEL_TOLD
    if len(name) > 63:
        yield "must be no more than 63 bytes"


def _path_segment(name: str) -> Iterator[str]:
    if name in {".", ".."}:
        yield f"may not be '{name}'"
    for character in ("/", "%"):
        if character in name:
            yield f"may not contain '{character}'"


_NAMES: Mapping[str, Callable[[str], Iterator[str]]] = {RBAC: _path_segment}


def _qualified(key: str) -> Iterator[str]:
    prefix, slash, name = key.rpartition("/")
    if slash and not re.fullmatch(_SUBDOMAIN, prefix):
        yield f"prefix part {_SUBDOMAIN_TOLD}"
    if not re.fullmatch(_QUALIFIED, name):
        yield QUALIFIED_TOLD
    if len(name) > 63:
        yield "name part must be no more than 63 bytes"


def _labels(labels: Mapping[str, Any]) -> Iterator[Cause]:
    for key, value in labels.items():
        for why in _qualified(key):
            yield invalid("metadata.labels", key, why)
        if isinstance(value, str) and not re.fullmatch(_LABEL_VALUE, value):
            yield invalid("metadata.labels", value, VALUE_TOLD)
        if isinstance(value, str) and len(value) > 63:
            yield invalid("metadata.labels", value, "must be no more than 63 bytes")


def _annotations(annotations: Mapping[str, Any]) -> Iterator[Cause]:
    for key in annotations:
        for why in _qualified(key.lower()):
            yield invalid("metadata.annotations", key, why)
    size = sum(len(key) + len(str(value)) for key, value in annotations.items())
    if size > 256 * 1024:
        told = "Too long: may not be more than 262144 bytes"
        yield Cause("FieldValueTooLong", told, "metadata.annotations")


def _owners(owners: list[Object]) -> Iterator[Cause]:
    for index, owner in enumerate(owners):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                where = f"metadata.ownerReferences[{index}].{field}"
                yield required(where, "must not be empty")
    if sum(1 for owner in owners if owner.get("controller")) > 1:
        yield invalid(
            "metadata.ownerReferences",
            owners,
            "Only one reference can have Controller set to true",
        )


def _finalizers(finalizers: list[str]) -> Iterator[Cause]:
    for index, name in enumerate(finalizers):
        for why in _qualified(name):
            yield invalid(f"metadata.finalizers[{index}]", name, why)
