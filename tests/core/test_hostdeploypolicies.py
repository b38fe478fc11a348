"""Whom a HostDeployPolicy lets in: all that it sets must agree, as Metal3 reads it."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.hostdeploypolicies import Admission, is_plain


def policy(**admitted: Any) -> dict[str, Any]:
    return {"spec": {"hostClaimNamespaces": admitted}}


def admits(found: Any, namespace: str = "blue-dev", **labels: Any) -> bool:
    admission = Admission.of(found)
    return (
        admission is not None and admission.fits_name(namespace) and admission.fits_labels(labels)
    )


@pytest.mark.parametrize(
    ("admitted", "admitting"),
    [
        ({}, True),
        ({"names": ["blue-dev"]}, True),
        ({"names": ["red", "blue-dev"]}, True),
        ({"names": ["blue"]}, False),
        ({"names": []}, False),
        ({"names": None}, True),
        ({"nameMatches": "lue"}, True),
        ({"nameMatches": "^blue-"}, True),
        ({"nameMatches": "^lue"}, False),
        ({"nameMatches": "dev$"}, True),
        ({"nameMatches": ""}, True),
        ({"nameMatches": None}, True),
        ({"hasLabels": [{"name": "team"}]}, True),
        ({"hasLabels": [{"name": "team", "value": ""}]}, True),
        ({"hasLabels": [{"name": "team", "value": None}]}, True),
        ({"hasLabels": [{"name": "team", "value": "blue"}]}, True),
        ({"hasLabels": [{"name": "team", "value": "red"}]}, False),
        ({"hasLabels": [{"name": "tier"}]}, False),
        ({"hasLabels": [{"name": "team"}, {"name": "tier"}]}, False),
        ({"hasLabels": []}, True),
        ({"hasLabels": None}, True),
        ({"names": ["blue-dev"], "nameMatches": "^red"}, False),
        ({"names": ["red"], "nameMatches": "^blue"}, False),
        ({"names": ["blue-dev"], "hasLabels": [{"name": "tier"}]}, False),
        ({"names": ["blue-dev"], "nameMatches": "dev", "hasLabels": [{"name": "team"}]}, True),
    ],
)
def test_all_that_a_policy_sets_must_agree(admitted: dict[str, Any], *, admitting: bool) -> None:
    assert admits(policy(**admitted), team="blue") is admitting


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        {},
        {"spec": None},
        {"spec": {}},
        {"spec": {"hostClaimNamespaces": None}},
        {"spec": {"hostClaimNamespaces": ["blue-dev"]}},
        policy(names="blue-dev"),
        policy(names=[1]),
        policy(names=0),
        policy(nameMatches=["blue"]),
        policy(nameMatches=0),
        policy(nameMatches="[z-a]"),
        policy(hasLabels={}),
        policy(hasLabels=0),
        policy(hasLabels=["team"]),
        policy(hasLabels=[{}]),
        policy(hasLabels=[{"name": 1}]),
        policy(hasLabels=[{"name": "team", "value": 1}]),
    ],
)
def test_what_cannot_be_read_admits_nobody(found: Any) -> None:
    assert Admission.of(found) is None


PLAIN = [
    "blue",
    "^blue-.*$",
    "^(blue|red)-dev$",
    "^(?:blue|red)?dev|lab$",
    "^team-[a-z0-9]+(-[0-9]+)?$",
    "^[-a-z]+$",
    "^[^0-9-]{2,5}$",
    r"^lab\.\w{3}\-\d?$",
    "x{2}|y{2,}",
]


@pytest.mark.parametrize("pattern", PLAIN)
def test_what_go_and_python_read_alike_is_read(pattern: str) -> None:
    assert is_plain(pattern)
    re.compile(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "[[:alpha:]]*",
        "^blue-[[:digit:]]|x",
        "(?i)BLUE",
        "(?!red)",
        "(?<=blue)",
        r"\Qblue\E",
        r"\pL",
        r"\bblue",
        r"blue\Z",
        r"(a)\1",
        "a++",
        "a*+",
        "a{,5}",
        "a{100}",
        "[a&&b]",
        "[]a]",
        "[a--b]",
        "a b",
        "é",
        "blue\n",
        "(a(b)c)",
        "(a+)+",
        "(a|a)*",
        "a*a*a*a*a*b",
        "a" * 257,
    ],
)
def test_what_they_may_read_otherwise_or_for_long_admits_nobody(pattern: str) -> None:
    assert Admission.of(policy(nameMatches=pattern)) is None


@given(st.text("ab-.*+?{}()[]|^$\\d1,:", max_size=16))
def test_what_is_plain_is_a_pattern_or_admits_nobody(pattern: str) -> None:
    admission = Admission.of(policy(nameMatches=pattern))
    assert is_plain(pattern) or admission is None
