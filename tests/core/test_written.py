"""A secret in a body answers the same questions in each encoding."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from proxy.core import media, protobuf, written
from proxy.core.errors import BadRequest, UnsupportedMediaType
from proxy.core.narrowing import STAMP, STAMPED
from proxy.core.written import Secret
from tests.core.test_protobuf import SECRET, V1


def as_json(**metadata: Any) -> bytes:
    return json.dumps(
        {"kind": "Secret", "apiVersion": "v1", "metadata": metadata, "data": {"value": "YWJj"}}
    ).encode()


def as_protobuf(**metadata: Any) -> bytes:
    secret = protobuf.decode(SECRET, "Secret", V1)
    secret.ClearField("metadata")
    for key, value in metadata.pop("labels", {}).items():
        secret.metadata.labels.add(key=key, value=value)
    for field, value in metadata.items():
        setattr(secret.metadata, field, value)
    return protobuf.encode(secret, "Secret", "v1")


ENCODINGS: list[tuple[str, Callable[..., bytes]]] = [
    (media.JSON, as_json),
    (media.PROTOBUF, as_protobuf),
]
every_encoding = pytest.mark.parametrize(("encoding", "write"), ENCODINGS, ids=["json", "protobuf"])


def labels_of(body: bytes, encoding: str) -> dict[str, str]:
    if encoding == media.JSON:
        labels: dict[str, str] = json.loads(body)["metadata"]["labels"]
        return labels
    found = protobuf.decode(body, "Secret", V1).metadata.labels
    assert len({label.key for label in found}) == len(found)
    return {label.key: label.value for label in found}


@every_encoding
def test_a_secret_says_where_it_belongs(encoding: str, write: Callable[..., bytes]) -> None:
    secret = written.read(write(name="u", namespace="n", resourceVersion="7"), encoding)
    found = (secret.name, secret.namespace, secret.resource_version, secret.type)
    assert found == ("u", "n", "7", "")


@every_encoding
@pytest.mark.parametrize("before", [{}, {"a": "b"}, {STAMP: "false"}, {STAMP: "true", "a": "b"}])
def test_the_stamp_is_put_beside_the_other_labels(
    encoding: str, write: Callable[..., bytes], before: dict[str, str]
) -> None:
    secret = written.read(write(name="u", labels=before), encoding)
    assert labels_of(secret.stamped(""), encoding) == {**before, STAMP: STAMPED}


@every_encoding
def test_a_version_is_pinned_over_the_writers_own(
    encoding: str, write: Callable[..., bytes]
) -> None:
    secret = written.read(write(name="u", resourceVersion="7"), encoding)
    assert version_of(written.read(secret.stamped("9"), encoding)) == "9"
    assert version_of(written.read(secret.stamped(""), encoding)) == "7"


def version_of(secret: Secret) -> str:
    return secret.resource_version


@every_encoding
def test_the_data_is_left_alone(encoding: str, write: Callable[..., bytes]) -> None:
    stamped = written.read(write(name="u"), encoding).stamped("9")
    assert b"YWJj" in stamped if encoding == media.JSON else b"\x05value\x12\x03abc" in stamped


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"kind":"ConfigMap"}',
        b'{"apiVersion":"v2"}',
        b'{"metadata":[]}',
        b'{"metadata":{"labels":"x"}}',
        b'{"metadata":{"name":1}}',
        b'{"type":{}}',
    ],
)
def test_a_secret_of_the_wrong_shape_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        written.read(body, media.JSON)


def test_a_stamp_given_twice_in_protobuf_is_one() -> None:
    secret = protobuf.decode(SECRET, "Secret", V1)
    for value in ("true", "false"):
        secret.metadata.labels.add(key=STAMP, value=value)
    stamped = written.read(protobuf.encode(secret, "Secret", "v1"), media.PROTOBUF).stamped("")
    assert labels_of(stamped, media.PROTOBUF) == {STAMP: STAMPED}


TOKEN_TYPE = b"kubernetes.io/service-account-token"


def test_a_field_that_only_the_apiserver_would_know_is_refused() -> None:
    secret = protobuf.decode(SECRET, "Secret", V1)
    for message in (secret, secret.metadata):
        message.MergeFromString(b"\xfa\x01\x01x")  # field 31
        with pytest.raises(UnsupportedMediaType):
            written.read(protobuf.encode(secret, "Secret", "v1"), media.PROTOBUF)
        message.DiscardUnknownFields()


@pytest.mark.parametrize(
    "tag",
    [
        b"\x9a\x80\x80\x80\x80\x01",  # 2**32 + 3, which gogo cuts to 3
        b"\x9b",  # a group
        b"\x18\x01\x1a",  # a number, then the text
    ],
)
def test_a_type_in_disguise_is_refused(tag: bytes) -> None:
    disguised = protobuf._CLASSES["Unknown"](raw=tag + bytes([len(TOKEN_TYPE)]) + TOKEN_TYPE)
    disguised.typeMeta.kind, disguised.typeMeta.apiVersion = "Secret", "v1"
    body = b"k8s\x00" + disguised.SerializeToString()
    with pytest.raises((BadRequest, UnsupportedMediaType)):
        written.read(body, media.PROTOBUF)


def test_a_type_with_a_tag_longer_than_it_need_be_is_not_overlooked() -> None:
    padded = protobuf._CLASSES["Unknown"](raw=b"\x9a\x80\x00\x03abc")
    padded.typeMeta.kind, padded.typeMeta.apiVersion = "Secret", "v1"
    with suppress(UnsupportedMediaType):  # the library's slow form does not know it
        assert written.read(b"k8s\x00" + padded.SerializeToString(), media.PROTOBUF).type == "abc"


def test_a_type_given_twice_is_written_once() -> None:
    secret = protobuf.decode(SECRET, "Secret", V1)
    twice = protobuf.encode(secret, "Secret", "v1").replace(
        b"\x1a\x00\x22\x00", b"\x1a\x00\x1a\x00"
    )
    assert written.read(twice, media.PROTOBUF).stamped("").count(b"\x1a\x00") == 1
