"""Whoever may is told, and whoever may not for what else they are is told as an exception."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.core.attributes import ResourceRequest
from proxy.core.entitlement import Allow, authorize
from proxy.core.explanation import question
from proxy.core.holders import Holder, Named, Refused, holders, identity_of
from proxy.core.policy import ClaimGrant, ClaimGrants, Combination, Combine, PolicySet, Role
from proxy.core.policy.subjects import Entry, Subject, SubjectKind
from tests.core.policy.documents import policies, policy
from tests.oracle import strategies
from tests.oracle.questions import Object
from tests.oracle.world import NAMESPACES, POOLS, compiled

# How long it takes to draw policies says nothing here.
SEARCH = settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
BLUE, RED = ({"issuer": "corp", "group": f"/{name}"} for name in ("blue", "red"))
EVERYONE = {"issuer": "corp", "everyone": True}
VIEWER: dict[str, Any] = {"namespaces": ["blue"], "role": "viewer"}
ANY = Combination()
GET = ("get", "hostclaims", "blue")


def found(
    rules: PolicySet, asked: tuple[Any, ...] = GET, combination: Combination = ANY
) -> list[tuple[str, list[str]]]:
    """Everybody who may, and who of them may not."""
    return [
        (_name(one), [unless.subject.value for unless in one.unless])
        for one in holders(question(*asked), rules, combination)
        if isinstance(one, Holder)
    ]


def refused(rules: PolicySet, asked: tuple[Any, ...] = GET) -> list[tuple[str, str]]:
    every = holders(question(*asked), rules, ANY)
    return [(_name(one), one.reason) for one in every if isinstance(one, Refused)]


def _name(one: Holder | Refused) -> str:
    claims = (f"{name}={value}" for name, value in one.who.claims)
    return " ".join((one.who.subject.value or "everyone", *claims))


def test_each_subject_of_a_rule_that_grants_it_may() -> None:
    rules = policies(
        policy("one", [BLUE, RED], allow=[VIEWER]),
        policy("two", [EVERYONE], allow=[{"namespaces": ["red"], "role": "viewer"}]),
    )
    assert found(rules) == [("/blue", []), ("/red", [])]


def test_whom_a_denial_is_for_is_an_exception() -> None:
    rules = policies(
        policy("one", [BLUE], allow=[VIEWER]), policy("two", [RED], deny=[{"namespaces": ["*"]}])
    )
    assert found(rules) == [("/blue", ["/red"])]


def test_whom_a_denial_is_for_anyway_is_told_as_refused() -> None:
    rules = policies(
        policy("one", [BLUE], allow=[VIEWER]), policy("two", [EVERYONE], deny=[VIEWER])
    )
    assert (found(rules), refused(rules)) == ([], [("/blue", "a policy denies it explicitly")])


@pytest.mark.parametrize(
    ("denial", "asked"),
    [
        ({"namespaces": ["red"]}, GET),
        ({"namespaces": ["blue"], "verbs": ["list"]}, GET),
        ({"namespaces": ["blue"], "resources": ["secrets"]}, GET),
    ],
)
def test_a_denial_of_something_else_makes_no_exception(denial: Any, asked: Any) -> None:
    rules = policies(policy("one", [BLUE], allow=[VIEWER]), policy("two", [RED], deny=[denial]))
    assert found(rules, asked) == [("/blue", [])]


def test_somebody_of_another_issuer_is_no_exception() -> None:
    other = {"issuer": "lab", "user": "eve"}
    rules = policies(
        policy("one", [BLUE], allow=[VIEWER]), policy("two", [other], deny=[{"namespaces": ["*"]}])
    )
    assert found(rules) == [("/blue", [])]


def test_who_lists_all_namespaces_may_have_no_pattern_besides() -> None:
    pattern = {"namespaces": ["blue-*"], "role": "viewer"}
    rules = policies(policy("one", [BLUE], allow=[VIEWER]), policy("two", [RED], allow=[pattern]))
    asked = ("list", "hostclaims", None)
    assert found(rules, asked) == [("/blue", ["/red"])]
    assert [name for name, _ in refused(rules, asked)] == ["/red"]
    [holder, _] = holders(question(*asked), rules, ANY)
    assert isinstance(holder, Holder)
    assert holder.namespaces == ("blue",)


def test_hardware_is_granted_where_claims_are() -> None:
    read = {"namespaces": ["blue"], "resources": ["hardwaredata"], "verbs": ["get"]}
    shut = policy("two", [RED], deny=[{"namespaces": ["blue"]}])
    rules = policies(policy("one", [BLUE], allow=[read]), shut)
    assert found(rules, ("get", "hardwaredata", "pool-a")) == [("/blue", ["/red"])]


def test_bounds_are_told() -> None:
    few = {"namespaces": ["blue"], "role": "editor", "bounds": {"maxHostClaims": 2}}
    rules = policies(policy("one", [BLUE], allow=[few]))
    [holder] = holders(question("create", "hostclaims", "blue"), rules, ANY)
    assert isinstance(holder, Holder)
    assert [bound.bounds.max_host_claims for bound in holder.bounds] == [2]


CLAIMED: dict[str, Any] = {"namespacesFromClaim": "spaces", "role": "viewer"}
LAB = {**CLAIMED, "namespaces": ["lab-*"]}
SEVERAL = {**CLAIMED, "namespaces": ["kube-public", "lab-*", "red"]}


@pytest.mark.parametrize(
    ("grant", "asked", "who"),
    [
        (CLAIMED, GET, ["everyone spaces=blue"]),
        (CLAIMED, ("get", "hostclaims", "kube-system"), []),
        (LAB, GET, []),
        (LAB, ("get", "hostclaims", "lab-1"), ["everyone spaces=lab-1"]),
        (LAB, ("list", "hostclaims", None), ["everyone spaces=lab-a"]),
        (CLAIMED, ("list", "hostclaims", None), ["everyone spaces=a"]),
        ({**CLAIMED, "namespacesFromClaim": "sub"}, GET, ["everyone sub=blue"]),
        (SEVERAL, ("list", "hostclaims", None), ["everyone spaces=lab-a", "everyone spaces=red"]),
    ],
)
def test_who_claims_a_namespace_may_where_a_rule_goes_by_the_claim(
    grant: Any, asked: Any, who: list[str]
) -> None:
    rules = policies(policy(subjects=[EVERYONE], allow=[grant]))
    assert [name for name, _ in found(rules, asked)] == who


def test_what_is_denied_by_name_does_not_stand_for_all_that_may_be_claimed() -> None:
    denied = policy("two", [EVERYONE], deny=[{"namespaces": ["lab-a"]}])
    rules = policies(policy(subjects=[EVERYONE], allow=[LAB]), denied)
    asked = ("list", "hostclaims", None)
    assert [name for name, _ in found(rules, asked)] == ["everyone spaces=lab-b"]


GROUPS = ClaimGrant("corp", "groups", "/tenants/{namespace}/{role}")
VIEWS = ClaimGrant("corp", "spaces", "{namespace}", Role.VIEWER, ("blue", "lab-*"))


@pytest.mark.parametrize(
    ("grant", "asked", "who"),
    [
        (GROUPS, GET, [f"everyone groups=/tenants/blue/{role}" for role in Role]),
        (GROUPS, ("get", "secrets", "blue"), ["everyone groups=/tenants/blue/editor"]),
        (GROUPS, ("deletecollection", "secrets", "blue"), []),
        (GROUPS, ("get", "hostclaims", "kube-system"), []),
        (
            GROUPS,
            ("list", "hostclaims", None),
            [f"everyone groups=/tenants/a/{role}" for role in Role],
        ),
        (VIEWS, GET, ["everyone spaces=blue"]),
        (VIEWS, ("get", "hostclaims", "red"), []),
        (VIEWS, ("delete", "hostclaims", "blue"), []),
        (
            ClaimGrant("corp", "preferred_username", "bot-{namespace}", Role.VIEWER),
            GET,
            ["everyone preferred_username=bot-blue"],
        ),
    ],
)
def test_who_has_a_claim_that_grants_it_may(grant: ClaimGrant, asked: Any, who: list[str]) -> None:
    combination = Combination(Combine.ANY, ClaimGrants([grant]))
    assert [name for name, _ in found(PolicySet(), asked, combination)] == who


def test_where_all_sources_have_to_grant_it_takes_both() -> None:
    lab = {"issuer": "lab", "user": "eve"}
    rules = policies(policy("one", [BLUE, lab], allow=[VIEWER]))
    grants = [GROUPS, ClaimGrant("other", "spaces", "{namespace}", Role.VIEWER)]
    combination = Combination(Combine.ALL, ClaimGrants(grants))
    assert [name for name, _ in found(rules, GET, combination)] == [
        *(f"/blue groups=/tenants/blue/{role}" for role in Role),
        "eve",
    ]


def test_where_all_have_to_grant_it_a_claim_names_what_a_rule_does() -> None:
    dev = {"namespaces": ["kube-public", "blue-dev"], "role": "viewer"}
    rules = policies(policy("one", [BLUE], allow=[dev]))
    combination = Combination(Combine.ALL, ClaimGrants([replace(VIEWS, within=("*",))]))
    asked = ("list", "hostclaims", None)
    assert [name for name, _ in found(rules, asked, combination)] == ["/blue spaces=blue-dev"]


def test_without_policy_files_claims_are_all_there_is() -> None:
    combination = Combination(Combine.ALL, ClaimGrants([VIEWS]))
    every = holders(question(*GET), None, combination)
    assert [_name(one) for one in every] == ["everyone spaces=blue"]


def test_nobody_is_told_of_whom_no_token_can_be() -> None:
    two = ClaimGrant("corp", "preferred_username", "bot-{namespace}", Role.VIEWER)
    combination = Combination(Combine.ALL, ClaimGrants([two]))
    rules = policies(policy("one", [{"issuer": "corp", "user": "alice"}], allow=[VIEWER]))
    assert found(rules, GET, combination) == []


# The properties.

requests = st.builds(
    question,
    st.sampled_from(strategies.VERBS),
    st.sampled_from(["hostclaims", "secrets", "hardwaredata"]),
    st.sampled_from([*NAMESPACES, *POOLS]),
) | st.builds(question, st.sampled_from(["list", "watch"]), st.just("hostclaims"), st.none())
SUBJECTS = tuple(
    Subject(one["issuer"], SubjectKind(kind), "" if kind == "everyone" else one[kind])
    for one in strategies.SUBJECTS
    for kind in one
    if kind != "issuer"
)


denials = st.builds(
    lambda subject, namespace: policy("denial", [subject], deny=[{"namespaces": [namespace]}]),
    st.sampled_from(strategies.SUBJECTS),
    st.sampled_from(strategies.PATTERNS),
)


@settings(SEARCH, max_examples=200)
@given(strategies.policies(), denials, requests)
def test_the_exceptions_are_all_who_may_not_for_what_else_they_are(
    documents: list[Object], denial: Object, request: ResourceRequest
) -> None:
    rules = compiled([*documents, denial])
    for one in holders(request, rules, ANY):
        if isinstance(one, Holder):
            unless = {each.subject for each in one.unless}
            for other in SUBJECTS:
                identity = identity_of(one.who, other)
                if identity is not None:
                    decision = authorize(identity, request, rules.rules_for(identity))
                    assert isinstance(decision, Allow) is (other not in unless)


@settings(SEARCH, max_examples=200)
@given(strategies.policies(), requests, st.sampled_from(SUBJECTS))
def test_whoever_may_has_a_name_that_is_told(
    documents: list[Object], request: ResourceRequest, subject: Subject
) -> None:
    rules = compiled(documents)
    told = [one.who for one in holders(request, rules, ANY) if isinstance(one, Holder)]
    whole = [who.subject for who in told if not who.claims]
    identity = identity_of(Named(subject))
    assert identity is not None
    if isinstance(authorize(identity, request, rules.rules_for(identity)), Allow):
        entry = Entry(tuple(whole), next(iter(rules)).rule)
        assert entry.concerns(identity)
