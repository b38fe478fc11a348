"""One world for all end-to-end tests: the embedded one, or with E2E=real the real one."""

import os
from collections.abc import Iterator

import pytest

from tests.e2e import world as worlds
from tests.e2e.world import World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    kind = os.environ.get("E2E", "embedded")
    if kind not in {"embedded", "real"}:
        pytest.fail(f"E2E must be `embedded` or `real`, not `{kind}`")
    with worlds.running(tmp_path_factory.mktemp("world"), real=kind == "real") as world:
        yield world
