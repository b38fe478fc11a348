"""Built-in kinds are read as typed clients write them."""

import pytest

from proxy.demo.cluster import protobuf
from proxy.demo.cluster.status import ApiError
from tests.demo.cluster.asking import CLAIMS, SECRETS, Api


def field(number: int, content: bytes) -> bytes:
    """Write one length-delimited field; short ones only."""
    return bytes([number << 3 | 2, len(content)]) + content


def envelope(kind: bytes, content: bytes) -> bytes:
    told = field(1, b"v1") + field(2, kind)
    return b"k8s\x00" + field(1, told) + field(2, content)


ENTRY = field(1, b"user") + field(2, b"me")
META = field(1, b"one") + field(11, ENTRY) + field(14, b"x/y")
SECRET = envelope(b"Secret", field(1, META) + field(2, ENTRY) + field(3, b"Opaque"))


def test_a_secret_is_read() -> None:
    assert protobuf.decode(SECRET) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "one", "labels": {"user": "me"}, "finalizers": ["x/y"]},
        "data": {"user": "bWU="},
        "type": "Opaque",
    }


def test_a_secret_is_created_from_it(api: Api) -> None:
    made = api.ask("POST", SECRETS, SECRET, protobuf.MEDIA_TYPE)
    assert (made["data"], made["metadata"]["name"]) == ({"user": "bWU="}, "one")


def test_an_unknown_field_is_passed_by() -> None:
    body = envelope(b"Namespace", field(1, field(1, b"one")) + bytes([15 << 3, 1]))
    assert protobuf.decode(body)["metadata"] == {"name": "one"}


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"k8s\x00\x0a\xff", SECRET[:-1], envelope(b"Pod", b""), b"k8s\x00\x0f"]
)
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        protobuf.decode(body)
    assert refused.value.code == 400


def test_custom_resources_have_no_protobuf(api: Api) -> None:
    assert api.refusal("POST", CLAIMS, SECRET, protobuf.MEDIA_TYPE)[0] == 415
