"""What a near rule lacked is what it lacked: with it, the request would have been granted."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.core.attributes import ResourceRequest, Verb
from proxy.core.entitlement import Allow, authorize, required_verbs
from proxy.core.explanation import explain, question
from proxy.core.identity import Identity
from proxy.core.nearness import Lack, Near, Thing
from proxy.core.policy import (
    ClaimGrant,
    ClaimGrants,
    Combination,
    Combine,
    Effect,
    PolicySet,
    Role,
    RuleSet,
)
from proxy.core.policy.subjects import Entry, Subject, SubjectKind
from tests.core.policy.documents import policies, policy
from tests.identities import make_identity
from tests.oracle import strategies
from tests.oracle.questions import Object
from tests.oracle.world import NAMESPACES, POOLS, compiled

# How long it takes to draw policies says nothing here.
SEARCH = settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ALICE = make_identity()
RED: Object = {"issuer": "corp", "group": "/tenants/red"}
IN_BLUE: dict[str, Any] = {"namespaces": ["blue"], "role": "viewer"}


def near(
    grants: list[Any],
    asked: tuple[Any, ...],
    subjects: list[Object] | None = None,
    who: Identity = ALICE,
    **more: Any,
) -> list[tuple[Thing, str]]:
    """What the only rule lacked."""
    rules = policies(policy(subjects=subjects, allow=grants, **more))
    found = explain(who, question(*asked), rules).near
    return [(lack.thing, lack.message) for each in found for lack in each.lacks]


LIST: dict[str, Any] = {"namespaces": ["blue"], "resources": ["hostclaims"], "verbs": ["list"]}
GET = ("get", "hostclaims", "blue")


@pytest.mark.parametrize(
    ("subject", "who", "told"),
    [
        (RED, {}, "names group `/tenants/red`; they are in `/tenants/blue`"),
        (RED, {"groups": ()}, "names group `/tenants/red`; they are in no group"),
        ({"user": "bob"}, {}, "names user `bob`; they are `alice`"),
        ({"client": "c"}, {}, "names client `c`; they came with no client"),
        ({"client": "c"}, {"client": "d"}, "names client `c`; they came with client `d`"),
        ({"serviceAccount": "a/b"}, {}, "names serviceAccount `a/b`; they are no service account"),
        (
            {"serviceAccount": "a/b"},
            {"service_account": "a/c"},
            "names serviceAccount `a/b`; they are service account `a/c`",
        ),
        ({"issuer": "lab", "everyone": True}, {}, "is for issuer `lab`; they are of `corp`"),
    ],
)
def test_a_rule_can_be_for_somebody_else(subject: Object, who: Any, told: str) -> None:
    found = near([IN_BLUE], GET, [{"issuer": "corp"} | subject], make_identity(**who))
    assert found == [(Thing.SUBJECT, told)]


def test_of_many_subjects_the_closest_are_named() -> None:
    names = ("/x", "/tenants/blu", "/y", "/tenants/red")
    subjects: list[Object] = [{"issuer": "corp", "group": name} for name in names]
    [(_, told)] = near([IN_BLUE], GET, subjects)
    assert told.startswith(
        "names group `/tenants/blu`, group `/tenants/red`, group `/x` and 1 more;"
    )


CLAIMED: dict[str, Any] = {"namespacesFromClaim": "spaces", "role": "viewer"}
LISTS = {"claims": {"spaces": ("red", "kube-system")}}


@pytest.mark.parametrize(
    ("grant", "asked", "who", "told"),
    [
        (IN_BLUE, ("get", "hostclaims", "red"), {}, ["holds in `blue`, not in `red`"]),
        (IN_BLUE, ("create", "hostclaims", "blue"), {}, ["grants get, list, watch, not create"]),
        (
            {"namespaces": ["blue"], "resources": ["hostclaims"], "verbs": ["get"]},
            ("get", "secrets", "blue"),
            {},
            ["is about hostclaims, not secrets"],
        ),
        (
            IN_BLUE,
            ("update", "secrets", "blue"),
            {},
            ["is about hostclaims, not secrets", "grants get, list, watch, not update"],
        ),
        (CLAIMED, GET, {}, ["wants claim `spaces` to list `blue`, and it is not there"]),
        (CLAIMED, GET, LISTS, ["wants claim `spaces` to list `blue`, and it lists "]),
        (
            {**CLAIMED, "namespaces": ["lab-*"]},
            GET,
            LISTS,
            ["holds in `lab-*`, not in `blue`", "wants claim `spaces` to list `blue`, and it"],
        ),
        (CLAIMED, ("get", "hostclaims", "kube-system"), LISTS, []),
        (
            CLAIMED,
            ("list", "hostclaims", None),
            {},
            ["goes by claim `spaces`, which names nothing"],
        ),
        (
            {**CLAIMED, "namespaces": ["lab-*"]},
            ("list", "hostclaims", None),
            {},
            ["goes by claim `spaces`, which names nothing within `lab-*`"],
        ),
        (
            {"namespaces": ["blue-*", "red"], "role": "viewer"},
            ("list", "hostclaims", None),
            {},
            ["gives `blue-*`, and here namespaces have to be known by name"],
        ),
    ],
)
def test_a_rule_can_lack_a_thing(
    grant: Any, asked: tuple[Any, ...], who: Any, told: list[str]
) -> None:
    found = near([grant], asked, who=make_identity(**who))
    assert len(found) == len(told)
    for (_, message), beginning in zip(found, told, strict=True):
        assert message.startswith(beginning)


def test_where_any_namespace_would_do_a_denial_can_take_them_all() -> None:
    deny = [{"namespaces": ["blue"], "resources": ["hostclaims"]}]
    found = near([IN_BLUE], ("list", "hostclaims", None), deny=deny)
    assert found == [(Thing.DENIED, "is denied by blue.yaml:4 blue spec.deny[0]")]


@pytest.mark.parametrize(
    ("asked", "more"),
    [
        (("update", "hostclaims", "red"), {"subresource": "status"}),
        (("create", "hardwaredata", "pool-a"), {}),
        (("list", "hardwaredata", None), {}),
    ],
)
def test_nothing_is_near_to_what_no_rule_can_grant(asked: Any, more: Any) -> None:
    found = explain(ALICE, question(*asked, **more), policies(policy(allow=[IN_BLUE])))
    assert (found.allowed, found.near) == (False, ())


def test_a_pattern_that_is_in_nobodys_way_is_not_near() -> None:
    rules = policies(
        policy("mine", allow=[{"namespaces": ["blue-*"], "role": "viewer"}]),
        policy(
            "shut",
            allow=[{"namespaces": ["red-*"], "role": "viewer"}],
            deny=[{"namespaces": ["red-*"]}],
        ),
    )
    found = explain(ALICE, question("list", "hostclaims", None), rules).near
    assert [each.origin.split()[1] for each in found] == ["mine"]


def test_too_many_namespaces_are_no_lack_of_a_rule() -> None:
    many = {"namespaces": [f"blue-{number}" for number in range(101)], "role": "viewer"}
    assert near([many], ("list", "hostclaims", None)) == []


def test_the_closest_rules_come_first() -> None:
    rules = policies(
        policy("far", [RED], allow=[{"namespaces": ["red"], "role": "editor"}]),
        policy("other", [RED], allow=[IN_BLUE]),
        policy("place", allow=[{"namespaces": ["red"], "role": "viewer"}]),
        policy("closer", allow=[{"namespaces": ["blu"], "role": "viewer"}]),
        policy("verb", allow=[LIST]),
    )
    found = explain(ALICE, question(*GET), rules).near
    documents = [each.origin.split()[1] for each in found]
    assert documents == ["verb", "closer", "place", "other", "far"]


# What claims of a token would have granted.

GROUPS = ClaimGrant("corp", "groups", "/tenants/{namespace}/{role}")
VIEWS = ClaimGrant("corp", "spaces", "{namespace}", Role.VIEWER, ("lab-*",))


def claims_near(
    grant: ClaimGrant, asked: tuple[Any, ...], how: Combine = Combine.ANY, *grants: Any, **who: Any
) -> list[tuple[str, list[str]]]:
    rules = policies(policy(allow=list(grants))) if grants else PolicySet()
    combination = Combination(how, ClaimGrants([grant]))
    found = explain(make_identity(**who), question(*asked), rules, combination)
    return [(each.origin, [lack.message for lack in each.lacks]) for each in found.near]


@pytest.mark.parametrize(
    ("grant", "asked", "told"),
    [
        (GROUPS, GET, ["wants claim `groups` to hold `/tenants/blue/viewer`"]),
        (
            GROUPS,
            ("delete", "secrets", "blue"),
            ["wants claim `groups` to hold `/tenants/blue/editor`"],
        ),
        (
            VIEWS,
            ("delete", "hostclaims", "blue"),
            [
                "wants claim `spaces` to hold `blue`",
                "holds in `lab-*`, not in `blue`",
                "grants get, list, watch, not delete",
            ],
        ),
        (
            GROUPS,
            ("list", "hostclaims", None),
            ["wants claim `groups` to hold `/tenants/{namespace}/viewer`"],
        ),
    ],
)
def test_a_claim_can_lack_a_value(grant: ClaimGrant, asked: Any, told: list[str]) -> None:
    [(origin, lacks)] = claims_near(grant, asked)
    assert (origin, lacks) == (f"corp: claim {grant.claim} {grant.pattern}", told)


@pytest.mark.parametrize(
    ("grant", "asked"),
    [
        (replace(GROUPS, issuer="lab"), GET),
        (GROUPS, ("get", "hostclaims", "kube-system")),
    ],
)
def test_no_value_of_a_claim_grants_elsewhere(grant: ClaimGrant, asked: Any) -> None:
    assert claims_near(grant, asked) == []


def test_a_value_that_is_there_lacks_nothing_itself() -> None:
    found = claims_near(VIEWS, ("delete", "hostclaims", "lab-1"), claims={"spaces": ("lab-1",)})
    assert [lacks for _, lacks in found] == [["grants get, list, watch, not delete"]]


@pytest.mark.parametrize(
    ("how", "claims", "origins"),
    [
        # The file grants it, so it is the claim that is wanting; and the other way round.
        (Combine.ALL, (), ["corp: claim spaces {namespace}"]),
        (Combine.ANY, (), []),
    ],
)
def test_where_all_have_to_grant_the_near_are_of_those_that_do_not(
    how: Combine, claims: Sequence[str], origins: list[str]
) -> None:
    who = {"claims": {"spaces": tuple(claims)}}
    found = claims_near(VIEWS, GET, how, IN_BLUE, **who)
    assert [origin for origin, _ in found] == origins


def test_a_pattern_in_a_file_is_in_the_way_of_any_claim() -> None:
    grant = {"namespaces": ["*"], "role": "viewer"}
    found = claims_near(GROUPS, ("list", "hostclaims", None), Combine.ANY, grant)
    assert [origin for origin, _ in found] == ["blue.yaml:4 blue spec.allow[0]"]


# The property.

questions = st.builds(
    lambda verb, resource, namespace, patch: question(
        verb,
        resource,
        None if namespace is None and verb in {"list", "watch"} else namespace or "blue",
        patch=patch if verb == "patch" else "",
    ),
    st.sampled_from(strategies.VERBS),
    st.sampled_from(["hostclaims", "secrets", "hardwaredata"]),
    st.sampled_from([*NAMESPACES, *POOLS, None]),
    st.sampled_from(["", "apply"]),
)
callers = st.sampled_from(sorted(strategies.CALLERS))


def called(name: str) -> Identity:
    caller = strategies.CALLERS[name]
    fields = ("issuer", "username", "groups", "client", "service_account", "claims")
    return make_identity(**{field: getattr(caller, field) for field in fields})


def mended(
    lack: Lack, entry: Entry, rules: PolicySet, who: Identity, request: ResourceRequest
) -> tuple[PolicySet, Identity]:
    """The rules and the caller with the one thing changed that a rule lacked."""
    rule, place = entry.rule, request.namespace
    plural = request.resource.plural
    wanted = frozenset((plural, verb) for verb in required_verbs(request))
    match lack.thing:
        case Thing.SUBJECT:
            them = Subject(who.issuer, SubjectKind.USER, who.username)
            change: dict[str, Any] = {"subjects": (*entry.subjects, them)}
        case Thing.NAMESPACE:
            change = {"rule": replace(rule, namespaces=(*rule.namespaces, place or ""))}
        case Thing.VERB | Thing.RESOURCE:
            change = {"rule": replace(rule, permissions=rule.permissions | wanted)}
        case Thing.PATTERN:
            everywhere = [replace(each, rule=_named(each.rule)) for each in rules]
            return PolicySet(everywhere), who
        case Thing.CLAIM:
            within = (rule.namespaces or ("*",))[0].replace("*", "zz")
            listed = (*who.claims.get(entry.claim, ()), within if place is None else place)
            return rules, replace_claims(who, {**who.claims, entry.claim: listed})
        case Thing.DENIED:
            kept = [each for each in rules if each.rule.effect is Effect.ALLOW]
            return PolicySet(kept), who
    return PolicySet(replace(entry, **change) if each is entry else each for each in rules), who


def _named(rule: Any) -> Any:
    return replace(rule, namespaces=tuple(name.replace("*", "zz") for name in rule.namespaces))


def replace_claims(who: Identity, claims: Any) -> Identity:
    fields = ("issuer", "username", "groups", "client", "service_account")
    return make_identity(**{name: getattr(who, name) for name in fields}, claims=claims)


@settings(SEARCH, max_examples=200)
@given(strategies.policies(), callers, questions)
def test_with_the_one_thing_that_a_rule_lacked_it_grants(
    documents: list[Object], name: str, request: ResourceRequest
) -> None:
    rules, who = compiled(documents), called(name)
    for found in explain(who, request, rules).near:
        assert isinstance(found.rule, Entry)
        if len(found.lacks) == 1:
            [lack] = found.lacks
            changed, whoever = mended(lack, found.rule, rules, who, request)
            after = explain(whoever, request, changed)
            assert is_granted_or_denied(after, found), (lack, after.decision)


def is_granted_or_denied(after: Any, before: Near) -> bool:
    # What was changed for several rules at once may have been granted by another of them.
    if isinstance(after.decision, Allow):
        return any(str(rule.origin) == before.origin for rule in after.made_by) or (
            before.lacks[0].thing in {Thing.PATTERN, Thing.DENIED, Thing.CLAIM}
        )
    denied = [
        lack.thing for each in after.near for lack in each.lacks if each.origin == before.origin
    ]
    return after.decision.rule is not None or denied == [Thing.DENIED]


def changes(entry: Entry, who: Identity, request: ResourceRequest) -> Iterator[Entry]:
    """A rule with one thing more."""
    wanted = frozenset((request.resource.plural, verb) for verb in required_verbs(request))
    them = Subject(who.issuer, SubjectKind.USER, who.username)
    yield replace(entry, subjects=(*entry.subjects, them))
    permitted = replace(entry.rule, permissions=entry.rule.permissions | wanted)
    yield replace(entry, rule=permitted)
    if request.namespace is not None and not entry.claim:
        places = (*entry.rule.namespaces, request.namespace)
        yield replace(entry, rule=replace(entry.rule, namespaces=places))


@settings(SEARCH, max_examples=200)
@given(strategies.policies(), callers, questions)
def test_no_rule_that_one_thing_would_have_had_grant_is_left_out(
    documents: list[Object], name: str, request: ResourceRequest
) -> None:
    rules, who = compiled(documents), called(name)
    before = explain(who, request, rules)
    if before.allowed or request.verb not in request.resource.verbs:
        return
    near = {each.origin for each in before.near if len(each.lacks) <= 2}
    for entry in rules:
        if entry.rule.effect is Effect.ALLOW:
            for changed in changes(entry, who, request):
                others = PolicySet(changed if each is entry else each for each in rules)
                decision = authorize(who, request, others.rules_for(who))
                assert not isinstance(decision, Allow) or str(entry.rule.origin) in near


def test_the_decision_is_the_one_of_who_decides() -> None:
    rules = policies(policy(allow=[IN_BLUE]))
    request = question(*GET)
    assert explain(ALICE, request, rules).decision == authorize(
        ALICE, request, rules.rules_for(ALICE)
    )


@settings(SEARCH, max_examples=200)
@given(strategies.policies(), callers)
def test_whom_a_rule_concerns_is_what_the_index_says(documents: list[Object], name: str) -> None:
    rules, who = compiled(documents), called(name)
    concerned = [entry.rule.origin for entry in rules if entry.concerns(who)]
    assert [rule.origin for rule in rules.rules_for(who)] == concerned


def test_without_rules_nothing_is_near() -> None:
    found = explain(ALICE, question(Verb.GET, "secrets", "blue"), PolicySet())
    assert (found.near, RuleSet().size()) == ((), 0)
