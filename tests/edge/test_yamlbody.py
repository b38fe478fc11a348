"""A YAML body means one thing: what Kubernetes reads in it, or it is refused."""

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.errors import BadRequest
from proxy.edge.yamlbody import to_json

MANIFEST = b"""\
# A claim, as a person writes it.
apiVersion: metal3.io/v1alpha1
kind: HostClaim
metadata:
  name: node-0
  creationTimestamp: 2026-01-02T03:04:05Z
  deletionTimestamp:
spec:
  poweredOn: true
  userData: {name: user-data}
  weights: [1, -2, 2.5, 1.0e+3]
  text: |
    #cloud-config
    yes: no
  quoted: ["yes", '010', "2026-01-02", "\\u2028"]
"""


def test_a_manifest_means_what_kubernetes_reads_in_it() -> None:
    assert json.loads(to_json(MANIFEST)) == {
        "apiVersion": "metal3.io/v1alpha1",
        "kind": "HostClaim",
        "metadata": {
            "name": "node-0",
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "deletionTimestamp": None,
        },
        "spec": {
            "poweredOn": True,
            "userData": {"name": "user-data"},
            "weights": [1, -2, 2.5, 1000.0],
            "text": "#cloud-config\nyes: no\n",
            "quoted": ["yes", "010", "2026-01-02", "\u2028"],
        },
    }


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        *((word, None) for word in ("", "~", "null", "Null", "NULL")),
        *((word, True) for word in ("true", "True", "TRUE")),
        *((word, False) for word in ("false", "False", "FALSE")),
        ("0", 0),
        ("-17", -17),
        ("18446744073709551616", 2**64),
        ("1.10", 1.1),
        ("-2.5e-3", -0.0025),
        *((word, word) for word in ("nULL", "yEs", "1.2.3", "v1", "+", "1h", "0x", "_1")),
        *((word, word) for word in ("2026-01-02", "2026-01-02 03:04:05", "=", "12:75", "~x")),
    ],
)
def test_a_scalar_is_what_kubernetes_takes_it_for(scalar: str, value: Any) -> None:
    found = json.loads(to_json(f"a: {scalar}".encode()))["a"]
    assert (found, type(found)) == (value, type(value))


SWITCHES = "y Y yes Yes YES n N no No NO on On ON off Off OFF"
NUMBERS = (
    "010 +1 0x1F 0X1f 0b11 -0b1 0o17 1_000 -1_0 09 1. .5 +1.5 1e3 1E+3 1.5e3 1_0.5 "
    "12:30 52:54:00:12:34:56 1:30.5 .inf -.INF +.Inf .nan .NaN 1.0e+999 " + "9" * 400
)


@pytest.mark.parametrize("scalar", [*SWITCHES.split(), *NUMBERS.split()])
def test_a_scalar_that_readers_do_not_agree_on_is_refused(scalar: str) -> None:
    for text in (f"a:\n  b: {scalar}", f"a:\n - {scalar}", f"\n{scalar}: a"):
        with pytest.raises(BadRequest, match=r"line 2 column \d has .*, or put it in quotes"):
            to_json(text.encode())
    assert json.loads(to_json(f"a: '{scalar}'".encode())) == {"a": scalar}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "line 1 column 1 has no document"),
        (b"# nothing", "line 2 column 1 has no document"),
        (b"a: 1\n---\nb: 2", "line 2 column 1 has a second document, send one at a time"),
        (b"a: 1\n---\n", "line 2 column 1 has a second document, send one at a time"),
        (b"a: 1\n...\n---\n", "line 3 column 1 has a second document, send one at a time"),
        (b"a: &b [x]\nc: *b", "line 1 column 4 has an anchor, leave it out"),
        (b"a: &b x", "line 1 column 4 has an anchor, leave it out"),
        (b"&b a: x", "line 1 column 1 has an anchor, leave it out"),
        (b"a: *b", "line 1 column 4 has an alias, write it out"),
        (b"*b : a", "line 1 column 1 has an alias, write it out"),
        (b"a: !!str 1", "line 1 column 4 has a tag, leave it out"),
        (b"a: ! 1", "line 1 column 4 has a tag, leave it out"),
        (b"a: !!python/name:os.system x", "line 1 column 4 has a tag, leave it out"),
        (b"<<: {a: b}", "line 1 column 1 has a merge key, write the fields out"),
        (b"a: 1\n'a': 2", "line 2 column 1 has a key that is given twice"),
        (b'{"a": 1, "a": 2}', "line 1 column 10 has a key that is given twice"),
        (b"1: a", "line 1 column 1 has a key that is no text, put it in quotes"),
        (b"true: a", "line 1 column 1 has a key that is no text, put it in quotes"),
        (b"{~: a}", "line 1 column 2 has a key that is no text, put it in quotes"),
        (b"? [a]\n: b", "line 1 column 3 has a key that is no text, put it in quotes"),
        (b"a: b: c", "line 1 column 5 has mapping values are not allowed in this context"),
        (b"\ta: b", "line 1 column 1 has found character that cannot start any token"),
        (b"%YAML 2.0\n---\na", "it has a directive, leave it out"),
        (b"%TAG !a! b\n" * 50_000, "it has a directive, leave it out"),
        (b"# x\r%TAG !a! b\r---\ra", "it has a directive, leave it out"),
        (b'a: "\\ud83d"', "line 1 column 7 has found invalid Unicode character escape code"),
        (b"a: \xff", "it is not UTF-8"),
        ("a: b".encode("utf-16"), "it is not UTF-8"),
    ],
)
def test_what_is_not_strict_yaml_is_refused_with_its_place(text: bytes, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        to_json(text)
    assert refused.value.message == f"the body is not strict YAML: {said}"


@pytest.mark.parametrize("character", "\0\x07\x1b\x7f\x85\u2028\u2029\ufeff\ufffe\uffff")
def test_a_character_that_not_every_reader_takes_for_one_is_refused(character: str) -> None:
    with pytest.raises(BadRequest, match="line 2 column 5 has a character that must be escaped"):
        to_json(f"a: b\nc: '{character}'".encode())


def test_a_refusal_tells_nothing_of_what_it_refuses() -> None:
    for text in (b"password: !hunter2 x", b"p: &hunter2 x", b"hunter2: a\nhunter2: b"):
        with pytest.raises(BadRequest) as refused:
            to_json(text)
        assert "hunter2" not in refused.value.message


NESTED = [
    lambda deep: "[" * deep + "]" * deep,
    lambda deep: "- " * deep,
    lambda deep: "{a: " * deep + "}" * deep,
]


@pytest.mark.parametrize("nested", NESTED)
def test_nesting_is_bounded_as_in_json(nested: Any) -> None:
    assert to_json(nested(99).encode())
    for deep in (101, 100_000):
        with pytest.raises(BadRequest, match=r"more than 100 levels|did not find expected"):
            to_json(nested(deep).encode())


def test_the_number_of_values_is_bounded() -> None:
    assert to_json(b"- a\n" * 9_999)
    with pytest.raises(BadRequest, match="line 10000 column 3 has more than 10000 values"):
        to_json(b"- a\n" * 200_000)


def test_a_body_in_yaml_is_short() -> None:
    with pytest.raises(BadRequest, match="send a longer one as JSON"):
        to_json(b"a: |\n" + b" x\n" * 400_000)


def test_a_bomb_is_never_lit() -> None:
    levels = "\n".join(f"l{n}: [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 9))
    with pytest.raises(BadRequest, match="line 1 column 5 has an anchor"):
        to_json(f"l0: &l0 x\n{levels}".encode())


@pytest.mark.parametrize("text", [b'{"a": "\xe2\x80\xa8\\ud83d\\ude00\\/"}', b' [1e3,"yes"]\n'])
def test_json_is_let_through_as_it_came(text: bytes) -> None:
    assert to_json(text) == text


class Dumper(yaml.CSafeDumper):
    """Quotes what some other reader would not take for text."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


LIKE_A_NUMBER = re.compile(r"[-+.0-9][-+.0-9_:a-fA-FoOxX]*")
for pattern in (re.compile("|".join(SWITCHES.split())), LIKE_A_NUMBER):
    Dumper.add_implicit_resolver("!ambiguous", pattern, None)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.text(
    "-+.019_eExoObB:yn~<", max_size=6
)
scalars = st.none() | st.booleans() | st.integers() | texts
finite = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    scalars | finite, lambda v: st.lists(v) | st.dictionaries(texts, v), max_leaves=8
)


@given(found=st.dictionaries(texts, values), flow=st.booleans() | st.none())
def test_any_json_object_comes_back_from_yaml_as_itself(
    *, found: dict[str, Any], flow: bool | None
) -> None:
    text = yaml.dump(found, Dumper=Dumper, default_flow_style=flow)
    assert json.loads(to_json(text.encode())) == found


@given(st.text() | st.text(" \n\t\r-?:,[]{}#&*!|>'\"%@`a0~<="))
def test_whatever_is_sent_is_json_or_refused(text: str) -> None:
    try:
        found = to_json(text.encode(errors="surrogatepass"))
    except BadRequest:
        return
    json.loads(found)
