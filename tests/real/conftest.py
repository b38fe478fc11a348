"""The real parts, each started once for all tests that look at it."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from proxy.demo.access import ClusterAccess
from proxy.demo.envtest import RealCluster
from tests.real import crds, gate
from tests.real.keycloak import Keycloak, private_copy
from tests.real.kubectl import Kubectl, kubeconfig
from tests.real.parts import KEYCLOAK, KUBECTL


@dataclass(frozen=True, slots=True)
class Running:
    """A cluster that runs, and the way in."""

    cluster: RealCluster
    access: ClusterAccess


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    cluster = RealCluster(gate.need_assets(), tmp_path_factory.mktemp("cluster"))
    access = asyncio.run(cluster.start())
    yield Running(cluster, access)
    asyncio.run(cluster.stop())


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    directory = tmp_path_factory.mktemp("keycloak")
    keycloak = Keycloak(private_copy(gate.need(KEYCLOAK), directory), directory)
    asyncio.run(keycloak.start())
    yield keycloak
    asyncio.run(keycloak.stop())


@pytest.fixture(scope="session")
def admin(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """The cluster's admin, who has already loaded the definitions."""
    access = running.access
    config = tmp_path_factory.mktemp("admin") / "kubeconfig"
    config.write_text(json.dumps(kubeconfig(access.server, access.ca_file, access.admin_token)))
    admin = Kubectl(gate.need(KUBECTL), config)
    admin.run("create", "-f", "-", manifest=_as_list(crds.definitions()))
    admin.run("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    return admin


def _as_list(items: list[dict[str, object]]) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "List", "items": items}
