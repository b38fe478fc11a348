"""Which host a claim gets."""

from dataclasses import replace

import pytest

from proxy.demo.hosts.matching import FAILURE_DOMAIN, NoHost, admits, choose, is_free, selects
from proxy.demo.hosts.objects import (
    Claim,
    ClaimNamespaces,
    Consumer,
    Host,
    HostSelector,
    Key,
    Policy,
    Requirement,
    World,
)

LARGE = {"size": "large", "disk": "ssd"}
FREE = Host(Key("pool-a", "one"), "1", labels=LARGE, state="available")
CLAIM = Claim(Key("blue", "web"), "1")


def world(*hosts: Host, **admitted: ClaimNamespaces) -> World:
    admitted = admitted or {"pool-a": ClaimNamespaces(), "pool-b": ClaimNamespaces()}
    policies = (Policy(Key(pool, "policy"), rule) for pool, rule in admitted.items())
    return World(
        hosts={host.key: host for host in hosts},
        policies={policy.key: policy for policy in policies},
        namespaces={Key("", "blue"): {"tier": "gold"}},
    )


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        (HostSelector(), True),
        (HostSelector(labels={"size": "large"}), True),
        (HostSelector(labels={"size": "small"}), False),
        (HostSelector(labels={"size": "large", "rack": "7"}), False),
        (HostSelector(expressions=(Requirement("size", "In", ("small", "large")),)), True),
        (HostSelector(expressions=(Requirement("size", "In", ("small",)),)), False),
        (HostSelector(expressions=(Requirement("rack", "In", ("7",)),)), False),
        (HostSelector(expressions=(Requirement("size", "NotIn", ("large",)),)), False),
        (HostSelector(expressions=(Requirement("size", "NotIn", ("small",)),)), True),
        (HostSelector(expressions=(Requirement("rack", "NotIn", ("7",)),)), True),
        (HostSelector(expressions=(Requirement("size", "Exists"),)), True),
        (HostSelector(expressions=(Requirement("rack", "Exists"),)), False),
        (HostSelector(expressions=(Requirement("size", "DoesNotExist"),)), False),
        (HostSelector(expressions=(Requirement("rack", "DoesNotExist"),)), True),
        (HostSelector(expressions=(Requirement("size", "exists"),)), True),
        (
            HostSelector({"size": "large"}, (Requirement("disk", "In", ("hdd",)),)),
            False,
        ),
    ],
)
def test_a_selector_means_hosts_by_their_labels(selector: HostSelector, *, fits: bool) -> None:
    assert selects(selector, LARGE) is fits


@pytest.mark.parametrize(
    ("rule", "admitted"),
    [
        (None, False),
        (ClaimNamespaces(), True),
        (ClaimNamespaces(names=frozenset({"blue", "red"})), True),
        (ClaimNamespaces(names=frozenset({"red"})), False),
        (ClaimNamespaces(names=frozenset()), False),
        (ClaimNamespaces(name_matches="lu"), True),
        (ClaimNamespaces(name_matches="^lu"), False),
        (ClaimNamespaces(name_matches="^blue$"), True),
        (ClaimNamespaces(name_matches="("), False),
        (ClaimNamespaces(labels=(("tier", ""),)), True),
        (ClaimNamespaces(labels=(("tier", "gold"),)), True),
        (ClaimNamespaces(labels=(("tier", "iron"),)), False),
        (ClaimNamespaces(labels=(("tier", "gold"), ("zone", ""))), False),
        (ClaimNamespaces(names=frozenset({"blue"}), name_matches="^red"), False),
        (ClaimNamespaces(names=frozenset({"blue"}), labels=(("zone", ""),)), False),
    ],
)
def test_a_policy_admits_when_all_it_sets_agrees(
    rule: ClaimNamespaces | None, *, admitted: bool
) -> None:
    assert admits(Policy(Key("pool-a", "policy"), rule), "blue", {"tier": "gold"}) is admitted


@pytest.mark.parametrize(
    ("host", "free"),
    [
        (FREE, True),
        (replace(FREE, state="ready"), True),
        (replace(FREE, state="inspecting"), False),
        (replace(FREE, consumer=Consumer("Metal3Machine", Key("x", "y"))), False),
        (replace(FREE, deleting=True), False),
        (replace(FREE, error="cannot reach the BMC"), False),
        (replace(FREE, annotations={"baremetalhost.metal3.io/paused": ""}), False),
        (replace(FREE, annotations={"capi.metal3.io/unhealthy": ""}), False),
        (replace(FREE, labels={"infrastructure.cluster.x-k8s.io/node-reuse": "kcp"}), False),
    ],
)
def test_a_host_is_free_when_nobody_has_it_and_nothing_is_wrong(host: Host, *, free: bool) -> None:
    assert is_free(host) is free


def test_the_first_free_host_by_name_is_chosen() -> None:
    other = replace(FREE, key=Key("pool-a", "zero"))
    assert choose(CLAIM, world(other, FREE)) == FREE


def test_a_failure_domain_is_preferred() -> None:
    near = replace(FREE, key=Key("pool-b", "near"), labels={FAILURE_DOMAIN: "zone-2"})
    claim = replace(CLAIM, failure_domain="zone-2")
    assert choose(claim, world(FREE, near)) == near
    assert choose(claim, world(FREE)) == FREE


def test_a_claim_may_name_one_namespace() -> None:
    there = replace(FREE, key=Key("pool-b", "two"))
    claim = replace(CLAIM, selector=HostSelector(namespace="pool-b"))
    assert choose(claim, world(FREE, there)) == there


def test_one_policy_of_several_suffices() -> None:
    closed = {"pool-a": ClaimNamespaces(names=frozenset())}
    opened = replace(world(FREE, **closed), policies=world(FREE).policies)
    assert choose(CLAIM, opened) == FREE


def test_the_labels_of_the_claims_namespace_count() -> None:
    gold = ClaimNamespaces(labels=(("tier", "gold"),))
    assert choose(CLAIM, world(FREE, **{"pool-a": gold})) == FREE
    stranger = replace(CLAIM, key=Key("grey", "web"))
    assert isinstance(choose(stranger, world(FREE, **{"pool-a": gold})), NoHost)


TAKEN = replace(FREE, consumer=Consumer("HostClaim", Key("red", "db")))
NEEDS_HDD = HostSelector(labels={"disk": "hdd"})


@pytest.mark.parametrize(
    ("selector", "known", "why"),
    [
        (HostSelector(), World(), "no HostDeployPolicy admits"),
        (HostSelector(namespace="pool-c"), world(FREE), "no HostDeployPolicy admits"),
        (NEEDS_HDD, world(FREE), "matches the hostSelector"),
        (HostSelector(), world(TAKEN), "is available"),
        (HostSelector(expressions=(Requirement("a", "Near", ("b",)),)), world(FREE), "`Near`"),
        (HostSelector(expressions=(Requirement("a", "In"),)), world(FREE), "needs values"),
        (HostSelector(expressions=(Requirement("a", "Exists", ("b",)),)), world(), "no values"),
    ],
)
def test_who_gets_no_host_is_told_why(selector: HostSelector, known: World, why: str) -> None:
    answer = choose(replace(CLAIM, selector=selector), known)
    assert isinstance(answer, NoHost)
    assert why in answer.message


def test_a_host_that_is_spoken_for_is_not_chosen() -> None:
    assert isinstance(choose(CLAIM, world(FREE), frozenset({FREE.key})), NoHost)
