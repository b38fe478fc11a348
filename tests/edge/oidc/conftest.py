"""An IAM that runs, and somebody to log in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.edge.jwks.issuers import Clock, running_issuer
from tests.edge.oidc.iams import Iam, Person


@pytest.fixture
async def iam(tmp_path: Path) -> AsyncIterator[Iam]:
    async with running_issuer(tmp_path) as issuer:
        yield Iam(issuer)


@pytest.fixture
def person() -> Person:
    return Person(Clock())
