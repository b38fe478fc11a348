"""A tenant's management cluster vouches for its own service accounts, and for nobody else.

In the embedded world it is an issuer whose tokens look like an apiserver's; in the real
one it is the kube-apiserver of the BMH cluster, which has service accounts like any other.
"""

import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.demo import files
from proxy.demo.issuer import EmbeddedIssuer
from proxy.demo.issuer.accounts import Realm
from proxy.demo.provision import PROXY_ACCOUNT, PROXY_NAMESPACE, Admin
from proxy.demo.tour import CLAIM
from tests.e2e.world import Response, ServedProxy, World, eventually

EXAMPLE = Path(__file__).parents[2] / "policies" / "management-cluster.yaml"
ISSUER = "green-cluster"
NAMESPACE = "capm3-system"
CAPM3 = "capm3-manager"
OTHER = "default"
AUDIENCE = "hostclaim-proxy"
MINE = "/apis/metal3.io/v1alpha1/namespaces/red/hostclaims"
THEIRS = "/apis/metal3.io/v1alpha1/namespaces/blue-dev/hostclaims"

Mint = Callable[[str, str, str], str]


@dataclass(frozen=True)
class ManagementCluster:
    """A cluster whose service accounts are tenants."""

    url: str
    ca_file: Path
    mint: Mint

    def token(self, account: str, *, namespace: str = NAMESPACE, audience: str = AUDIENCE) -> str:
        """A token as TokenRequest gives one."""
        return self.mint(namespace, account, audience)


@pytest.fixture(scope="module")
def cluster(world: World) -> Iterator[ManagementCluster]:
    with _real(world) if world.real else _embedded(world) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def proxy(world: World, cluster: ManagementCluster) -> Iterator[ServedProxy]:
    """A second proxy of the same BMH cluster, which trusts the management cluster too."""
    proxy = ServedProxy(world.directory, _configuration(world, cluster))
    try:
        proxy.start()
        trouble = f"issuer-{ISSUER}:"
        eventually(lambda: trouble not in proxy.readiness("?verbose")[1], "the cluster's keys")
        yield proxy
    finally:
        proxy.stop()


@contextmanager
def _embedded(world: World) -> Iterator[ManagementCluster]:
    directory = world.directory / "management-cluster"
    directory.mkdir()
    issuer = EmbeddedIssuer(directory, realm=Realm("green", clients=(), people=()))
    world.run(issuer.start())

    def mint(namespace: str, account: str, audience: str) -> str:
        now = int(time.time())
        return issuer.mint(
            {
                "aud": [audience],
                "exp": now + 3600,
                "iat": now,
                "iss": issuer.url,
                "jti": str(uuid.uuid4()),
                "kubernetes.io": {
                    "namespace": namespace,
                    "serviceaccount": {"name": account, "uid": str(uuid.uuid4())},
                },
                "nbf": now,
                "sub": f"system:serviceaccount:{namespace}:{account}",
            },
            headers={"typ": None},
        )

    try:
        yield ManagementCluster(issuer.url, issuer.ca_file, mint)
    finally:
        world.run(issuer.stop())


@contextmanager
def _real(world: World) -> Iterator[ManagementCluster]:
    world.run(_prepare(world))

    def mint(namespace: str, account: str, audience: str) -> str:
        return world.run(_request_token(world, namespace, account, audience))

    yield ManagementCluster(world.access.server, world.access.ca_file, mint)


async def _prepare(world: World) -> None:
    """Make the accounts, and let everybody read how their tokens are verified."""
    discovery = "system:service-account-issuer-discovery"
    rbac = "rbac.authorization.k8s.io"
    core = {"apiVersion": "v1"}
    accounts = [{"name": name, "namespace": NAMESPACE} for name in (CAPM3, OTHER)]
    async with Admin(world.access) as admin:
        await admin.create([{**core, "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
        await admin.create(
            {**core, "kind": "ServiceAccount", "metadata": account} for account in accounts
        )
        await admin.request(
            "POST",
            f"/apis/{rbac}/v1/clusterrolebindings",
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": "issuer-discovery-for-everybody"},
                "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": discovery},
                "subjects": [{"apiGroup": rbac, "kind": "Group", "name": "system:unauthenticated"}],
            },
        )


async def _request_token(world: World, namespace: str, account: str, audience: str) -> str:
    """A token of a service account of the BMH cluster."""
    asked = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [audience], "expirationSeconds": 3600},
    }
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    async with Admin(world.access) as admin:
        found = await admin.request("POST", path, asked)
    return str(found["status"]["token"])


def _configuration(world: World, cluster: ManagementCluster) -> str:
    """Write the world's configuration with one more issuer and the example; returns its name."""
    settings: dict[str, Any] = yaml.safe_load((world.directory / "proxy.yaml").read_text())
    port, management_port = _free_ports(2)
    settings["server"]["address"] = f"127.0.0.1:{port}"
    settings["management"]["address"] = f"127.0.0.1:{management_port}"
    settings["audit"]["file"] = "audit-two.jsonl"
    settings["policies"]["paths"].append("policies-two")
    settings["issuers"].append(
        {
            "name": ISSUER,
            "kind": "kubernetes",
            "url": cluster.url,
            "discoveryUrl": f"{cluster.url}/.well-known/openid-configuration",
            "audiences": [AUDIENCE],
            "caFile": str(cluster.ca_file.resolve()),
        }
    )
    folder = world.directory / "policies-two"
    folder.mkdir()
    # The namespace `green` of the example is one that the proxy has no rights in here.
    example = EXAMPLE.read_text().replace("namespaces: [green]", "namespaces: [red]")
    files.write(folder / EXAMPLE.name, example)
    name = "proxy-two.yaml"
    files.write(world.directory / name, yaml.safe_dump(settings, sort_keys=False))
    return name


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _record(proxy: ServedProxy, response: Response) -> Any:
    """The one audit record of an answer; it is written after the answer is sent."""

    def records() -> list[Any]:
        return [r for r in proxy.audit() if r["auditID"] == response.headers["Audit-Id"]]

    eventually(lambda: bool(records()), "the audit record")
    [record] = records()
    return record


def _refused(world: World, proxy: ServedProxy, token: str, target: str) -> int:
    """The code of an answer for which nobody asked upstream, and which is on record once."""
    requests = world.proxy_requests()
    response = proxy.ask("GET", target, token=token)
    assert response.json["kind"] == "Status"
    assert world.proxy_requests() == requests
    assert _record(proxy, response)["responseStatus"]["code"] == response.code
    return response.code


def test_a_service_account_works_where_a_policy_names_it(
    proxy: ServedProxy, cluster: ManagementCluster
) -> None:
    capm3 = cluster.token(CAPM3)
    claim = {**CLAIM, "metadata": {"name": "by-capm3"}}
    assert proxy.ask("POST", MINE, token=capm3, body=claim).code == 201
    assert proxy.ask("GET", f"{MINE}/by-capm3", token=capm3).code == 200
    deleted = proxy.ask("DELETE", f"{MINE}/by-capm3", token=capm3)
    assert deleted.code == 200
    user = _record(proxy, deleted)["user"]
    assert user["username"] == f"{ISSUER}:serviceaccount:{NAMESPACE}:{CAPM3}"
    assert not [group for group in user["groups"] if "serviceaccounts" in group]


def test_kubectl_works_with_a_projected_token(
    world: World, proxy: ServedProxy, cluster: ManagementCluster
) -> None:
    files.write(world.directory / "green.token", cluster.token(CAPM3))
    user = {"tokenFile": str(world.directory / "green.token")}
    trust = world.directory / "proxy-ca.crt"
    text = files.kubeconfig(proxy.url, trust, user, name="green", namespace="red")
    files.write(world.directory / "green.kubeconfig", text)
    whoami = world.kubectl("green", "auth", "whoami", "--output=jsonpath={.status.userInfo}")
    assert f"{ISSUER}:serviceaccount:{NAMESPACE}:{CAPM3}" in whoami.stdout, whoami.stderr
    listed = world.kubectl("green", "get", "hostclaims")
    assert listed.returncode == 0, listed.stderr


def test_a_service_account_is_held_to_its_namespaces(
    world: World, proxy: ServedProxy, cluster: ManagementCluster
) -> None:
    assert _refused(world, proxy, cluster.token(CAPM3), THEIRS) == 403


def test_another_service_account_of_the_cluster_is_granted_nothing(
    world: World, proxy: ServedProxy, cluster: ManagementCluster
) -> None:
    assert _refused(world, proxy, cluster.token(OTHER), MINE) == 403


def test_a_token_for_another_audience_is_refused(
    world: World, proxy: ServedProxy, cluster: ManagementCluster
) -> None:
    for audience in (cluster.url, "vault"):
        token = cluster.token(CAPM3, audience=audience)
        assert _refused(world, proxy, token, MINE) == 401


def test_a_cluster_that_is_no_issuer_of_a_proxy_vouches_for_nobody(
    world: World, cluster: ManagementCluster
) -> None:
    assert _refused(world, world.proxy, cluster.token(CAPM3), MINE) == 401


def test_the_accounts_of_the_bmh_cluster_are_nobody_to_its_proxy(world: World) -> None:
    own = world.run(_request_token(world, PROXY_NAMESPACE, PROXY_ACCOUNT, AUDIENCE))
    assert _refused(world, world.proxy, own, MINE) == 401


def test_people_of_the_iam_are_who_they_were(world: World, proxy: ServedProxy) -> None:
    assert proxy.ask("GET", MINE, token=world.token("red-capm3")).code == 200
    assert _refused(world, proxy, world.token("blue-capm3"), MINE) == 403
