"""A real cluster's promises that hold without its programs."""

import json
import stat
from pathlib import Path

import pytest

from proxy.demo.envtest import PROXY_USER, RealCluster
from proxy.demo.process import StartError


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def event(user: str, stage: str = "RequestReceived") -> str:
    return json.dumps({"kind": "Event", "stage": stage, "user": {"username": user}}) + "\n"


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    return tmp_path / "assets"


async def test_a_program_that_does_not_start_says_why(assets: Path, tmp_path: Path) -> None:
    program(assets / "etcd", "echo no space left on device; exit 1")
    with pytest.raises(StartError, match=r"`etcd` ended with exit code 1(.|\n)*no space left"):
        await RealCluster(assets, tmp_path / "cluster").start()


async def test_its_directory_is_readable_by_its_owner_alone(assets: Path, tmp_path: Path) -> None:
    program(assets / "etcd", "exit 1")
    directory = tmp_path / "cluster"
    with pytest.raises(StartError):
        await RealCluster(assets, directory).start()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


async def test_what_an_earlier_run_stored_is_gone(assets: Path, tmp_path: Path) -> None:
    program(assets / "etcd", "exit 1")
    cluster = RealCluster(assets, tmp_path)
    stored = tmp_path / "etcd" / "member"
    stored.mkdir(parents=True)
    cluster.audit_log.write_text(event(PROXY_USER))
    with pytest.raises(StartError):
        await cluster.start()
    assert not stored.exists()
    assert await cluster.proxy_requests() == 0


async def test_nothing_is_counted_before_the_log_is_there(assets: Path, tmp_path: Path) -> None:
    assert await RealCluster(assets, tmp_path).proxy_requests() == 0


async def test_only_the_proxys_requests_are_counted_and_each_once(
    assets: Path, tmp_path: Path
) -> None:
    cluster = RealCluster(assets, tmp_path)
    stages = ("RequestReceived", "ResponseStarted", "ResponseComplete")
    lines = [event(user, stage) for user in (PROXY_USER, "admin", PROXY_USER) for stage in stages]
    cluster.audit_log.write_text("".join(lines))
    assert await cluster.proxy_requests() == 2
    assert await cluster.proxy_requests() == 2


async def test_an_event_is_counted_once_its_line_is_whole(assets: Path, tmp_path: Path) -> None:
    cluster = RealCluster(assets, tmp_path)
    half, other_half = event(PROXY_USER)[:20], event(PROXY_USER)[20:]
    cluster.audit_log.write_text(event(PROXY_USER) + half)
    assert await cluster.proxy_requests() == 1
    cluster.audit_log.write_text(event(PROXY_USER) + half + other_half)
    assert await cluster.proxy_requests() == 2
