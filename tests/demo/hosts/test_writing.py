"""Each version of an object is written once, and failures are thought over."""

from dataclasses import dataclass, field, replace

import pytest

from proxy.demo.hosts.api import ApiError
from proxy.demo.hosts.objects import HOSTS, Key
from proxy.demo.hosts.planning import Patch
from proxy.demo.hosts.writing import Writer

PATCH = Patch(HOSTS, Key("pool-a", "one"), "1", {"spec": {"online": True}})
OTHER = replace(PATCH, key=Key("pool-a", "two"))


@dataclass(slots=True)
class Cluster:
    """Takes patches; fails with the given statuses first."""

    failures: list[int] = field(default_factory=list)
    received: list[Patch] = field(default_factory=list)

    async def patch(self, patch: Patch) -> None:
        self.received.append(patch)
        if self.failures:
            raise ApiError(self.failures.pop(0), "failed")


async def test_what_was_written_is_not_written_again_until_it_changed() -> None:
    cluster = Cluster()
    writer = Writer(cluster)
    for patch in (PATCH, PATCH, replace(PATCH, version="2")):
        assert await writer.write([patch])
    assert [patch.version for patch in cluster.received] == ["1", "2"]


@pytest.mark.parametrize("status", [404, 409, 422])
async def test_a_refused_patch_waits_for_a_change(status: int) -> None:
    cluster = Cluster(failures=[status])
    writer = Writer(cluster)
    assert await writer.write([PATCH])
    assert await writer.write([PATCH])
    assert cluster.received == [PATCH]


@pytest.mark.parametrize("status", [0, 403, 429, 500])
async def test_a_cluster_in_trouble_is_asked_again(status: int) -> None:
    cluster = Cluster(failures=[status])
    writer = Writer(cluster)
    assert not await writer.write([PATCH])
    assert await writer.write([PATCH])
    assert cluster.received == [PATCH, PATCH]


async def test_one_failure_does_not_hold_up_the_rest() -> None:
    cluster = Cluster(failures=[500])
    assert not await Writer(cluster).write([PATCH, OTHER])
    assert cluster.received == [PATCH, OTHER]
