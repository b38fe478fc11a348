"""Policies that are only recorded: the running proxy decides as if they were not there."""

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.demo import files
from tests.e2e.kubectl import Kubectl, fresh
from tests.e2e.serving import AnotherProxy, Settings, another, command
from tests.e2e.test_watch import claim, named, watching
from tests.e2e.world import Response, World, eventually

CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/blue-dev/hostclaims"
RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
DECISION = "hostclaim-proxy.metal3.io/shadow-decision"
REASON = "hostclaim-proxy.metal3.io/shadow-reason"
TRIAL = """\
apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: AccessPolicy
metadata: {name: red-helps-blue}
spec:
  enforcement: shadow
  subjects: [{issuer: corp, group: /tenants/red}]
  allow:
  - {namespaces: [blue-dev], role: viewer}
---
apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: AccessPolicy
metadata: {name: blue-moves-out}
spec:
  enforcement: shadow
  subjects: [{issuer: corp, group: /tenants/blue}]
  deny:
  - {namespaces: [blue-dev]}
"""


@pytest.fixture(scope="module")
def proxy(world: World) -> Iterator[AnotherProxy]:
    """Two workers, and no shadow yet."""

    def change(settings: Settings) -> None:
        settings["server"]["workers"] = 2

    with another(world, "shadows", change) as proxy:
        yield proxy


def recorded(proxy: AnotherProxy, response: Response) -> Any:
    """The annotations of an answer's record; it comes after the answer."""
    audit_id = response.headers["Audit-Id"]

    def found() -> list[Any]:
        return [one["annotations"] for one in proxy.audit() if one["auditID"] == audit_id]

    eventually(lambda: bool(found()), "the record")
    return found()[0]


def would_be(proxy: AnotherProxy, token: str) -> str:
    return str(recorded(proxy, proxy.ask("GET", CLAIMS, token=token)).get(DECISION, ""))


def in_force(proxy: AnotherProxy, token: str) -> None:
    """Wait until every worker has read the trial: requests go to either of them."""
    files.write(proxy.policies / "trial.yaml", TRIAL)
    eventually(lambda: {would_be(proxy, token) for _ in range(8)} == {"forbid"}, "the shadow")


async def test_a_watch_that_is_open_goes_on_beneath_a_shadow_denial(
    world: World, proxy: AnotherProxy
) -> None:
    token = world.token("blue-capm3")
    async with watching(proxy, CLAIMS, token) as watch:
        await asyncio.to_thread(in_force, proxy, token)
        made = await asyncio.to_thread(
            proxy.ask, "POST", CLAIMS, token=token, body=claim("beneath")
        )
        assert made.code == 201
        await watch.until(named("beneath"))
    assert recorded(proxy, made)[DECISION] == "forbid"
    gone = await asyncio.to_thread(proxy.ask, "DELETE", f"{CLAIMS}/beneath", token=token)
    assert gone.code == 200


def test_what_a_shadow_denies_is_served_and_recorded(world: World, proxy: AnotherProxy) -> None:
    token = world.token("blue-capm3")
    in_force(proxy, token)
    listed = proxy.ask("GET", CLAIMS, token=token)
    found = recorded(proxy, listed)
    assert (listed.code, found["authorization.k8s.io/decision"]) == (200, "allow")
    assert found[DECISION] == "forbid"
    assert found[REASON].endswith("trial.yaml:17 blue-moves-out spec.deny[0]")


def test_what_only_a_shadow_grants_is_refused_and_recorded(
    world: World, proxy: AnotherProxy
) -> None:
    in_force(proxy, world.token("blue-capm3"))
    before = world.proxy_requests()
    refused = proxy.ask("GET", CLAIMS, token=world.token("red-capm3"))
    found = recorded(proxy, refused)
    assert (refused.code, found["authorization.k8s.io/decision"]) == (403, "forbid")
    assert found[DECISION] == "allow"
    assert found[REASON].endswith("trial.yaml:8 red-helps-blue spec.allow[0]")
    assert world.proxy_requests() == before


def test_who_asks_what_they_may_hears_of_no_shadow(world: World, proxy: AnotherProxy) -> None:
    in_force(proxy, world.token("blue-capm3"))
    body = {
        "kind": "SelfSubjectRulesReview",
        "apiVersion": "authorization.k8s.io/v1",
        "spec": {"namespace": "blue-dev"},
    }
    told = {}
    for who in ("blue-capm3", "red-capm3"):
        answer = proxy.ask("POST", RULES, token=world.token(who), body=body)
        rules = answer.json["status"]["resourceRules"]
        told[who] = any("hostclaims" in rule["resources"] for rule in rules)
    assert told == {"blue-capm3": True, "red-capm3": False}


def test_the_workers_count_together_and_the_command_lists_the_same(
    world: World, proxy: AnotherProxy
) -> None:
    in_force(proxy, world.token("blue-capm3"))
    recorded(proxy, proxy.ask("GET", CLAIMS, token=world.token("red-capm3")))
    listed = {"allow": 0, "forbid": 0}
    for change in changes(proxy):
        listed[change["decision"]] += change["count"]
    assert listed == counted(proxy)
    assert all(listed.values())


def test_kubectl_is_told_nothing_of_a_shadow_and_the_command_tells_what_it_did(
    world: World, proxy: AnotherProxy
) -> None:
    in_force(proxy, world.token("blue-capm3"))
    blue, red = (Kubectl(world, who, "blue-dev") for who in ("blue", "red"))
    at, name = f"--server={proxy.url}", fresh("shadowed")
    assert blue.does(f"auth can-i create hostclaims {at}") == "yes\n"
    blue.does(f"create {at} -f -", claim(name))
    blue.does(f"patch hostclaim {name} {at} --type=merge -p {{}}")
    blue.does(f"delete hostclaim {name} {at}")
    refusal = red.fails(f"get hostclaims {at}")
    assert "Forbidden" in refusal
    assert not {"shadow", "helps", "trial"} & set(re.findall(r"\w+", refusal))
    wanted = {("corp:service-account-red-capm3", "list", "allow")}
    for verb in ("create", "patch", "delete"):
        wanted.add(("corp:service-account-blue-capm3", verb, "forbid"))
    eventually(lambda: wanted <= {who_did(change) for change in changes(proxy)}, "the records")


def who_did(change: Any) -> tuple[str, str, str]:
    return change["user"], change["verb"], change["decision"]


def changes(proxy: AnotherProxy) -> list[Any]:
    """What the command lists."""
    listing = [command(), "policy", "shadow", str(proxy.audit_file), "-o", "json"]
    ended = subprocess.run(listing, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    found: list[Any] = json.loads(ended.stdout)["changes"]
    return found


def counted(proxy: AnotherProxy) -> dict[str, int]:
    """The metric, over all workers."""
    found = {"allow": 0, "forbid": 0}
    for family in text_string_to_metric_families(proxy.management("/metrics")[1]):
        for sample in family.samples:
            if sample.name == "hostclaim_proxy_shadow_decisions_total":
                found[sample.labels["decision"]] += int(sample.value)
    return found
