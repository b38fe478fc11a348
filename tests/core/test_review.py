"""What may I, who am I: the answer is the decision that a request would get."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core import protobuf, review
from proxy.core.attributes import HOSTCLAIMS, SECRETS, Review, Verb
from proxy.core.errors import BadRequest, NotAcceptable, UnsupportedMediaType
from proxy.core.policy import Effect, RuleSet
from tests.core.asking import ALL_OF_BLUE, JSON, call, play, rule
from tests.identities import make_identity


def ask(asked_for: Review, spec: Any, rules: RuleSet = ALL_OF_BLUE, **fields: Any) -> Any:
    asked = call("POST", asked_for.value, JSON, body={"spec": spec, **fields})
    played = play(asked, rules=rules)
    assert played.reply.code == 201
    return json.loads(played.reply.body)


def may(rules: RuleSet = ALL_OF_BLUE, **attributes: Any) -> Any:
    """The status of an access review about these resource attributes."""
    asked = {"namespace": "blue", "verb": "get", "group": "metal3.io", "resource": "hostclaims"}
    return ask(Review.ACCESS, {"resourceAttributes": asked | attributes}, rules)["status"]


@pytest.mark.parametrize(
    ("attributes", "allowed"),
    [
        ({}, True),
        ({"version": "v1alpha1"}, True),
        ({"version": "*"}, True),
        ({"name": "a"}, True),
        ({"verb": "deletecollection"}, True),
        ({"verb": "*"}, True),
        ({"group": "", "resource": "secrets"}, True),
        ({"subresource": "status"}, True),
        ({"subresource": "status", "verb": "update"}, False),
        ({"subresource": "status", "verb": "*"}, False),
        ({"subresource": "scale"}, False),
        ({"subresource": "*"}, False),
        ({"namespace": "red"}, False),
        ({"namespace": "", "verb": "list"}, True),
        ({"namespace": None, "verb": "watch"}, True),
        ({"namespace": ""}, False),
        ({"namespace": "", "verb": "create"}, False),
        ({"namespace": "", "verb": "*"}, False),
        ({"namespace": "*"}, False),
        ({"version": "v1beta1"}, False),
        ({"verb": "GET"}, False),
        ({"verb": "proxy"}, False),
        ({"verb": ""}, False),
        ({"group": "*"}, False),
        ({"resource": "*"}, False),
        ({"group": ""}, False),
        ({"resource": "secrets"}, False),
        ({"resource": "baremetalhosts"}, False),
        ({"group": "rbac.authorization.k8s.io", "resource": "roles", "verb": "create"}, False),
    ],
)
def test_access_is_what_a_request_would_get(attributes: dict[str, Any], *, allowed: bool) -> None:
    assert may(**attributes)["allowed"] is allowed


@given(
    st.sets(
        st.tuples(st.sampled_from(["hostclaims", "secrets"]), st.sampled_from(Verb)), min_size=1
    ),
    st.sampled_from(Verb),
    st.sampled_from([HOSTCLAIMS, SECRETS]),
)
def test_access_follows_the_rules(granted: Any, verb: Verb, resource: Any) -> None:
    found = may(
        RuleSet([rule(*granted)]), verb=verb, group=resource.group, resource=resource.plural
    )
    assert found["allowed"] is ((resource.plural, verb) in granted)


def test_every_verb_is_granted_only_if_each_one_is() -> None:
    denial = rule(("hostclaims", Verb.DELETECOLLECTION), effect=Effect.DENY, line=9)
    found = may(RuleSet([rule(), denial]), verb="*")
    assert found == {"allowed": False, "reason": "a policy denies it explicitly"}


def test_an_answer_says_which_rules_made_it() -> None:
    assert may(verb="*")["reason"] == "blue.yaml:8 blue spec.allow[0]"


BY_NAME = {"requirements": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}


@pytest.mark.parametrize(
    ("selectors", "note"),
    [
        ({}, None),
        ({"fieldSelector": None, "labelSelector": {}}, None),
        ({"fieldSelector": BY_NAME}, "fieldSelector ignored: the answer is for every object"),
        (
            {"fieldSelector": BY_NAME, "labelSelector": {"rawSelector": "a=b"}},
            "fieldSelector and labelSelector ignored: the answer is for every object",
        ),
    ],
)
def test_an_answer_says_that_selectors_are_ignored(selectors: Any, note: str | None) -> None:
    for namespace, allowed in (("blue", True), ("red", False)):
        found = may(namespace=namespace, **selectors)
        assert (found["allowed"], found.get("evaluationError")) == (allowed, note)


def test_a_review_comes_back_with_what_was_asked() -> None:
    spec = {"resourceAttributes": {"verb": "get"}}
    found = ask(Review.ACCESS, spec)
    assert (found["kind"], found["apiVersion"]) == (
        "SelfSubjectAccessReview",
        "authorization.k8s.io/v1",
    )
    assert found["spec"] == spec


@pytest.mark.parametrize(
    ("path", "verb", "allowed"),
    [
        ("/api", "get", True),
        ("/apis/metal3.io/v1alpha1", "head", True),
        ("/version", "get", True),
        ("/version", "post", False),
        ("/version", "*", False),
        ("/healthz", "get", False),
        ("/metrics", "get", False),
        ("*", "get", False),
        ("", "get", False),
    ],
)
def test_access_to_a_path_is_that_of_discovery(path: str, verb: str, *, allowed: bool) -> None:
    found = ask(Review.ACCESS, {"nonResourceAttributes": {"path": path, "verb": verb}})
    assert found["status"]["allowed"] is allowed


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"resourceAttributes": {}, "nonResourceAttributes": {}},
        {"resourceAttributes": "x"},
        {"resourceAttributes": {"verb": ["get"]}},
        {"nonResourceAttributes": {"path": 1}},
        "x",
        [],
    ],
)
def test_a_question_that_cannot_be_read_is_refused(spec: Any) -> None:
    played = play(call("POST", Review.ACCESS.value, JSON, body={"spec": spec}))
    assert isinstance(played.refused, BadRequest)


def test_the_rules_of_a_namespace_are_listed() -> None:
    denial = rule(("secrets", Verb.DELETE), effect=Effect.DENY)
    granted = rule(("hostclaims", Verb.GET), ("secrets", Verb.GET), ("secrets", Verb.DELETE))
    found = ask(Review.RULES, {"namespace": "blue"}, RuleSet([granted, denial]))["status"]
    assert found["incomplete"] is False
    assert found["resourceRules"][:3] == [
        {"apiGroups": ["metal3.io"], "resources": ["hostclaims"], "verbs": ["get"]},
        {"apiGroups": ["metal3.io"], "resources": ["hostclaims/status"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
    ]


def test_without_get_there_is_no_status_to_read() -> None:
    rules = RuleSet([rule(("hostclaims", Verb.LIST))])
    found = ask(Review.RULES, {"namespace": "blue"}, rules)["status"]["resourceRules"]
    assert [r["resources"] for r in found if r["apiGroups"] == ["metal3.io"]] == [["hostclaims"]]


def test_in_the_namespace_of_others_there_are_reviews_and_discovery_alone() -> None:
    found = ask(Review.RULES, {"namespace": "red"})["status"]
    assert [r["resources"] for r in found["resourceRules"]] == [
        ["selfsubjectaccessreviews"],
        ["selfsubjectrulesreviews"],
        ["selfsubjectreviews"],
    ]
    assert "/version" in found["nonResourceRules"][0]["nonResourceURLs"]


@pytest.mark.parametrize("spec", [{}, {"namespace": ""}, {"namespace": 1}, None])
def test_rules_are_listed_of_one_namespace(spec: Any) -> None:
    played = play(call("POST", Review.RULES.value, JSON, body={"spec": spec}))
    assert isinstance(played.refused, BadRequest)


def test_whoami_is_the_identity_as_it_was_verified() -> None:
    found = ask(Review.SUBJECT, None)
    assert found["status"]["userInfo"] == {
        "username": "corp:alice",
        "groups": ["/tenants/blue"],
        "extra": {
            "hostclaim-proxy.metal3.io/issuer": ["corp"],
            "hostclaim-proxy.metal3.io/subject": ["f3b1"],
            "hostclaim-proxy.metal3.io/namespaces": ["blue"],
        },
    }
    assert "spec" not in found


@pytest.mark.parametrize(
    ("granted", "told"),
    [
        ((), []),
        (("red", "blue-*"), ["blue-*", "red"]),
        (
            tuple(f"n-{i:03}" for i in range(103)),
            [*(f"n-{i:03}" for i in range(100)), "and 3 more"],
        ),
    ],
)
def test_whoami_names_the_namespaces_that_are_granted(
    granted: tuple[str, ...], told: list[str]
) -> None:
    info = ask(Review.SUBJECT, None, RuleSet([rule(namespaces=granted)]))["status"]["userInfo"]
    assert info["extra"][review.NAMESPACES] == told


def test_whoami_names_no_namespace_in_which_all_is_denied() -> None:
    rules = RuleSet([rule(namespaces=("blue", "red")), rule(effect=Effect.DENY)])
    info = ask(Review.SUBJECT, None, rules)["status"]["userInfo"]
    assert info["extra"][review.NAMESPACES] == ["red"]


def test_whoami_names_the_client_if_there_is_one() -> None:
    info = review.user_info(make_identity(client="capm3"))
    assert info["extra"]["hostclaim-proxy.metal3.io/client"] == ["capm3"]


def test_whoami_names_a_service_account_as_policies_do() -> None:
    info = review.user_info(make_identity(service_account="capm3-system/capm3-manager"))
    assert info["extra"][review.SERVICE_ACCOUNT] == ["capm3-system/capm3-manager"]


def test_a_review_may_come_as_protobuf() -> None:
    spec = {"resourceAttributes": {"namespace": "blue", "verb": "get", "resource": "secrets"}}
    message = protobuf._CLASSES["SelfSubjectAccessReview"](spec=spec)
    body = protobuf.encode(message, "SelfSubjectAccessReview", "authorization.k8s.io/v1")
    media_type = ("Content-Type", "application/vnd.kubernetes.protobuf")
    played = play(call("POST", Review.ACCESS.value, media_type, body=body))
    assert json.loads(played.reply.body)["status"]["allowed"] is True


def test_selectors_in_protobuf_come_back_as_they_were_asked() -> None:
    about = {"namespace": "blue", "verb": "get", "resource": "secrets", "fieldSelector": BY_NAME}
    message = protobuf._CLASSES["SelfSubjectAccessReview"](spec={"resourceAttributes": about})
    body = protobuf.encode(message, "SelfSubjectAccessReview", "authorization.k8s.io/v1")
    media_type = ("Content-Type", "application/vnd.kubernetes.protobuf")
    played = play(call("POST", Review.ACCESS.value, media_type, body=body))
    found = json.loads(played.reply.body)
    assert found["spec"] == {"resourceAttributes": about}
    assert "fieldSelector ignored" in found["status"]["evaluationError"]


@pytest.mark.parametrize("kind", list(Review))
@pytest.mark.parametrize("wrong", [{"kind": "TokenReview"}, {"apiVersion": "v1"}, {"kind": 1}])
def test_a_body_of_another_kind_is_refused(kind: Review, wrong: dict[str, Any]) -> None:
    spec = {"spec": {"namespace": "blue"}}
    played = play(call("POST", kind.value, JSON, body=spec | wrong))
    assert isinstance(played.refused, BadRequest)


def test_a_review_in_another_encoding_is_refused() -> None:
    cbor = ("Content-Type", "application/cbor")
    played = play(call("POST", Review.SUBJECT.value, cbor, body={}))
    assert isinstance(played.refused, UnsupportedMediaType)
    played = play(call("POST", Review.SUBJECT.value, JSON, ("Accept", "text/html"), body={}))
    assert isinstance(played.refused, NotAcceptable)


def test_a_review_asks_nothing_upstream() -> None:
    assert play(call("POST", Review.SUBJECT.value, JSON, body={})).sent == []


HARDWARE = RuleSet(
    [rule(("hostclaims", Verb.GET)), rule(("hardwaredata", Verb.GET), ("hardwaredata", Verb.LIST))]
)
OF_HARDWARE = {"resource": "hardwaredata", "namespace": "pool-a"}


@pytest.mark.parametrize(
    ("attributes", "rules", "allowed"),
    [
        ({}, HARDWARE, True),
        ({"verb": "list"}, HARDWARE, True),
        ({"verb": "watch"}, HARDWARE, False),
        ({"verb": "create"}, HARDWARE, False),
        ({"verb": "*"}, HARDWARE, False),
        ({"verb": "list", "namespace": ""}, HARDWARE, False),
        ({"subresource": "status"}, HARDWARE, False),
        ({}, ALL_OF_BLUE, False),
    ],
)
def test_hardwaredata_may_be_asked_for_wherever_hosts_are(
    attributes: dict[str, Any], rules: RuleSet, *, allowed: bool
) -> None:
    assert may(rules, **{**OF_HARDWARE, **attributes})["allowed"] is allowed


@pytest.mark.parametrize("namespace", ["blue", "pool-a"])
def test_the_rules_have_hardwaredata_in_every_namespace(namespace: str) -> None:
    found = ask(Review.RULES, {"namespace": namespace}, HARDWARE)["status"]["resourceRules"]
    entry = {"apiGroups": ["metal3.io"], "resources": ["hardwaredata"], "verbs": ["get", "list"]}
    assert entry in found


def test_the_rules_have_no_hardwaredata_where_nobody_grants_it() -> None:
    found = ask(Review.RULES, {"namespace": "blue"})["status"]["resourceRules"]
    assert not [entry for entry in found if "hardwaredata" in entry["resources"]]
