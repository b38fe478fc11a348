"""A cluster for each test: one in memory, one on a socket."""

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from proxy.demo import crds
from proxy.demo.access import ClusterAccess
from proxy.demo.cluster import EmbeddedCluster
from proxy.demo.cluster.apiserver import Apiserver
from tests.demo.cluster.asking import NOON, Api, namespace


def _definitions() -> list[dict[str, Any]]:
    folder = Path(crds.__file__).parent
    return [
        document
        for file in sorted(folder.glob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text())
        if document
    ]


@pytest.fixture
def api() -> Api:
    """An apiserver with the namespace `blue`, asked by its admin."""
    asked = Api(Apiserver(_definitions(), lambda: NOON))
    asked.ask("POST", "/api/v1/namespaces", namespace("blue"))
    return asked


@dataclass(frozen=True, slots=True)
class Running:
    """A cluster that listens."""

    cluster: EmbeddedCluster
    access: ClusterAccess


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    cluster = EmbeddedCluster(tmp_path / "cluster")
    access = await cluster.start()
    yield Running(cluster, access)
    await cluster.stop()


@pytest.fixture
async def http(running: Running) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that trusts the cluster and is its admin."""
    context = ssl.create_default_context(cafile=running.access.ca_file)
    async with aiohttp.ClientSession(
        running.access.server,
        connector=aiohttp.TCPConnector(ssl=context),
        headers={"Authorization": f"Bearer {running.access.admin_token}"},
    ) as session:
        yield session
