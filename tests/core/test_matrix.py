"""A cell says what would be decided, and there is one wherever something is granted."""

from collections import defaultdict
from string import ascii_lowercase, digits
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.core.attributes import HOSTCLAIMS, SECRETS, ResourceRequest, Verb
from proxy.core.entitlement import Allow, authorize
from proxy.core.holders import Named, identity_of
from proxy.core.matrix import Cell, Matrix, Row
from proxy.core.policy import (
    ClaimGrant,
    ClaimGrants,
    Combination,
    Combine,
    Effect,
    Origin,
    Permission,
    PolicySet,
    Role,
    Rule,
)
from proxy.core.policy.subjects import Entry
from tests.core.policy.documents import policies, policy
from tests.identities import make_identity
from tests.oracle import strategies
from tests.oracle.questions import Caller, Object
from tests.oracle.strategies import CALLERS
from tests.oracle.world import compiled

# How long it takes to draw policies says nothing here.
SEARCH = settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
EVERYONE = {"issuer": "corp", "everyone": True}
VIEWER: dict[str, Any] = {"namespaces": ["blue", "blue-*"], "role": "viewer"}
ANY = Combination()
RULE = Rule(Origin("", "", "", 1), Effect.ALLOW, frozenset(), ())


def shown(found: Matrix) -> list[tuple[str, dict[str, int]]]:
    """Everybody with the number of permissions in each namespace."""
    return [
        (_name(row), {c.column.name: len(c.permitted) for c in row.cells}) for row in found.rows()
    ]


def _name(row: Row) -> str:
    assert isinstance(row.who, Named)
    claims = (f"{name}={value}" for name, value in row.who.claims)
    return " ".join((row.who.subject.value or "everyone", *claims))


def names(found: Matrix) -> list[str]:
    return [column.name for column in found.columns]


def test_there_is_a_column_for_each_name_and_pattern_and_what_is_asked_for() -> None:
    rules = policies(policy(allow=[VIEWER], deny=[{"namespaces": ["red"]}]))
    assert names(Matrix(rules, ANY, ["lab"])) == ["blue", "blue-*", "lab", "red"]


def test_a_pattern_stands_for_a_namespace_that_has_no_column() -> None:
    rules = policies(policy(allow=[{"namespaces": ["b-*", "b-a", "*"], "role": "viewer"}]))
    spelt = {column.name: column.namespace for column in Matrix(rules, ANY).columns}
    assert spelt == {"b-*": "b-b", "b-a": "b-a", "*": "a"}


def test_a_pattern_for_which_no_other_namespace_is_left_has_no_column() -> None:
    beginning = "a" * 61 + "-"
    every = [f"{beginning}{letter}" for letter in ascii_lowercase + digits]
    rules = policies(policy(allow=[{"namespaces": [f"{beginning}*"], "role": "viewer"}]))
    assert names(Matrix(rules, ANY, every)) == sorted(every)


def test_a_row_has_cells_where_something_is_granted() -> None:
    rules = policies(
        policy("one", allow=[VIEWER]),
        policy("two", [EVERYONE], allow=[{"namespaces": ["red"], "role": "viewer"}]),
    )
    assert shown(Matrix(rules, ANY)) == [
        ("/tenants/blue", {"blue": 3, "blue-*": 3, "red": 3}),
        ("everyone", {"red": 3}),
    ]


def cell(rules: PolicySet) -> Cell:
    [row] = Matrix(rules, ANY).rows()
    [found] = row.cells
    return found


@settings(SEARCH, max_examples=100)
@given(strategies.policies(), strategies.policies(), st.sampled_from(list(CALLERS.values())))
def test_whoever_has_several_names_may_what_each_may_less_what_is_denied_to_one(
    documents: list[Object], more: list[Object], caller: Caller
) -> None:
    renamed = [{**one, "metadata": {"name": f"more-{n}"}} for n, one in enumerate(more)]
    rules = compiled([*documents, *renamed])
    found = Matrix(rules, ANY)
    identity = make_identity(
        issuer=caller.issuer,
        username=caller.username,
        groups=caller.groups,
        client=caller.client,
        service_account=caller.service_account,
    )
    may: dict[str, set[Permission]] = defaultdict(set)
    denied: dict[str, set[Permission]] = defaultdict(set)
    for row in found.rows():
        assert isinstance(row.who, Named)
        if not row.who.claims and Entry((row.who.subject,), RULE).concerns(identity):
            for each in row.cells:
                may[each.column.name] |= each.permitted
                denied[each.column.name] |= each.denied | each.besides
    for column in found.columns:
        decided = rules.rules_for(identity).permissions(column.namespace)
        assert may[column.name] - denied[column.name] == decided


def test_to_whom_something_is_denied_alone_has_a_row() -> None:
    lab = {"issuer": "corp", "group": "/lab"}
    shut = {"namespaces": ["b-*"], "resources": ["hostclaims"], "verbs": ["delete"]}
    rules = policies(
        policy("one", [lab, EVERYONE], deny=[shut, {**shut, "verbs": ["get"]}]),
        policy("two", [EVERYONE], allow=[{"namespaces": ["b-1", "c"], "role": "viewer"}]),
        policy("three", [{"issuer": "corp", "user": "x" * 600}], deny=[shut]),
    )
    told = {
        (_name(row), each.column.name): ({*each.denied}, {*each.besides})
        for row in Matrix(rules, ANY).rows()
        for each in row.cells
    }
    get, delete = ("hostclaims", Verb.GET), ("hostclaims", Verb.DELETE)
    assert told == {
        ("everyone", "b-1"): ({get}, {delete}),
        ("everyone", "b-*"): (set(), {get, delete}),
        ("everyone", "c"): (set(), set()),
        ("/lab", "b-1"): (set(), {get, delete}),
        ("/lab", "b-*"): (set(), {get, delete}),
    }


IN_BLUE: dict[str, Any] = {"namespaces": ["blue"], "role": "editor"}
FEW: dict[str, Any] = {**IN_BLUE, "bounds": {"maxHostClaims": 2}}


def test_a_cell_tells_what_is_denied_of_what_is_granted() -> None:
    shut = {"namespaces": ["blue"], "resources": ["hostclaims"], "verbs": ["delete", "get"]}
    found = cell(policies(policy(allow=[IN_BLUE], deny=[shut])))
    assert found.denied == {("hostclaims", Verb.DELETE), ("hostclaims", Verb.GET)}
    assert not found.permitted & found.denied


def test_what_is_denied_wholly_has_a_cell_as_well() -> None:
    found = cell(policies(policy(allow=[IN_BLUE], deny=[{"namespaces": ["blue"]}])))
    assert (found.permitted, len(found.denied)) == (frozenset(), 14)


@pytest.mark.parametrize(
    ("grants", "bounds"),
    [
        ([FEW], [2]),
        ([FEW, {**FEW, "bounds": {"maxHostClaims": 3}}], [2, 3]),
        ([FEW, IN_BLUE], []),
        ([{**FEW, "role": "viewer"}], []),
    ],
)
def test_a_cell_tells_bounds_that_have_to_be_kept(grants: list[Any], bounds: list[int]) -> None:
    found = cell(policies(policy(allow=grants)))
    assert [each.max_host_claims for each in found.bounds] == bounds


CLAIMED: dict[str, Any] = {"namespacesFromClaim": "spaces", "role": "viewer"}


def test_who_goes_by_a_claim_has_a_row_of_all_that_it_may_name() -> None:
    lab = {**CLAIMED, "namespaces": ["lab-*", "kube-public"]}
    rules = policies(policy(subjects=[EVERYONE], allow=[lab]))
    assert shown(Matrix(rules, ANY, ["red", "lab-1"])) == [
        ("everyone spaces={namespace}", {"lab-*": 3, "lab-1": 3})
    ]


def test_a_claim_without_a_reach_may_name_any_namespace() -> None:
    rules = policies(policy(subjects=[EVERYONE], allow=[CLAIMED]))
    assert shown(Matrix(rules, ANY)) == [("everyone spaces={namespace}", {"*": 3})]


def test_a_claim_that_is_a_single_name_names_one_namespace_at_a_time() -> None:
    own = {**CLAIMED, "namespacesFromClaim": "sub"}
    rules = policies(policy(subjects=[EVERYONE], allow=[own]))
    assert shown(Matrix(rules, ANY, ["blue", "red"])) == [
        ("everyone sub={namespace}", {"*": 3, "blue": 3, "red": 3})
    ]


def test_a_claim_that_names_more_than_a_token_can_is_asked_in_parts() -> None:
    rules = policies(policy(subjects=[EVERYONE], allow=[CLAIMED, VIEWER]))
    [named, alone] = shown(Matrix(rules, ANY, [f"n{number}" for number in range(1500)]))
    assert len(named[1]) == 1503
    assert alone == ("everyone", {"blue": 3, "blue-*": 3})


def test_what_a_claim_adds_to_what_is_granted_anyway_is_in_its_row() -> None:
    editor = {**CLAIMED, "role": "editor"}
    rules = policies(policy(subjects=[EVERYONE], allow=[editor, VIEWER]))
    more = [f"b{number}" for number in range(1500)]
    [(_, cells), _] = shown(Matrix(rules, ANY, more))
    assert cells["blue"] == 14


@pytest.mark.parametrize(
    ("grant", "rows"),
    [
        (
            ClaimGrant("corp", "groups", "/t/{namespace}/{role}", within=("lab",)),
            [
                ("everyone groups=/t/{namespace}/viewer", {"lab": 3}),
                ("everyone groups=/t/{namespace}/editor", {"lab": 14}),
            ],
        ),
        (
            ClaimGrant("corp", "azp", "bot-{namespace}", Role.VIEWER, ("lab", "red")),
            [("everyone azp=bot-{namespace}", {"lab": 3, "red": 3})],
        ),
    ],
)
def test_claims_that_grant_have_rows(grant: ClaimGrant, rows: Any) -> None:
    found = Matrix(PolicySet(), Combination(Combine.ANY, ClaimGrants([grant])))
    assert shown(found) == rows


def test_where_all_sources_have_to_grant_it_rows_are_of_both() -> None:
    lab = {"issuer": "lab", "user": "eve"}
    rules = policies(policy("one", [EVERYONE, lab], allow=[{**VIEWER, "namespaces": ["blue"]}]))
    grants = [
        ClaimGrant(issuer, "spaces", "{namespace}", Role.VIEWER) for issuer in ("corp", "other")
    ]
    found = Matrix(rules, Combination(Combine.ALL, ClaimGrants(grants)))
    assert shown(found) == [
        ("eve", {"blue": 3}),
        ("everyone spaces={namespace}", {"blue": 3}),
    ]


def test_without_policy_files_claims_have_the_only_rows() -> None:
    grant = ClaimGrant("corp", "spaces", "{namespace}", Role.VIEWER, ("lab",))
    found = Matrix(None, Combination(Combine.ALL, ClaimGrants([grant])))
    assert shown(found) == [("everyone spaces={namespace}", {"lab": 3})]


def test_one_identity_has_a_row_of_its_own() -> None:
    rules = policies(policy(allow=[VIEWER]))
    row = Matrix(rules, ANY).row(make_identity())
    assert [each.column.name for each in row.cells] == ["blue", "blue-*"]


def test_nobody_whom_no_token_can_name_has_a_row() -> None:
    grant = ClaimGrant("corp", "azp", "bot-{namespace}", Role.VIEWER)
    rules = policies(policy(subjects=[{"issuer": "corp", "client": "c"}], allow=[IN_BLUE]))
    assert shown(Matrix(rules, Combination(Combine.ALL, ClaimGrants([grant])))) == []


@settings(SEARCH, max_examples=150)
@given(strategies.policies())
def test_a_cell_says_what_would_be_decided(documents: list[Object]) -> None:
    rules = compiled(documents)
    found = Matrix(rules, ANY)
    for row in found.rows():
        assert isinstance(row.who, Named)
        if row.who.claims:
            continue
        identity = identity_of(row.who)
        assert identity is not None
        cells = {each.column.name: each.permitted for each in row.cells}
        for column in found.columns:
            for resource in (HOSTCLAIMS, SECRETS):
                for verb in Verb:
                    asked = ResourceRequest(verb, resource, column.namespace)
                    decision = authorize(identity, asked, rules.rules_for(identity))
                    says = (resource.plural, verb) in cells.get(column.name, ())
                    assert isinstance(decision, Allow) is says
