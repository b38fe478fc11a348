"""The real apiserver does what the tests on it lean on."""

import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import jwt
import pytest

from proxy.demo import crds
from proxy.demo.envtest import RealCluster
from tests.real import gate
from tests.real.conftest import Running
from tests.real.kubectl import Kubectl, KubectlError

CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/{}/hostclaims"
STREAMING_LIST = {
    "watch": "true",
    "sendInitialEvents": "true",
    "resourceVersionMatch": "NotOlderThan",
    "allowWatchBookmarks": "true",
}
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


@asynccontextmanager
async def session(running: Running, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    tls = ssl.create_default_context(cafile=running.access.ca_file)
    async with aiohttp.ClientSession(
        running.access.server,
        connector=aiohttp.TCPConnector(ssl=tls),
        headers={"Authorization": f"Bearer {token}"},
    ) as session:
        yield session


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


async def test_a_streaming_list_ends_its_start_with_a_bookmark(
    running: Running, admin: Kubectl, namespace: str
) -> None:
    admin.run("create", f"--namespace={namespace}", "-f", "-", manifest=claim("a", poweredOn=True))
    async with (
        session(running, running.access.admin_token) as client,
        client.get(CLAIMS.format(namespace), params=STREAMING_LIST) as watch,
    ):
        added = json.loads(await watch.content.readline())
        bookmark = json.loads(await watch.content.readline())
    assert (added["type"], added["object"]["metadata"]["name"]) == ("ADDED", "a")
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_token_request_mints_a_token_that_discovery_can_verify(
    running: Running, admin: Kubectl, namespace: str
) -> None:
    admin.run("create", "serviceaccount", "capm3", f"--namespace={namespace}")
    url = f"/api/v1/namespaces/{namespace}/serviceaccounts/capm3/token"
    wish = {"spec": {"audiences": ["hostclaim-proxy"], "expirationSeconds": 600}}
    async with session(running, running.access.admin_token) as client:
        async with client.post(url, json=wish) as answer:
            token = (await answer.json())["status"]["token"]
        async with client.get("/openid/v1/jwks") as answer:
            (key,) = jwt.PyJWKSet.from_dict(await answer.json(content_type=None)).keys
    claims = jwt.decode(
        token, key, algorithms=["RS256"], audience="hostclaim-proxy", issuer=running.access.server
    )
    assert claims["sub"] == f"system:serviceaccount:{namespace}:capm3"


async def test_what_the_proxy_sends_is_counted_as_it_comes(
    running: Running, proxy_token: str, namespace: str
) -> None:
    before = await running.cluster.proxy_requests()
    async with session(running, proxy_token) as client:
        async with client.get("/version") as answer:
            assert answer.status == 200
        async with client.get(CLAIMS.format(namespace)) as answer:
            assert answer.status == 403
    assert await running.cluster.proxy_requests() == before + 2


async def test_an_open_watch_counts_once(
    running: Running, admin: Kubectl, proxy_token: str, namespace: str
) -> None:
    there = f"--namespace={namespace}"
    admin.run("create", "role", "watcher", "--verb=watch", "--resource=secrets", there)
    admin.run(
        "create", "rolebinding", "it", "--role=watcher", f"--serviceaccount={PROXY}:{PROXY}", there
    )
    before = await running.cluster.proxy_requests()
    url = f"/api/v1/namespaces/{namespace}/secrets"
    async with (
        session(running, proxy_token) as client,
        client.get(url, params=STREAMING_LIST) as watch,
    ):
        assert json.loads(await watch.content.readline())["type"] == "BOOKMARK"
        assert await running.cluster.proxy_requests() == before + 1


async def test_what_the_admin_sends_is_not_counted(running: Running) -> None:
    before = await running.cluster.proxy_requests()
    async with session(running, running.access.admin_token) as client, client.get("/version"):
        pass
    assert await running.cluster.proxy_requests() == before


async def test_nothing_listens_once_it_is_stopped(tmp_path: Path) -> None:
    cluster = RealCluster(gate.need_assets(), tmp_path)
    access = await cluster.start()
    await cluster.stop()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", urlsplit(access.server).port or 0)) != 0
