"""A real cluster for as long as a test needs one."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from proxy.demo.access import ClusterAccess
from proxy.demo.envtest import RealCluster
from tests.real import gate


@dataclass(frozen=True, slots=True)
class Running:
    """A cluster that runs, and the way in."""

    cluster: RealCluster
    access: ClusterAccess


@contextmanager
def running(directory: Path) -> Iterator[Running]:
    """Run a cluster, or skip the test whose machine has none."""
    cluster = RealCluster(gate.need_assets(), directory)
    access = asyncio.run(cluster.start())
    try:
        yield Running(cluster, access)
    finally:
        asyncio.run(cluster.stop())
