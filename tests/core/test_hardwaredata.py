"""Whose hardware it is: what the tenant's claims have, and what HostDeployPolicies offer them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from proxy.core import narrowing
from proxy.core.attributes import Verb
from proxy.core.errors import BadRequest, Forbidden, NotAcceptable, NotFound, Unavailable
from proxy.core.hardwaredata import MAX_QUESTIONS
from proxy.core.narrowing import Call, UpstreamRequest
from proxy.core.policy import RuleSet
from proxy.core.wire import Reply
from tests.core.asking import CLAIMS, MISSING, Transcript, call, header, play, reply, rule

POOL = "/apis/metal3.io/v1alpha1/namespaces/pool-a"
HARDWARE = f"{POOL}/hardwaredata"
ITEM = f"{HARDWARE}/a1"
POLICIES = f"GET {POOL}/hostdeploypolicies?limit=500"
CLAIMS_OF_BLUE = f"GET {CLAIMS}?limit=500"
LABELS_OF_BLUE = "GET /api/v1/namespaces/blue"
READ = tuple(("hardwaredata", verb) for verb in (Verb.GET, Verb.LIST, Verb.WATCH))
BLUE = RuleSet([rule(*READ)])
BLUE_AND_RED = RuleSet([rule(*READ, namespaces=("blue", "red"))])
WATCH = f"{HARDWARE}?watch=1"


def asked(target: str, *headers: tuple[str, str], rules: RuleSet = BLUE) -> Call:
    return call("GET", target, *headers, rules=rules)


def ask(target: str, *replies: Reply, rules: RuleSet = BLUE) -> Transcript:
    return play(asked(target, rules=rules), *replies, rules=rules)


def listed(*items: Any, token: str = "") -> Reply:
    return reply(200, {"metadata": {"resourceVersion": "7", "continue": token}, "items": items})


def policy(**admitted: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "pool-a"}, "spec": {"hostClaimNamespaces": admitted}}


def claim(name: str = "a1", namespace: str = "pool-a", key: str = "hardwareData") -> dict[str, Any]:
    return {"status": {key: {"name": name, "namespace": namespace}}}


def data(name: str) -> dict[str, Any]:
    return {"kind": "HardwareData", "metadata": {"name": name, "namespace": "pool-a"}}


def labelled(**labels: str) -> Reply:
    return reply(200, {"kind": "PartialObjectMetadata", "metadata": {"labels": labels}})


NONE = listed()
ADMITTED = listed(policy(names=["blue"]))
BY_LABEL = policy(hasLabels=[{"name": "pool", "value": "a"}])
A1 = reply(200, data("a1"))


@pytest.mark.parametrize("target", [HARDWARE, WATCH, f"{HARDWARE}?limit=1&continue=x"])
def test_what_is_open_to_the_tenant_is_listed_and_watched_as_it_is(target: str) -> None:
    assert ask(target, ADMITTED).lines == [POLICIES, f"GET {target}"]


def test_any_host_of_what_is_open_to_the_tenant_is_read() -> None:
    played = ask(ITEM, ADMITTED, A1)
    assert played.lines == [POLICIES, f"GET {ITEM}"]
    assert played.reply == A1


@pytest.mark.parametrize("key", ["hardwareData", "bareMetalHost"])
def test_the_host_of_a_claim_is_read(key: str) -> None:
    played = ask(ITEM, NONE, listed(claim(key=key)), A1)
    assert played.lines == [POLICIES, CLAIMS_OF_BLUE, f"GET {ITEM}"]
    assert played.reply == A1


def test_any_one_of_the_tenants_namespaces_suffices() -> None:
    played = ask(HARDWARE, listed(policy(names=["red"])), rules=BLUE_AND_RED)
    assert played.lines == [POLICIES, f"GET {HARDWARE}"]
    claims_of_red = CLAIMS_OF_BLUE.replace("blue", "red")
    played = ask(ITEM, NONE, NONE, listed(claim()), A1, rules=BLUE_AND_RED)
    assert played.lines == [POLICIES, CLAIMS_OF_BLUE, claims_of_red, f"GET {ITEM}"]


def test_any_one_of_the_policies_suffices() -> None:
    played = ask(HARDWARE, listed(policy(names=["red"]), policy(nameMatches="^b")))
    assert played.lines == [POLICIES, f"GET {HARDWARE}"]


@pytest.mark.parametrize(
    ("labels", "opened"),
    [
        (labelled(pool="a"), True),
        (labelled(pool="b"), False),
        (reply(200, {"metadata": {}}), False),
        (MISSING, False),
        (reply(403, {}), False),
    ],
)
def test_labels_are_those_of_the_tenants_namespace(labels: Reply, *, opened: bool) -> None:
    played = ask(WATCH, listed(BY_LABEL), labels)
    assert played.lines == [POLICIES, LABELS_OF_BLUE, *([f"GET {WATCH}"] if opened else [])]
    assert header(played.sent[1], "Accept").startswith("application/json;as=PartialObjectMetadata;")


def test_labels_are_asked_for_only_where_they_decide() -> None:
    assert ask(WATCH, listed(BY_LABEL, policy(names=["blue"]))).lines == [POLICIES, f"GET {WATCH}"]
    both = BY_LABEL["spec"]["hostClaimNamespaces"] | {"names": ["red"]}
    assert ask(WATCH, listed(policy(**both))).lines == [POLICIES]


def hidden(*replies: Reply) -> Transcript:
    played = ask(ITEM, *replies)
    assert isinstance(played.outcome, NotFound)
    assert not [line for line in played.lines if "hardwaredata" in line]
    return played


@pytest.mark.parametrize(
    "claims",
    [
        NONE,
        MISSING,
        reply(403, {}),
        listed(claim("a2")),
        listed(claim(namespace="pool-b")),
        listed({}, None, {"status": None}, {"status": {"hardwareData": None}}),
        listed({"status": {"hardwareData": {"name": "a1"}}}),
        listed({"status": {"hardwareData": {"name": ["a1"], "namespace": "pool-a"}}}),
        listed({"spec": {"hardwareData": {"name": "a1", "namespace": "pool-a"}}}),
    ],
)
@pytest.mark.parametrize("policies", [NONE, MISSING, reply(403, {}), listed(policy(names=["red"]))])
def test_what_is_not_the_tenants_is_not_there(policies: Reply, claims: Reply) -> None:
    assert hidden(policies, claims).lines == [POLICIES, CLAIMS_OF_BLUE]


def test_hidden_and_missing_look_alike() -> None:
    gone = ask(ITEM, NONE, listed(claim()), MISSING).refused
    assert str(gone) == str(hidden(NONE, NONE).refused) == 'hardwaredata.metal3.io "a1" not found'
    assert gone.target == hidden(NONE, NONE).refused.target


@pytest.mark.parametrize("target", [ITEM, HARDWARE])
def test_where_the_answer_cannot_be_looked_into_no_hardwaredata_is_asked_for(target: str) -> None:
    unread = asked(target, ("Accept", "text/html"))
    played = play(unread, *([] if target == ITEM else [NONE, listed(claim())]), rules=BLUE)
    assert isinstance(played.refused, NotAcceptable)
    assert not [line for line in played.lines if "hardwaredata" in line]


def test_a_list_has_the_bound_hosts_and_no_hint_of_others() -> None:
    page = {
        "kind": "HardwareDataList",
        "metadata": {"resourceVersion": "9", "continue": "a2", "remainingItemCount": 3},
        "items": [data("a1"), data("a2"), "x"],
    }
    played = ask(f"{HARDWARE}?limit=1&labelSelector=a", NONE, listed(claim()), reply(200, page))
    assert played.lines[-1] == f"GET {HARDWARE}?labelSelector=a"
    assert json.loads(played.reply.body) == {
        "kind": "HardwareDataList",
        "metadata": {"resourceVersion": "9"},
        "items": [data("a1")],
    }


def test_a_table_has_the_rows_of_the_bound_hosts() -> None:
    rows = [{"cells": [name], "object": data(name)} for name in ("a1", "a2")] + [{"cells": ["a1"]}]
    table = {"kind": "Table", "columnDefinitions": [1], "metadata": {}, "rows": rows}
    played = ask(HARDWARE, NONE, listed(claim()), reply(200, table))
    found = json.loads(played.reply.body)
    assert (found["rows"], found["columnDefinitions"]) == (rows[:1], [1])


def test_a_list_that_fails_fails_as_the_apiserver_says() -> None:
    gone = reply(410, {"kind": "Status"})
    assert ask(HARDWARE, NONE, listed(claim()), gone).reply == gone


def test_a_list_that_is_empty_is_none() -> None:
    played = ask(HARDWARE, NONE, listed(claim()), reply(200, {"items": None}))
    assert json.loads(played.reply.body)["items"] == []


@pytest.mark.parametrize("query", ["continue=x", "includeObject=None"])
def test_what_cannot_be_filtered_is_refused(query: str) -> None:
    played = ask(f"{HARDWARE}?{query}", NONE, listed(claim()))
    assert isinstance(played.outcome, BadRequest)
    assert played.lines == [POLICIES, CLAIMS_OF_BLUE]


def test_a_list_where_nothing_is_the_tenants_is_refused() -> None:
    played = ask(HARDWARE, NONE, NONE)
    assert isinstance(played.outcome, Forbidden)
    assert str(played.refused) == (
        "hardwaredata.metal3.io is forbidden: no HostDeployPolicy of `pool-a` admits a "
        "namespace of yours, and no claim of yours has a host there"
    )
    assert played.lines == [POLICIES, CLAIMS_OF_BLUE]


def test_the_hosts_of_claims_alone_are_not_watched() -> None:
    played = ask(WATCH, NONE)
    assert isinstance(played.outcome, Forbidden)
    assert str(played.refused).endswith("so you cannot watch what is there")


def test_policies_and_claims_are_read_to_the_last_page() -> None:
    played = ask(ITEM, listed(token="p2"), NONE, listed(token="c/2"), listed(claim()), A1)
    assert played.lines == [
        POLICIES,
        f"{POLICIES}&continue=p2",
        CLAIMS_OF_BLUE,
        f"{CLAIMS_OF_BLUE}&continue=c%2F2",
        f"GET {ITEM}",
    ]


def test_there_is_an_end_to_the_questions() -> None:
    played = ask(ITEM, NONE, *[listed(token="on")] * (MAX_QUESTIONS - 1))
    assert isinstance(played.outcome, Forbidden)
    assert len(played.sent) == MAX_QUESTIONS


@pytest.mark.parametrize(
    "replies",
    [
        (reply(500, {}),),
        (NONE, reply(500, {})),
        (listed(BY_LABEL), reply(429, {})),
    ],
)
def test_while_the_cluster_cannot_say_nothing_is_shown(replies: tuple[Reply, ...]) -> None:
    played = ask(ITEM, *replies)
    assert isinstance(played.outcome, Unavailable)
    assert not [line for line in played.lines if "hardwaredata" in line]


QUESTIONS: list[Callable[[Call], UpstreamRequest]] = [
    lambda it: narrowing.claims_of(it, "blue", ""),
    lambda it: narrowing.labels_of(it, "blue"),
    lambda it: narrowing.deploy_policies(it, ""),
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_questions_are_asked_for_hardwaredata_alone(question: Any) -> None:
    with pytest.raises(TypeError, match="HardwareData alone"):
        question(call("GET", CLAIMS))


@pytest.mark.parametrize("question", QUESTIONS[:2])
def test_the_questions_are_about_granted_namespaces_alone(question: Any) -> None:
    of_red = RuleSet([rule(*READ, namespaces=("red",))])
    with pytest.raises(TypeError, match="not allowed"):
        question(asked(ITEM, rules=of_red))
