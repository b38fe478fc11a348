r"""What does a protobuf body say: the built-in kinds, as kubectl and client-go send them.

Typed clients write built-in kinds as `application/vnd.kubernetes.protobuf`: the bytes `k8s\0`, an
envelope that names the kind, and the object. Field numbers are those of upstream's
`generated.proto` files. What is read comes out as the JSON of the same object.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from proxy.demo.cluster.objects import Object, timestamp
from proxy.demo.cluster.status import bad_request

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    read: Callable[[Any], Any]
    repeated: bool = False


_Message = Mapping[int, _Field]


def _text(value: bytes) -> str:
    return value.decode()


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _time(value: bytes) -> str | None:
    seconds = dict(_wire(value)).get(1)
    return timestamp(datetime.fromtimestamp(seconds, UTC)) if isinstance(seconds, int) else None


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _string(name: str) -> _Field:
    return _Field(name, _text)


def _strings(name: str) -> _Field:
    return _Field(name, _text, repeated=True)


def _flag(name: str) -> _Field:
    return _Field(name, bool)


def _number(name: str) -> _Field:
    return _Field(name, _signed)


def _part(name: str, message: _Message) -> _Field:
    return _Field(name, lambda value: _message(value, message))


def _parts(name: str, message: _Message) -> _Field:
    return _Field(name, lambda value: _message(value, message), repeated=True)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of a map; entries of one field are put together."""

    key: str
    value: Any


def _map(name: str, read: Callable[[bytes], Any] = _text) -> _Field:
    def entry(value: bytes) -> _Entry:
        found = dict(_wire(value))
        return _Entry(_text(found.get(1, b"")), read(found.get(2, b"")))

    return _Field(name, entry, repeated=True)


_OWNER: _Message = {
    1: _string("kind"),
    3: _string("name"),
    4: _string("uid"),
    5: _string("apiVersion"),
    6: _flag("controller"),
    7: _flag("blockOwnerDeletion"),
}
_META: _Message = {
    1: _string("name"),
    2: _string("generateName"),
    3: _string("namespace"),
    5: _string("uid"),
    6: _string("resourceVersion"),
    7: _number("generation"),
    8: _Field("creationTimestamp", _time),
    9: _Field("deletionTimestamp", _time),
    10: _number("deletionGracePeriodSeconds"),
    11: _map("labels"),
    12: _map("annotations"),
    13: _parts("ownerReferences", _OWNER),
    14: _strings("finalizers"),
}
_REFERENCE: _Message = {
    1: _string("kind"),
    2: _string("namespace"),
    3: _string("name"),
    4: _string("uid"),
    5: _string("apiVersion"),
    6: _string("resourceVersion"),
    7: _string("fieldPath"),
}
_RULE: _Message = {
    1: _strings("verbs"),
    2: _strings("apiGroups"),
    3: _strings("resources"),
    4: _strings("resourceNames"),
    5: _strings("nonResourceURLs"),
}
_SUBJECT: _Message = {
    1: _string("kind"),
    2: _string("apiGroup"),
    3: _string("name"),
    4: _string("namespace"),
}
_ROLE_REF: _Message = {1: _string("apiGroup"), 2: _string("kind"), 3: _string("name")}
_ROLE: _Message = {1: _part("metadata", _META), 2: _parts("rules", _RULE)}
_BINDING: _Message = {
    1: _part("metadata", _META),
    2: _parts("subjects", _SUBJECT),
    3: _part("roleRef", _ROLE_REF),
}
_RESOURCE_ATTRIBUTES: _Message = {
    1: _string("namespace"),
    2: _string("verb"),
    3: _string("group"),
    4: _string("version"),
    5: _string("resource"),
    6: _string("subresource"),
    7: _string("name"),
}
_ACCESS: _Message = {
    1: _part("resourceAttributes", _RESOURCE_ATTRIBUTES),
    2: _part("nonResourceAttributes", {1: _string("path"), 2: _string("verb")}),
}
_TOKEN: _Message = {
    1: _strings("audiences"),
    3: _part(
        "boundObjectRef",
        {1: _string("kind"), 2: _string("apiVersion"), 3: _string("name"), 4: _string("uid")},
    ),
    4: _number("expirationSeconds"),
}

_KINDS: Mapping[str, _Message] = {
    "ClusterRole": _ROLE,
    "ClusterRoleBinding": _BINDING,
    "ConfigMap": {
        1: _part("metadata", _META),
        2: _map("data"),
        3: _map("binaryData", _base64),
        4: _flag("immutable"),
    },
    "DeleteOptions": {
        1: _number("gracePeriodSeconds"),
        2: _part("preconditions", {1: _string("uid"), 2: _string("resourceVersion")}),
        3: _flag("orphanDependents"),
        4: _string("propagationPolicy"),
        5: _strings("dryRun"),
    },
    "Namespace": {
        1: _part("metadata", _META),
        2: _part("spec", {1: _strings("finalizers")}),
        3: _part("status", {1: _string("phase")}),
    },
    "Role": _ROLE,
    "RoleBinding": _BINDING,
    "Secret": {
        1: _part("metadata", _META),
        2: _map("data", _base64),
        3: _string("type"),
        4: _map("stringData"),
        5: _flag("immutable"),
    },
    "SelfSubjectAccessReview": {1: _part("metadata", _META), 2: _part("spec", _ACCESS)},
    "SelfSubjectReview": {1: _part("metadata", _META)},
    "SelfSubjectRulesReview": {
        1: _part("metadata", _META),
        2: _part("spec", {1: _string("namespace")}),
    },
    "ServiceAccount": {
        1: _part("metadata", _META),
        2: _parts("secrets", _REFERENCE),
        3: _parts("imagePullSecrets", {1: _string("name")}),
        4: _flag("automountServiceAccountToken"),
    },
    "TokenRequest": {1: _part("metadata", _META), 2: _part("spec", _TOKEN)},
}


def decode(body: bytes) -> Object:
    """Read an object in its envelope.

    Raises:
        ApiError: it is not one, or not of a kind known here.
    """
    if not body.startswith(_MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message")
    try:
        envelope = dict(_wire(body[len(_MAGIC) :]))
        told = _message(envelope.get(1, b""), {1: _string("apiVersion"), 2: _string("kind")})
        kind = told.get("kind", "")
        if kind not in _KINDS:
            raise bad_request(f'no kind "{kind}" is registered')
        return {**told, **_message(envelope.get(2, b""), _KINDS[kind])}
    except (ValueError, IndexError, TypeError, AttributeError) as exc:
        raise bad_request(f"unable to decode protobuf: {exc}") from exc


def _message(body: bytes, known: _Message) -> Object:
    found: Object = {}
    for number, value in _wire(body):
        field = known.get(number)
        if field is None:
            continue
        item = field.read(value)
        if isinstance(item, _Entry):
            found.setdefault(field.name, {})[item.key] = item.value
        elif field.repeated:
            found.setdefault(field.name, []).append(item)
        elif item not in (None, ""):
            found[field.name] = item
    return found


def _wire(body: bytes) -> Iterator[tuple[int, Any]]:
    """Give the fields of a message: number, and an integer or bytes."""
    place = 0
    while place < len(body):
        tag, place = _varint(body, place)
        match tag & 7:
            case 0:  # a number
                value, place = _varint(body, place)
                yield tag >> 3, value
            case 2:  # bytes, text or a message
                size, place = _varint(body, place)
                if place + size > len(body):
                    raise ValueError("unexpected EOF")
                yield tag >> 3, body[place : place + size]
                place += size
            case 1:  # eight bytes, which no field here has
                place += 8
            case 5:  # four bytes, which no field here has
                place += 4
            case kind:
                raise ValueError(f"wrong wireType = {kind}")


def _varint(body: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = body[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("integer overflow")
