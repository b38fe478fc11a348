"""A tenant knows the hosts that its claims have and could have, and of no others.

Blue may have hosts of pool-a by a HostDeployPolicy that matches its namespaces. Red may
have those of pool-b; what it knows of pool-a comes from a claim that is bound there.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.demo import files
from proxy.demo.provision import Admin
from tests.deploy.rendered import objects
from tests.e2e import serving
from tests.e2e.kubectl import Kubectl, claim, fresh
from tests.e2e.ledger import Ledger, kept
from tests.e2e.serving import AnotherProxy
from tests.e2e.test_watch import watching
from tests.e2e.wire import request
from tests.e2e.world import Response, World, eventually

EXAMPLE = Path(__file__).parents[2] / "policies" / "isolation" / "blue-hardware.yaml"
METAL3 = "/apis/metal3.io/v1alpha1"
POOL_A = f"{METAL3}/namespaces/pool-a/hardwaredata"
POOL_B = f"{METAL3}/namespaces/pool-b/hardwaredata"
RED = f"{METAL3}/namespaces/red/hostclaims"
HOSTS_OF_A = {"a-large-1", "a-large-2", "a-small-1"}
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
SHARED = "demo.hostclaim-proxy.metal3.io/pool-b=shared"
PLURALS = {"ClusterRole": "clusterroles", "RoleBinding": "rolebindings"}


@pytest.fixture(scope="module", autouse=True)
def rights(world: World) -> Iterator[None]:
    """What `deploy/hardwaredata` gives the proxy, for as long as these tests run."""

    async def grant() -> None:
        async with Admin(world.access) as admin:
            await admin.create(objects("hardwaredata"))

    async def revoke() -> None:
        async with Admin(world.access) as admin:
            for found in objects("hardwaredata"):
                await admin.request("DELETE", _path(found))

    world.run(grant())
    yield
    world.run(revoke())


def _path(found: Any) -> str:
    metadata = found["metadata"]
    where = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    root = "/apis/rbac.authorization.k8s.io/v1"
    return f"{root}{where}/{PLURALS[found['kind']]}/{metadata['name']}"


@pytest.fixture(scope="module")
def proxy(world: World) -> Iterator[AnotherProxy]:
    """One more proxy, whose policies are the world's and, for blue and red, the example."""
    with serving.another(world, "hardware", lambda settings: _grant(world, settings)) as proxy:
        eventually(lambda: _may_list(proxy, world), "the rights of the proxy")
        yield proxy


def _grant(world: World, settings: serving.Settings) -> None:
    folder = world.directory / settings["policies"]["paths"][0]
    (folder / EXAMPLE.name).write_text(EXAMPLE.read_text())
    of_red = yaml.safe_load(EXAMPLE.read_text().replace("blue-dev, blue-prod", "red"))
    of_red["metadata"]["name"] = "red-hardware"
    of_red["spec"]["subjects"] = [{"issuer": "corp", "group": "/tenants/red"}]
    (folder / "red-hardware.yaml").write_text(yaml.safe_dump(of_red))


def _may_list(proxy: AnotherProxy, world: World) -> bool:
    return proxy.ask("GET", POOL_A, token=world.token("blue-capm3")).code == 200


@pytest.fixture
def blue(world: World) -> str:
    return world.token("blue-capm3")


@pytest.fixture
def red(world: World) -> str:
    return world.token("red-capm3")


@pytest.fixture(scope="module")
def bound(world: World) -> Iterator[str]:
    """The host of pool-a that a claim of red has: the policy that let it there is gone."""
    admin = Kubectl(world, "admin", "pool-a")
    lets_in = {
        "apiVersion": "metal3.io/v1alpha1",
        "kind": "HostDeployPolicy",
        "metadata": {"name": "once"},
        "spec": {"hostClaimNamespaces": {"names": ["red"]}},
    }
    wanted = {"inNamespace": "pool-a", "matchLabels": {"size": "large"}}
    name = fresh("hardware")
    admin.does("create -f -", lets_in)
    admin.does("create -n red -f -", claim(name, hostSelector=wanted))
    admin.does(f"wait -n red hostclaim/{name} --for=jsonpath='{{.status.hardwareData.name}}'")
    admin.does("delete hostdeploypolicy once")
    status = admin.read(f"get hostclaim {name} -n red")["status"]
    assert status["hardwareData"]["namespace"] == "pool-a"
    yield status["hardwareData"]["name"]
    admin.does(f"delete hostclaim {name} -n red")


@pytest.fixture
def ledger(world: World, proxy: AnotherProxy) -> Iterator[Ledger]:
    with kept(world, proxy) as ledger:
        yield ledger


def named(found: Response) -> set[str]:
    assert found.code == 200, found.body
    return {item["metadata"]["name"] for item in found.json["items"]}


Ask = Callable[[], Response]


def questions(world: World, ask: Ask) -> tuple[Response, int]:
    """An answer, and how often the apiserver was asked for it."""
    before = world.proxy_requests()
    return ask(), world.proxy_requests() - before


# By a HostDeployPolicy.


def test_what_is_open_to_the_tenant_is_listed(proxy: AnotherProxy, blue: str) -> None:
    assert named(proxy.ask("GET", POOL_A, token=blue)) == HOSTS_OF_A


def test_any_host_of_it_is_read(proxy: AnotherProxy, blue: str) -> None:
    found = proxy.ask("GET", f"{POOL_A}/a-small-1", token=blue)
    assert found.json["spec"]["hardware"]["cpu"]["arch"] == "x86_64"
    assert proxy.ask("GET", f"{POOL_A}/no-such", token=blue).code == 404


async def test_it_is_watched(proxy: AnotherProxy, blue: str) -> None:
    async with watching(proxy, POOL_A, blue) as watch:
        seen = {(await watch.next())["object"]["metadata"]["name"] for _ in HOSTS_OF_A}
    assert seen == HOSTS_OF_A


async def test_a_watch_ends_with_the_grant(world: World, proxy: AnotherProxy, blue: str) -> None:
    policy = proxy.policies / EXAMPLE.name
    text = policy.read_text()
    try:
        async with watching(proxy, POOL_A, blue) as watch:
            await watch.next()
            files.write(policy, text.replace("[blue-dev, blue-prod]", "[green-lab]"))
            await watch.rest()
    finally:
        files.write(policy, text)
    eventually(lambda: _may_list(proxy, world), "the policy as it was")


def test_labels_of_the_tenants_namespace_open_it(
    world: World, proxy: AnotherProxy, blue: str
) -> None:
    admin = Kubectl(world, "admin", "pool-b")
    assert proxy.ask("GET", POOL_B, token=blue).code == 403
    admin.does(f"label namespace blue-prod {SHARED}")
    try:
        assert "b-small-1" in named(proxy.ask("GET", POOL_B, token=blue))
    finally:
        admin.does(f"label namespace blue-prod {SHARED.partition('=')[0]}-")


# By a claim.


def test_the_host_of_a_claim_is_read(proxy: AnotherProxy, red: str, bound: str) -> None:
    found = proxy.ask("GET", f"{POOL_A}/{bound}", token=red)
    assert (found.code, found.json["metadata"]["name"]) == (200, bound)


@pytest.mark.parametrize("query", ["", "?limit=1"])
def test_a_list_shows_the_host_of_the_claim_alone(
    proxy: AnotherProxy, red: str, bound: str, query: str
) -> None:
    found = proxy.ask("GET", POOL_A + query, token=red)
    assert named(found) == {bound}
    assert set(found.json["metadata"]) == {"resourceVersion"}
    table = proxy.ask("GET", POOL_A + query, token=red, headers=TABLE)
    assert [row["object"]["metadata"]["name"] for row in table.json["rows"]] == [bound]


def test_the_others_look_as_if_they_were_not_there(
    world: World, proxy: AnotherProxy, red: str, bound: str
) -> None:
    [other, *_] = HOSTS_OF_A - {bound}
    hidden, asked = questions(world, lambda: proxy.ask("GET", f"{POOL_A}/{other}", token=red))
    missing, _ = questions(world, lambda: proxy.ask("GET", f"{POOL_A}/no-such", token=red))
    assert (hidden.code, missing.code) == (404, 404)
    assert hidden.body.replace(other.encode(), b"no-such") == missing.body
    # Of the policies and of red's claims: nothing of the host was asked for.
    assert asked == 2


@pytest.mark.usefixtures("bound")
def test_where_it_is_not_open_nothing_is_watched(
    world: World, proxy: AnotherProxy, red: str
) -> None:
    answer, asked = questions(world, lambda: proxy.ask("GET", f"{POOL_A}?watch=1", token=red))
    assert (answer.code, answer.json["reason"], asked) == (403, "Forbidden", 1)
    assert "no HostDeployPolicy of `pool-a` admits a namespace of yours" in answer.json["message"]


@pytest.mark.parametrize("pool", ["pool-b", "kube-system", "no-such"])
def test_where_nothing_is_the_tenants_a_list_is_refused(
    world: World, proxy: AnotherProxy, blue: str, pool: str
) -> None:
    target = f"{METAL3}/namespaces/{pool}/hardwaredata"
    answer, asked = questions(world, lambda: proxy.ask("GET", target, token=blue))
    assert answer.code == 403
    assert "no claim of yours has a host there" in answer.json["message"]
    # The policies, the labels of both namespaces where they matter, the claims of both.
    assert asked == (5 if pool == "pool-b" else 3)


# By nobody.


@pytest.mark.parametrize(
    ("method", "target", "code"),
    [
        ("GET", f"{METAL3}/hardwaredata", 403),
        ("GET", f"{METAL3}/hardwaredata?watch=1", 403),
        ("POST", POOL_A, 403),
        ("DELETE", POOL_A, 403),
        ("PUT", f"{POOL_A}/a-small-1", 403),
        ("PATCH", f"{POOL_A}/a-small-1", 403),
        ("DELETE", f"{POOL_A}/a-small-1", 403),
        ("GET", f"{POOL_A}/a-small-1/status", 403),
        ("GET", f"{METAL3}/namespaces/pool-a/hostdeploypolicies", 403),
        ("GET", f"{METAL3}/namespaces/pool-a/baremetalhosts", 403),
        ("GET", "/api/v1/namespaces/blue-dev", 403),
    ],
)
async def test_nothing_else_is_served(
    ledger: Ledger, blue: str, method: str, target: str, code: int
) -> None:
    merge = "Content-Type: application/merge-patch+json"
    length = () if method in {"GET", "DELETE"} else ("Content-Length: 2",)
    said = request(method, target, "Authorization: Bearer TOKEN", merge, *length)
    await ledger.refused(said + (b"{}" if length else b""), code=code, token=blue)


@pytest.mark.parametrize("target", [POOL_A, f"{POOL_A}/a-small-1", f"{POOL_A}?watch=1"])
async def test_who_is_not_granted_it_is_refused_unheard(
    world: World, ledger: Ledger, target: str
) -> None:
    said = request("GET", target, "Authorization: Bearer TOKEN")
    answer, _ = await ledger.refused(said, code=403, token=world.token("auditor"))
    assert "hostclaims (metal3.io/v1alpha1) and their secrets (v1)" in answer.json["message"]


def test_a_rule_with_a_pattern_is_refused_with_what_to_do(
    world: World, proxy: AnotherProxy, blue: str
) -> None:
    policy = proxy.policies / EXAMPLE.name
    text = policy.read_text()
    try:
        files.write(policy, text.replace("[blue-dev, blue-prod]", '["blue-*"]'))
        eventually(lambda: not _may_list(proxy, world), "the policy with a pattern")
        answer, asked = questions(world, lambda: proxy.ask("GET", POOL_A, token=blue))
    finally:
        files.write(policy, text)
    eventually(lambda: _may_list(proxy, world), "the policy as it was")
    assert (answer.code, asked) == (403, 0)
    assert "have hardwaredata granted in a few namespaces, by name" in answer.json["message"]


# By kubectl.


@pytest.fixture(scope="module")
def kubectl(world: World, proxy: AnotherProxy) -> Kubectl:
    return _kubectl(world, proxy, "blue")


def _kubectl(world: World, proxy: AnotherProxy, name: str) -> Kubectl:
    who = f"{name}-of-hardware"
    token_file = world.directory / f"{who}.token"
    files.write(token_file, world.token("auditor" if name == "auditor" else f"{name}-capm3"))
    trust = world.directory / "proxy-ca.crt"
    user = {"tokenFile": str(token_file)}
    text = files.kubeconfig(proxy.url, trust, user, name=who, namespace="pool-a")
    files.write(world.directory / f"{who}.kubeconfig", text)
    return Kubectl(world, who, "pool-a")


def test_kubectl_finds_and_reads_it(kubectl: Kubectl) -> None:
    assert "hardwaredata.metal3.io" in kubectl.does("api-resources -o name").split()
    assert "a-large-1" in kubectl.does("get hardwaredata")
    assert "a-large-1" in kubectl.does("get hd -o wide")
    assert json.loads(kubectl.does("get hardwaredata a-large-1 -o json"))["kind"] == "HardwareData"
    assert "Hardware:" in kubectl.does("describe hardwaredata a-large-1")
    assert "KIND:       HardwareData" in kubectl.does("explain hardwaredata")
    assert "hardware\t<Object>" in kubectl.does("explain hardwaredata.spec")


def test_kubectl_is_told_what_it_may(kubectl: Kubectl) -> None:
    assert kubectl.does("auth can-i list hardwaredata").strip() == "yes"
    assert kubectl.ask("auth can-i delete hardwaredata").stdout.startswith("no - ")
    [line] = [ln for ln in kubectl.does("auth can-i --list").splitlines() if "hardwaredata" in ln]
    assert line.endswith("[get list watch]")


def test_kubectl_of_others_finds_no_such_thing(world: World, proxy: AnotherProxy) -> None:
    auditor = _kubectl(world, proxy, "auditor")
    assert "doesn't have a resource type" in auditor.fails("get hardwaredata")
    assert "hardwaredata" not in auditor.does("api-resources -o name").split()
    assert "hardwaredata" not in auditor.does("auth can-i --list")
