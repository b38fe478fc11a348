"""The real apiserver does what the tests on it lean on."""

import asyncio
import json
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest

from proxy.demo import crds
from proxy.demo.access import ClusterAccess
from proxy.demo.envtest import RealCluster
from tests.real import gate
from tests.real.cluster import Running
from tests.real.kubectl import Kubectl, KubectlError

CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/{}/hostclaims"
STREAMING_LIST = (
    "?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
)
PROXY = "hostclaim-proxy"


def claim(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "metal3.io/v1alpha1",
        "kind": "HostClaim",
        "metadata": {"name": name},
        "spec": spec,
    }


@pytest.fixture
def namespace(admin: Kubectl, request: pytest.FixtureRequest) -> str:
    name = str(request.node.name).replace("_", "-")[:63].strip("-")
    admin.run("create", "namespace", name)
    return name


@pytest.fixture(scope="session")
def proxy_token(admin: Kubectl) -> str:
    """A token of the service account that is counted; it may do nothing."""
    admin.run("create", "namespace", PROXY)
    admin.run("create", "serviceaccount", PROXY, f"--namespace={PROXY}")
    return admin.run("create", "token", PROXY, f"--namespace={PROXY}").strip()


@contextmanager
def request(
    access: ClusterAccess,
    method: str,
    target: str,
    *,
    token: str | None = None,
    body: object = None,
) -> Iterator[HTTPResponse]:
    """Send one request as the admin, or with a token; whoever leaves early hangs up."""
    server = urlsplit(access.server)
    connection = HTTPSConnection(
        server.hostname or "",
        server.port,
        context=ssl.create_default_context(cafile=access.ca_file),
        timeout=30,
    )
    headers = {
        "Authorization": f"Bearer {token or access.admin_token}",
        "Content-Type": "application/json",
    }
    with closing(connection):
        connection.request(method, target, json.dumps(body), headers)
        with connection.getresponse() as answer:
            yield answer


def counted(running: Running) -> int:
    return asyncio.run(running.cluster.proxy_requests())


def test_a_claim_is_stored_with_what_it_asks_for(admin: Kubectl, namespace: str) -> None:
    wish = claim("one", poweredOn=True, hostSelector={"matchLabels": {"rack": "7"}})
    admin.run("create", f"--namespace={namespace}", "-f", "-", manifest=wish)
    stored = admin.get("hostclaim", "one", f"--namespace={namespace}")
    assert stored["spec"] == wish["spec"]


def test_a_claim_is_held_to_its_schema(admin: Kubectl, namespace: str) -> None:
    with pytest.raises(KubectlError, match=r"spec\.poweredOn: Required value"):
        admin.run("create", f"--namespace={namespace}", "-f", "-", manifest=claim("one", image={}))


def test_the_demos_definitions_are_valid(admin: Kubectl) -> None:
    for definition in crds.definitions():
        admin.run("replace", "--dry-run=server", "-f", "-", manifest=definition)


def test_status_is_a_subresource(admin: Kubectl, namespace: str) -> None:
    wish = claim("one", poweredOn=True) | {"status": {"poweredOn": True}}
    admin.run("create", f"--namespace={namespace}", "-f", "-", manifest=wish)
    assert "status" not in admin.get("hostclaim", "one", f"--namespace={namespace}")


def test_admission_policies_are_served(admin: Kubectl) -> None:
    assert admin.get("validatingadmissionpolicies")["items"] == []


def test_rbac_refuses_who_has_no_role(admin: Kubectl, namespace: str) -> None:
    with pytest.raises(KubectlError, match="Forbidden"):
        admin.run("get", "secrets", f"--namespace={namespace}", "--as=system:serviceaccount:a:b")


def test_a_streaming_list_ends_its_start_with_a_bookmark(
    running: Running, admin: Kubectl, namespace: str
) -> None:
    admin.run("create", f"--namespace={namespace}", "-f", "-", manifest=claim("a", poweredOn=True))
    with request(running.access, "GET", CLAIMS.format(namespace) + STREAMING_LIST) as watch:
        added, bookmark = json.loads(watch.readline()), json.loads(watch.readline())
    assert (added["type"], added["object"]["metadata"]["name"]) == ("ADDED", "a")
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_token_request_mints_a_token_that_the_published_key_verifies(
    running: Running, admin: Kubectl, namespace: str
) -> None:
    admin.run("create", "serviceaccount", "capm3", f"--namespace={namespace}")
    url = f"/api/v1/namespaces/{namespace}/serviceaccounts/capm3/token"
    wish = {"spec": {"audiences": ["hostclaim-proxy"], "expirationSeconds": 600}}
    with request(running.access, "POST", url, body=wish) as answer:
        token = json.load(answer)["status"]["token"]
    with request(running.access, "GET", "/openid/v1/jwks") as answer:
        (key,) = jwt.PyJWKSet.from_dict(json.load(answer)).keys
    claims = jwt.decode(
        token, key, algorithms=["RS256"], audience="hostclaim-proxy", issuer=running.access.server
    )
    assert claims["sub"] == f"system:serviceaccount:{namespace}:capm3"


def test_what_the_proxy_sends_is_counted_as_it_comes(
    running: Running, proxy_token: str, namespace: str
) -> None:
    before = counted(running)
    for target, status in (("/version", 200), (CLAIMS.format(namespace), 403)):
        with request(running.access, "GET", target, token=proxy_token) as answer:
            assert answer.status == status
    assert counted(running) == before + 2


def test_an_open_watch_counts_once(
    running: Running, admin: Kubectl, proxy_token: str, namespace: str
) -> None:
    there = f"--namespace={namespace}"
    admin.run("create", "role", "watcher", "--verb=watch", "--resource=secrets", there)
    admin.run(
        "create", "rolebinding", "it", "--role=watcher", f"--serviceaccount={PROXY}:{PROXY}", there
    )
    before = counted(running)
    target = f"/api/v1/namespaces/{namespace}/secrets{STREAMING_LIST}"
    with request(running.access, "GET", target, token=proxy_token) as watch:
        assert json.loads(watch.readline())["type"] == "BOOKMARK"
        assert counted(running) == before + 1


def test_what_the_admin_sends_is_not_counted(running: Running) -> None:
    before = counted(running)
    with request(running.access, "GET", "/version") as answer:
        assert answer.status == 200
    assert counted(running) == before


def test_nothing_answers_once_it_is_stopped(tmp_path: Path) -> None:
    cluster = RealCluster(gate.need_assets(), tmp_path)
    access = asyncio.run(cluster.start())
    asyncio.run(cluster.stop())
    with pytest.raises((ConnectionError, ssl.SSLError)), request(access, "GET", "/version"):
        pass
