"""How to delete: the same of claims and secrets, and what is asked twice is asked wrongly."""

import json
from typing import Any

import pytest

from proxy.core import protobuf
from proxy.core.errors import BadRequest, UnsupportedMediaType
from tests.core.asking import (
    CLAIMS,
    DONE,
    FOUND,
    JSON,
    PROTOBUF,
    SECRET_PATH,
    SECRETS_PATH,
    Transcript,
    call,
    play,
)

CLAIM = f"{CLAIMS}/c1"
ONE = [(CLAIM, ()), (SECRET_PATH, (FOUND, DONE))]
MANY = [CLAIMS, SECRETS_PATH]

every_one = pytest.mark.parametrize(("target", "replies"), ONE, ids=["claim", "secret"])
everything = pytest.mark.parametrize("target", [CLAIM, SECRET_PATH, *MANY])


def delete(target: str, *replies: Any, body: object = b"", sent_as: str = JSON[1]) -> Transcript:
    return play(call("DELETE", target, ("Content-Type", sent_as), body=body), *replies)


def options(played: Transcript) -> Any:
    """What the apiserver is told besides kind and what the proxy has seen."""
    told = json.loads(played.sent[-1].body)
    return {k: v for k, v in told.items() if k not in {"kind", "apiVersion", "preconditions"}}


@everything
@pytest.mark.parametrize("query", ["dryRun=All", "gracePeriodSeconds=0", "orphanDependents=1"])
@pytest.mark.parametrize("body", [{}, {"propagationPolicy": "Background"}])
def test_options_in_body_and_query_delete_nothing(target: str, query: str, body: object) -> None:
    # The apiserver would not read the query, and so delete what was to be a dry run.
    played = delete(f"{target}?{query}", body=body)
    assert isinstance(played.refused, BadRequest)
    assert played.sent == []


@every_one
@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", {}),
        ("?dryRun=All&timeout=1s", {"dryRun": ["All"]}),
        ("?propagationPolicy=Foreground", {"propagationPolicy": "Foreground"}),
        ("?gracePeriodSeconds=7", {"gracePeriodSeconds": 7}),
    ],
)
def test_options_in_the_query_go_on_in_the_body(
    target: str, replies: Any, query: str, told: Any
) -> None:
    played = delete(f"{target}{query}", *replies)
    assert (played.lines[-1], options(played)) == (f"DELETE {target}", told)


@every_one
def test_options_in_a_body_of_protobuf_are_read(target: str, replies: Any) -> None:
    message = protobuf._CLASSES["DeleteOptions"](dryRun=["All"], propagationPolicy="Orphan")
    body = protobuf.encode(message, "DeleteOptions", "v1")
    played = delete(target, *replies, body=body, sent_as=PROTOBUF)
    assert options(played) == {"dryRun": ["All"], "propagationPolicy": "Orphan"}


@pytest.mark.parametrize("target", MANY)
def test_a_deletion_of_many_keeps_selectors_and_options_apart(target: str) -> None:
    body = b'{"dryRun":["All"]}'
    played = delete(f"{target}?labelSelector=a&limit=5&timeout=1s", body=body)
    assert "limit=5" in played.lines[0]
    assert played.sent[0].body == body


@pytest.mark.parametrize("target", MANY)
def test_a_deletion_of_many_may_have_its_options_in_the_query(target: str) -> None:
    played = delete(f"{target}?dryRun=All&labelSelector=a")
    assert "dryRun=All" in played.lines[0]
    assert played.sent[0].body == b""


@pytest.mark.parametrize("target", MANY)
def test_a_deletion_of_many_takes_no_protobuf(target: str) -> None:
    message = protobuf._CLASSES["DeleteOptions"](dryRun=["All"])
    body = protobuf.encode(message, "DeleteOptions", "v1")
    assert isinstance(delete(target, body=body, sent_as=PROTOBUF).refused, UnsupportedMediaType)


@everything
@pytest.mark.parametrize("body", [b"[]", b"{", b'{"dryRun":["All"],"dryRun":[]}'])
def test_options_that_cannot_be_read_delete_nothing(target: str, body: bytes) -> None:
    played = delete(target, body=body)
    assert isinstance(played.refused, BadRequest)
    assert played.sent == []


@everything
def test_options_in_another_encoding_delete_nothing(target: str) -> None:
    played = delete(target, body=b"\xa0", sent_as="application/cbor")
    assert isinstance(played.refused, UnsupportedMediaType)
    assert played.sent == []
