"""What arrives: refused here is what no Kubernetes client sends, whatever its path."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.errors import (
    BadRequest,
    Forbidden,
    LengthRequired,
    MethodNotAllowed,
    UnsupportedMediaType,
)
from proxy.core.wire import Fields, Headers, RawRequest, Reply, admit
from tests.core.asking import CLAIMS, raw


def test_a_header_is_found_in_any_case() -> None:
    asked = raw("GET", CLAIMS, ("ACCEPT", "a"), ("accept", "b"), ("X", "c"))
    assert asked.values("Accept") == ("a", "b")


@given(st.lists(st.tuples(st.sampled_from(["A", "a", "B", "-b"]), st.text(max_size=2))))
def test_every_value_of_a_header_is_found_in_order(headers: list[tuple[str, str]]) -> None:
    asked = RawRequest("GET", CLAIMS, Fields(tuple(headers)))
    assert asked.values("A") == tuple(value for key, value in headers if key in {"A", "a"})
    assert asked.fields.names == {key.lower() for key, _ in headers}


def test_a_request_is_known_by_what_it_said() -> None:
    asked = raw("GET", CLAIMS, ("Accept", "a"))
    assert asked == raw("GET", CLAIMS, ("Accept", "a")) != raw("GET", CLAIMS, ("accept", "a"))
    assert replace(asked, fields=Fields((("Accept", "b"),))).value("Accept") == "b"


def test_what_follows_from_fields_is_found_once() -> None:
    fields, found = Fields((("Accept", "a"),)), []

    def accepted(known: Fields) -> tuple[str, ...]:
        found.append(known)
        return known.values("accept")

    assert fields.derived(accepted) == fields.derived(accepted) == ("a",)
    assert found == [fields]


def test_what_cannot_be_derived_is_refused_each_time() -> None:
    def refusing(_: Fields) -> None:
        raise BadRequest("no")

    fields = Fields()
    for _ in range(2):
        with pytest.raises(BadRequest):
            fields.derived(refusing)


def test_fields_show_their_names_and_no_value() -> None:
    assert (
        repr(raw("GET", CLAIMS, ("Authorization", "Bearer a.b.c")).fields)
        == "Fields(authorization)"
    )
    assert len({Fields(), Fields(), Fields((("A", "b"),))}) == 2


def test_the_one_value_of_a_header_is_the_empty_string_if_it_is_absent() -> None:
    assert raw("GET", CLAIMS).value("Content-Type") == ""


def test_a_header_that_must_be_one_is_refused_if_sent_twice() -> None:
    with pytest.raises(BadRequest, match="`Content-Type` must be sent once"):
        raw("GET", CLAIMS, ("Content-Type", "a"), ("content-type", "a")).value("Content-Type")


def test_a_header_of_a_reply_is_found_in_any_case() -> None:
    reply = Reply(200, (("retry-after", "3"),), b"")
    assert (reply.header("Retry-After"), reply.header("Warning")) == ("3", "")


@pytest.mark.parametrize(
    "name",
    [
        "Impersonate-User",
        "impersonate-group",
        "IMPERSONATE-UID",
        "Impersonate-Extra-scopes",
        "impersonate_user",
        "Impersonate_Extra_x",
        "Impersonate",
    ],
)
def test_an_attempt_to_be_somebody_else_is_refused_and_not_stripped(name: str) -> None:
    with pytest.raises(Forbidden, match="impersonation"):
        admit(raw("GET", CLAIMS, ("Accept", "*/*"), (name, "")))


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "OPTIONS", "get", "PROPFIND", ""])
def test_a_method_without_a_kubernetes_verb_is_refused(method: str) -> None:
    with pytest.raises(MethodNotAllowed):
        admit(raw(method, CLAIMS))


@pytest.mark.parametrize(
    "target", ["", "*", "http://apiserver" + CLAIMS, "apiserver:6443", "?watch=1", "apis"]
)
def test_a_target_that_is_no_path_is_refused(target: str) -> None:
    with pytest.raises(BadRequest, match="must be a path"):
        admit(raw("GET", target))


@pytest.mark.parametrize("protocol", ["websocket", "h2c", "SPDY/3.1", ""])
def test_an_upgrade_is_refused(protocol: str) -> None:
    with pytest.raises(BadRequest, match="upgrades"):
        admit(raw("GET", CLAIMS, ("Connection", "Upgrade"), ("upgrade", protocol)))


@pytest.mark.parametrize(
    "headers",
    [
        (("Content-Length", "3"), ("Transfer-Encoding", "chunked")),
        (("Content-Length", "0"), ("Transfer-Encoding", "chunked")),
        (("Content-Length", "3"), ("Content-Length", "3")),
        (("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")),
        (("Transfer-Encoding", "identity"),),
        (("Transfer-Encoding", "gzip, chunked"),),
        (("Transfer-Encoding", "identity, chunked"),),
        (("Content-Length", "-1"),),
        (("Content-Length", "+3"),),
        (("Content-Length", "3, 3"),),
        (("Content-Length", "0x3"),),
        (("Content-Length", "³"),),
    ],
)
def test_a_body_with_two_lengths_or_none_that_counts_is_refused(headers: Headers) -> None:
    with pytest.raises(BadRequest):
        admit(RawRequest("POST", CLAIMS, Fields(headers)))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("header", [("Content-Length", "1"), ("Transfer-Encoding", "chunked")])
def test_a_read_with_a_body_is_refused(method: str, header: tuple[str, str]) -> None:
    with pytest.raises(BadRequest, match="has no body"):
        admit(RawRequest(method, CLAIMS, Fields((header,))))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_write_that_does_not_say_how_long_it_is_is_refused(method: str) -> None:
    with pytest.raises(LengthRequired):
        admit(RawRequest(method, CLAIMS))


@pytest.mark.parametrize("coding", ["gzip", "identity", "br", ""])
def test_a_compressed_body_is_refused(coding: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        admit(raw("POST", CLAIMS, ("Content-Encoding", coding), body=b"{}"))


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", ()),
        ("GET", (("Content-Length", "0"),)),
        ("HEAD", ()),
        ("DELETE", ()),
        ("DELETE", (("Content-Length", "2"),)),
        ("POST", (("Content-Length", "2"),)),
        ("PUT", (("Transfer-Encoding", "Chunked"),)),
        ("PATCH", (("content-length", "0"),)),
        ("GET", (("X-HTTP-Method-Override", "DELETE"), ("Connection", "Impersonate-User"))),
    ],
)
def test_an_ordinary_request_is_admitted(method: str, headers: Headers) -> None:
    admit(RawRequest(method, CLAIMS, Fields(headers)))
