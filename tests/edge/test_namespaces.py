"""Which namespaces there are: all pages of them, or why the cluster does not say."""

import json
from pathlib import Path

import pytest

from proxy.edge import namespaces
from proxy.edge.namespaces import NamespacesError
from proxy.refresher.cluster import connect
from tests.edge.apiservers import Behaviour, FakeApiServer, hang_up, running, saying


def answer(body: object, status: str = "200 OK") -> Behaviour:
    text = json.dumps(body) if not isinstance(body, str) else body
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n"
    return saying(f"{head}\r\n{text}".encode())


def page(*names: str, more: str = "") -> Behaviour:
    items = [{"metadata": {"name": name}} for name in names]
    return answer({"metadata": {"continue": more}, "items": items})


async def listed(server: FakeApiServer) -> frozenset[str]:
    async with await connect(server.kubeconfig(), None) as client:
        return await namespaces.listed(client)


async def test_all_pages_are_read(tmp_path: Path) -> None:
    async with running(tmp_path, page("a", "b", more="next"), page("c")) as server:
        assert await listed(server) == {"a", "b", "c"}
    assert [call.first for call in server.calls] == [
        "GET /api/v1/namespaces?limit=500 HTTP/1.1",
        "GET /api/v1/namespaces?continue=next&limit=500 HTTP/1.1",
    ]


async def test_a_cluster_without_any_has_none(tmp_path: Path) -> None:
    async with running(tmp_path, answer({"metadata": {}, "items": None})) as server:
        assert await listed(server) == frozenset()


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (answer({}, "403 Forbidden"), "lack the right to `list` them"),
        (answer({}, "401 Unauthorized"), "are wrong, or have expired"),
        (answer({}, "503 Service Unavailable"), "it answers with HTTP status 503"),
        (answer("<html>"), "the answer cannot be read"),
        (answer({"items": [{}]}), "the answer cannot be read"),
        (answer([]), "the answer cannot be read"),
        (hang_up, "no answer"),
        (page("a", more="for ever"), "the list does not end"),
    ],
)
async def test_why_the_cluster_does_not_say_is_told(
    tmp_path: Path, behaviour: Behaviour, why: str
) -> None:
    async with running(tmp_path, behaviour) as server:
        with pytest.raises(NamespacesError, match=why):
            await listed(server)
