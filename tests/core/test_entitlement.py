"""May they: a denial wins, no match is a denial, and discovery is for everybody."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.attributes import NOT_SERVED, PatchType, Review, Verb
from proxy.core.entitlement import MAX_SPANNED, Allow, Deny, authorize, deciding, required_verbs
from proxy.core.policy import Effect, Rule, RuleSet
from tests.core.asking import CLAIMS, SECRET_PATH, parse, resource, rule
from tests.identities import make_identity

ALICE = make_identity()
RED = CLAIMS.replace("blue", "red")
APPLY = ("Content-Type", PatchType.APPLY.value)
MERGE = ("Content-Type", PatchType.MERGE.value)


def decide(method: str, target: str, *rules: Rule, header: tuple[str, str] = MERGE) -> Allow | Deny:
    return authorize(ALICE, resource(method, target, header), RuleSet(rules))


def reason(decision: Allow | Deny) -> str:
    assert isinstance(decision, Deny)
    return decision.reason


@pytest.mark.parametrize("target", ["/api", "/apis", "/version", "/openapi/v3"])
def test_discovery_is_open_to_any_authenticated_caller(target: str) -> None:
    decision = authorize(ALICE, parse("GET", target), RuleSet())
    assert isinstance(decision, Allow)
    assert (decision.rules, decision.reason) == ((), "any authenticated caller")


@pytest.mark.parametrize("review", list(Review))
def test_anybody_may_ask_about_themselves(review: Review) -> None:
    assert isinstance(authorize(ALICE, parse("POST", review.value), RuleSet()), Allow)


def test_an_allow_carries_identity_request_and_the_rule_that_made_it() -> None:
    grant, request = rule(), resource("GET", CLAIMS)
    decision = authorize(ALICE, request, RuleSet([grant]))
    assert isinstance(decision, Allow)
    assert (decision.identity, decision.request, decision.rules) == (ALICE, request, (grant,))
    assert decision.reason == "blue.yaml:8 blue spec.allow[0]"


def test_the_rules_that_decided_are_those_that_granted_or_the_one_that_denied() -> None:
    grant, denial = rule(), rule(effect=Effect.DENY)
    assert deciding(decide("GET", CLAIMS, grant)) == (grant,)
    assert deciding(decide("GET", CLAIMS, grant, denial)) == (denial,)
    assert deciding(decide("GET", CLAIMS)) == ()


def test_an_allow_is_made_by_deciding_alone() -> None:
    forged: Any = Allow
    with pytest.raises(TypeError, match="authorize"):
        forged(object(), ALICE, resource("GET", CLAIMS), ())


def test_no_rule_is_a_denial() -> None:
    assert reason(decide("GET", CLAIMS)) == (
        "no policy grants you hostclaims in this namespace; no namespace is granted to you"
    )


def test_a_denial_wins_over_any_number_of_grants() -> None:
    denial = rule(("hostclaims", Verb.GET), effect=Effect.DENY, line=9)
    decision = decide("GET", f"{CLAIMS}/a", rule(), rule(namespaces=("*",)), denial)
    assert isinstance(decision, Deny)
    assert (decision.rule, decision.reason) == (denial, "a policy denies it explicitly")


def test_a_denial_of_one_verb_leaves_the_others() -> None:
    denial = rule(("hostclaims", Verb.GET), effect=Effect.DENY)
    assert isinstance(decide("PUT", f"{CLAIMS}/a", rule(), denial), Allow)


@pytest.mark.parametrize(
    ("method", "target", "verb"),
    [
        ("GET", f"{CLAIMS}/a", Verb.GET),
        ("HEAD", f"{CLAIMS}/a", Verb.GET),
        ("GET", f"{CLAIMS}/a/status", Verb.GET),
        ("GET", CLAIMS, Verb.LIST),
        ("HEAD", CLAIMS, Verb.LIST),
        ("GET", f"{CLAIMS}?watch=1", Verb.WATCH),
        ("POST", f"{CLAIMS}?dryRun=All", Verb.CREATE),
        ("PUT", f"{CLAIMS}/a?dryRun=All", Verb.UPDATE),
        ("PATCH", f"{CLAIMS}/a?dryRun=All", Verb.PATCH),
        ("DELETE", f"{CLAIMS}/a?dryRun=All", Verb.DELETE),
        ("DELETE", f"{CLAIMS}?dryRun=All", Verb.DELETECOLLECTION),
    ],
)
def test_a_request_needs_its_verb_dry_run_or_not(method: str, target: str, verb: Verb) -> None:
    others = [("hostclaims", other) for other in Verb if other is not verb]
    assert isinstance(decide(method, target, rule(("hostclaims", verb))), Allow)
    assert isinstance(decide(method, target, rule(*others)), Deny)


@pytest.mark.parametrize("missing", [Verb.PATCH, Verb.CREATE])
@pytest.mark.parametrize("target", [f"{CLAIMS}/a", SECRET_PATH])
def test_an_apply_needs_patch_and_create(target: str, missing: Verb) -> None:
    plural = resource("GET", target).resource.plural
    present = rule(*((plural, verb) for verb in Verb if verb is not missing))
    assert isinstance(decide("PATCH", target, present, header=APPLY), Deny)
    assert isinstance(decide("PATCH", target, rule(), header=APPLY), Allow)
    denial = rule((plural, missing), effect=Effect.DENY)
    assert isinstance(decide("PATCH", target, rule(), denial, header=APPLY), Deny)


def test_of_several_rules_that_grant_it_the_closest_is_named() -> None:
    decision = decide("GET", CLAIMS, rule(namespaces=("*",), line=9), rule())
    assert isinstance(decision, Allow)
    assert decision.rules == (rule(),)


def test_an_apply_names_each_rule_that_made_it_once() -> None:
    patch, create = rule(("hostclaims", Verb.PATCH)), rule(("hostclaims", Verb.CREATE), line=9)
    decision = decide("PATCH", f"{CLAIMS}/a", patch, create, header=APPLY)
    assert isinstance(decision, Allow)
    assert decision.rules == (patch, create)
    assert decision.reason == "blue.yaml:8 blue spec.allow[0]; blue.yaml:9 blue spec.allow[0]"
    whole = decide("PATCH", f"{CLAIMS}/a", rule(), header=APPLY)
    assert isinstance(whole, Allow)
    assert whole.rules == (rule(),)


def test_a_patch_that_is_no_apply_needs_patch_alone() -> None:
    assert required_verbs(resource("PATCH", f"{CLAIMS}/a", MERGE)) == (Verb.PATCH,)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_status_is_written_by_nobody_whoever_grants_it(method: str) -> None:
    decision = decide(method, f"{CLAIMS}/a/status", rule(), rule(namespaces=("*",)))
    assert reason(decision) == "the status is written by the host's controller alone"


ALL = "/apis/metal3.io/v1alpha1/hostclaims"
every_query = pytest.mark.parametrize("query", ["", "?watch=1"])


@every_query
def test_all_namespaces_at_once_are_those_that_are_granted_by_name(query: str) -> None:
    granted = decide("GET", ALL + query, rule(namespaces=("red", "blue")), rule(line=9))
    assert isinstance(granted, Allow)
    assert granted.namespaces == ("blue", "red")
    assert granted.reason == "blue.yaml:8 blue spec.allow[0]"


@every_query
def test_a_namespace_that_is_denied_is_left_out(query: str) -> None:
    denial = rule(namespaces=("red",), effect=Effect.DENY)
    granted = decide("GET", ALL + query, rule(namespaces=("red", "blue")), denial)
    assert isinstance(granted, Allow)
    assert granted.namespaces == ("blue",)


@every_query
def test_a_pattern_does_not_say_which_namespaces_there_are(query: str) -> None:
    found = reason(decide("GET", ALL + query, rule(namespaces=("lab-*",)), rule()))
    assert found == (
        "which namespaces lab-* covers is not known here, ask for one namespace at a time"
    )


@every_query
def test_nobody_lists_what_is_granted_nowhere(query: str) -> None:
    found = reason(decide("GET", ALL + query, rule(("secrets", Verb.LIST))))
    assert found.endswith("on hostclaims anywhere; your namespaces are blue")


def test_more_namespaces_than_one_answer_spans_are_asked_for_apart() -> None:
    names = tuple(f"n{number}" for number in range(MAX_SPANNED + 1))
    assert "more than 100" in reason(decide("GET", ALL, rule(namespaces=names)))
    assert isinstance(decide("GET", ALL, rule(namespaces=names[:-1])), Allow)


def test_a_grant_on_one_resource_is_none_on_another() -> None:
    assert isinstance(decide("GET", SECRET_PATH, rule(("hostclaims", Verb.GET))), Deny)


def test_a_grant_in_one_namespace_is_none_in_another() -> None:
    assert reason(decide("GET", RED, rule())) == (
        "no policy grants you hostclaims in this namespace; your namespaces are blue"
    )


def test_a_denial_says_what_is_allowed_instead() -> None:
    granted = rule(("hostclaims", Verb.LIST), ("hostclaims", Verb.GET), ("secrets", Verb.UPDATE))
    assert reason(decide("PUT", f"{CLAIMS}/a", granted)) == (
        "no policy grants you update on hostclaims there, only get, list"
    )


def test_a_long_list_of_namespaces_is_cut_off() -> None:
    many = rule(namespaces=tuple(f"n{number:02}" for number in range(12)))
    assert reason(decide("GET", CLAIMS, many)).endswith("n08, n09 and 2 more")


@given(
    st.sets(st.tuples(st.sampled_from(["hostclaims", "secrets"]), st.sampled_from(Verb))),
    st.sampled_from(Verb),
)
def test_nothing_is_allowed_that_no_rule_grants(granted: set[tuple[str, Verb]], verb: Verb) -> None:
    methods = {Verb.GET: "GET", Verb.UPDATE: "PUT", Verb.PATCH: "PATCH", Verb.DELETE: "DELETE"}
    rules = (rule(*granted),) if granted else ()
    decision = decide(methods.get(verb, "GET"), f"{CLAIMS}/a", *rules)
    asked = verb if verb in methods else Verb.GET
    assert isinstance(decision, Allow) == (("hostclaims", asked) in granted)


HARDWARE = "/apis/metal3.io/v1alpha1/namespaces/pool-a/hardwaredata"
READ_HARDWARE = tuple(("hardwaredata", verb) for verb in (Verb.GET, Verb.LIST, Verb.WATCH))
of_each_verb = pytest.mark.parametrize("target", [f"{HARDWARE}/a", HARDWARE, f"{HARDWARE}?watch=1"])


@of_each_verb
def test_hardwaredata_is_read_for_the_namespaces_that_it_is_granted_in(target: str) -> None:
    granted = decide("GET", target, rule(*READ_HARDWARE, namespaces=("red", "blue")), rule())
    assert isinstance(granted, Allow)
    assert granted.namespaces == ("blue", "red")
    assert granted.reason == "blue.yaml:8 blue spec.allow[0]"


@of_each_verb
def test_for_whom_hardwaredata_is_not_granted_it_is_not_served(target: str) -> None:
    assert reason(decide("GET", target, rule(), rule(namespaces=("*",)))) == NOT_SERVED


def test_a_verb_on_hardwaredata_that_is_granted_nowhere_is_refused() -> None:
    found = reason(decide("GET", HARDWARE, rule(("hardwaredata", Verb.GET))))
    assert found.startswith("no policy grants you list on hardwaredata anywhere")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_hardwaredata_is_written_by_nobody(method: str) -> None:
    assert isinstance(decide(method, HARDWARE, rule(*READ_HARDWARE)), Deny)


@pytest.mark.parametrize("query", ["", "?watch=1"])
def test_hardwaredata_of_all_namespaces_is_not_listed(query: str) -> None:
    target = f"/apis/metal3.io/v1alpha1/hardwaredata{query}"
    found = reason(decide("GET", target, rule(*READ_HARDWARE)))
    assert found == "hardwaredata is read in one namespace of hosts at a time"


@of_each_verb
@pytest.mark.parametrize("denied", ["blue", "pool-a", "*"])
def test_hardwaredata_can_be_denied_to_the_tenant_and_of_the_hosts(
    target: str, denied: str
) -> None:
    denial = rule(*READ_HARDWARE, namespaces=(denied,), effect=Effect.DENY)
    assert isinstance(decide("GET", target, rule(*READ_HARDWARE), denial), Deny)


@of_each_verb
def test_whose_hardwaredata_it_is_cannot_be_told_by_a_pattern(target: str) -> None:
    found = reason(decide("GET", target, rule(*READ_HARDWARE, namespaces=("lab-*", "blue"))))
    assert found == (
        "which namespaces lab-* covers is not known here, "
        "have hardwaredata granted in a few namespaces, by name"
    )
