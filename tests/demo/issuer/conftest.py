"""A running issuer, and somebody to ask it."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from proxy.demo.issuer import EmbeddedIssuer
from tests.demo.issuer.calling import Caller


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[EmbeddedIssuer]:
    running = EmbeddedIssuer(tmp_path)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def caller(issuer: EmbeddedIssuer) -> AsyncIterator[Caller]:
    trust = ssl.create_default_context(cafile=str(issuer.ca_file))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
        yield Caller(issuer, session)
