"""The real parts, each started once for all tests that look at it."""

import asyncio
import json
from collections.abc import Iterator

import pytest

from tests.real import cluster, crds, gate
from tests.real.cluster import Running
from tests.real.keycloak import Keycloak, private_copy
from tests.real.kubectl import Kubectl, kubeconfig
from tests.real.parts import KEYCLOAK, KUBECTL


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with cluster.running(tmp_path_factory.mktemp("cluster")) as running:
        yield running


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
