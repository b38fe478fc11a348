"""What comes back: nothing that was not judged, and no header that tells too much."""

from typing import Any

import pytest

from proxy.core import filtering
from proxy.core.errors import BadGateway, Unavailable
from proxy.core.narrowing import STAMP
from proxy.core.wire import Reply
from tests.core.asking import FOUND, PROTOBUF, protobuf_reply, reply

STAMPED = {"metadata": {"labels": {STAMP: "true", "app": "x"}}}


def test_a_client_gets_a_short_list_of_headers() -> None:
    kept = (("content-type", "a"), ("Retry-After", "1"), ("Warning", "299 - x"))
    dropped = (("Set-Cookie", "a"), ("Location", "/"), ("X-Kubernetes-Pf-Flowschema-Uid", "u"))
    assert filtering.headers((*kept, *dropped)) == kept


@pytest.mark.parametrize("code", [200, 201, 202, 400, 403, 404, 409, 410, 422, 429, 500, 503])
def test_an_answer_can_be_the_clients(code: int) -> None:
    filtering.check(code)


@pytest.mark.parametrize("code", [100, 101, 103, 300, 301, 302, 307, 399])
def test_a_redirect_or_an_upgrade_is_never_followed(code: int) -> None:
    with pytest.raises(BadGateway):
        filtering.check(code)


def test_a_client_is_not_told_to_renew_credentials_that_are_ours() -> None:
    with pytest.raises(Unavailable):
        filtering.check(401)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[]", b"null", b"k8s\x00"])
def test_an_answer_that_is_no_object_is_a_fault_of_the_gateway(body: bytes) -> None:
    with pytest.raises(BadGateway):
        filtering.parse_reply(Reply(200, (), body))


@pytest.mark.parametrize(
    ("found", "is_tenant_secret"),
    [
        (STAMPED, True),
        ({"kind": "PartialObjectMetadata", **STAMPED}, True),
        ({"kind": "Table", "rows": [{"cells": ["a"], "object": STAMPED}]}, True),
        ({}, False),
        ({"metadata": None}, False),
        ({"metadata": {"labels": None}}, False),
        ({"metadata": {"labels": [STAMP]}}, False),
        ({"metadata": {"labels": {STAMP: "false"}}}, False),
        ({"metadata": {"labels": {STAMP: True}}}, False),
        ({"metadata": {"labels": {STAMP: ""}}}, False),
        ({"metadata": {"labels": {f"{STAMP}-not": "true"}}}, False),
        ({"metadata": {"annotations": {STAMP: "true"}}}, False),
        ({"labels": {STAMP: "true"}}, False),
        ({"kind": "Table", **STAMPED}, False),
        ({"kind": "Table", "rows": []}, False),
        ({"kind": "Table", "rows": [{"cells": ["a"]}]}, False),
        ({"kind": "Table", "rows": [{"cells": ["a"], "object": None}]}, False),
        ({"kind": "Table", "rows": [{"object": STAMPED}, {"object": {"metadata": {}}}]}, False),
        ({"kind": "Table", "rows": ["x"]}, False),
        ({"kind": "SecretList", "items": [STAMPED]}, False),
    ],
)
def test_a_tenant_secret_is_one_that_carries_the_stamp(
    found: dict[str, Any], *, is_tenant_secret: bool
) -> None:
    assert filtering.is_tenant_secret(reply(200, found)) == is_tenant_secret


META = "meta.k8s.io/v1"


@pytest.mark.parametrize("stamped", [True, False])
@pytest.mark.parametrize(
    ("kind", "version", "known"),
    [
        ("Secret", "v1", True),
        ("PartialObjectMetadata", META, True),
        ("PartialObjectMetadata", "v1", False),
        ("Secret", "v2", False),
    ],
)
def test_the_stamp_is_read_in_protobuf_too(
    kind: str, version: str, *, known: bool, stamped: bool
) -> None:
    found = protobuf_reply(kind, version, stamped=stamped)
    assert filtering.is_tenant_secret(found) is (known and stamped)


def test_what_wraps_another_encoding_is_not_read() -> None:
    found = protobuf_reply()
    wrapped = Reply(200, found.headers, found.body + b"\x1a\x04gzip")
    assert not filtering.is_tenant_secret(wrapped)


@pytest.mark.parametrize("body", [b"", b"{}", b"k8s", b"k8s\0\xff", FOUND.body])
def test_an_answer_that_is_not_the_protobuf_it_says_is_a_fault_of_the_gateway(
    body: bytes,
) -> None:
    with pytest.raises(BadGateway):
        filtering.is_tenant_secret(Reply(200, (("content-type", f"{PROTOBUF}; a=b"),), body))


@pytest.mark.parametrize(
    ("sent", "told"), [("7", 7), ("", 1), ("soon", 1), ("-1", 1), ("9" * 9, 1)]
)
def test_a_refused_look_says_when_to_try_again(sent: str, told: int) -> None:
    refused = filtering.refusal(Reply(429, (("retry-after", sent),), b"10.0.0.1 is busy"))
    assert (refused.code, refused.retry_after) == (503, told)
    assert "10.0.0.1" not in refused.message
