"""A real apiserver takes the manifests, and gives the proxy what they say and nothing more."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.core.attributes import Document
from proxy.demo.envtest import RealCluster
from tests.deploy.rendered import DEPLOY, KUSTOMIZATIONS, objects, pod
from tests.real import gate
from tests.real.kubectl import Kubectl, KubectlError, kubeconfig
from tests.real.parts import KUBECTL

HOME = "hostclaim-proxy"
TENANTS = ("blue-dev", "blue-prod", "red")
POOLS = ("pool-a", "pool-b")
MANAGEMENT = ("hostclaim-proxy-refresh", "blue-clusters")
"""The namespaces of another cluster, in which the refresher would run."""

PROXY = f"system:serviceaccount:{HOME}:hostclaim-proxy"
# A service account that nothing is bound to: what it may do, all may.
ANYBODY = f"system:serviceaccount:{HOME}:anybody"
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
ENTITLED = {
    *(("metal3.io", "hostclaims", verb) for verb in VERBS),
    ("metal3.io", "hostclaims/status", "get"),
    *(("", "secrets", verb) for verb in VERBS),
}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    """The admin of a cluster of its own, with the namespaces that have to be there before."""
    directory = tmp_path_factory.mktemp("deploy")
    cluster = RealCluster(gate.need_assets(), directory)
    access = asyncio.run(cluster.start())
    try:
        config = directory / "kubeconfig"
        config.write_text(json.dumps(kubeconfig(access.server, access.ca_file, access.admin_token)))
        admin = Kubectl(gate.need(KUBECTL), config)
        for namespace in (HOME, *TENANTS, *POOLS, *MANAGEMENT):
            admin.run("create", "namespace", namespace)
        yield admin
    finally:
        asyncio.run(cluster.stop())


@pytest.fixture(scope="module")
def installed(empty: Kubectl) -> Kubectl:
    empty.run("apply", "--server-side", "-k", str(DEPLOY / "example"))
    return empty


def rights(admin: Kubectl, user: str, namespace: str) -> dict[str, Any]:
    """What the apiserver itself says that a user may do in a namespace."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    # Validating would have kubectl look at definitions, which the user may not.
    unseen = ("--validate=false", f"--as={user}")
    answer = admin.run("create", "-f", "-", "-o", "json", *unseen, manifest=review)
    status: dict[str, Any] = json.loads(answer)["status"]
    assert not status["incomplete"]
    return status


def on_resources(admin: Kubectl, user: str, namespace: str) -> set[tuple[str, str, str]]:
    return {
        (group, resource, verb)
        for rule in rights(admin, user, namespace)["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("kustomization", KUSTOMIZATIONS)
def test_the_apiserver_takes_every_object(empty: Kubectl, kustomization: str) -> None:
    taken = empty.run(
        "apply", "--dry-run=server", "-k", str(DEPLOY / kustomization), "--validate=strict"
    )
    assert taken.count("(server dry run)") == len(objects(kustomization))


@pytest.mark.parametrize("namespace", TENANTS)
def test_in_a_tenants_namespace_the_proxy_has_its_role(installed: Kubectl, namespace: str) -> None:
    beyond_all = on_resources(installed, PROXY, namespace) - on_resources(
        installed, ANYBODY, namespace
    )
    assert beyond_all == ENTITLED


@pytest.mark.parametrize("namespace", ["default", "kube-system", HOME, *POOLS])
def test_elsewhere_the_proxy_may_what_anybody_may(installed: Kubectl, namespace: str) -> None:
    assert on_resources(installed, PROXY, namespace) == on_resources(installed, ANYBODY, namespace)


def test_the_proxy_has_no_cluster_wide_rights_of_its_own(installed: Kubectl) -> None:
    bindings = installed.get("clusterrolebindings")["items"]
    subjects = [subject for each in bindings for subject in each.get("subjects", ())]
    assert subjects
    assert not [each for each in subjects if each.get("namespace") == HOME]


@pytest.fixture
def with_hardwaredata(installed: Kubectl) -> Iterator[Kubectl]:
    installed.run("apply", "--server-side", "-k", str(DEPLOY / "hardwaredata"))
    yield installed
    installed.run("delete", "-k", str(DEPLOY / "hardwaredata"))


def test_with_hardwaredata_the_proxy_reads_hosts_and_labels_there(
    with_hardwaredata: Kubectl,
) -> None:
    def gained(namespace: str) -> set[tuple[str, str, str]]:
        return on_resources(with_hardwaredata, PROXY, namespace) - on_resources(
            with_hardwaredata, ANYBODY, namespace
        )

    of_hosts = {("metal3.io", "hardwaredata", verb) for verb in ("get", "list", "watch")}
    of_hosts.add(("metal3.io", "hostdeploypolicies", "list"))
    assert [gained(pool) for pool in POOLS] == [of_hosts] * len(POOLS)
    of_tenants = ENTITLED | {("", "namespaces", "get")}
    assert [gained(tenant) for tenant in TENANTS] == [of_tenants] * len(TENANTS)
    assert gained("default") == set()


@pytest.mark.parametrize("path", ["/readyz", *(document.value for document in Document)])
def test_anybody_may_read_what_the_proxy_reads_of_the_cluster(
    installed: Kubectl, path: str
) -> None:
    rules = rights(installed, ANYBODY, "default")["nonResourceRules"]
    readable = [url for rule in rules if "get" in rule["verbs"] for url in rule["nonResourceURLs"]]
    assert any(
        path.startswith(url.removesuffix("*")) if url.endswith("*") else path == url
        for url in readable
    )


def test_the_pod_may_start_in_its_restricted_namespace(installed: Kubectl) -> None:
    assert "created (server dry run)" in start(installed, pod())


def test_a_pod_that_asks_for_more_may_not(installed: Kubectl) -> None:
    with pytest.raises(KubectlError, match='violates PodSecurity "restricted:latest"'):
        start(installed, pod() | {"hostNetwork": True})


def start(admin: Kubectl, spec: dict[str, Any]) -> str:
    """What the Deployment's controller, which does not run here, would do."""
    made = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "it", "namespace": HOME},
        "spec": spec,
    }
    return admin.run("create", "--dry-run=server", "-f", "-", manifest=made)
