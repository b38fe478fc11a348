"""Asking on connections that are kept."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from proxy.https import HttpsError, Line
from tests.edge.iam.iams import Iam, running_iam


@pytest.fixture
async def iam(tmp_path: Path) -> AsyncIterator[Iam]:
    async with running_iam(tmp_path) as iam:
        yield iam


async def ask(line: Line, iam: Iam) -> None:
    async with line.conversation() as server:
        await server.post(f"{iam.url}/introspect", {"token": "x"})


async def test_questions_share_a_connection(iam: Iam) -> None:
    line = Line(iam.ca_file)
    for _ in range(3):
        await ask(line, iam)
    assert len(iam.connections) == 1
    await line.close()


async def test_connections_are_renewed_and_who_is_asking_keeps_the_old_one(iam: Iam) -> None:
    line = Line(iam.ca_file, renewed=0)
    async with line.conversation() as before:
        await ask(line, iam)
        await ask(line, iam)
        await before.post(f"{iam.url}/introspect", {"token": "x"})
        old = before._session
    assert old.closed
    assert len(iam.connections) == 3
    await line.close()


async def test_whom_to_trust_is_read_again_after_a_fault(iam: Iam, tmp_path: Path) -> None:
    ca_file = tmp_path / "authority.pem"
    trustme.CA().cert_pem.write_to_path(ca_file)
    line = Line(ca_file)
    with pytest.raises(HttpsError, match="its certificate is not trusted"):
        await ask(line, iam)
    ca_file.write_bytes(iam.ca_file.read_bytes())
    await ask(line, iam)
    await line.close()


async def test_a_line_that_nobody_used_closes(iam: Iam) -> None:
    await Line(iam.ca_file).close()


async def test_a_name_that_cannot_be_looked_up_is_told(iam: Iam) -> None:
    line = Line(iam.ca_file)
    with pytest.raises(HttpsError, match="its name is not one that can be looked up"):
        async with line.conversation() as server:
            await server.fetch("https://iam..example.com/")
    await line.close()
