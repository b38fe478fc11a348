"""What was written: one body has one reading, here and at the apiserver."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.core import body
from proxy.core.errors import BadRequest

texts = st.text(st.characters(exclude_categories=["Cs"]))
values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
)


@given(values)
def test_what_is_written_reads_the_same(value: Any) -> None:
    assert body.parse(body.render(value)) == value


@given(st.dictionaries(texts, texts))
@example({"a\u0085b": "\u2028", "\ufeff": "\x7f", "\U0001f600": "\uffff"})
def test_a_yaml_reader_reads_what_is_written_alike(value: dict[str, str]) -> None:
    # An apply has the type `application/apply-patch+yaml`, JSON or not.
    assert yaml.safe_load(body.render(value)) == value


@pytest.mark.parametrize(
    ("text", "because"),
    [
        (b"", "expecting value"),
        (b"{", "expecting property name"),
        (b"{} {}", "extra data"),
        (b"{}\n---\n{}", "extra data"),
        (b"a: b", "expecting value"),
        (b"{'a': 1}", "expecting property name"),
        (b'{"a":1,}', "at line 1 column"),
        (b'{"a":1,"a":2}', "a key is given twice"),
        (b'{"a":{"b":1,"\\u0062":2}}', "a key is given twice"),
        (b'{"a":NaN}', "NaN is not a JSON number"),
        (b'{"a":-Infinity}', "-Infinity is not a JSON number"),
        (b'{"a":01}', "at line 1 column"),
        (b'{"a":"\x01"}', "control character"),
        (b'"\xff"', "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b'\xef\xbb\xbf{"a":1}', "at line 1 column"),
        (b'{"a":' + b"9" * 5000 + b"}", "a number that is too long"),
        (b"[" * 100_000, "nested too deep"),
        (b"[" * 101 + b"]" * 101, "nested too deep"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "nested too deep"),
        (b"k8s\x00\x0a\x02v1", "expecting value"),
        (b"\xd9\xd9\xf7\xa0", "not UTF-8"),
    ],
)
def test_what_two_readers_may_read_differently_is_refused(text: bytes, because: str) -> None:
    with pytest.raises(BadRequest, match=because) as refused:
        body.parse(text)
    assert refused.value.message.startswith("the body is not JSON: ")


@pytest.mark.parametrize("text", [b"[]", b"null", b"1", b'"a"', b"true"])
def test_an_object_is_nothing_else(text: bytes) -> None:
    with pytest.raises(BadRequest, match="must be a JSON object"):
        body.parse_object(text)


def test_an_object_is_read_as_one() -> None:
    assert body.parse_object(b'{"a":{"b":[1,null]}}') == {"a": {"b": [1, None]}}


@pytest.mark.parametrize("value", ["\ud800", {"\udc00": 1}, float("inf")])
def test_what_json_cannot_carry_is_not_written(value: object) -> None:
    with pytest.raises(BadRequest, match="JSON cannot carry"):
        body.render(value)


@pytest.mark.parametrize("text", [b'"\\ud800"', b'{"\\udc00":1}', b'{"a":["b","\\udfff\\ud800"]}'])
def test_half_of_a_surrogate_pair_is_not_read(text: bytes) -> None:
    with pytest.raises(BadRequest, match="surrogate"):
        body.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        b"[" + b"[]," * 1_000_000 + b"[]]",
        b"[" + b"0," * 100_001 + b"0]",
        b"{" + b",".join(b'"%d":1' % n for n in range(60_000)) + b"}",
    ],
)
def test_more_values_than_an_object_has_are_refused(text: bytes) -> None:
    with pytest.raises(BadRequest, match="too many values"):
        body.parse(text)


def test_text_that_looks_like_values_is_text() -> None:
    assert body.parse(b'"' + b"," * 400_000 + b'"') == "," * 400_000


def test_a_number_keeps_its_digits() -> None:
    text = b'{"a":12345678901234567890,"b":1.0,"c":-0.5}'
    assert body.render(body.parse(text)) == text


@pytest.mark.parametrize("parent", [{}, {"a": None}, {"a": {}}])
def test_a_section_is_made_if_it_is_absent(parent: dict[str, Any]) -> None:
    body.section(parent, "a", "a")["b"] = 1
    assert parent == {"a": {"b": 1}}


@pytest.mark.parametrize("value", [1, "x", [], True])
def test_a_section_that_is_no_object_is_refused_by_its_path(value: Any) -> None:
    with pytest.raises(BadRequest, match=r"metadata\.labels must be an object") as refused:
        body.section({"labels": value}, "labels", "metadata.labels")
    assert refused.value.causes[0].field == "metadata.labels"


@pytest.mark.parametrize(("parent", "text"), [({}, ""), ({"a": None}, ""), ({"a": "b"}, "b")])
def test_an_absent_text_is_empty(parent: dict[str, Any], text: str) -> None:
    assert body.text(parent, "a", "a") == text


@pytest.mark.parametrize("value", [1, {}, [], False])
def test_a_text_that_is_none_is_refused_by_its_path(value: Any) -> None:
    with pytest.raises(BadRequest, match=r"metadata\.name must be a string"):
        body.text({"name": value}, "name", "metadata.name")


def test_what_is_written_is_compact_json() -> None:
    value = {"a": ["é", "\u0085"]}
    assert body.render(value) == '{"a":["é","\\u0085"]}'.encode()
    assert json.loads(body.render(value)) == value
