"""What would have been: said where the outcome differs, with the rules that made the difference."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core import shadow
from proxy.core.attributes import NOT_SERVED, PatchType, Verb
from proxy.core.bounds import Bounds
from proxy.core.entitlement import MAX_SPANNED, Allow, Deny, authorize
from proxy.core.hostclaims import OutOfBounds
from proxy.core.policy import Effect, Origin, Rule, RuleSet
from proxy.core.shadow import Difference, Verdict
from tests.core.asking import CLAIMS, JSON, MISSING, call, parse, play, reply, rule
from tests.identities import make_identity

ALICE = make_identity()
ALL = "/apis/metal3.io/v1alpha1/hostclaims"
HARDWARE = "/apis/metal3.io/v1alpha1/namespaces/hosts/hardwaredata"
LIST = ("hostclaims", Verb.LIST)
OF_HARDWARE = ("hardwaredata", Verb.LIST)


def supposed(*permissions: tuple[str, Verb], name: str = "new", **fields: Any) -> Rule:
    """A rule of a shadow document."""
    origin = Origin("new.yaml", name, "spec.allow[0]", 3)
    return replace(rule(*permissions, **fields), origin=origin)


def with_shadow(rules: list[Rule], *supposed: Rule) -> RuleSet:
    return RuleSet(rules, shadow=RuleSet([*rules, *supposed]))


def differs(
    rules: RuleSet, method: str = "GET", target: str = CLAIMS, *headers: tuple[str, str]
) -> Difference | None:
    decision = authorize(ALICE, parse(method, target, *headers), rules)
    return shadow.decided(decision, rules)


def test_without_shadow_rules_nothing_differs() -> None:
    assert differs(RuleSet([rule()])) is None


def test_what_a_shadow_grant_would_have_let_through_is_said_with_the_rule() -> None:
    found = differs(with_shadow([], supposed()))
    assert found == Difference(Verdict.ALLOW, "new.yaml:3 new spec.allow[0]", ("new",))


def test_what_a_shadow_denial_would_have_refused_is_said_with_the_rule() -> None:
    found = differs(with_shadow([rule()], supposed(effect=Effect.DENY)))
    assert found is not None
    assert (found.verdict, found.policies) == (Verdict.FORBID, ("new",))
    assert found.reason == "a policy denies it explicitly; new.yaml:3 new spec.allow[0]"


@pytest.mark.parametrize(
    ("rules", "target"),
    [
        (with_shadow([rule()], supposed()), CLAIMS),
        (with_shadow([], supposed(namespaces=("red",))), CLAIMS),
        (with_shadow([], supposed(effect=Effect.DENY)), CLAIMS),
        (with_shadow([rule()], supposed(effect=Effect.DENY)), "/version"),
        (with_shadow([rule()], supposed(("secrets", Verb.LIST), namespaces=("red",))), ALL),
    ],
)
def test_what_comes_out_the_same_is_not_said(rules: RuleSet, target: str) -> None:
    assert differs(rules, "GET", target) is None


def test_an_apply_names_only_the_rule_that_does_not_count() -> None:
    rules = with_shadow(
        [rule(("secrets", Verb.PATCH))], supposed(("secrets", Verb.CREATE), name="creates")
    )
    apply = ("Content-Type", PatchType.APPLY.value)
    target = "/api/v1/namespaces/blue/secrets/a?fieldManager=x"
    found = differs(rules, "PATCH", target, apply)
    assert found is not None
    assert (found.verdict, found.policies) == (Verdict.ALLOW, ("creates",))
    assert found.reason == "blue.yaml:8 blue spec.allow[0]; new.yaml:3 creates spec.allow[0]"


def test_a_list_that_would_span_others_is_said_with_their_names() -> None:
    rules = with_shadow(
        [rule(LIST), rule(LIST, namespaces=("green",))],
        supposed(LIST, namespaces=("red",), name="adds"),
        supposed(effect=Effect.DENY, namespaces=("green",), name="takes"),
    )
    found = differs(rules, "GET", ALL)
    assert found is not None
    assert (found.verdict, found.policies) == (Verdict.ALLOW, ("adds", "takes"))
    assert found.reason == (
        "with red, without green; new.yaml:3 adds spec.allow[0]; new.yaml:3 takes spec.allow[0]"
    )


@pytest.mark.parametrize(
    ("rules", "target", "verdict"),
    [
        pytest.param(
            with_shadow([rule(LIST)], supposed(LIST, namespaces=("red-*",))),
            ALL,
            Verdict.FORBID,
            id="a-pattern-that-nobody-can-list",
        ),
        pytest.param(
            with_shadow([rule(LIST)], supposed(effect=Effect.DENY)),
            ALL,
            Verdict.FORBID,
            id="nothing-left-to-list",
        ),
        pytest.param(
            with_shadow(
                [rule(LIST), rule(LIST, namespaces=("red-*",))],
                supposed(effect=Effect.DENY, namespaces=("red-*",)),
            ),
            ALL,
            Verdict.ALLOW,
            id="only-names-left",
        ),
        pytest.param(
            with_shadow([rule(OF_HARDWARE)], supposed(OF_HARDWARE, effect=Effect.DENY)),
            HARDWARE,
            Verdict.FORBID,
            id="no-hardware-left",
        ),
    ],
)
def test_rules_that_change_what_is_around_a_decision_are_named(
    rules: RuleSet, target: str, verdict: Verdict
) -> None:
    found = differs(rules, "GET", target)
    assert found is not None
    assert (found.verdict, found.policies) == (verdict, ("new",))
    assert found.reason.endswith("; new.yaml:3 new spec.allow[0]") or verdict is Verdict.ALLOW


def test_hardware_that_would_be_served_is_said() -> None:
    rules = with_shadow([], supposed(OF_HARDWARE))
    decision = authorize(ALICE, parse("GET", HARDWARE), rules)
    assert isinstance(decision, Deny)
    assert decision.reason == NOT_SERVED
    assert shadow.decided(decision, rules) is not None


def test_a_reason_names_some_of_very_many() -> None:
    names = [f"red-{number}" for number in range(MAX_SPANNED - 1)]
    more = [supposed(LIST, namespaces=(name,), name=name) for name in names]
    found = differs(with_shadow([rule(LIST)], *more), "GET", ALL)
    assert found is not None
    assert "with red-0 red-1 " in found.reason
    assert " and 89 more; " in found.reason
    assert found.reason.endswith("; and 89 more")
    assert len(found.policies) == len(names)


# What is written, held to bounds.

POOL_A = Bounds(host_namespaces=("pool-a",))
POOL_B = Bounds(host_namespaces=("pool-b",))
A_CLAIM = {
    "kind": "HostClaim",
    "apiVersion": "metal3.io/v1alpha1",
    "metadata": {"name": "a"},
    "spec": {"hostSelector": {"inNamespace": "pool-b"}},
}


def refused(rules: RuleSet, *replies: Any, **metadata: Any) -> Any:
    body = {**A_CLAIM, "metadata": {"name": "a", **metadata}}
    return play(call("POST", CLAIMS, JSON, body=body, rules=rules), *replies, rules=rules).outcome


def bounded(bounds: Bounds, *others: Rule) -> RuleSet:
    return with_shadow([replace(rule(), bounds=bounds)], *others)


def listing(number: int) -> Any:
    return reply(200, {"metadata": {}, "items": [{}] * number})


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        (bounded(POOL_A, replace(supposed(), bounds=POOL_B)), Verdict.ALLOW),
        (bounded(POOL_A, supposed()), Verdict.ALLOW),
        (
            bounded(POOL_A, replace(supposed(), bounds=Bounds(images=("https://a/",)))),
            Verdict.ALLOW,
        ),
        (bounded(POOL_A, replace(supposed(namespaces=("red",)), bounds=POOL_B)), None),
        (bounded(POOL_A, replace(supposed(), bounds=Bounds(host_namespaces=("x",)))), None),
        (bounded(POOL_A, supposed(effect=Effect.DENY)), None),
        (RuleSet(bounded(POOL_A)), None),
    ],
)
def test_a_claim_that_the_bounds_of_a_shadow_grant_would_let_is_said(
    rules: RuleSet, verdict: Verdict | None
) -> None:
    outcome = refused(rules)
    assert isinstance(outcome, OutOfBounds)
    found = shadow.bounded(outcome, rules)
    assert (found and found.verdict) == verdict
    if found is not None:
        assert found.reason == "within the bounds; new.yaml:3 new spec.allow[0]"
        assert found.policies == ("new",)


def test_of_an_apply_beyond_its_bounds_only_what_does_not_count_is_named() -> None:
    patches = rule(("hostclaims", Verb.PATCH), line=1)
    creates = replace(rule(("hostclaims", Verb.CREATE), line=2), bounds=POOL_A)
    rules = with_shadow([patches, creates], supposed(("hostclaims", Verb.CREATE)))
    apply = ("Content-Type", PatchType.APPLY.value)
    asked = call("PATCH", f"{CLAIMS}/a?fieldManager=x", apply, body=A_CLAIM, rules=rules)
    outcome = play(asked, MISSING, reply(201, A_CLAIM), rules=rules).outcome
    assert isinstance(outcome, OutOfBounds)
    found = shadow.bounded(outcome, rules)
    assert found is not None
    assert found.reason == "within the bounds; new.yaml:3 new spec.allow[0]"


@pytest.mark.parametrize(("limit", "said"), [(3, False), (4, True)])
def test_one_claim_more_than_there_may_be_is_held_to_the_number_of_a_shadow_grant(
    limit: int, *, said: bool
) -> None:
    more = replace(supposed(), bounds=Bounds(max_host_claims=limit))
    rules = bounded(Bounds(max_host_claims=2), more)
    outcome = refused(rules, listing(3))
    assert isinstance(outcome, OutOfBounds)
    assert (shadow.bounded(outcome, rules) is not None) is said


@pytest.mark.parametrize("bounds", [POOL_A, Bounds(max_host_claims=0)])
def test_a_claim_that_is_wrong_besides_would_not_have_been_let(bounds: Bounds) -> None:
    rules = bounded(bounds, supposed())
    wrong = {"finalizers": ["x"]} if bounds == POOL_A else {"ownerReferences": [{"kind": "Pod"}]}
    outcome = refused(rules, *([] if bounds == POOL_A else [listing(0)]), **wrong)
    assert not isinstance(outcome, OutOfBounds)
    assert len(outcome.causes) == 2


_rules = st.lists(
    st.builds(
        lambda permissions, namespace, effect, line: rule(
            *permissions, namespaces=(namespace,), effect=effect, line=line
        ),
        st.lists(st.sampled_from([LIST, OF_HARDWARE, ("hostclaims", Verb.GET)]), min_size=1),
        st.sampled_from(["blue", "red", "blue-*", "*"]),
        st.sampled_from(Effect),
        st.integers(1, 99),
    ),
    max_size=4,
)


@given(_rules, _rules, st.sampled_from([CLAIMS, ALL, HARDWARE, f"{CLAIMS}/a", f"{HARDWARE}/a"]))
def test_what_is_said_is_what_another_decision_would_have_been_and_by_whom(
    counting: list[Rule], others: list[Rule], target: str
) -> None:
    shadows = [replace(r, origin=Origin("new.yaml", "new", "x", n)) for n, r in enumerate(others)]
    rules = with_shadow(counting, *shadows)
    decision = authorize(ALICE, parse("GET", target), rules)
    would = authorize(ALICE, parse("GET", target), RuleSet([*counting, *shadows]))
    spans = [getattr(one, "namespaces", None) for one in (decision, would)]
    found = shadow.decided(decision, rules)
    assert (found is None) == (spans[0] == spans[1])
    if found is not None:
        assert (found.verdict is Verdict.ALLOW) == isinstance(would, Allow)
        assert found.policies == ("new",)
