"""Recorded requests are decided anew as they would be, or it is said that nobody can know."""

from itertools import product
from string import ascii_lowercase, digits
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core import audit
from proxy.core.attributes import (
    HARDWAREDATA,
    HOSTCLAIMS,
    SECRETS,
    PatchType,
    ResourceRequest,
    Verb,
)
from proxy.core.audit import Trail
from proxy.core.entitlement import Allow, authorize
from proxy.core.identity import Identity, IssuerRules, OidcNaming, ServiceAccountNaming
from proxy.core.policy import ClaimGrant, ClaimGrants, Combination, Combine, PolicySet, Role
from proxy.core.replay import Answer, Outcome, Recorded, Replay, outcome, read
from proxy.core.shadow import Verdict
from proxy.core.wire import RawRequest
from tests.core.difference.test_comparing import IDENTITIES, SEVERAL
from tests.core.difference.test_comparing import read as policies
from tests.core.difference.test_differing import ALL, BLUE, allow, deny
from tests.core.policy.test_indexes import LABELS
from tests.identities import make_identity

NOTHING = PolicySet()
NAMESPACES = st.sampled_from([*LABELS, None])
CLAIMS_UNKNOWN = "claims of the token are not recorded"


def event(who: Identity, request: ResourceRequest, policies: PolicySet) -> dict[str, Any]:
    """What the proxy records of a request that it decides by some policies."""
    trail = Trail("audit-1", RawRequest("GET", "/"), 0.5, who, request)
    trail.decision = authorize(who, request, policies.rules_for(who))
    trail.code = 200 if isinstance(trail.decision, Allow) else 403
    return audit.event(trail, 1)


def recorded(who: Identity, request: ResourceRequest, policies: PolicySet) -> Recorded:
    found = read(event(who, request, policies))
    assert isinstance(found, Recorded), found
    return found


def replay(
    policies: PolicySet,
    combination: Combination | None = None,
    issuers: dict[str, IssuerRules] | None = None,
    asked: frozenset[str] = frozenset(),
) -> Replay:
    return Replay(policies, combination or Combination(), issuers or {}, asked)


@st.composite
def requests(draw: st.DrawFn) -> ResourceRequest:
    resource = draw(st.sampled_from([HOSTCLAIMS, SECRETS, HARDWAREDATA]))
    verb = draw(st.sampled_from(sorted(resource.verbs)))
    namespace = draw(NAMESPACES)
    if namespace is None and verb not in {Verb.LIST, Verb.WATCH}:
        namespace = "blue"
    item = verb in {Verb.GET, Verb.UPDATE, Verb.PATCH, Verb.DELETE}
    patches = st.sampled_from(sorted(resource.patch_types))
    patch = draw(patches) if verb is Verb.PATCH else None
    return ResourceRequest(verb, resource, namespace, "a" if item else None, patch_type=patch)


@settings(deadline=None, max_examples=300)
@given(old=SEVERAL, new=SEVERAL, people=IDENTITIES, request=requests())
def test_what_is_known_is_what_would_be_decided(
    old: list[Any], new: list[Any], people: dict[str, Any], request: ResourceRequest
) -> None:
    before, after, who = policies(old), policies(new), make_identity(**people)
    found = recorded(who, request, before)
    assert found.asked.request == request
    for now in (before, after):
        decision = authorize(who, request, now.rules_for(who))
        answer = replay(now).decide(found.asked)
        if answer.verdict is None:
            assert answer.reason == CLAIMS_UNKNOWN
            assert any(entry.claim for entry in now)
        else:
            assert (answer.verdict is Verdict.ALLOW) == isinstance(decision, Allow)
    same = replay(before).decide(found.asked)
    assert outcome(found, same) in {Outcome.SAME, Outcome.UNKNOWN}


GET = ResourceRequest(Verb.GET, HOSTCLAIMS, "a", "c")
LIST = ResourceRequest(Verb.LIST, HOSTCLAIMS, None)
ALICE = make_identity(groups=("/blue",))
EDITOR = policies([allow(BLUE, namespaces=["a"])])


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        (EDITOR, EDITOR, Outcome.SAME),
        (NOTHING, NOTHING, Outcome.SAME),
        (EDITOR, NOTHING, Outcome.REFUSED),
        (NOTHING, EDITOR, Outcome.PASSED),
        (NOTHING, policies([allow(BLUE, namespacesFromClaim="lab")]), Outcome.UNKNOWN),
        (NOTHING, policies([allow(BLUE, namespacesFromClaim="sub")]), Outcome.UNKNOWN),
        (NOTHING, policies([allow(BLUE, namespacesFromClaim="groups")]), Outcome.UNKNOWN),
        (
            NOTHING,
            policies([allow(BLUE, namespacesFromClaim="lab", namespaces=["b"])]),
            Outcome.SAME,
        ),
        (
            EDITOR,
            policies([allow(BLUE, namespacesFromClaim="lab"), deny(ALL, namespaces=["a"])]),
            Outcome.REFUSED,
        ),
    ],
)
def test_a_request_is_decided_by_the_policies_that_are_given(
    before: PolicySet, after: PolicySet, wanted: Outcome
) -> None:
    found = recorded(ALICE, GET, before)
    assert outcome(found, replay(after).decide(found.asked)) is wanted


def test_the_rules_of_both_decisions_are_told() -> None:
    found = recorded(ALICE, GET, EDITOR)
    assert found.asked.user == "corp:alice"
    assert (found.reason, found.time) == (
        "blue.yaml:4 p0 spec.allow[0]",
        "1970-01-01T00:00:00.500000Z",
    )
    denied = policies([allow(BLUE, namespaces=["a"]), deny(ALL, namespaces=["a"])])
    answer = replay(denied).decide(found.asked)
    assert answer.reason == "a policy denies it explicitly; blue.yaml:4 p1 spec.deny[0]"


def test_what_spans_namespaces_may_go_by_claims() -> None:
    after = policies([allow(BLUE, namespacesFromClaim="lab", namespaces=["b-*"])])
    found = recorded(ALICE, LIST, NOTHING)
    assert replay(after).decide(found.asked).reason == CLAIMS_UNKNOWN
    assert replay(NOTHING).decide(found.asked).verdict is Verdict.FORBID


def claiming(**more: Any) -> dict[str, Any]:
    return allow(ALL, namespacesFromClaim="lab", role="viewer", **more)


@pytest.mark.parametrize(
    ("now", "listed"),
    [
        # So many claims and patterns that no single token lists them all.
        (
            [
                allow(
                    {"issuer": "corp", "group": f"/{n}"},
                    namespacesFromClaim="lab",
                    namespaces=[f"b{n}-*"],
                )
                for n in range(1001)
            ]
            + [allow(BLUE, namespacesFromClaim="lab", namespaces=["b7-*"])],
            ("b7-a",),
        ),
        ([claiming(namespaces=[f"b{n}-*" for n in range(150)])], ("b7-a",)),
        # A pattern none of whose names is left.
        (
            [
                allow(BLUE, namespaces=["c" * 61 + f"-{c}" for c in ascii_lowercase + digits]),
                claiming(namespaces=["c" * 61 + "-*", "d-*"]),
                deny(BLUE, namespaces=["c" * 61 + "-*"]),
            ],
            ("d-a",),
        ),
        # The first name that comes to mind is denied.
        ([claiming(), deny(ALL, namespaces=["a"])], ("b",)),
        # A claim that lists too many takes a list away.
        (
            [claiming(), allow(ALL, namespaces=["a"])],
            tuple(f"b{n}" for n in range(150)),
        ),
        (
            [claiming(namespaces=[f"b{n}" for n in range(150)]), allow(ALL, namespaces=["a"])],
            tuple(f"b{n}" for n in range(150)),
        ),
    ],
)
def test_what_a_claim_lists_is_not_guessed(now: list[Any], listed: tuple[str, ...]) -> None:
    after, who = policies(now), make_identity(groups=("/blue",), claims={"lab": listed})
    found = recorded(who, LIST, after)
    assert replay(after).decide(found.asked).reason == CLAIMS_UNKNOWN


def test_a_list_that_no_claim_could_take_away_is_known() -> None:
    after = policies([claiming(namespaces=["b", "c"]), allow(ALL, namespaces=["a"])])
    found = recorded(ALICE, LIST, NOTHING)
    assert replay(after).decide(found.asked).verdict is Verdict.ALLOW


def issuer(naming: Any) -> dict[str, IssuerRules]:
    return {
        "corp": IssuerRules(name="corp", url="https://a.example", audiences=("p",), naming=naming)
    }


def test_claims_that_name_somebody_are_known_by_the_configuration() -> None:
    issuers = issuer(OidcNaming(groups_claim="teams"))
    after = policies([allow(ALL, namespacesFromClaim="teams")])
    for groups, wanted in ((("a",), Verdict.ALLOW), (("b",), Verdict.FORBID)):
        found = recorded(make_identity(groups=groups), GET, NOTHING)
        assert replay(after, issuers=issuers).decide(found.asked).verdict is wanted


@pytest.mark.parametrize("namespace", ["a", None])
def test_what_claims_grant_by_the_configuration_is_not_known(namespace: str | None) -> None:
    grants = ClaimGrants([ClaimGrant("corp", "roles", "{namespace}", Role.VIEWER)])
    by_claims = replay(NOTHING, Combination(claims=grants), issuer(OidcNaming()))
    request = ResourceRequest(Verb.LIST, HOSTCLAIMS, namespace)
    assert by_claims.decide(recorded(ALICE, request, NOTHING).asked).reason == CLAIMS_UNKNOWN
    within = ClaimGrants([ClaimGrant("corp", "roles", "{namespace}", Role.VIEWER, ("b-*",))])
    by_claims = replay(NOTHING, Combination(claims=within), issuer(OidcNaming()))
    assert by_claims.decide(recorded(ALICE, GET, NOTHING).asked).verdict is Verdict.FORBID


@pytest.mark.parametrize(
    ("how", "policies", "verdict"),
    [
        (Combine.ANY, EDITOR, Verdict.ALLOW),
        (Combine.ALL, EDITOR, None),
        (Combine.ANY, NOTHING, None),
        (Combine.ANY, policies([deny(ALL, namespaces=["a"])]), Verdict.FORBID),
    ],
)
def test_what_the_iam_permits_is_not_known(
    how: Combine, policies: PolicySet, verdict: Verdict | None
) -> None:
    asking = replay(policies, Combination(how), asked=frozenset({"corp"}))
    assert asking.decide(recorded(ALICE, GET, NOTHING).asked).verdict is verdict


def test_what_the_iam_permits_by_a_pattern_could_take_a_list_away() -> None:
    asking = replay(EDITOR, asked=frozenset({"corp"}))
    assert asking.decide(recorded(ALICE, LIST, NOTHING).asked).verdict is None


def test_a_patch_of_no_known_type_is_known_where_the_type_does_not_matter() -> None:
    patch = ResourceRequest(Verb.PATCH, HOSTCLAIMS, "a", "c", patch_type=PatchType.APPLY)
    found = event(ALICE, patch, NOTHING)
    del found["annotations"][audit.PATCH_TYPE]
    untold = read(found)
    assert isinstance(untold, Recorded)
    assert replay(EDITOR).decide(untold.asked).verdict is Verdict.ALLOW
    alone = policies([allow(BLUE, namespaces=["a"]), deny(ALL, namespaces=["a"], verbs=["create"])])
    answer = replay(alone).decide(untold.asked)
    assert answer == Answer(None, "the type of the patch is not recorded")


def test_a_service_account_is_known_by_its_record_or_by_its_issuer() -> None:
    account = {"issuer": "corp", "serviceAccount": "ns/sa"}
    after = policies([allow(account, namespaces=["a"]), allow(ALL, namespacesFromClaim="b")])
    who = make_identity(username="serviceaccount:ns:sa", groups=(), service_account="ns/sa")
    assert replay(after).decide(recorded(who, GET, NOTHING).asked).verdict is Verdict.ALLOW
    nameless = make_identity(username="serviceaccount:ns:sa", groups=())
    untold = recorded(nameless, GET, NOTHING).asked
    assert replay(after, issuers=issuer(ServiceAccountNaming())).decide(untold).verdict
    assert replay(after).decide(untold).reason == (
        "whether it was a service account is not recorded"
    )
    other = recorded(who, ResourceRequest(Verb.GET, HOSTCLAIMS, "b", "c"), NOTHING).asked
    assert replay(after).decide(other).verdict is Verdict.FORBID


@pytest.mark.parametrize(
    ("who", "issuers", "wanted"),
    [
        (
            make_identity(issuer="lab"),
            issuer(OidcNaming()),
            "the configuration does not have the issuer",
        ),
        (make_identity(username=" "), {}, "no token of the issuer names somebody so"),
        (ALICE, issuer(ServiceAccountNaming()), "no token of the issuer names somebody so"),
    ],
)
def test_who_is_nobody_now_is_not_known(
    who: Identity, issuers: dict[str, IssuerRules], wanted: str
) -> None:
    found = recorded(who, GET, NOTHING)
    assert replay(EDITOR, issuers=issuers).decide(found.asked) == Answer(None, wanted)


@pytest.mark.parametrize(
    ("verb", "resource", "bounded"),
    [("create", HOSTCLAIMS, True), ("delete", HOSTCLAIMS, False), ("create", SECRETS, False)],
)
def test_that_a_write_has_to_keep_bounds_is_told(verb: Verb, resource: Any, bounded: bool) -> None:  # noqa: FBT001
    after = policies([allow(BLUE, namespaces=["a"], bounds={"maxHostClaims": 2})])
    name = None if verb == "create" else "c"
    found = recorded(ALICE, ResourceRequest(Verb(verb), resource, "a", name), EDITOR)
    assert replay(after).decide(found.asked).conditional is bounded


def test_what_was_decided_once_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.core.replay._REMEMBERED", 1)
    deciding = replay(EDITOR)
    for name in ("a", "b", "c", "a"):
        asked = recorded(ALICE, ResourceRequest(Verb.GET, HOSTCLAIMS, name, "c"), NOTHING).asked
        assert deciding.decide(asked) is deciding.decide(asked)


def test_who_has_much_to_them_is_not_remembered() -> None:
    deciding = replay(EDITOR)
    who = make_identity(groups=("/blue", *(f"/{n}" * 100 for n in range(100))))
    asked = recorded(who, GET, NOTHING).asked
    assert deciding.decide(asked) == deciding.decide(asked)
    assert deciding.decide(asked) is not deciding.decide(asked)


def without(*path: str, to: Any = None) -> dict[str, Any]:
    found = event(ALICE, GET, EDITOR)
    part: Any = found
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = to
    return found


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ({}, "no request for objects of somebody who is known"),
        (without("user", to={}), "no request for objects of somebody who is known"),
        (without("objectRef"), "no request for objects of somebody who is known"),
        (without("user", "extra", to={}), "no request for objects of somebody who is known"),
        (
            without("annotations", "authorization.k8s.io/decision", to="?"),
            "no decision of this proxy",
        ),
        (without("verb", to="proxy"), "no request that this proxy records"),
        (without("verb", to="list"), "no request that this proxy records"),
        (without("requestURI", to="/api/v1/pods"), "no request that this proxy records"),
        (without("requestURI", to="/version"), "no request that this proxy records"),
        (without("user", "username", to="lab:alice"), "no request that this proxy records"),
    ],
)
def test_what_cannot_be_decided_anew_is_passed_over(found: dict[str, Any], wanted: str) -> None:
    assert read(found) == wanted


def test_what_was_refused_before_it_was_decided_is_passed_over() -> None:
    found = event(ALICE, GET, NOTHING)
    found["responseStatus"]["code"] = 429
    assert read(found) == "refused before anything was decided"


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@settings(deadline=None)
@given(st.sampled_from([*product(["user", "objectRef", "annotations", "verb"])]), JSON)
def test_a_record_may_hold_anything(field: tuple[str], value: Any) -> None:
    assert isinstance(read(without(*field, to=value)), str | Recorded)
    assert isinstance(read(without("user", "groups", to=value)), str | Recorded)
