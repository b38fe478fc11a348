"""In which encoding: an Accept is built anew out of what is known."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core import media
from proxy.core.errors import NotAcceptable, UnsupportedMediaType
from proxy.core.media import JSON, PROTOBUF, YAML

ALL = frozenset({JSON, YAML, PROTOBUF})
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("header", "sent"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json, */*", JSON),
        ("Application/JSON", JSON),
        ("application/json;q=0.5", "application/json;q=0.5"),
        ("application/json ; q=0.5", "application/json;q=0.5"),
        ("application/json; charset=utf-8", JSON),
        ("application/json;stream=watch", "application/json;stream=watch"),
        (f"{TABLE},{JSON}", f"{TABLE},{JSON}"),
        (
            "application/json;as=Table;g=meta.k8s.io;v=v1",
            "application/json;as=Table;g=meta.k8s.io;v=v1",
        ),
        (f"{TABLE};q=0.9;x=y", f"{TABLE};q=0.9"),
        (f"{PROTOBUF},{JSON}", f"{PROTOBUF},{JSON}"),
        (f"{PROTOBUF};as=Table;v=v1;g=meta.k8s.io,{TABLE}", TABLE),
        (
            f"{PROTOBUF};as=PartialObjectMetadata,{JSON}",
            f"{PROTOBUF};as=PartialObjectMetadata,{JSON}",
        ),
        (f"{YAML};q=0.9, */*;q=0.1", f"{YAML};q=0.9,{JSON};q=0.1"),
        (f"{YAML}, */*", f"{YAML},{JSON}"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", f"{JSON};q=0.8"),
        (f"application/cbor, {JSON}", JSON),
        (f'{JSON}, application/json;v="v1,v2"', JSON),
        (f"{JSON}\r\nX-Evil: 1, {YAML}", YAML),
        (f"{JSON},{JSON},", JSON),
    ],
)
def test_an_accept_keeps_what_is_served(header: str, sent: str) -> None:
    assert media.accept(header, ALL) == sent


@pytest.mark.parametrize(
    "header",
    [
        f"{PROTOBUF};as=Table;v=v1;g=meta.k8s.io",
        "text/html",
        "application/cbor",
        "json",
        "*",
        ",",
        "application/json;",
        "a/b;q",
    ],
)
def test_an_accept_of_nothing_that_is_served_is_refused(header: str) -> None:
    with pytest.raises(NotAcceptable, match="application/json"):
        media.accept(header, ALL)


def test_protobuf_is_not_acceptable_where_the_answer_is_looked_into() -> None:
    assert media.accept(f"{PROTOBUF},{JSON}", frozenset({JSON})) == JSON
    with pytest.raises(NotAcceptable):
        media.accept(PROTOBUF, frozenset({JSON}))


@given(st.text() | st.from_regex(r"(application/json|\*/\*)(;[a-z]+=[a-z0-9.\"\r\n]*)*"))
def test_whatever_the_accept_nothing_but_known_ranges_is_sent(header: str) -> None:
    try:
        sent = media.accept(header, ALL)
    except NotAcceptable:
        return
    known = "|".join(map(re.escape, ALL))
    assert re.fullmatch(
        rf"((^|,)({known})(;(as|g|v|stream|pretty|profile|q)=[\w.-]+)*)+", sent, re.ASCII
    )


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("gzip", True),
        ("deflate, GZIP", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("x-gzip", False),
        ("*", False),
    ],
)
def test_gzip_is_asked_for_by_its_name_alone(header: str, *, takes: bool) -> None:
    assert media.takes_gzip(header) == takes


@pytest.mark.parametrize("header", ["", JSON, "Application/JSON; charset=utf-8", f" {JSON} "])
def test_a_body_is_json_whatever_its_parameters(header: str) -> None:
    assert media.content_type(header, frozenset({JSON})) == JSON


@pytest.mark.parametrize("header", [PROTOBUF, "application/cbor", "text/plain", "*/*", f"{JSON},x"])
def test_a_body_of_another_type_is_refused(header: str) -> None:
    with pytest.raises(UnsupportedMediaType, match="application/json"):
        media.content_type(header, frozenset({JSON}))


def outcome(read: Callable[[str, frozenset[str]], str], header: str, served: frozenset[str]) -> str:
    try:
        return read(header, served)
    except NotAcceptable as refused:
        return refused.message


pieces = st.sampled_from([JSON, PROTOBUF, YAML, TABLE, "*/*", ";", ",", "q=0.1", "as=Table", " "])


@given(st.lists(pieces, max_size=5).map("".join))
def test_what_was_accepted_before_is_accepted_alike(header: str) -> None:
    for served in [ALL, frozenset({JSON}), frozenset({YAML})] * 2:
        assert outcome(media.accept, header, served) == outcome(media._accept, header, served)


def test_what_is_remembered_of_headers_is_bounded() -> None:
    for number in range(500):
        media.accept(f"{JSON};q=0.{number}", ALL)
    known = media._accept_remembered.cache_info()
    media.accept(f"{JSON};q=0.{'0' * 256}", ALL)
    assert known.currsize == known.maxsize == 256
    assert media._accept_remembered.cache_info() == known
