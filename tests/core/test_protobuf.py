"""Kubernetes' protobuf, on the very bytes that kubectl 1.32 sends."""

import base64

import pytest

from proxy.core import protobuf
from proxy.core.errors import BadRequest, UnsupportedMediaType

V1 = frozenset({"v1"})
AUTHORIZATION = frozenset({"authorization.k8s.io/v1"})

# kubectl create secret generic u0 --from-literal=value=abc -n blue-dev
SECRET = base64.b64decode(
    "azhzAAoMCgJ2MRIGU2VjcmV0EiwKGgoCdTASABoIYmx1ZS1kZXYiACoAMgA4AEIAEgwKBXZhbHVlEgNhYmMaABoAIgA="
)
# kubectl auth can-i create hostclaims.metal3.io -n blue-dev, before discovery
ACCESS_REVIEW = base64.b64decode(
    "azhzAAoyChdhdXRob3JpemF0aW9uLms4cy5pby92MRIXU2VsZlN1YmplY3RBY2Nlc3NSZXZpZXcSUAoQCgASABoAIgAqADIA"
    "OABCABIyCjAKCGJsdWUtZGV2EgZjcmVhdGUaACIAKhRob3N0Y2xhaW1zLm1ldGFsMy5pbzIAOgAaCAgAEgAaACAAGgAiAA=="
)


def test_a_secret_of_kubectl_is_read() -> None:
    secret = protobuf.decode(SECRET, "Secret", V1)
    assert (secret.metadata.name, secret.metadata.namespace, secret.type) == ("u0", "blue-dev", "")


def test_fields_that_are_not_looked_into_survive() -> None:
    secret = protobuf.decode(SECRET, "Secret", V1)
    again = protobuf.decode(protobuf.encode(secret, "Secret", "v1"), "Secret", V1)
    assert again.SerializeToString() == secret.SerializeToString()
    assert b"\x12\x0c\n\x05value\x12\x03abc" in again.SerializeToString()


def test_a_review_of_kubectl_is_read() -> None:
    review = protobuf.decode(ACCESS_REVIEW, "SelfSubjectAccessReview", AUTHORIZATION)
    review.DiscardUnknownFields()
    asked = protobuf.as_object(review)["spec"]["resourceAttributes"]
    assert (asked["verb"], asked["resource"]) == ("create", "hostclaims.metal3.io")


def test_a_field_that_is_not_known_is_refused() -> None:
    # kubectl sends an empty status along, which no review has to ask with.
    review = protobuf.decode(ACCESS_REVIEW, "SelfSubjectAccessReview", AUTHORIZATION)
    with pytest.raises(UnsupportedMediaType):
        protobuf.as_object(review)


def test_numbers_of_64_bits_are_numbers_as_in_kubernetes_json() -> None:
    options = protobuf._CLASSES["DeleteOptions"](gracePeriodSeconds=30, dryRun=["All"])
    assert protobuf.as_object(options) == {"gracePeriodSeconds": 30, "dryRun": ["All"]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"k8s",
        b"{}",
        SECRET[4:],
        b"K8S\x00" + SECRET[4:],
        SECRET[:-3],
        SECRET + b"\xff",
        SECRET.replace(b"Secret", b"Secreu"),
        SECRET.replace(b"v1", b"v2"),
        SECRET.replace(b"v1", b"\xff\xff"),
    ],
)
def test_what_is_no_secret_in_an_envelope_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        protobuf.decode(body, "Secret", V1)


@pytest.mark.parametrize("field", ["contentEncoding", "contentType"])
def test_an_envelope_around_another_encoding_is_refused(field: str) -> None:
    number = {"contentEncoding": 3, "contentType": 4}[field]
    nested = SECRET.removesuffix(b"\x1a\x00\x22\x00") + bytes([number << 3 | 2, 4]) + b"gzip"
    with pytest.raises(UnsupportedMediaType):
        protobuf.decode(nested, "Secret", V1)


@pytest.mark.parametrize("text", [b"u0", b"blue-dev"])
def test_a_text_that_is_not_utf8_is_refused(text: bytes) -> None:
    with pytest.raises(BadRequest, match="is not UTF-8"):
        protobuf.decode(SECRET.replace(text, b"\xff" * len(text)), "Secret", V1)


def test_a_text_in_a_list_is_checked_too() -> None:
    secret = protobuf.decode(SECRET, "Secret", V1)
    secret.metadata.labels.add(key="team", value="blue")
    body = protobuf.encode(secret, "Secret", "v1")
    with pytest.raises(BadRequest, match="value is not UTF-8"):
        protobuf.decode(
            body.replace(b"blue", b"blu\xff", 2).replace(b"blu\xff-", b"blue-"), "Secret", V1
        )


def test_more_values_than_an_object_has_are_refused() -> None:
    secret = protobuf.decode(SECRET, "Secret", V1)
    for number in range(10_001):
        secret.metadata.labels.add(key=str(number))
    with pytest.raises(BadRequest, match="more values"):
        protobuf.decode(protobuf.encode(secret, "Secret", "v1"), "Secret", V1)
