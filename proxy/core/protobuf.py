r"""Kubernetes' protobuf: read what typed clients send, and amend it.

kubectl's typed commands and controller-runtime write Secrets and reviews as
`application/vnd.kubernetes.protobuf`: the bytes `k8s\0`, then a
`runtime.Unknown` that wraps the object (apimachinery,
`runtime/serializer/protobuf`). The messages below have the numbers of the
API's published `generated.proto`; what is only carried along is bytes. A body
with a field that is not among them is refused, since the apiserver might read
something in it; an answer of the apiserver's may have any.
"""

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError

from proxy.core.body import Object
from proxy.core.errors import BadRequest, UnsupportedMediaType

# Reading more than any Kubernetes object has would hold up every other request.
_MAX_VALUES: Final = 10_000

_MAGIC: Final = b"k8s\x00"
_PACKAGE: Final = "hostclaim_proxy"

_Field: Final = descriptor_pb2.FieldDescriptorProto
_String: Final = _Field.TYPE_STRING
_Bytes: Final = _Field.TYPE_BYTES
_Bool: Final = _Field.TYPE_BOOL
_Int64: Final = _Field.TYPE_INT64

# Message -> field -> (number, type). A type is a scalar, the name of another
# message, or either in a list, which means repeated. Maps are spelt out as
# repeated entries, which is what they are on the wire. A message that is not
# looked into is bytes, which is what it is on the wire, too.
_MESSAGES: Final[dict[str, dict[str, tuple[int, Any]]]] = {
    "Unknown": {
        "typeMeta": (1, "TypeMeta"),
        "raw": (2, _Bytes),
        "contentEncoding": (3, _String),
        "contentType": (4, _String),
    },
    "TypeMeta": {"apiVersion": (1, _String), "kind": (2, _String)},
    "Label": {"key": (1, _String), "value": (2, _String)},
    "ObjectMeta": {
        "name": (1, _String),
        "generateName": (2, _String),
        "namespace": (3, _String),
        "selfLink": (4, _String),
        "uid": (5, _String),
        "resourceVersion": (6, _String),
        "generation": (7, _Int64),
        "creationTimestamp": (8, _Bytes),
        "deletionTimestamp": (9, _Bytes),
        "deletionGracePeriodSeconds": (10, _Int64),
        "labels": (11, ["Label"]),
        "annotations": (12, [_Bytes]),
        "ownerReferences": (13, ["OwnerReference"]),
        "finalizers": (14, [_Bytes]),
        "clusterName": (15, _String),
        "managedFields": (17, [_Bytes]),
    },
    "OwnerReference": {
        "kind": (1, _String),
        "name": (3, _String),
        "uid": (4, _String),
        "apiVersion": (5, _String),
        "controller": (6, _Bool),
        "blockOwnerDeletion": (7, _Bool),
    },
    "PartialObjectMetadata": {"metadata": (1, "ObjectMeta")},
    "Secret": {
        "metadata": (1, "ObjectMeta"),
        "data": (2, [_Bytes]),
        "type": (3, _String),
        "stringData": (4, [_Bytes]),
        "immutable": (5, _Bool),
    },
    "Preconditions": {"uid": (1, _String), "resourceVersion": (2, _String)},
    "DeleteOptions": {
        "gracePeriodSeconds": (1, _Int64),
        "preconditions": (2, "Preconditions"),
        "orphanDependents": (3, _Bool),
        "propagationPolicy": (4, _String),
        "dryRun": (5, [_String]),
    },
    "ResourceAttributes": {
        "namespace": (1, _String),
        "verb": (2, _String),
        "group": (3, _String),
        "version": (4, _String),
        "resource": (5, _String),
        "subresource": (6, _String),
        "name": (7, _String),
        "fieldSelector": (8, "SelectorAttributes"),
        "labelSelector": (9, "SelectorAttributes"),
    },
    "SelectorAttributes": {
        "rawSelector": (1, _String),
        "requirements": (2, ["SelectorRequirement"]),
    },
    "SelectorRequirement": {
        "key": (1, _String),
        "operator": (2, _String),
        "values": (3, [_String]),
    },
    "NonResourceAttributes": {"path": (1, _String), "verb": (2, _String)},
    "SelfSubjectAccessReview": {
        "metadata": (1, "ObjectMeta"),
        "spec": (2, "SelfSubjectAccessReviewSpec"),
    },
    "SelfSubjectAccessReviewSpec": {
        "resourceAttributes": (1, "ResourceAttributes"),
        "nonResourceAttributes": (2, "NonResourceAttributes"),
    },
    "SelfSubjectRulesReview": {
        "metadata": (1, "ObjectMeta"),
        "spec": (2, "SelfSubjectRulesReviewSpec"),
    },
    "SelfSubjectRulesReviewSpec": {"namespace": (1, _String)},
    "SelfSubjectReview": {"metadata": (1, "ObjectMeta")},
}
_WITH_LABELS: Final = frozenset({("v1", "Secret"), ("meta.k8s.io/v1", "PartialObjectMetadata")})


def decode(body: bytes, kind: str, api_versions: frozenset[str]) -> Any:
    """Read an object of a known kind out of its envelope; returns its message.

    Raises:
        BadRequest: it is not an envelope, or not around such an object.
        UnsupportedMediaType: the envelope says that it wraps another encoding.
    """
    envelope = _open(body)
    found = envelope.typeMeta
    if found.kind != kind or found.apiVersion not in api_versions:
        raise BadRequest(f"the body must be a {kind} of {' or '.join(sorted(api_versions))}")
    if envelope.contentEncoding or envelope.contentType:
        raise UnsupportedMediaType("an envelope around another encoding is not served")
    return _parse(kind, envelope.raw)


def labels(answer: bytes) -> dict[str, str]:
    """The labels of a secret, or of its metadata, as the apiserver wrote it.

    There are none if it is something else. Fields that we do not know are no concern
    here: they do not come from a tenant, and an answer goes on as it came.

    Raises:
        BadRequest: it is not an envelope.
    """
    envelope = _open(answer)
    found = envelope.typeMeta
    if (found.apiVersion, found.kind) not in _WITH_LABELS or envelope.contentEncoding:
        return {}
    metadata = _parse(found.kind, envelope.raw).metadata
    return {label.key: label.value for label in metadata.labels}


def encode(message: Any, kind: str, api_version: str) -> bytes:
    """Write an object in its envelope."""
    envelope = _CLASSES["Unknown"]()
    envelope.typeMeta.apiVersion = api_version
    envelope.typeMeta.kind = kind
    envelope.raw = message.SerializeToString()
    written: bytes = _MAGIC + envelope.SerializeToString()
    return written


def as_object(message: Any) -> Object:
    """A message as the JSON object that says the same.

    Raises:
        UnsupportedMediaType: it has a field that we do not know.
    """
    refuse_unknown(message)
    found: Object = MessageToDict(message)
    # Protobuf's own JSON writes 64-bit numbers as strings, Kubernetes' does not.
    return found | {
        field.json_name: value for field, value in message.ListFields() if field.type == _Int64
    }


def refuse_unknown(message: Any) -> None:
    """Refuse a message with a field that we do not know, for another reader may know it.

    gogo, the apiserver's reader, cuts a field's number to 32 bits, so a `type`
    can be written as a field that is none to a library here.

    Raises:
        UnsupportedMediaType: it has one.
    """
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    if known.ByteSize() != message.ByteSize():
        raise UnsupportedMediaType("the body has fields that are only read in JSON")


def _open(body: bytes) -> Any:
    if not body.startswith(_MAGIC):
        raise BadRequest("the body does not begin as Kubernetes' protobuf does")
    return _parse("Unknown", body.removeprefix(_MAGIC))


def _parse(name: str, data: bytes) -> Any:
    message = _CLASSES[name]()
    try:
        message.ParseFromString(data)
    except (DecodeError, ValueError) as exc:
        raise BadRequest("the body is not protobuf as its envelope says") from exc
    _check_text(message, [_MAX_VALUES])
    return message


def _check_text(message: Any, left: list[int]) -> None:
    """Refuse a string that is not UTF-8, which this library would hand out as bytes."""
    for field, found in message.ListFields():
        values = found if field.is_repeated else [found]
        left[0] -= len(values)
        if left[0] < 0:
            raise BadRequest("the body has more values than an object has")
        for value in values:
            if field.type == _Field.TYPE_MESSAGE:
                _check_text(value, left)
            elif field.type == _Field.TYPE_STRING and not isinstance(value, str):
                raise BadRequest(f"{field.name} is not UTF-8")


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="hostclaim_proxy.proto", package=_PACKAGE, syntax="proto2"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            message.field.append(_field(field, number, kind))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


def _field(name: str, number: int, kind: Any) -> descriptor_pb2.FieldDescriptorProto:
    label = _Field.LABEL_REPEATED if isinstance(kind, list) else _Field.LABEL_OPTIONAL
    (one,) = kind if isinstance(kind, list) else (kind,)
    if isinstance(one, str):
        message, type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{one}"
        return _Field(name=name, number=number, label=label, type=message, type_name=type_name)
    return _Field(name=name, number=number, label=label, type=one)


_CLASSES: Final = _classes()
