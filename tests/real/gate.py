"""What becomes of a test whose real part is missing: skipped, or failed with REQUIRE_REAL=1."""

import os
from pathlib import Path

import pytest

from tests.real import parts
from tests.real.making import Missing
from tests.real.parts import ETCD, KUBE_APISERVER, Part


def need(part: Part) -> Path:
    """Find a part for a test that cannot run without it."""
    try:
        return parts.find(part)
    except Missing as missing:
        if os.environ.get("REQUIRE_REAL"):
            pytest.fail(f"REQUIRE_REAL is set, but {missing}")
        pytest.skip(str(missing))


def need_assets() -> Path:
    """Find the folder with both programs that a `RealCluster` runs."""
    need(ETCD)
    return need(KUBE_APISERVER).parent
