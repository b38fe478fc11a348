"""The cluster on its socket."""

import asyncio
import io
import json
from typing import Any

import aiohttp
import pytest

from tests.demo.cluster.asking import SECRETS, claim, namespace, secret
from tests.demo.cluster.conftest import Running

SECONDS = 10.0
CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/default/hostclaims"
PROXY = "/api/v1/namespaces/hostclaim-proxy/serviceaccounts"


async def line(answer: aiohttp.ClientResponse) -> Any:
    return json.loads(await asyncio.wait_for(answer.content.readline(), SECONDS))


async def test_it_answers_over_tls(http: aiohttp.ClientSession) -> None:
    async with http.get("/version") as answer:
        assert (answer.status, (await answer.json())["major"]) == (200, "1")
        assert answer.headers["Cache-Control"] == "no-cache, private"


async def test_a_watch_is_sent_line_by_line(http: aiohttp.ClientSession) -> None:
    async with http.get(f"{CLAIMS}?watch=1") as watched:
        await http.post(CLAIMS, json=claim())
        event = await line(watched)
    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "one")


async def test_stopping_ends_a_watch_cleanly(http: aiohttp.ClientSession, running: Running) -> None:
    async with http.get(f"{CLAIMS}?watch=1") as watched:
        await running.cluster.stop()
        assert await asyncio.wait_for(watched.content.read(), SECONDS) == b""


async def test_history_can_be_forgotten(http: aiohttp.ClientSession, running: Running) -> None:
    async with http.post(CLAIMS, json=claim()) as made:
        version = (await made.json())["metadata"]["resourceVersion"]
    await http.delete(f"{CLAIMS}/one")
    running.cluster.forget()
    async with http.get(f"{CLAIMS}?watch=1&resourceVersion={version}") as watched:
        event = await line(watched)
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


@pytest.mark.parametrize(("size", "status"), [(2_000_000, 422), (3_200_000, 413)])
async def test_a_body_has_a_limit(http: aiohttp.ClientSession, size: int, status: int) -> None:
    body = io.BytesIO(json.dumps(secret(data={"a": "A" * size})).encode())
    json_type = {"Content-Type": "application/json"}
    path = SECRETS.replace("blue", "default")
    async with http.post(path, data=body, headers=json_type) as answer:
        assert (answer.status, (await answer.json())["kind"]) == (status, "Status")


async def test_a_warning_is_a_header(http: aiohttp.ClientSession) -> None:
    async with http.post(CLAIMS, json=claim(nope=1)) as answer:
        assert answer.headers["Warning"] == '299 - "unknown field \\"spec.nope\\""'


async def test_an_audit_id_is_kept(http: aiohttp.ClientSession) -> None:
    async with http.get("/version", headers={"Audit-ID": "mine"}) as answer:
        assert answer.headers["Audit-Id"] == "mine"


async def test_head_of_a_custom_resource_has_no_body(http: aiohttp.ClientSession) -> None:
    async with http.head(CLAIMS) as answer:
        assert (answer.status, await answer.read()) == (200, b"")


async def test_the_proxys_requests_are_counted(
    http: aiohttp.ClientSession, running: Running
) -> None:
    await http.post("/api/v1/namespaces", json=namespace("hostclaim-proxy"))
    await http.post(PROXY, json={"metadata": {"name": "hostclaim-proxy"}})
    async with http.post(f"{PROXY}/hostclaim-proxy/token", json={"spec": {}}) as answer:
        token = (await answer.json())["status"]["token"]
    before = await running.cluster.proxy_requests()
    for path in (CLAIMS, "/version"):
        await http.get(path, headers={"Authorization": f"Bearer {token}"})
    assert (before, await running.cluster.proxy_requests()) == (0, 2)


async def test_it_can_be_stopped_twice(running: Running) -> None:
    await running.cluster.stop()
    await running.cluster.stop()
