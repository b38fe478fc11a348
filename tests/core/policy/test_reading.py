"""What documents say: rules, or every problem with what would be right."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.attributes import Verb
from proxy.core.policy import (
    ROLES,
    Effect,
    Origin,
    Path,
    Permission,
    PolicySet,
    Position,
    Role,
    parse,
)
from tests.core.policy.documents import GOOD, changed, document, policies, policy, problems
from tests.core.policy.mistakes import WRONG
from tests.identities import make_identity

CLAIMS = "hostclaims"
EDITOR = ROLES[Role.EDITOR]
VIEWER = ROLES[Role.VIEWER]


def test_a_document_becomes_rules_that_say_where_they_were_written() -> None:
    rules = policies(GOOD).rules_for(make_identity())
    found = rules.matching(Effect.ALLOW, CLAIMS, Verb.GET, "blue-dev")
    assert found is not None
    assert found.origin == Origin("blue.yaml", "blue", "spec.allow[0]", 4)
    assert found.permissions == EDITOR


def test_a_denial_that_names_nothing_denies_everything() -> None:
    rules = policies(GOOD).rules_for(make_identity())
    for verb in Verb:
        assert rules.matching(Effect.DENY, "secrets", verb, "blue-prod-1")
    assert rules.permissions("blue-prod-1") == frozenset()


@pytest.mark.parametrize(
    ("denial", "denied"),
    [
        ({"role": "viewer"}, VIEWER),
        ({"verbs": ["get"]}, {(CLAIMS, Verb.GET), ("secrets", Verb.GET)}),
        ({"resources": ["secrets"]}, {("secrets", verb) for verb in Verb}),
        ({"resources": ["secrets"], "verbs": ["delete"]}, {("secrets", Verb.DELETE)}),
    ],
)
def test_a_denial_may_be_narrow(denial: dict[str, Any], denied: set[Permission]) -> None:
    tree = policy(deny=[{"namespaces": ["blue"], **denial}])
    rules = policies(tree).rules_for(make_identity())
    found = {
        (plural, verb)
        for plural in (CLAIMS, "secrets")
        for verb in Verb
        if rules.matching(Effect.DENY, plural, verb, "blue")
    }
    assert found == denied


def test_resources_and_verbs_may_stand_for_a_role() -> None:
    grant = {"namespaces": ["blue"], "resources": [CLAIMS], "verbs": ["get", "deletecollection"]}
    rules = policies(policy(allow=[grant])).rules_for(make_identity())
    assert rules.permissions("blue") == {
        (CLAIMS, Verb.GET),
        (CLAIMS, Verb.DELETECOLLECTION),
    }


@pytest.mark.parametrize(("path", "value", "message"), WRONG)
def test_what_is_wrong_is_said_once_with_what_would_be_right(
    path: Path, value: object, message: str
) -> None:
    (problem,) = problems(changed(path, value))
    assert problem.split(": ", 1)[1] == message


@pytest.mark.parametrize("tree", [None, "text", [GOOD], 5])
def test_a_document_that_is_no_mapping_is_refused(tree: object) -> None:
    (problem,) = problems(tree)
    assert "mapping" in problem


def test_all_problems_of_all_documents_are_found_at_once() -> None:
    first = changed(("metadata", "name"), "X")
    first["spec"]["allow"] = [{"role": "edit", "verbs": ["all"]}, {"namespaces": ["A"], "x": 1}]
    second = changed(("spec", "deny"), "none")
    found = problems(first, second)
    assert [problem.split(": ")[1] for problem in found] == [
        "metadata.name",
        "spec.allow[0]",
        "spec.allow[0]",
        "spec.allow[1]",
        "spec.allow[1]",
        "spec.allow[0].role",
        "spec.allow[0].verbs[0]",
        "spec.allow[1].namespaces[0]",
        "spec.deny",
    ]


def test_problems_stand_in_the_order_of_the_file() -> None:
    tree = changed(("metadata", "name"), "X")
    tree["spec"]["allow"] = [{"namespaces": ["A"], "x": 1}]
    parsed = parse([document(tree)])
    assert isinstance(parsed, tuple)
    positions = [problem.position for problem in parsed]
    assert positions == sorted(positions)


def test_an_unknown_field_is_pointed_at_by_its_name() -> None:
    parsed = parse([document(changed(("spec", "extra"), 1))])
    assert isinstance(parsed, tuple)
    assert parsed[0].position == Position(3, 1)


def test_a_name_is_unique_over_all_documents() -> None:
    parsed = parse([document(GOOD, "a.yaml"), document(GOOD, "b.yaml")])
    assert isinstance(parsed, tuple)
    assert [str(problem) for problem in parsed] == [
        "b.yaml:3:9: metadata.name: `blue` is the name of a.yaml:3, choose another"
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
)
PIECES = st.sampled_from([row[0] for row in WRONG])


@settings(deadline=None)
@given(path=PIECES, value=JSON)
def test_any_piece_may_be_anything_and_the_problem_is_told(path: Path, value: object) -> None:
    parsed = parse([document(changed(path, value))])
    assert isinstance(parsed, PolicySet) or all(problem.message for problem in parsed)
