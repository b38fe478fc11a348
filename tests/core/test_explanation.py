"""A decision is told with every rule that made it, in the words of who decides."""

from typing import Any

import pytest

from proxy.core.attributes import HARDWAREDATA, HOSTCLAIMS, SECRETS, PatchType, Verb
from proxy.core.entitlement import Deny
from proxy.core.explanation import Explanation, explain, question
from proxy.core.policy import ClaimGrant, ClaimGrants, Combination, Combine, PolicySet, Role, Rule
from tests.core.policy.documents import policies, policy
from tests.identities import make_identity

ALICE = make_identity()
EDITOR = {"role": "editor"}
IN_BLUE: dict[str, Any] = {"namespaces": ["blue"], **EDITOR}


def paths(rules: tuple[Rule, ...]) -> list[str]:
    return [str(rule.origin).partition(" ")[2] for rule in rules]


def why(rules: PolicySet, *asked: Any, **more: str) -> Explanation:
    return explain(ALICE, question(*asked, **more), rules)


def test_an_allow_names_the_rule_that_made_it() -> None:
    found = why(policies(policy(allow=[IN_BLUE])), "get", "secrets", "blue")
    assert (found.allowed, paths(found.made_by)) == (True, ["blue spec.allow[0]"])
    assert found.decision.reason == "blue.yaml:4 blue spec.allow[0]"
    assert (found.near, found.overruled, found.bounds) == ((), (), ())


def test_what_shadows_would_change_is_told_beside_the_decision() -> None:
    shadow = policy("later", allow=[IN_BLUE])
    shadow["spec"]["enforcement"] = "shadow"
    found = why(policies(shadow), "get", "secrets", "blue")
    assert (found.allowed, found.made_by, found.near) == (False, (), ())
    assert found.supposed is not None
    assert (found.supposed.verdict, found.supposed.policies) == ("allow", ("later",))
    assert why(policies(shadow), "get", "secrets", "red").supposed is None


def test_an_apply_names_the_rule_of_each_of_its_verbs() -> None:
    grants = [
        {"namespaces": ["blue"], "resources": ["hostclaims"], "verbs": [verb]}
        for verb in ("patch", "create")
    ]
    found = why(policies(policy(allow=grants)), "patch", "hostclaims", "blue", patch="apply")
    assert paths(found.made_by) == ["blue spec.allow[0]", "blue spec.allow[1]"]


def test_a_refusal_that_no_rule_made_has_its_reason_alone() -> None:
    found = why(policies(policy(allow=[IN_BLUE])), "get", "secrets", "red")
    assert (found.allowed, found.made_by) == (False, ())
    assert found.decision.reason == (
        "no policy grants you secrets in this namespace; your namespaces are blue"
    )


def test_a_denial_names_every_other_one_and_what_they_take_away() -> None:
    rules = policies(
        policy("one", allow=[IN_BLUE, {"namespaces": ["red"], **EDITOR}]),
        policy("two", deny=[{"namespaces": ["*"]}, {"namespaces": ["red"]}]),
        policy("three", deny=[{"namespaces": ["blue"], "resources": ["secrets"]}]),
    )
    found = why(rules, "get", "secrets", "blue")
    assert isinstance(found.decision, Deny)
    assert found.decision.rule == found.made_by[0]
    assert paths(found.made_by) == ["three spec.deny[0]", "two spec.deny[0]"]
    assert (paths(found.overruled), found.near) == (["one spec.allow[0]"], ())


def test_hardware_is_taken_away_where_the_hosts_are() -> None:
    read = {"namespaces": ["blue"], "resources": ["hardwaredata"], "verbs": ["get"]}
    rules = policies(policy(allow=[read], deny=[{"namespaces": ["pool-*"]}]))
    found = why(rules, "get", "hardwaredata", "pool-a")
    assert paths(found.made_by) == ["blue spec.deny[0]"]
    assert paths(found.overruled) == ["blue spec.allow[0]"]


FEW: dict[str, Any] = {**IN_BLUE, "bounds": {"maxHostClaims": 2}}
NEAR: dict[str, Any] = {"namespaces": ["*"], **EDITOR, "bounds": {"maxHostClaims": 9}}


@pytest.mark.parametrize(
    ("grants", "asked", "told"),
    [
        ([FEW], ("create", "hostclaims"), [("create", 2)]),
        ([FEW, NEAR], ("update", "hostclaims"), [("update", 2), ("update", 9)]),
        ([FEW], ("patch", "hostclaims", "apply"), [("patch", 2), ("create", 2)]),
        ([FEW, IN_BLUE], ("create", "hostclaims"), []),
        ([FEW], ("get", "hostclaims"), []),
        ([FEW], ("delete", "hostclaims"), []),
        ([FEW], ("create", "secrets"), []),
    ],
)
def test_what_is_written_has_to_keep_the_bounds_of_one_of_the_rules(
    grants: list[Any], asked: tuple[str, ...], told: list[tuple[str, int]]
) -> None:
    verb, resource, *patch = asked
    rules = policies(policy(allow=grants))
    found = why(rules, verb, resource, "blue", patch="".join(patch))
    assert [(b.verb, b.bounds.max_host_claims) for b in found.bounds] == told


def test_what_spans_namespaces_has_no_bounds() -> None:
    assert why(policies(policy(allow=[FEW])), "list", "hostclaims", None).bounds == ()


@pytest.mark.parametrize(
    ("verb", "resource", "read", "about"),
    [
        ("get", "hostclaims", Verb.GET, HOSTCLAIMS),
        ("GET", "HostClaim", Verb.GET, HOSTCLAIMS),
        ("watch", "hostclaims.metal3.io", Verb.WATCH, HOSTCLAIMS),
        ("list", "hd", Verb.LIST, HARDWAREDATA),
        ("deletecollection", "secret", Verb.DELETECOLLECTION, SECRETS),
    ],
)
def test_a_question_is_put_as_to_kubectl(
    verb: str, resource: str, read: Verb, about: object
) -> None:
    request = question(verb, resource, "blue")
    assert (request.verb, request.resource, request.namespace) == (read, about, "blue")


@pytest.mark.parametrize(
    ("patch", "read"),
    [("", PatchType.MERGE), ("apply", PatchType.APPLY), ("strategic", PatchType.STRATEGIC)],
)
def test_a_patch_has_a_type(patch: str, read: PatchType) -> None:
    assert question("patch", "secrets", "blue", patch=patch).patch_type is read


@pytest.mark.parametrize(
    ("words", "more", "told"),
    [
        (("gte", "secrets", "blue"), {}, "`gte` is no verb, did you mean `get`?"),
        (("get", "hostclam", "blue"), {}, "`hostclam` is not served, did you mean `hostclaims`?"),
        (("get", "secrets", None), {}, "only `list` and `watch` span them"),
        (("get", "secrets", "Blue"), {}, "`Blue` is not the name of a namespace"),
        (("get", "secrets", "blue"), {"name": "A"}, "`A` is not the name of an object"),
        (("list", "secrets", None), {"name": "a"}, "`a` is in one namespace"),
        (("get", "secrets", "blue"), {"subresource": "status"}, "have no subresource `status`"),
        (("list", "hostclaims", "blue"), {"subresource": "status"}, "no `list` is about"),
        (("get", "secrets", "blue"), {"patch": "merge"}, "a `get` is no patch"),
        (
            ("patch", "hostclaims", "blue"),
            {"patch": "strategic"},
            "`strategic` is no patch of hostclaims, use `json` or `merge` or `apply`",
        ),
    ],
)
def test_what_cannot_be_asked_is_told(words: Any, more: Any, told: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the text is looked at
        question(*words, **more)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("rules", "allowed"), [(None, True), (PolicySet(), False)], ids=["no files", "empty files"]
)
def test_files_that_are_not_there_need_not_agree(rules: PolicySet | None, *, allowed: bool) -> None:
    grant = ClaimGrant("corp", "spaces", "{namespace}", Role.VIEWER)
    combination = Combination(Combine.ALL, ClaimGrants([grant]))
    who = make_identity(claims={"spaces": ("blue",)})
    found = explain(who, question("get", "hostclaims", "blue"), rules, combination)
    assert found.allowed is allowed


def test_without_files_only_claims_are_near() -> None:
    grant = ClaimGrant("corp", "spaces", "{namespace}", Role.VIEWER)
    combination = Combination(Combine.ALL, ClaimGrants([grant]))
    found = explain(ALICE, question("get", "hostclaims", "blue"), None, combination)
    assert [near.origin for near in found.near] == ["corp: claim spaces {namespace}"]
