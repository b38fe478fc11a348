"""What would be said is what is served: rules, bodies and numbers decide as they do there."""

from typing import Any

import pytest

from proxy.core import attributes, narrowing
from proxy.core.attributes import PatchType, Verb
from proxy.core.identity import IssuerRules, OidcNaming
from proxy.core.policy import ROLES, Combine, Effect, PolicySet, Role, Rule, RuleSet, combined
from proxy.core.policy.origins import ClaimOrigin
from proxy.core.rehearsal import Case, Unasked, Verdict, cost, rehearse
from proxy.core.wire import Fields, RawRequest
from tests.core.policy.documents import policies, policy
from tests.core.policy.trials import BLUE, CLAIM, TRIAL, asking, placed, trial

BOUNDED = {
    "hostSelector": {"inNamespaces": ["pool-a"]},
    "images": ["https://images.example.com/"],
    "maxHostClaims": 3,
}
POLICIES = policies(
    policy(
        allow=[
            {"namespaces": ["blue-dev"], "role": "editor", "bounds": BOUNDED},
            {"namespaces": ["blue-lab", "blue-dev"], "role": "viewer"},
        ],
        deny=[{"namespaces": ["blue-dev"], "verbs": ["delete"]}],
    )
)
SECRET: dict[str, Any] = {"metadata": {"name": "user-data"}, "stringData": {"value": "x"}}


def cases(tested: dict[str, Any], policies: PolicySet = POLICIES) -> tuple[Case, ...]:
    [one] = placed(tested)
    return rehearse(one, policies.rules_for).cases


def verdict(tested: dict[str, Any]) -> Verdict:
    [case] = cases(tested)
    assert isinstance(case.outcome, Verdict), case.outcome
    return case.outcome


def unasked(tested: dict[str, Any]) -> str:
    [case] = cases(tested)
    assert isinstance(case.outcome, Unasked)
    assert not case.passed
    return case.outcome.reason


def test_each_verb_resource_and_namespace_is_a_case() -> None:
    found = cases(
        asking(
            verbs=["get", "list"],
            resources=["hostclaims", "secrets"],
            namespaces=["blue-dev", "blue-lab"],
        )
    )
    assert len({(c.request.verb, c.request.resource, c.request.namespace) for c in found}) == 8
    assert [case.passed for case in found] == [True, True, True, False] * 2


@pytest.mark.parametrize(
    "request_",
    [
        {"verbs": [str(verb) for verb in Verb], "resources": ["hostclaims", "secrets"]},
        {"verbs": ["get", "list", "watch"], "resources": ["hardwaredata"]},
        {"verbs": ["list", "watch"], "namespaces": None},
        {"verbs": ["get", "update", "patch"], "subresource": "status", "name": "node-0"},
        *({"verbs": ["patch"], "patchType": kind} for kind in ("json", "merge", "apply")),
    ],
)
def test_what_is_asked_is_a_request_that_can_be_sent(request_: dict[str, Any]) -> None:
    tested = asking(**request_)
    if tested["request"]["namespaces"] is None:
        del tested["request"]["namespaces"]
    for case in cases(tested):
        asked = case.request
        fields = (("Content-Type", asked.patch_type or "application/json"), ("Content-Length", "0"))
        method = narrowing.METHODS[asked.verb]
        sent = Fields(fields if method not in {"GET", "DELETE"} else ())
        assert attributes.parse(RawRequest(method, attributes.render(asked), sent)) == asked


@pytest.mark.parametrize(
    ("tested", "costs"),
    [
        (asking(verbs=["get", "list"], resources=["hostclaims", "secrets"]), 4),
        (trial(request={"verbs": ["list"], "resources": ["hostclaims"]}), 1),
        (trial(request={**TRIAL["request"], "namespaces": ["a"] * 9}), 9),
        (trial(body={"spec": {"image": {"url": "x" * 1280}}}), 11),
    ],
)
def test_what_a_test_costs_is_known_before_it_is_asked(tested: dict[str, Any], costs: int) -> None:
    [one] = placed(tested)
    assert cost(one.trial) == costs


def test_an_apply_needs_both_of_its_verbs() -> None:
    found = verdict({**asking(verbs=["patch"], patchType="apply", namespaces=["blue-lab"])})
    assert (found.effect, found.reason) == (
        Effect.DENY,
        "no policy grants you patch on hostclaims there, only get, list, watch",
    )


# Who asks.


@pytest.mark.parametrize(
    ("identity", "who"),
    [
        (BLUE, "corp:alice"),
        ({"issuer": "corp", "groups": ["/tenants/blue"]}, "corp:/tenants/blue"),
        ({"issuer": "corp", "client": "capm3", "groups": ["x"]}, "corp:capm3"),
        ({"issuer": "green", "serviceAccount": "a/b"}, "green:a/b"),
        ({"issuer": "corp"}, "corp:somebody"),
    ],
)
def test_who_asks_goes_by_what_is_said_of_them(identity: dict[str, Any], who: str) -> None:
    [case] = cases(trial(identity=identity))
    assert case.who == who


def test_somebody_whom_no_token_names_fails_whatever_is_expected() -> None:
    identity = {**BLUE, "claims": {"groups": ["x"]}}
    for decision in ("allow", "deny"):
        tested = trial(identity=identity, expect={"decision": decision})
        assert unasked(tested) == "nobody is so: claim `groups` is given twice"


def test_with_a_configuration_its_issuers_read_what_is_said() -> None:
    rules = IssuerRules(
        name="corp", url="https://iam", audiences=("p",), naming=OidcNaming(groups_claim="roles")
    )
    [one] = placed(trial(identity={"issuer": "corp", "claims": {"roles": ["/tenants/blue"]}}))
    [case] = rehearse(one, POLICIES.rules_for, {"corp": rules}).cases
    assert case.passed
    [case] = rehearse(one, POLICIES.rules_for, {"other": rules}).cases
    assert case.outcome == Unasked("the configuration has no issuer `corp`")


# What is expected.


@pytest.mark.parametrize(
    ("verb", "expect", "passed"),
    [
        ("get", {"decision": "allow"}, True),
        ("get", {"decision": "deny"}, False),
        ("get", {"decision": "allow", "rule": {"policy": "blue"}}, True),
        ("get", {"decision": "allow", "rule": {"policy": "red"}}, False),
        ("get", {"decision": "allow", "rule": {"policy": "blue", "path": "spec.allow[0]"}}, True),
        ("get", {"decision": "allow", "rule": {"policy": "blue", "path": "spec.allow[1]"}}, False),
        ("delete", {"decision": "deny", "rule": {"policy": "blue", "path": "spec.deny[0]"}}, True),
        ("delete", {"decision": "deny", "rule": {"policy": "red"}}, False),
        ("deletecollection", {"decision": "deny"}, True),
        ("deletecollection", {"decision": "deny", "rule": {"policy": "blue"}}, False),
    ],
)
def test_decision_and_rule_have_to_be_as_expected(
    verb: str, expect: dict[str, Any], *, passed: bool
) -> None:
    [one] = placed({**asking(verbs=[verb]), "expect": expect})
    found = rehearse(one, POLICIES.rules_for)
    assert [case.passed for case in found.cases] == [passed]
    assert bool(found.failed) is not passed


def test_of_rules_that_grant_only_together_either_is_named() -> None:
    other = policies(policy("red", allow=[{"namespaces": ["blue-dev"], "role": "editor"}]))
    for name in ("blue", "red"):
        [one] = placed(trial(expect={"decision": "allow", "rule": {"policy": name}}))
        [case] = rehearse(
            one,
            lambda who: combined(Combine.ALL, [POLICIES.rules_for(who), other.rules_for(who)]),
        ).cases
        assert case.passed


def test_a_rule_that_is_in_no_file_is_not_the_one_that_is_expected() -> None:
    origin = ClaimOrigin("corp", "groups", "blue-dev")
    rules = RuleSet([Rule(origin, Effect.ALLOW, ROLES[Role.EDITOR], ("blue-dev",))])
    [one] = placed(trial(expect={"decision": "allow", "rule": {"policy": "blue"}}))
    [case] = rehearse(one, lambda _: rules).cases
    assert not case.passed


# Bodies.


def claim(**spec: Any) -> dict[str, Any]:
    return {**CLAIM, "spec": {**CLAIM["spec"], **spec}}


IMAGE = {"url": "https://evil.example.com/x"}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (CLAIM, ()),
        (claim(image=IMAGE), ("spec.image.url",)),
        (claim(hostSelector={}), ("spec.hostSelector.inNamespace",)),
        (
            claim(hostSelector={}, image=IMAGE),
            ("spec.hostSelector.inNamespace", "spec.image.url"),
        ),
        (claim(userData={"name": "mine"}), ()),
        (claim(userData={"name": "bmc", "namespace": "infra"}), ("spec.userData.namespace",)),
        (
            {**CLAIM, "metadata": {"finalizers": ["example.com/hold"]}},
            ("metadata.finalizers",),
        ),
        (
            {**CLAIM, "metadata": {"ownerReferences": [{"kind": "Cluster"}]}},
            ("metadata.ownerReferences[0]",),
        ),
    ],
)
@pytest.mark.parametrize("verb", ["create", "update", "patch", "apply"])
def test_a_claim_is_judged_as_it_would_be_stored(
    verb: str, body: dict[str, Any], fields: tuple[str, ...]
) -> None:
    how = {"verbs": ["patch"], "patchType": "apply"} if verb == "apply" else {"verbs": [verb]}
    found = verdict({**asking(**how), "body": body})
    assert found.fields == fields
    assert found.effect is (Effect.DENY if fields else Effect.ALLOW)
    assert [rule.origin.path for rule in found.rules] == ["spec.allow[0]"]  # type: ignore[union-attr]


@pytest.mark.parametrize("how", [{"verbs": ["create"]}, {"verbs": ["patch"], "patchType": "apply"}])
@pytest.mark.parametrize(("there", "fields"), [(0, ()), (2, ()), (3, ("metadata.namespace",))])
def test_claims_that_are_there_count(
    how: dict[str, Any], there: int, fields: tuple[str, ...]
) -> None:
    assert verdict({**asking(**how), "body": CLAIM, "hostClaims": there}).fields == fields


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (SECRET, ()),
        ({**SECRET, "type": "infrastructure.cluster.x-k8s.io/secret"}, ()),
        ({**SECRET, "type": "kubernetes.io/service-account-token"}, ("type",)),
        (
            {**SECRET, "metadata": {"ownerReferences": [{"kind": "Cluster"}]}},
            ("metadata.ownerReferences[0]",),
        ),
    ],
)
@pytest.mark.parametrize(
    "how",
    [
        {"verbs": ["create"]},
        {"verbs": ["update"]},
        *({"verbs": ["patch"], "patchType": kind} for kind in ("strategic", "merge", "apply")),
    ],
)
def test_a_secret_is_judged_as_it_would_be_stored(
    how: dict[str, Any], body: dict[str, Any], fields: tuple[str, ...]
) -> None:
    assert verdict({**asking(resources=["secrets"], **how), "body": body}).fields == fields


def test_a_patch_cannot_take_the_stamp_off() -> None:
    stamp = "hostclaim-proxy.metal3.io/tenant-secret"
    body = {"metadata": {"labels": {stamp: "false"}}}
    found = verdict({**asking(verbs=["patch"], resources=["secrets"]), "body": body})
    assert found.fields == (f"metadata.labels[{stamp}]",)


@pytest.mark.parametrize(
    ("expect", "passed"),
    [
        ({"decision": "deny"}, True),
        ({"decision": "deny", "fields": ["spec.image.url"]}, True),
        ({"decision": "deny", "fields": ["spec.image.url", "metadata.namespace"]}, False),
        ({"decision": "deny", "fields": ["spec.hostSelector.inNamespace"]}, False),
        ({"decision": "deny", "rule": {"policy": "blue"}}, False),
        ({"decision": "allow"}, False),
    ],
)
def test_fields_that_go_too_far_have_to_be_as_expected(
    expect: dict[str, Any], *, passed: bool
) -> None:
    [case] = cases(trial(body=claim(image=IMAGE), expect=expect))
    assert case.passed is passed


def test_a_field_that_goes_too_far_and_is_not_expected_fails() -> None:
    expect = {"decision": "deny", "fields": ["spec.image.url"]}
    [case] = cases(trial(body=claim(image=IMAGE, hostSelector={}), expect=expect))
    assert not case.passed


def test_a_denial_by_a_rule_is_none_of_fields() -> None:
    expect = {"decision": "deny", "fields": ["spec.image.url"]}
    tested = asking(verbs=["create"], namespaces=["red"])
    [case] = cases({**tested, "body": claim(image=IMAGE), "expect": expect})
    assert not case.passed


@pytest.mark.parametrize(
    ("verb", "metadata", "reason"),
    [
        ("create", {"namespace": "red"}, "metadata.namespace must be the namespace of the path"),
        ("update", {"name": 5}, "metadata.name must be a string"),
        ("patch", [], "metadata must be an object"),
    ],
)
def test_a_body_that_cannot_be_judged_fails_whatever_is_expected(
    verb: str, metadata: object, reason: str
) -> None:
    body = {**CLAIM, "metadata": metadata}
    tested = {**asking(verbs=[verb]), "body": body, "expect": {"decision": "deny"}}
    assert unasked(tested) == f"the body cannot be judged: {reason}"


def test_an_empty_body_is_judged_as_well() -> None:
    assert verdict(trial(body={})).fields == ("spec.hostSelector.inNamespace",)


def test_a_name_is_the_one_of_the_body_or_any() -> None:
    named = {**asking(verbs=["update"]), "body": CLAIM}
    assert [case.request.name for case in cases(named)] == ["node-0"]
    assert [case.request.name for case in cases(asking(verbs=["update"]))] == ["any"]
    assert cases({**named, "body": {"metadata": {"name": "No"}}})[0].request.name == "any"
    assert cases(asking(verbs=["create"]))[0].request.name is None


def test_a_patch_without_a_type_is_a_merge() -> None:
    [case] = cases(asking(verbs=["patch"]))
    assert case.request.patch_type is PatchType.MERGE
