"""Secrets and the lease of a cluster that listens on a socket."""

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_asyncio.client import ApiClient

from proxy.demo import files
from proxy.demo.access import ClusterAccess
from proxy.demo.cluster import EmbeddedCluster
from proxy.demo.provision import Admin
from proxy.refresher import order
from proxy.refresher.cluster import (
    PAGE,
    ApiError,
    Cluster,
    ClusterLease,
    ConfigError,
    Listing,
    connect,
)
from proxy.refresher.election import LeaseError
from tests.refresher.worlds import kubeconfig, ordered

SPEC = {
    "holderIdentity": "a",
    "leaseDurationSeconds": 15,
    "acquireTime": "2030-01-01T12:00:00.000000Z",
    "renewTime": "2030-01-01T12:00:00.000000Z",
    "leaseTransitions": 0,
}


@dataclass(frozen=True)
class World:
    """A cluster with the namespace `blue`, its admin, and us."""

    access: ClusterAccess
    admin: Admin
    client: ApiClient
    cluster: Cluster

    async def create(self, secret: dict[str, Any]) -> None:
        meta = {k: v for k, v in secret["metadata"].items() if k != "resourceVersion"}
        await self.admin.create([{**secret, "metadata": meta}])

    async def read(self, name: str) -> dict[str, Any]:
        return await self.admin.request("GET", f"/api/v1/namespaces/blue/secrets/{name}")


def credentials(access: ClusterAccess, folder: Path, **user: str) -> Path:
    path = folder / "kubeconfig"
    login = user or {"token": access.admin_token}
    path.write_text(files.kubeconfig(access.server, access.ca_file, login, name="us"))
    return path


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    cluster = EmbeddedCluster(tmp_path / "cluster")
    access = await cluster.start()
    client = await connect(credentials(access, tmp_path), None)
    async with Admin(access) as admin:
        await admin.create(
            [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "blue"}}]
        )
        yield World(access, admin, client, Cluster(client))
    await client.close()
    await cluster.stop()


async def pages(world: World) -> list[Listing]:
    return [listing async for listing in world.cluster.labelled("blue")]


async def test_only_labelled_secrets_are_listed(world: World) -> None:
    await world.create(ordered("one"))
    unlabelled = ordered("two")
    del unlabelled["metadata"]["labels"]
    await world.create(unlabelled)
    [listing] = await pages(world)
    assert [secret["metadata"]["name"] for secret in listing.items] == ["one"]


async def test_no_answer_holds_more_than_a_few_secrets(world: World) -> None:
    names = [f"s{number:02}" for number in range(2 * PAGE + 1)]
    for name in names:
        await world.create(ordered(name))
    listings = await pages(world)
    assert [len(listing.items) for listing in listings] == [PAGE, PAGE, 1]
    assert [s["metadata"]["name"] for listing in listings for s in listing.items] == names
    assert len({listing.version for listing in listings}) == 1


async def test_what_comes_changes_and_goes_is_followed(world: World) -> None:
    [listing] = await pages(world)
    async with aclosing(world.cluster.changes("blue", listing.version)) as changes:
        await world.create(ordered("one"))
        came = await anext(changes)
        assert (came.gone, came.secret["metadata"]["name"]) == (False, "one")
        path = "/api/v1/namespaces/blue/secrets/one"
        found = await world.read("one")
        found["metadata"]["labels"] = {}
        await world.admin.request("PUT", path, found)
        assert (await anext(changes)).gone


async def test_a_watch_that_cannot_begin_says_so(world: World) -> None:
    with pytest.raises(ApiError):
        await anext(world.cluster.changes("blue", "not-a-version"))


async def test_a_large_secret_comes_through_a_watch(world: World) -> None:
    [listing] = await pages(world)
    large = ordered("one")
    large["data"]["other"] = base64.b64encode(b"x" * 700_000).decode()
    async with aclosing(world.cluster.changes("blue", listing.version)) as changes:
        await world.create(large)
        assert len((await anext(changes)).secret["data"]["other"]) > 900_000


async def test_a_patch_changes_what_it_says_and_nothing_else(world: World) -> None:
    await world.create(ordered("one"))
    before = await world.read("one")
    await world.cluster.patch(
        "blue",
        "one",
        {
            "metadata": {
                "resourceVersion": before["metadata"]["resourceVersion"],
                "annotations": {order.ERROR: "away", order.KEY: None},
            }
        },
    )
    after = await world.cluster.secret("blue", "one")
    assert after["data"] == before["data"]
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    assert after["metadata"]["annotations"] == {order.FROM: "secret/iam", order.ERROR: "away"}


async def test_a_patch_of_an_old_version_is_a_conflict(world: World) -> None:
    await world.create(ordered("one"))
    with pytest.raises(ApiError) as refused:
        await world.cluster.patch("blue", "one", {"metadata": {"resourceVersion": "1"}})
    assert refused.value.status == 409
    assert str(refused.value) == "cannot patch Secret `one`: Conflict"


async def test_what_is_not_there_is_told_by_its_reason(world: World) -> None:
    with pytest.raises(ApiError, match=r"^cannot get Secret `one`: NotFound$") as refused:
        await world.cluster.secret("blue", "one")
    assert refused.value.status == 404


async def test_a_cluster_that_is_away_is_told_without_its_address(
    world: World, tmp_path: Path
) -> None:
    nowhere = ClusterAccess("https://127.0.0.1:1", world.access.ca_file, "t")
    client = await connect(credentials(nowhere, tmp_path), None)
    with pytest.raises(ApiError) as refused:
        await Cluster(client).secret("blue", "one")
    with pytest.raises(LeaseError):
        await ClusterLease(client, "blue", "lock", 5).read()
    await client.close()
    assert refused.value.status == 0
    assert "127.0.0.1" not in str(refused.value)


async def test_no_secret_is_logged_at_any_level(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.create(ordered("one", text=kubeconfig("s3cret")))
    encoded = base64.b64encode(kubeconfig("s3cret").encode()).decode()
    with caplog.at_level(logging.DEBUG):
        assert (await world.cluster.secret("blue", "one"))["data"]["value"] == encoded
        await pages(world)
    assert encoded not in caplog.text
    assert world.access.admin_token not in caplog.text


async def test_a_lease_is_made_read_and_written(world: World) -> None:
    lease = ClusterLease(world.client, "blue", "lock", 5)
    assert await lease.read() is None
    made = await lease.write(SPEC, None)
    assert await lease.read() == made
    written = await lease.write({**SPEC, "holderIdentity": "b"}, made.version)
    assert (written.holder, written.seconds) == ("b", 15)


async def test_of_two_who_write_a_lease_one_fails(world: World) -> None:
    lease = ClusterLease(world.client, "blue", "lock", 5)
    made = await lease.write(SPEC, None)
    await lease.write({**SPEC, "holderIdentity": "b"}, made.version)
    with pytest.raises(LeaseError, match="Conflict"):
        await lease.write({**SPEC, "holderIdentity": "c"}, made.version)
    with pytest.raises(LeaseError, match="AlreadyExists"):
        await lease.write(SPEC, None)


async def test_one_namespace_more_than_connections_is_no_problem(world: World) -> None:
    """A hundred is what the client has by itself, and each watch takes one."""
    watches = [world.cluster.changes("blue", "1") for _ in range(120)]
    waiting = [asyncio.ensure_future(anext(watch)) for watch in watches]
    await world.create(ordered("one"))
    await asyncio.gather(*waiting)
    for watch in watches:
        await watch.aclose()


def spoilt(access: ClusterAccess, **cluster: object) -> str:
    made = yaml.safe_load(
        files.kubeconfig(access.server, access.ca_file, {"token": "t"}, name="us")
    )
    made["clusters"][0]["cluster"] |= cluster
    return json.dumps(made)


@pytest.mark.parametrize(
    "cluster", [{"insecure-skip-tls-verify": True}, {"server": "http://127.0.0.1:1"}]
)
async def test_a_cluster_that_cannot_be_told_from_another_is_refused(
    world: World, tmp_path: Path, cluster: dict[str, object]
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(spoilt(world.access, **cluster))
    with pytest.raises(ConfigError, match="https:// address, and its CA"):
        await connect(path, None)


@pytest.mark.parametrize(
    "text", ["", "{", "current-context: s3cret\ncontexts: []", '{"users": [{"s3cret": 1}]}']
)
async def test_a_kubeconfig_that_is_none_is_refused_without_a_word_of_it(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        await connect(path, None)
    assert "s3cret" not in str(refused.value)


async def test_outside_of_a_pod_there_are_no_credentials_of_one() -> None:
    with pytest.raises(ConfigError, match="cannot be loaded"):
        await connect(None, None)
