"""Claims that are bound on the embedded cluster, and all that goes wrong meanwhile."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.demo.access import ClusterAccess
from proxy.demo.cluster import EmbeddedCluster
from proxy.demo.hosts import BMC_PASSWORD, HostController, demo_hosts
from proxy.demo.hosts.api import Api, ApiError
from proxy.demo.hosts.objects import CLAIMS, HOSTS, SECRETS, Key, Resource, key_of

DEADLINE_SECONDS = 20
PATHS = {
    "Namespace": "/api/v1/namespaces",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "BareMetalHost": "/apis/metal3.io/v1alpha1/namespaces/{}/baremetalhosts",
    "HardwareData": "/apis/metal3.io/v1alpha1/namespaces/{}/hardwaredata",
    "HostDeployPolicy": "/apis/metal3.io/v1alpha1/namespaces/{}/hostdeploypolicies",
    "HostClaim": "/apis/metal3.io/v1alpha1/namespaces/{}/hostclaims",
}


@dataclass(frozen=True, slots=True)
class Admin:
    """The infrastructure manager at work."""

    access: ClusterAccess
    session: aiohttp.ClientSession

    @property
    def api(self) -> Api:
        return Api(self.access.server, self.session)

    async def create(self, manifest: dict[str, Any]) -> None:
        path = PATHS[manifest["kind"]].format(manifest["metadata"].get("namespace"))
        async with self.session.post(self.access.server + path, json=manifest) as response:
            assert response.status == 201, await response.text()

    async def claim(self, namespace: str, name: str, **spec: Any) -> None:
        await self.create(
            {
                "apiVersion": "metal3.io/v1alpha1",
                "kind": "HostClaim",
                "metadata": {"namespace": namespace, "name": name},
                "spec": {"poweredOn": True} | spec,
            }
        )

    async def delete(self, resource: Resource, namespace: str, name: str) -> None:
        url = self.access.server + resource.item(Key(namespace, name))
        async with self.session.delete(url) as response:
            assert response.status == 200, await response.text()

    async def until(self, resource: Resource, told: Callable[[dict[Key, Any]], bool]) -> None:
        """Return once the collection satisfies; its changes are watched, not polled."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            listing = await self.api.list(resource)
            known = {key_of(found): found for found in listing.items}
            async with aclosing(self.api.watch(resource, listing.version)) as events:
                while not told(known):
                    event = await anext(events)
                    if event.type == "DELETED":
                        del known[key_of(event.object)]
                    elif event.type != "BOOKMARK":
                        known[key_of(event.object)] = event.object


def associated(claim: Any) -> str | None:
    conditions = (claim or {}).get("status", {}).get("conditions", ())
    return next((each["status"] for each in conditions if each["type"] == "Associated"), None)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[EmbeddedCluster]:
    running = EmbeddedCluster(tmp_path)
    yield running
    await running.stop()


@pytest.fixture
async def admin(cluster: EmbeddedCluster) -> AsyncIterator[Admin]:
    access = await cluster.start()
    async with Api.session(access.ca_file, access.admin_token) as session:
        admin = Admin(access, session)
        for name in ("blue-dev", "red"):
            await admin.create(
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            )
        for manifest in demo_hosts():
            await admin.create(manifest)
        yield admin


@pytest.fixture
async def controller(admin: Admin) -> AsyncIterator[HostController]:
    access = admin.access
    running = HostController(access.server, access.ca_file, access.admin_token)
    await running.start()
    yield running
    await running.stop()


@pytest.mark.usefixtures("controller")
async def test_a_claim_is_bound_to_a_host_of_its_pool(admin: Admin) -> None:
    await admin.claim("blue-dev", "web", hostSelector={"matchLabels": {"size": "small"}})
    web = Key("blue-dev", "web")
    await admin.until(
        CLAIMS, lambda known: (known[web].get("status") or {}).get("poweredOn", False)
    )
    (claim,) = (await admin.api.list(CLAIMS)).items
    assert claim["status"]["bareMetalHost"] == {"namespace": "pool-a", "name": "a-small-1"}
    assert claim["status"]["hardwareData"] == claim["status"]["bareMetalHost"]
    assert claim["metadata"]["finalizers"] == ["metal3.io/hostclaim"]


@pytest.mark.usefixtures("controller")
async def test_a_claim_that_waits_gets_the_host_that_another_gives_back(admin: Admin) -> None:
    first, second = Key("red", "first"), Key("red", "second")
    selector = {"matchLabels": {"size": "large"}}
    await admin.claim("red", "first", hostSelector=selector)
    await admin.until(CLAIMS, lambda known: associated(known[first]) == "True")
    await admin.claim("red", "second", hostSelector=selector)
    await admin.until(CLAIMS, lambda known: associated(known[second]) == "False")
    await admin.delete(CLAIMS, "red", "first")
    await admin.until(
        CLAIMS, lambda known: first not in known and associated(known[second]) == "True"
    )


async def test_a_forgotten_version_is_told_as_such(admin: Admin, cluster: EmbeddedCluster) -> None:
    old = (await admin.api.list(CLAIMS)).version
    await admin.claim("red", "web")
    cluster.forget()
    with pytest.raises(ApiError) as caught:
        await anext(admin.api.watch(CLAIMS, old))
    assert caught.value.status == 410


async def test_a_cluster_that_is_not_there_is_an_error_of_ours(
    admin: Admin, cluster: EmbeddedCluster
) -> None:
    await cluster.stop()
    with pytest.raises(ApiError) as caught:
        await admin.api.list(CLAIMS)
    assert caught.value.status == 0


async def test_what_happened_while_it_was_away_is_made_up_for(
    admin: Admin, controller: HostController
) -> None:
    await admin.claim("red", "web")
    await admin.until(CLAIMS, lambda known: associated(known[Key("red", "web")]) == "True")
    await controller.stop()
    await admin.delete(CLAIMS, "red", "web")
    await controller.start()
    await admin.until(CLAIMS, lambda known: not known)
    await admin.until(
        HOSTS, lambda known: not any("consumerRef" in host["spec"] for host in known.values())
    )


async def test_stopping_twice_is_harmless(controller: HostController) -> None:
    await controller.stop()
    await controller.stop()


async def test_the_contents_of_secrets_are_not_even_asked_for(admin: Admin) -> None:
    listing = await admin.api.list(SECRETS)
    assert Key("pool-a", "a-small-1-bmc") in {key_of(secret) for secret in listing.items}
    assert not any("data" in secret for secret in listing.items)


def test_the_password_of_a_bmc_stands_in_secrets_alone() -> None:
    others = [manifest for manifest in demo_hosts() if manifest["kind"] != "Secret"]
    assert BMC_PASSWORD not in json.dumps(others)
