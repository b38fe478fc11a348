"""Put together: how it starts, says how it is, and stops. What it does is shown end to end."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.demo import files
from proxy.demo.process import free_port
from proxy.refresher import service
from proxy.refresher.config import Config
from proxy.refresher.service import StartError
from tests.edge.certificates import Authority

LEAST: dict[str, Any] = {
    "namespaces": ("blue", "red"),
    "proxies": ("https://proxy.example.com",),
    "issuers": ("https://iam.example.com",),
    "lease": ("home", "lock"),
    "lease_seconds": 3,
}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Of a cluster that is away."""
    authority = Authority(tmp_path)
    authority.issue()
    kubeconfig = tmp_path / "kubeconfig"
    text = files.kubeconfig("https://127.0.0.1:1", authority.cert_file, {"token": "t"}, name="us")
    kubeconfig.write_text(text)
    return Config(**LEAST, kubeconfig=kubeconfig, port=free_port())


async def ask(config: Config, path: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession(f"http://{config.host}:{config.port}") as session,
        session.get(path) as response,
    ):
        return response.status, await response.text()


async def running(config: Config, look: Callable[[], Awaitable[None]]) -> bool:
    """Run it, look once it listens, and stop it."""
    told = asyncio.Event()
    task = asyncio.create_task(service.run(config, told))
    while True:
        try:
            await ask(config, "/livez")
        except aiohttp.ClientConnectorError:
            await asyncio.sleep(0.01)
        else:
            break
    await look()
    told.set()
    return await task


async def test_a_cluster_that_is_away_is_waited_for_and_makes_it_unready(config: Config) -> None:
    async def look() -> None:
        assert await ask(config, "/livez") == (200, "ok")
        code, text = await ask(config, "/readyz")
        assert code == 503
        assert "[-]lease failed: " in text
        assert "127.0.0.1" not in text

    assert await running(config, look)


async def test_its_metrics_name_no_secret(config: Config) -> None:
    async def look() -> None:
        _, text = await ask(config, "/metrics")
        for name in ("leader", "secrets", "secrets_failing", "soonest_expiry_timestamp_seconds"):
            assert f"hostclaim_proxy_refresh_{name} 0.0\n" in text

    assert await running(config, look)


async def test_an_address_that_is_taken_stops_the_start(config: Config) -> None:
    with socket.socket() as taken:
        taken.bind((config.host, config.port))
        taken.listen()
        with pytest.raises(StartError, match="--management: "):
            await service.run(config, asyncio.Event())


async def test_a_kubeconfig_that_is_none_stops_the_start(config: Config) -> None:
    assert config.kubeconfig is not None
    config.kubeconfig.write_text("{")
    with pytest.raises(StartError, match="the credentials for the cluster cannot be loaded"):
        await service.run(config, asyncio.Event())


async def broken() -> None:
    raise RuntimeError("s3cret")


async def test_what_fails_ends_it_and_is_told_by_its_kind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert not await service._until(asyncio.Event(), broken())
    assert "it failed by RuntimeError" in caplog.text
    assert "s3cret" not in caplog.text
