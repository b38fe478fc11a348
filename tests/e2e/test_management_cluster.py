"""A tenant's management cluster vouches for its own service accounts, and for nobody else.

In the embedded world it is an issuer whose tokens look like an apiserver's; in the real
one it is a second kube-apiserver, with service accounts and keys of its own.
"""

import json
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import pytest

from proxy.demo import files, tour
from proxy.demo.access import ClusterAccess
from proxy.demo.envtest import RealCluster
from proxy.demo.issuer import EmbeddedIssuer
from proxy.demo.issuer.accounts import Realm
from proxy.demo.provision import PROXY_ACCOUNT, PROXY_NAMESPACE, Admin
from proxy.demo.tour import USER_DATA
from tests.e2e.kubeconfigs import make
from tests.e2e.ledger import record_of
from tests.e2e.serving import Settings, another
from tests.e2e.world import Iam, Response, ServedProxy, World, eventually
from tests.real import gate

EXAMPLE = Path(__file__).parents[2] / "policies" / "isolation" / "green.yaml"
SELECTOR = {**tour.CLAIM["spec"]["hostSelector"], "inNamespace": "pool-b"}
CLAIM = {**tour.CLAIM, "spec": {**tour.CLAIM["spec"], "hostSelector": SELECTOR}}
ISSUER = "green-cluster"
NAMESPACE = "capm3-system"
CAPM3 = "capm3-manager"
OTHER = "default"
AUDIENCE = "hostclaim-proxy"
MINE = "/apis/metal3.io/v1alpha1/namespaces/red/hostclaims"
WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
SUBJECT_REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
THEIRS = "/apis/metal3.io/v1alpha1/namespaces/blue-dev/hostclaims"


class ManagementCluster(Protocol):
    """A cluster whose service accounts are tenants. Methods block."""

    @property
    def url(self) -> str: ...

    @property
    def ca_file(self) -> Path: ...

    def token(self, account: str, *, audience: str = AUDIENCE) -> str:
        """A token as TokenRequest gives one."""
        ...

    def delete(self, account: str) -> None:
        """Delete a service account."""
        ...


@dataclass(frozen=True)
class EmbeddedManagementCluster:
    """An issuer that signs what an apiserver would; nobody has made its accounts."""

    issuer: EmbeddedIssuer

    @property
    def url(self) -> str:
        return self.issuer.url

    @property
    def ca_file(self) -> Path:
        return self.issuer.ca_file

    def token(self, account: str, *, audience: str = AUDIENCE) -> str:
        now = int(time.time())
        return self.issuer.mint(
            {
                "aud": [audience],
                "exp": now + 3600,
                "iat": now,
                "iss": self.url,
                "jti": str(uuid.uuid4()),
                "kubernetes.io": {
                    "namespace": NAMESPACE,
                    "serviceaccount": {"name": account, "uid": str(uuid.uuid4())},
                },
                "nbf": now,
                "sub": f"system:serviceaccount:{NAMESPACE}:{account}",
            },
            headers={"typ": None},
        )

    def delete(self, account: str) -> None:
        """Nothing is left of it but what it has signed."""


@dataclass(frozen=True)
class RealManagementCluster:
    """A kube-apiserver."""

    world: World
    access: ClusterAccess

    @property
    def url(self) -> str:
        return self.access.server

    @property
    def ca_file(self) -> Path:
        return self.access.ca_file

    def token(self, account: str, *, audience: str = AUDIENCE) -> str:
        return self.world.run(_request_token(self.access, NAMESPACE, account, audience))

    def delete(self, account: str) -> None:
        self.world.run(_delete(self.access, account))


@pytest.fixture(scope="module")
def cluster(world: World) -> Iterator[ManagementCluster]:
    with _real(world) if world.real else _embedded(world) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def proxy(world: World, cluster: ManagementCluster) -> Iterator[ServedProxy]:
    """A second proxy of the same BMH cluster, which trusts the management cluster too."""
    discovery = {
        "discoveryUrl": f"{cluster.url}/.well-known/openid-configuration",
        "caFile": str(cluster.ca_file.resolve()),
    }
    with another(world, "green", _trusting(world, cluster, discovery)) as proxy:
        _await_keys(proxy)
        yield proxy


@pytest.fixture(scope="module")
def key_file(world: World, cluster: ManagementCluster) -> Path:
    """What an administrator has copied from the cluster: the keys that it publishes."""
    file = world.directory / "green.jwks"
    files.write(file, json.dumps(world.run(_published(cluster))))
    return file


@pytest.fixture(scope="module")
def apart(world: World, cluster: ManagementCluster, key_file: Path) -> Iterator[ServedProxy]:
    """A proxy that knows the cluster by its key file, and by nothing it could be asked with."""
    change = _trusting(world, cluster, {"jwksFile": str(key_file)})
    with another(world, "green-apart", change) as proxy:
        _await_keys(proxy)
        yield proxy


@contextmanager
def _embedded(world: World) -> Iterator[ManagementCluster]:
    directory = world.directory / "management-cluster"
    directory.mkdir()
    issuer = EmbeddedIssuer(directory, realm=Realm("green", clients=(), people=()))
    world.run(issuer.start())
    try:
        yield EmbeddedManagementCluster(issuer)
    finally:
        world.run(issuer.stop())


@contextmanager
def _real(world: World) -> Iterator[ManagementCluster]:
    cluster = RealCluster(gate.need_assets(), world.directory / "management-cluster")
    access = world.run(cluster.start())
    try:
        world.run(_prepare(access))
        yield RealManagementCluster(world, access)
    finally:
        world.run(cluster.stop())


async def _prepare(access: ClusterAccess) -> None:
    """Make the accounts, and let everybody read how their tokens are verified."""
    discovery = "system:service-account-issuer-discovery"
    rbac = "rbac.authorization.k8s.io"
    core = {"apiVersion": "v1"}
    accounts = [{"name": name, "namespace": NAMESPACE} for name in (CAPM3, OTHER)]
    async with Admin(access) as admin:
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


async def _request_token(access: ClusterAccess, namespace: str, account: str, audience: str) -> str:
    asked = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [audience], "expirationSeconds": 3600},
    }
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    async with Admin(access) as admin:
        found = await admin.request("POST", path, asked)
    return str(found["status"]["token"])


async def _delete(access: ClusterAccess, account: str) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}"
    async with Admin(access) as admin:
        await admin.request("DELETE", path)


async def _published(cluster: ManagementCluster | Iam) -> Any:
    """The key set that an issuer publishes, found by its discovery document."""
    trust = ssl.create_default_context(cafile=str(cluster.ca_file))
    connector = aiohttp.TCPConnector(ssl=trust)
    async with aiohttp.ClientSession(connector=connector, raise_for_status=True) as session:
        async with session.get(f"{cluster.url}/.well-known/openid-configuration") as answer:
            metadata = await answer.json()
        async with session.get(metadata["jwks_uri"]) as answer:
            return await answer.json(content_type=None)


def _trusting(
    world: World, cluster: ManagementCluster, keys: Settings
) -> Callable[[Settings], None]:
    """Settings with one more issuer, whose `keys` are had like this, and with the example."""
    folder = world.directory / "green-example"
    folder.mkdir(exist_ok=True)
    # In the namespaces of the example, the proxy has no rights here, nor are there any hosts.
    example = EXAMPLE.read_text().replace("namespaces: [green]", "namespaces: [red]")
    files.write(folder / EXAMPLE.name, example.replace("[pool-green]", "[pool-b]"))

    def change(settings: Settings) -> None:
        settings["policies"]["paths"].append(folder.name)
        issuer = {"name": ISSUER, "kind": "kubernetes", "url": cluster.url, "audiences": [AUDIENCE]}
        settings["issuers"].append(issuer | keys)

    return change


def _await_keys(proxy: ServedProxy) -> None:
    trouble = f"issuer-{ISSUER}:"
    eventually(lambda: trouble not in proxy.readiness("?verbose")[1], "the cluster's keys")


def _record(proxy: ServedProxy, response: Response) -> Any:
    return record_of(proxy, response.headers["Audit-Id"])


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
    anywhere = {**tour.CLAIM, "metadata": {"name": "by-capm3"}}
    assert proxy.ask("POST", MINE, token=capm3, body=anywhere).code == 403
    assert proxy.ask("POST", MINE, token=capm3, body=claim).code == 201
    assert proxy.ask("GET", f"{MINE}/by-capm3", token=capm3).code == 200
    deleted = proxy.ask("DELETE", f"{MINE}/by-capm3", token=capm3)
    assert deleted.code == 200
    user = _record(proxy, deleted)["user"]
    assert user["username"] == f"{ISSUER}:serviceaccount:{NAMESPACE}:{CAPM3}"
    assert not [group for group in user["groups"] if "serviceaccounts" in group]


def test_kubectl_has_the_whole_story_with_a_projected_token(
    world: World, proxy: ServedProxy, cluster: ManagementCluster
) -> None:
    token = world.directory / "projected.token"
    files.write(token, cluster.token(CAPM3))
    made = make(proxy, "green", "--token-file", token, namespace="red")
    assert made.returncode == 0, made.stderr
    assert f"you are `{ISSUER}:serviceaccount:{NAMESPACE}:{CAPM3}`" in made.stderr

    def kubectl(line: str, manifest: object = None) -> str:
        stdin = None if manifest is None else json.dumps(manifest)
        done = world.kubectl("green", *line.split(), stdin=stdin)
        assert done.returncode == 0, f"kubectl {line}: {done.stderr}"
        return done.stdout

    kubectl("create -f -", USER_DATA)
    kubectl("apply -f -", CLAIM)
    try:
        kubectl("wait hostclaim/node-0 --for=jsonpath={.status.bareMetalHost.name} --timeout=60s")
        claim = json.loads(kubectl("get hostclaim node-0 -o json"))
        assert claim["status"]["bareMetalHost"]["namespace"] == "pool-b"
    finally:
        kubectl("delete hostclaim/node-0 secret/node-0-user-data --timeout=60s")


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
    account = (PROXY_NAMESPACE, PROXY_ACCOUNT)
    own = world.run(_request_token(world.access, *account, AUDIENCE))
    assert _refused(world, world.proxy, own, MINE) == 401


def test_people_of_the_iam_are_who_they_were(world: World, proxy: ServedProxy) -> None:
    assert proxy.ask("GET", MINE, token=world.token("red-capm3")).code == 200
    assert _refused(world, proxy, world.token("blue-capm3"), MINE) == 403


def test_a_token_outlives_its_service_account(
    proxy: ServedProxy, apart: ServedProxy, cluster: ManagementCluster
) -> None:
    """Nobody asks the cluster, so what was signed is good until it expires."""
    token = cluster.token(OTHER)
    cluster.delete(OTHER)
    for each in (proxy, apart):
        whoami = each.ask("POST", WHOAMI, token=token, body=SUBJECT_REVIEW)
        told = whoami.json["status"]["userInfo"]["username"]
        assert told == f"{ISSUER}:serviceaccount:{NAMESPACE}:{OTHER}"


def test_a_cluster_that_cannot_be_asked_keeps_its_own_accounts_out_and_nobody_else(
    world: World, cluster: ManagementCluster
) -> None:
    # Without its CA, nothing that it answers is believed.
    with another(world, "green-unreachable", _trusting(world, cluster, {})) as proxy:
        response = proxy.ask("GET", MINE, token=cluster.token(CAPM3))
        assert (response.code, response.json["reason"]) == (503, "ServiceUnavailable")
        assert ISSUER in response.json["message"]
        assert "its certificate is not trusted" in proxy.readiness("?verbose")[1]
        assert proxy.ask("GET", MINE, token=world.token("red-capm3")).code == 200


def test_a_cluster_that_cannot_be_asked_is_known_by_a_file_of_its_keys(
    world: World, apart: ServedProxy, cluster: ManagementCluster
) -> None:
    assert apart.ask("GET", MINE, token=cluster.token(CAPM3)).code == 200
    assert _refused(world, apart, cluster.token(CAPM3), THEIRS) == 403
    assert _refused(world, apart, cluster.token(CAPM3, audience="vault"), MINE) == 401


def test_a_key_that_is_taken_out_of_the_file_opens_nothing_any_more(
    world: World, apart: ServedProxy, cluster: ManagementCluster, key_file: Path
) -> None:
    token = cluster.token(CAPM3)
    published = key_file.read_text()
    assert apart.ask("GET", MINE, token=token).code == 200
    try:
        files.write(key_file, json.dumps(world.run(_published(world.iam))))
        eventually(lambda: apart.ask("GET", MINE, token=token).code == 401, "the refusal")
    finally:
        files.write(key_file, published)
    eventually(lambda: apart.ask("GET", MINE, token=token).code == 200, "the key that is back")
