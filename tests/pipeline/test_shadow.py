"""Shadow rules in the life of a request: recorded and counted, and nothing comes of them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from proxy.core import shadow
from proxy.core.attributes import Verb
from proxy.core.audit import SHADOW_DECISION, SHADOW_REASON
from proxy.core.bounds import Bounds
from proxy.core.policy import Effect, Origin, RuleSet
from proxy.core.wire import Reply
from tests.fakes import JSON, FakeClient, FakeEntitlements, FakeStream, FakeUpstream
from tests.pipeline.test_pipeline import CLAIM, CLAIMS, EVENT, EVERYTHING, Watch, World, status_of

(GRANT,) = EVERYTHING
ORIGIN = Origin("new.yaml", "new", "spec.allow[0]", 9)
SUPPOSED = replace(GRANT, origin=ORIGIN)
DENIAL = replace(SUPPOSED, effect=Effect.DENY)
HARDWARE = replace(SUPPOSED, permissions=frozenset({("hardwaredata", Verb.GET)}))
GRANTING = RuleSet([], shadow=RuleSet([SUPPOSED]))
DENYING = RuleSet([GRANT], shadow=RuleSet([GRANT, DENIAL]))
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def world(rules: RuleSet, *answers: Reply | FakeStream) -> World:
    return World(FakeUpstream(*answers), FakeEntitlements(rules))


def said(world: World) -> tuple[str, str]:
    annotations = world.record["annotations"]
    return annotations.get(SHADOW_DECISION, ""), annotations.get(SHADOW_REASON, "")


@pytest.mark.parametrize("target", [CLAIMS, f"{CLAIMS}/c1", f"{CLAIMS}?watch=1"])
async def test_what_only_a_shadow_grants_is_refused_and_recorded(target: str) -> None:
    refusing = world(GRANTING)
    client = await refusing.get(target)
    assert (client.code, refusing.upstream.sent) == (403, [])
    assert "no namespace is granted to you" in status_of(client)["message"]
    assert said(refusing) == ("allow", "new.yaml:9 new spec.allow[0]")
    assert refusing.record["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert refusing.meter.shadows == [("allow", "new")]


async def test_what_a_shadow_denies_is_served_and_recorded() -> None:
    serving = world(DENYING, CLAIM)
    client = await serving.get(f"{CLAIMS}/c1")
    assert (client.code, client.received) == (200, CLAIM.body)
    denied = "a policy denies it explicitly; new.yaml:9 new spec.allow[0]"
    assert said(serving) == ("forbid", denied)
    assert serving.meter.shadows == [("forbid", "new")]


async def test_where_nothing_would_differ_nothing_is_recorded() -> None:
    serving = world(RuleSet([GRANT], shadow=RuleSet([GRANT, SUPPOSED])), CLAIM)
    await serving.get(f"{CLAIMS}/c1")
    assert (said(serving), serving.meter.shadows) == (("", ""), [])


async def test_an_open_watch_is_not_ended_by_a_shadow_denial() -> None:
    stream = FakeStream()
    watching = world(EVERYTHING, stream)
    watch = await Watch(watching, stream).open(EVENT)
    watching.entitlements.become(DENYING)
    await watching.pipeline._watches.decide_all()
    stream.pieces.put_nowait(EVENT)
    await watch.client.until_received(EVENT * 2)
    stream.pieces.put_nowait(None)
    assert (await watch.ended()).complete


async def test_an_open_watch_is_ended_though_a_shadow_would_grant_it() -> None:
    stream = FakeStream()
    watching = world(EVERYTHING, stream)
    watch = await Watch(watching, stream).open(EVENT)
    watching.entitlements.become(GRANTING)
    assert (await watch.ended()).complete


async def review(world: World, target: str, body: object) -> Any:
    client = FakeClient(json.dumps(body).encode())
    await world.ask("POST", target, client, content_type="application/json")
    return json.loads(client.received)["status"]


@pytest.mark.parametrize(("rules", "allowed"), [(GRANTING, False), (DENYING, True)])
async def test_who_asks_what_they_may_is_told_what_they_may(
    rules: RuleSet, *, allowed: bool
) -> None:
    about = {
        "group": "metal3.io",
        "resource": "hostclaims",
        "verb": "get",
        "namespace": "blue-dev",
    }
    body = {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "spec": {"resourceAttributes": about},
    }
    asked = world(rules)
    assert (await review(asked, REVIEWS, body))["allowed"] is allowed
    assert said(asked) == ("", "")


@pytest.mark.parametrize(("rules", "namespaces"), [(GRANTING, []), (DENYING, ["blue-dev"])])
async def test_who_asks_who_they_are_is_told_of_no_shadow(
    rules: RuleSet, namespaces: list[str]
) -> None:
    body = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
    info = (await review(world(rules), WHOAMI, body))["userInfo"]
    assert info["extra"]["hostclaim-proxy.metal3.io/namespaces"] == namespaces


async def test_hardwaredata_is_not_discovered_by_a_shadow() -> None:
    looking = world(RuleSet([GRANT], shadow=RuleSet([GRANT, HARDWARE])))
    client = await looking.get("/apis/metal3.io/v1alpha1")
    names = {resource["name"] for resource in json.loads(client.received)["resources"]}
    assert names == {"hostclaims", "hostclaims/status"}


async def test_a_schema_shows_hardwaredata_to_whom_it_counts_for_alone() -> None:
    path = "/apis/metal3.io/v1alpha1/namespaces/{namespace}/hardwaredata"
    schema = Reply(200, JSON, json.dumps({"paths": {path: {"get": {}}}}).encode())
    looking = world(EVERYTHING, schema, schema)
    seen = []
    for rules in (RuleSet([GRANT, HARDWARE]), RuleSet([GRANT], shadow=RuleSet([GRANT, HARDWARE]))):
        looking.entitlements.become(rules)
        client = await looking.get("/openapi/v3/apis/metal3.io/v1alpha1")
        seen.append(path in json.loads(client.received)["paths"])
    assert seen == [True, False]


A_CLAIM = b"""{"kind": "HostClaim", "apiVersion": "metal3.io/v1alpha1",
    "metadata": {"name": "c1"}, "spec": {}}"""


async def test_a_claim_beyond_its_bounds_is_refused_and_those_of_a_shadow_are_recorded() -> None:
    held = replace(GRANT, bounds=Bounds(host_namespaces=("pool-a",)))
    refusing = world(RuleSet([held], shadow=RuleSet([held, SUPPOSED])))
    client = FakeClient(A_CLAIM)
    await refusing.ask("POST", CLAIMS, client, content_type="application/json")
    assert (client.code, refusing.upstream.sent) == (403, [])
    assert said(refusing) == ("allow", "within the bounds; new.yaml:9 new spec.allow[0]")


async def test_a_claim_beyond_its_bounds_that_a_shadow_denies_is_recorded_as_denied() -> None:
    held = replace(GRANT, bounds=Bounds(host_namespaces=("pool-a",)))
    refusing = world(RuleSet([held], shadow=RuleSet([held, DENIAL])))
    await refusing.ask("POST", CLAIMS, FakeClient(A_CLAIM), content_type="application/json")
    assert said(refusing)[0] == "forbid"


class Slow(FakeClient):
    """A body that comes after so long that the request is decided once more."""

    def __init__(self, world: World, meanwhile: RuleSet) -> None:
        super().__init__(A_CLAIM)
        self._world, self._meanwhile = world, meanwhile

    async def body(self, limit: int) -> bytes:
        self._world.now += 60
        self._world.entitlements.become(self._meanwhile)
        return await super().body(limit)


async def test_what_is_decided_once_more_is_recorded_as_it_was_then() -> None:
    serving = world(DENYING, CLAIM)
    client = Slow(serving, EVERYTHING)
    await serving.ask("POST", CLAIMS, client, content_type="application/json")
    assert (client.code, said(serving), serving.meter.shadows) == (200, ("", ""), [])


async def test_what_goes_wrong_with_shadow_rules_changes_no_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(shadow, "decided", broken)
    serving = world(DENYING, CLAIM)
    client = await serving.get(f"{CLAIMS}/c1")
    assert (client.code, said(serving)) == (200, ("", ""))
    assert "request audit-1 cannot be decided with shadow rules" in caplog.text
