"""What a secret in a body says: the same questions, whatever its encoding.

A body is read, judged, amended (stamped, pinned to a version) and written
back in the encoding it came in. What a tenant may set freely is not looked
into and stays. A field that is unknown stays in JSON, where every reader sees
the same, and is refused in protobuf, where readers differ.
"""

from typing import Any, Protocol

from proxy.core import body, media, owners, protobuf
from proxy.core.narrowing import STAMP, STAMPED


class Secret(Protocol):
    """A secret as somebody wrote it. Fields that are left out are empty strings."""

    namespace: str
    name: str
    type: str
    resource_version: str
    owners: list[Any]

    def stamped(self, resource_version: str) -> bytes:
        """The body anew, with the stamp, and pinned to a version unless that is empty."""
        ...


def read(written: bytes, encoding: str) -> Secret:
    """Read a secret.

    Raises:
        BadRequest: it is not one, or a field has the wrong shape.
        UnsupportedMediaType: it is protobuf with a field that we do not know.
    """
    return _ProtobufSecret(written) if encoding == media.PROTOBUF else _JsonSecret(written)


class _JsonSecret:
    def __init__(self, written: bytes) -> None:
        self._object = found = body.parse_object(written)
        body.check_kind(found, "Secret", "v1")
        metadata = body.section(found, "metadata", "metadata")
        self._labels = body.section(metadata, "labels", "metadata.labels")
        self.namespace = body.text(metadata, "namespace", "metadata.namespace")
        self.name = body.text(metadata, "name", "metadata.name")
        self.resource_version = body.text(metadata, "resourceVersion", "metadata.resourceVersion")
        self.type = body.text(found, "type", "type")
        self.owners = owners.of(found)

    def stamped(self, resource_version: str) -> bytes:
        metadata = {**self._object["metadata"], "labels": {**self._labels, STAMP: STAMPED}}
        if resource_version:
            metadata["resourceVersion"] = resource_version
        return body.render({**self._object, "metadata": metadata})


class _ProtobufSecret:
    def __init__(self, written: bytes) -> None:
        self._message: Any = protobuf.decode(written, "Secret", frozenset({"v1"}))
        metadata = self._message.metadata
        protobuf.refuse_unknown(self._message)
        self.namespace = metadata.namespace
        self.name = metadata.name
        self.resource_version = metadata.resourceVersion
        self.type = self._message.type
        self.owners = [protobuf.as_object(owner) for owner in metadata.ownerReferences]

    def stamped(self, resource_version: str) -> bytes:
        amended = type(self._message)()
        amended.CopyFrom(self._message)
        labels = amended.metadata.labels
        kept = [label for label in labels if label.key != STAMP]
        del labels[:]
        labels.extend(kept)
        labels.add(key=STAMP, value=STAMPED)
        if resource_version:
            amended.metadata.resourceVersion = resource_version
        return protobuf.encode(amended, "Secret", "v1")
