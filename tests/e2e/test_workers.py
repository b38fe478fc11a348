"""Several processes that are one proxy: to tenants, to operators, to issuers, and at the end."""

import asyncio
import os
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.demo.process import free_port
from tests.e2e import revoking
from tests.e2e.revoking import Admin
from tests.e2e.serving import AnotherProxy, Settings, another, command, write_settings
from tests.e2e.test_lifecycle import BROKEN, behind_a_relay
from tests.e2e.wire import Answer, Connection, connected, request
from tests.e2e.world import PATIENCE, World, eventually

CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/blue-dev/hostclaims"


def several(workers: int) -> Callable[[Settings], None]:
    def change(settings: Settings) -> None:
        settings["server"]["workers"] = workers

    return change


@dataclass(frozen=True)
class Scene:
    """Two workers, and somebody who has the say in the IAM."""

    world: World
    proxy: AnotherProxy
    admin: Admin
    issuers_port: int


@pytest.fixture(scope="module")
def scene(world: World) -> Iterator[Scene]:
    port = free_port()

    def change(settings: Settings) -> None:
        several(2)(settings)
        settings["backChannel"] = {"address": f"127.0.0.1:{port}"}

    with another(world, "two-workers", change) as proxy:
        admin = revoking.admin(world.iam)
        world.run(admin.listen(revoking.receiver(port, world.directory / "proxy-ca.crt")))
        yield Scene(world, proxy, admin, port)


async def ask(connection: Connection, token: str) -> Answer:
    await connection.say(request("GET", CLAIMS, f"Authorization: Bearer {token}"))
    return await connection.answer()


async def one_to_each(
    proxy: AnotherProxy, workers: int, token: str, stack: AsyncExitStack
) -> list[Connection]:
    """A connection to each worker; who has which is seen by whose count of answers grows."""
    found: dict[str, Connection] = {}
    async with asyncio.timeout(PATIENCE):
        while len(found) < workers:
            connection = await stack.enter_async_context(connected(proxy.port, proxy.trust))
            before = await asyncio.to_thread(answers, proxy)
            assert (await ask(connection, token)).code == 200
            while not (grown := await asyncio.to_thread(answers, proxy) - before):
                pass
            [worker] = grown
            found.setdefault(worker, connection)
    return [*found.values()]


def answers(proxy: AnotherProxy) -> Counter[str]:
    """How many answers each worker has given."""
    counted: Counter[str] = Counter()
    for family in text_string_to_metric_families(proxy.management("/metrics")[1]):
        if family.name == "hostclaim_proxy_requests":
            for sample in family.samples:
                counted[sample.labels["worker"]] += int(sample.value)
    return counted


def children(proxy: AnotherProxy) -> list[int]:
    """The workers' processes."""
    pid = proxy.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pid: int) -> bool:
    """Whether a process has ended; some inits let it lie as a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def test_what_the_iam_ends_is_refused_by_every_worker(world: World, scene: Scene) -> None:
    token, other = world.token("alice"), world.token("blue-capm3")
    async with AsyncExitStack() as stack:
        connections = await one_to_each(scene.proxy, 2, token, stack)
        watching = f"{CLAIMS}?watch=true"
        watches = await one_to_each(scene.proxy, 2, token, stack)
        for watch in watches:
            await watch.say(request("GET", watching, f"Authorization: Bearer {token}"))
            await watch.head()
        world.run(scene.admin.log_out("alice"))
        for connection in connections:
            assert (await ask(connection, token)).code == 401
            assert (await ask(connection, other)).code == 200
        for watch in watches:
            _ = [chunk async for chunk in watch.chunks()]


async def test_a_notice_that_no_worker_takes_is_refused(world: World, scene: Scene) -> None:
    token = world.token("blue-capm3")
    async with connected(scene.issuers_port, scene.proxy.trust) as issuer:
        form = f"logout_token={token}".encode()
        lines = ("Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}")
        await issuer.say(request("POST", "/backchannel-logout", *lines, body=form))
        assert (await issuer.answer()).code == 400


def test_operators_see_every_worker(scene: Scene) -> None:
    code, ready = scene.proxy.readiness("?verbose")
    assert code == 200
    for worker in (0, 1):
        for check in ("shutdown", "audit", "cluster", "issuers"):
            assert f"[+]worker-{worker}-{check} ok\n" in ready
    assert scene.proxy.readiness() == (200, "ok")
    assert scene.proxy.management("/livez") == (200, "ok")
    page = scene.proxy.management("/metrics")[1]
    for process in ("0", "1", "supervisor"):
        assert f'\nprocess_resident_memory_bytes{{worker="{process}"}} ' in page


async def test_after_sighup_every_worker_writes_to_the_new_audit_file(
    world: World, scene: Scene
) -> None:
    token = world.token("blue-capm3")
    audit = scene.proxy.audit_file
    async with AsyncExitStack() as stack:
        connections = await one_to_each(scene.proxy, 2, token, stack)
        audit.rename(audit.with_suffix(".1"))
        scene.proxy.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(PATIENCE):
            for connection in connections:
                while (await ask(connection, token)).header("Audit-Id") not in written(audit):
                    pass


def written(audit: Path) -> str:
    return audit.read_text() if audit.exists() else ""


def test_each_line_of_the_log_says_whose_it_is(scene: Scene) -> None:
    log = scene.proxy.log_file.read_text()
    assert " INFO worker 0 proxy." in log
    assert " INFO worker 1 proxy." in log


async def test_each_request_is_one_whole_line_of_the_audit_file(world: World) -> None:
    token = world.token("blue-capm3")
    with another(world, "four-workers", several(4)) as proxy:

        async def some() -> set[str]:
            async with connected(proxy.port, proxy.trust) as connection:
                return {(await ask(connection, token)).header("Audit-Id") for _ in range(10)}

        ids = [await asking for asking in asyncio.as_completed([some() for _ in range(30)])]
        assert proxy.stop() == 0
        recorded = [record["auditID"] for record in proxy.audit()]
        assert len(recorded) == 300
        assert set(recorded) == set().union(*ids)


async def test_a_stop_lets_a_write_finish_on_whichever_worker(world: World) -> None:
    with behind_a_relay(world, "stopped-workers", workers=2) as scene:
        token = world.token("blue-capm3")
        async with AsyncExitStack() as stack:
            # Each leaves a connection to the apiserver behind, for the write to use.
            watches = await one_to_each(scene.proxy, 2, token, stack)
            for watch in watches:
                target = f"{CLAIMS}?watch=1"
                await watch.say(request("GET", target, f"Authorization: Bearer {token}"))
                await watch.head()
            await one_to_each(scene.proxy, 2, token, stack)
            world.run(scene.relay.hold())
            write = asyncio.create_task(asyncio.to_thread(scene.create, "of-workers"))
            await asyncio.to_thread(eventually, lambda: scene.stored("of-workers"), "the write")
            scene.proxy.process.send_signal(signal.SIGTERM)
            for watch in watches:
                _ = [chunk async for chunk in watch.chunks()]
                assert await watch.at_end()
            await asyncio.to_thread(eventually, lambda: refuses(scene.proxy.port), "no more")
        assert not write.done()
        world.run(scene.relay.release())
        assert (await write).code == 201
        assert await asyncio.to_thread(scene.proxy.process.wait, 10) == 0
        scene.forget("of-workers")


def refuses(port: int) -> bool:
    """Whether nobody listens on a port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


def test_a_signal_to_all_its_processes_is_one_to_the_proxy(world: World) -> None:
    with another(world, "interrupted-workers", several(2)) as proxy:
        for worker in children(proxy):
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(worker, number)
        assert proxy.readiness() == (200, "ok")
        assert proxy.stop(signal.SIGINT) == 0


def test_when_a_worker_is_lost_all_end_with_1(world: World) -> None:
    with another(world, "one-lost", several(2)) as proxy:
        workers = children(proxy)
        os.kill(workers[1], signal.SIGKILL)
        assert proxy.process.wait(timeout=PATIENCE) == 1
        assert all(gone(worker) for worker in workers)
        assert "worker 1 is gone" in proxy.log_file.read_text()


async def test_when_the_parent_is_lost_no_worker_serves_on(world: World) -> None:
    token = world.token("blue-capm3")
    with another(world, "orphaned", several(2)) as proxy:
        workers = children(proxy)
        async with AsyncExitStack() as stack:
            connections = await one_to_each(proxy, 2, token, stack)
            proxy.process.kill()
            for connection in connections:
                assert await connection.at_end()
        assert len(workers) == 2
        await asyncio.to_thread(eventually, lambda: all(map(gone, workers)), "the workers' end")
        assert refuses(proxy.port)
        assert await asyncio.to_thread(proxy.process.wait, 10) == -signal.SIGKILL


def ended(config: Path) -> "subprocess.CompletedProcess[str]":
    """What became of a proxy that cannot start."""
    return subprocess.run(
        [command(), "serve", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_the_workers_cannot_use_ends_it_with_2_and_is_said_once(world: World) -> None:
    config = write_settings(world, "unpolicied-workers", several(2))
    (world.directory / "unpolicied-workers-policies" / "blue.yaml").write_text(BROKEN)
    failed = ended(config)
    assert failed.returncode == 2
    said = [line for line in failed.stderr.splitlines() if line.startswith("hostclaim-proxy: ")]
    assert len(said) == len(set(said)) == 2
    assert "unpolicied-workers-policies/blue.yaml:" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_proxy_that_is_started_twice_does_not_share_the_port(scene: Scene) -> None:
    failed = ended(scene.proxy.config)
    assert failed.returncode == 2
    assert "server.address: " in failed.stderr
    assert scene.proxy.readiness() == (200, "ok")
