"""The rights that come out are what the proxy asks the apiserver for, no more and no less."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from proxy.core import answer, attributes, rights
from proxy.core.attributes import HOSTCLAIMS, SECRETS, SERVED, PatchType, ResourceRequest, Verb
from proxy.core.bounds import Bounds
from proxy.core.conversation import Forward, Merge
from proxy.core.narrowing import STAMP, UpstreamRequest
from proxy.core.policy import Permission, RuleSet
from proxy.core.rights import BESIDES, COUNTED, Account, Unnamed
from proxy.core.wire import Reply
from tests.core.asking import (
    CLAIMS,
    JSON,
    SECRET_PATH,
    SECRETS_PATH,
    call,
    raw,
    reply,
    rule,
    secret,
)
from tests.core.policy.documents import policies, policy

UNBOUNDED = RuleSet([rule()])
COUNTING = RuleSet([replace(rule(), bounds=Bounds(max_host_claims=5))])
ALL_CLAIMS = "/apis/metal3.io/v1alpha1/hostclaims"
OWNER = {"apiVersion": "metal3.io/v1alpha1", "kind": "HostClaim", "name": "owner", "uid": "u-1"}
NAMES = {key: {"name": "user-data"} for key in ("userData", "networkData", "metaData")}
MARKED = {"uid": "u-1", "resourceVersion": "5", "labels": {STAMP: "true"}}
# As rich as a claim or a secret can be: whatever can make the proxy look, does.
CLAIM: dict[str, Any] = {
    "apiVersion": "metal3.io/v1alpha1",
    "kind": "HostClaim",
    "metadata": {"name": "c1", **MARKED, "ownerReferences": [OWNER]},
    "spec": {"poweredOn": True, **NAMES},
}
SECRET = secret()
SECRET["metadata"] |= {"ownerReferences": [OWNER]}
TYPED = {patch_type: ("Content-Type", patch_type.value) for patch_type in PatchType}
AT_5 = [{"op": "add", "path": "/metadata/labels/a", "value": "b"}]

Request = tuple[Any, ...]
ASKED: dict[Permission, list[Request]] = {
    ("hostclaims", Verb.GET): [("GET", f"{CLAIMS}/c1"), ("GET", f"{CLAIMS}/c1/status")],
    ("hostclaims", Verb.LIST): [("GET", CLAIMS), ("GET", ALL_CLAIMS)],
    ("hostclaims", Verb.WATCH): [
        ("GET", f"{CLAIMS}?watch=true"),
        ("GET", f"{ALL_CLAIMS}?watch=true&resourceVersion=5"),
    ],
    ("hostclaims", Verb.CREATE): [("POST", CLAIMS, JSON, CLAIM)],
    ("hostclaims", Verb.UPDATE): [("PUT", f"{CLAIMS}/c1", JSON, CLAIM)],
    ("hostclaims", Verb.PATCH): [
        ("PATCH", f"{CLAIMS}/c1", TYPED[PatchType.MERGE], CLAIM),
        ("PATCH", f"{CLAIMS}/c1", TYPED[PatchType.JSON], AT_5),
    ],
    ("hostclaims", Verb.DELETE): [("DELETE", f"{CLAIMS}/c1")],
    ("hostclaims", Verb.DELETECOLLECTION): [("DELETE", CLAIMS)],
    ("secrets", Verb.GET): [("GET", SECRET_PATH)],
    ("secrets", Verb.LIST): [("GET", SECRETS_PATH), ("GET", "/api/v1/secrets")],
    ("secrets", Verb.WATCH): [
        ("GET", f"{SECRETS_PATH}?watch=true"),
        ("GET", "/api/v1/secrets?watch=true&resourceVersion=5"),
    ],
    ("secrets", Verb.CREATE): [("POST", SECRETS_PATH, JSON, SECRET)],
    ("secrets", Verb.UPDATE): [("PUT", SECRET_PATH, JSON, SECRET)],
    ("secrets", Verb.PATCH): [
        ("PATCH", SECRET_PATH, TYPED[PatchType.MERGE], SECRET),
        ("PATCH", SECRET_PATH, TYPED[PatchType.STRATEGIC], SECRET),
        ("PATCH", SECRET_PATH, TYPED[PatchType.JSON], AT_5),
    ],
    ("secrets", Verb.DELETE): [("DELETE", SECRET_PATH)],
    ("secrets", Verb.DELETECOLLECTION): [("DELETE", SECRETS_PATH)],
}


def upstream(asked: Request, rules: RuleSet) -> Iterator[UpstreamRequest]:
    """All that is sent to an apiserver that has everything and takes everything."""
    method, target, *rest = asked
    headers, body = ((rest[0],), rest[1]) if rest else ((), b"")
    conversation = answer.begin(call(method, target, *headers, body=body, rules=rules), rules)
    try:
        request = next(conversation)
        while True:
            yield request
            request = conversation.send(apiserver(request))
    except StopIteration as end:
        match end.value:
            case Forward(request=request):
                yield request
            case Merge(requests=requests):
                yield from (request for _, request in requests)


def apiserver(request: UpstreamRequest) -> Reply:
    info = parsed(request)
    if info.name is None and info.verb is Verb.LIST:
        return reply(200, {"kind": "List", "metadata": {"resourceVersion": "5"}, "items": []})
    stored = SECRET if info.resource == SECRETS else CLAIM
    if info.verb is Verb.GET:
        # An owner that is there already is not looked at.
        metadata = {**stored["metadata"], "ownerReferences": []}
        return reply(200, {**stored, "metadata": metadata})
    return reply(200, stored)


def parsed(request: UpstreamRequest) -> ResourceRequest:
    sent_as = [header for header in request.headers if header[0] == "Content-Type"]
    info = attributes.parse(raw(request.method, request.target, *sent_as, body=request.body))
    assert isinstance(info, ResourceRequest)
    return info


def used(asked: Request, rules: RuleSet = UNBOUNDED) -> frozenset[Permission]:
    sent = [parsed(request) for request in upstream(asked, rules)]
    return frozenset(
        ("/".join(filter(None, (info.resource.plural, info.subresource))), info.verb)
        for info in sent
    )


def table(permission: Permission) -> frozenset[Permission]:
    return BESIDES.get(permission, frozenset()) | {permission}


@pytest.mark.parametrize(
    "permission", [(resource.plural, verb) for resource in SERVED for verb in Verb], ids="-".join
)
def test_the_table_has_what_a_verb_asks_of_the_apiserver(permission: Permission) -> None:
    asked = frozenset[Permission]().union(*(used(request) for request in ASKED[permission]))
    assert asked == table(permission)


@pytest.mark.parametrize("permission", ASKED, ids="-".join)
def test_what_counts_claims_needs_the_list_of_them(permission: Permission) -> None:
    asked = frozenset[Permission]().union(*(used(r, COUNTING) for r in ASKED[permission]))
    assert asked - table(permission) == COUNTED.get(permission, frozenset())


@pytest.mark.parametrize(
    ("plural", "request_"),
    [
        ("hostclaims", ("PATCH", f"{CLAIMS}/c1", TYPED[PatchType.APPLY], CLAIM)),
        ("secrets", ("PATCH", SECRET_PATH, TYPED[PatchType.APPLY], SECRET)),
    ],
)
def test_an_apply_needs_no_more_than_patch_and_create(plural: str, request_: Request) -> None:
    assert used(request_) <= table((plural, Verb.PATCH)) | table((plural, Verb.CREATE))


def test_the_table_names_what_there_is() -> None:
    names = {"hostclaims", "hostclaims/status", "secrets", "hardwaredata"}
    for key, needs in [*BESIDES.items(), *COUNTED.items()]:
        assert {plural for plural, _ in {key, *needs}} <= names


SELF = (HOSTCLAIMS.plural, Verb.GET)
GROUP = [{"issuer": "corp", "group": "blue"}]
EVERYONE = [{"issuer": "corp", "everyone": True}]
OTHERS = [{"issuer": "corp", "group": "red"}]
BLUE = policy(subjects=GROUP, allow=[{"namespaces": ["blue"], "role": "viewer"}])
VIEWED = frozenset((n, v) for n, v in product(["hostclaims"], ["get", "list", "watch"]))
STATUS = ("hostclaims/status", Verb.GET)


def denying(subjects: list[Any], namespace: str = "blue") -> dict[str, Any]:
    deny = [{"namespaces": [namespace], "verbs": ["list", "watch"]}]
    return policy("deny", subjects, deny=deny)


def test_a_viewer_needs_to_read_claims() -> None:
    assert rights.needed(policies(BLUE), "blue") == VIEWED | {STATUS}


def test_for_hardwaredata_the_claims_that_it_is_bound_to_are_listed() -> None:
    grant = {"namespaces": ["blue"], "resources": ["hardwaredata"], "verbs": ["get", "watch"]}
    assert rights.needed(policies(policy(allow=[grant])), "blue") == {("hostclaims", Verb.LIST)}


def test_where_nothing_is_granted_nothing_is_needed() -> None:
    assert rights.needed(policies(BLUE), "red") == frozenset()


@pytest.mark.parametrize("subjects", [GROUP, EVERYONE], ids=["them", "everyone"])
def test_what_is_denied_to_all_who_have_it_is_not_needed(subjects: list[Any]) -> None:
    assert rights.needed(policies(BLUE, denying(subjects)), "blue") == {SELF, STATUS}


@pytest.mark.parametrize(
    "denial",
    [denying(OTHERS), denying([{"issuer": "lab", "everyone": True}]), denying(GROUP, "red")],
    ids=["others", "another issuer", "elsewhere"],
)
def test_what_is_denied_to_others_or_elsewhere_is_needed(denial: dict[str, Any]) -> None:
    assert rights.needed(policies(BLUE, denial), "blue") == VIEWED | {STATUS}


def test_what_one_of_two_still_has_is_needed() -> None:
    both = policy(subjects=GROUP + OTHERS, allow=[{"namespaces": ["blue"], "role": "viewer"}])
    assert rights.needed(policies(both, denying(GROUP)), "blue") == VIEWED | {STATUS}


def test_a_document_that_is_only_recorded_neither_needs_nor_takes_anything() -> None:
    grant = {"namespaces": ["red", "lab-*"], "role": "editor"}
    trial = policy("trial", GROUP, allow=[grant], deny=[{"namespaces": ["blue"]}])
    trial["spec"]["enforcement"] = "shadow"
    found = policies(BLUE, trial)
    assert rights.needed(found, "blue") == VIEWED | {STATUS}
    assert rights.needed(found, "red") == frozenset()
    assert (rights.named(found), [*rights.unnamed(found)]) == (("blue",), [])


def test_a_bound_on_the_number_needs_the_list() -> None:
    grant = {"namespaces": ["blue"], "resources": ["hostclaims"], "verbs": ["create"]}
    free, bound = (
        rights.needed(policies(policy(allow=[grant | more])), "blue")
        for more in ({}, {"bounds": {"maxHostClaims": 3}})
    )
    assert bound - free == {("hostclaims", Verb.LIST)}


@pytest.mark.parametrize(
    ("grant", "names", "patterns"),
    [
        ({"namespaces": ["b", "a"]}, ("a", "b"), ()),
        ({"namespaces": ["blue", "blue-*"]}, ("blue",), ("blue-*",)),
        ({"namespaces": ["*"]}, (), ("*",)),
        ({"namespacesFromClaim": "ns"}, (), ("*",)),
        ({"namespacesFromClaim": "ns", "namespaces": ["lab-1"]}, ("lab-1",), ()),
        ({"namespacesFromClaim": "ns", "namespaces": ["lab-*"]}, (), ("lab-*",)),
    ],
)
def test_names_are_told_from_patterns(
    grant: dict[str, Any], names: tuple[str, ...], patterns: tuple[str, ...]
) -> None:
    found = policies(policy(allow=[grant | {"role": "editor"}]))
    assert rights.named(found) == names
    assert tuple(name for each in rights.unnamed(found) for name in each.patterns) == patterns


def test_a_grant_without_names_says_where_it_stands() -> None:
    found = policies(policy(allow=[{"namespacesFromClaim": "ns", "role": "viewer"}]))
    (told,) = rights.unnamed(found)
    assert isinstance(told, Unnamed)
    assert (str(told.origin), told.claim) == ("blue.yaml:4 blue spec.allow[0]", "ns")


@pytest.mark.parametrize(("namespace", "some"), [("lab-1", True), ("kube-system", False)])
def test_a_claim_can_hold_in_all_but_the_clusters_own(namespace: str, *, some: bool) -> None:
    found = policies(policy(allow=[{"namespacesFromClaim": "ns", "role": "viewer"}]))
    assert bool(rights.needed(found, namespace)) is some


def test_a_denial_alone_names_and_needs_nothing() -> None:
    found = policies(denying(GROUP))
    assert (rights.named(found), list(rights.unnamed(found))) == ((), [])
    assert rights.needed(found, "blue") == frozenset()


def test_the_manifests_say_each_resource_once() -> None:
    needs = rights.needed(policies(BLUE), "blue")
    role, binding = rights.manifests(needs, "blue", Account("proxies", "one"))
    assert role["rules"] == [
        {
            "apiGroups": ["metal3.io"],
            "resources": ["hostclaims"],
            "verbs": ["get", "list", "watch"],
        },
        {"apiGroups": ["metal3.io"], "resources": ["hostclaims/status"], "verbs": ["get"]},
    ]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "one", "namespace": "proxies"}
    ]
    assert json.loads(json.dumps([role, binding])) == [role, binding]
