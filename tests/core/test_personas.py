"""Somebody for each name that documents have, and a namespace for each pattern."""

from string import ascii_lowercase, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.personas import persona, witness
from proxy.core.policy.rules import covering
from proxy.core.policy.subjects import Subject, SubjectKind

KINDS = SubjectKind


def corp(kind: SubjectKind, value: str = "") -> Subject:
    return Subject("corp", kind, value)


@pytest.mark.parametrize(
    ("kind", "value", "attribute", "found"),
    [
        (KINDS.GROUP, "/a", "groups", ("/a",)),
        (KINDS.USER, "alice", "username", "alice"),
        (KINDS.CLIENT, "capm3", "client", "capm3"),
        (KINDS.SERVICE_ACCOUNT, "a/b", "service_account", "a/b"),
        (KINDS.EVERYONE, "", "groups", ()),
    ],
)
def test_a_subject_fits_its_persona(
    kind: SubjectKind, value: str, attribute: str, found: object
) -> None:
    who = persona([corp(kind, value)])
    assert who is not None
    assert (who.issuer, getattr(who, attribute)) == ("corp", found)


def test_several_subjects_fit_one_person() -> None:
    subjects = [corp(KINDS.GROUP, "/a"), corp(KINDS.GROUP, "/b"), corp(KINDS.CLIENT, "c")]
    who = persona(subjects, {"lab": ("lab-1",)})
    assert who is not None
    assert (who.groups, who.client, who.claims["lab"]) == (("/a", "/b"), "c", ("lab-1",))


@pytest.mark.parametrize(
    "subjects",
    [
        [corp(KINDS.USER, "a"), corp(KINDS.USER, "b")],
        [corp(KINDS.USER, "a"), Subject("lab", KINDS.USER, "a")],
        [corp(KINDS.SERVICE_ACCOUNT, "a/b"), corp(KINDS.GROUP, "/a")],
        [Subject("No Issuer", KINDS.USER, "a")],
        [corp(KINDS.USER, "a" * 600)],
    ],
)
def test_nobody_is_what_no_token_says(subjects: list[Subject]) -> None:
    assert persona(subjects) is None


@pytest.mark.parametrize(
    ("pattern", "known", "found"),
    [
        ("blue", (), "blue"),
        ("blue-*", (), "blue-a"),
        ("blue-*", {"blue-a", "blue-b"}, "blue-c"),
        ("*", {*ascii_lowercase, *digits}, "aa"),
        ("a" * 61 + "-*", {"a" * 61 + f"-{letter}" for letter in ascii_lowercase}, "a" * 61 + "-0"),
        ("a" * 61 + "-*", {"a" * 61 + f"-{c}" for c in ascii_lowercase + digits}, None),
        ("a" * 61 + "-*", (), "a" * 61 + "-a"),
    ],
)
def test_a_witness_stands_for_a_pattern(pattern: str, known: set[str], found: str | None) -> None:
    assert witness(pattern, known) == found


@given(st.sets(st.sampled_from(["a", "b", "blue-a", "blue-b-a"])), st.sampled_from(["*", "blue-*"]))
def test_nothing_closer_than_its_pattern_covers_a_witness(known: set[str], pattern: str) -> None:
    found = witness(pattern, known)
    assert found is not None
    closest, next_one, *_ = covering(found)
    assert closest not in known
    assert next_one == pattern
