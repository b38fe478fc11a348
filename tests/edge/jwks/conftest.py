"""An issuer that runs, and clocks that stand."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.edge.jwks.issuers import Clock, Issuer, running_issuer


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[Issuer]:
    async with running_issuer(tmp_path) as issuer:
        yield issuer


@pytest.fixture
def clock() -> Clock:
    return Clock()
