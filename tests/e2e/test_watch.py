"""Watches as controllers hold them: long, in order, and ended when they must be."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from proxy.core.identity import LEEWAY
from proxy.demo import files
from proxy.demo.cluster import EmbeddedCluster
from proxy.demo.issuer import EmbeddedIssuer
from tests.e2e.relay import Relay
from tests.e2e.serving import AnotherProxy, Settings, another
from tests.e2e.wire import PATIENCE, Connection, connected, request
from tests.e2e.world import ServedProxy, World, eventually

METAL3 = "/apis/metal3.io/v1alpha1"
CLAIMS = f"{METAL3}/namespaces/blue-prod/hostclaims"
ALL_CLAIMS = f"{METAL3}/hostclaims"
SECRETS = "/api/v1/namespaces/blue-prod/secrets"
STREAMING_LIST = (
    "watch=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
    "&sendInitialEvents=true&timeoutSeconds=300"
)
INITIAL_EVENTS_END = "k8s.io/initial-events-end"

Event = dict[str, Any]


@dataclass(frozen=True)
class Watch:
    """An open watch."""

    connection: Connection
    events: AsyncIterator[Event]

    async def next(self) -> Event:
        return await anext(self.events)

    async def until(self, holds: Callable[[Event], bool]) -> Event:
        """The first event for which it holds; others are let go by."""
        async for event in self.events:
            if holds(event):
                return event
        raise AssertionError("the watch ended before")

    async def rest(self) -> list[Event]:
        """What comes until the clean end."""
        return [event async for event in self.events]


async def _events(connection: Connection) -> AsyncIterator[Event]:
    """Lines of JSON, however the chunks are cut."""
    unfinished = b""
    async for chunk in connection.chunks():
        *lines, unfinished = (unfinished + chunk).split(b"\n")
        for line in lines:
            yield json.loads(line)
    assert not unfinished, "the watch ended within an event"


@asynccontextmanager
async def watching(
    proxy: ServedProxy,
    target: str,
    token: str,
    query: str = STREAMING_LIST,
    patience: float = PATIENCE,
) -> AsyncIterator[Watch]:
    """Open a watch; leaving the context hangs up."""
    async with connected(proxy.port, proxy.trust, patience) as connection:
        said = request("GET", f"{target}?{query}", f"Authorization: Bearer {token}")
        await connection.say(said)
        head = await connection.head()
        assert head.code == 200, await connection.answer()
        assert head.header("Transfer-Encoding") == "chunked"
        yield Watch(connection, _events(connection))


def named(name: str, kind: str = "ADDED") -> Callable[[Event], bool]:
    def holds(event: Event) -> bool:
        return (event["type"], event["object"]["metadata"].get("name")) == (kind, name)

    return holds


def is_end_of_initial_events(event: Event) -> bool:
    annotations = event["object"]["metadata"].get("annotations", {})
    return (event["type"], annotations.get(INITIAL_EVENTS_END)) == ("BOOKMARK", "true")


def is_change(event: Event) -> bool:
    return bool(event["type"] != "BOOKMARK")


def claim(name: str) -> Event:
    return {
        "apiVersion": "metal3.io/v1alpha1",
        "kind": "HostClaim",
        "metadata": {"name": name},
        "spec": {"poweredOn": True, "hostSelector": {"matchLabels": {"none": "fits"}}},
    }


def secret(name: str) -> Event:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": {"value": "x"},
    }


KINDS = {"hostclaims": (CLAIMS, claim), "secrets": (SECRETS, secret)}


@pytest.fixture
def blue(world: World) -> str:
    return world.token("blue-capm3")


@pytest.mark.parametrize(("target", "make"), KINDS.values(), ids=KINDS)
async def test_a_streaming_list_ends_its_start_with_the_bookmark_and_goes_on(
    world: World, blue: str, target: str, make: Callable[[str], Event]
) -> None:
    assert world.ask("POST", target, token=blue, body=make("before")).code == 201
    async with watching(world.proxy, target, blue) as watch:
        assert named("before")(await watch.next())
        await watch.until(is_end_of_initial_events)
        assert world.ask("POST", target, token=blue, body=make("after")).code == 201
        await watch.until(named("after"))
        for name in ("before", "after"):
            assert world.ask("DELETE", f"{target}/{name}", token=blue).code == 200
            await watch.until(named(name, "DELETED"))


async def test_events_come_in_the_order_in_which_things_happened(world: World, blue: str) -> None:
    async with watching(world.proxy, CLAIMS, blue) as watch:
        await watch.until(is_end_of_initial_events)
        patch = {"Content-Type": "application/merge-patch+json"}
        assert world.ask("POST", CLAIMS, token=blue, body=claim("busy")).code == 201
        for number in range(20):
            body = {"metadata": {"labels": {"number": str(number)}}}
            sent = world.ask("PATCH", f"{CLAIMS}/busy", token=blue, headers=patch, body=body)
            assert sent.code == 200
        assert world.ask("DELETE", f"{CLAIMS}/busy", token=blue).code == 200
        seen: list[Event] = []
        async for event in watch.events:
            seen.append(event)
            if event["type"] == "DELETED":
                break
    numbers = [event["object"]["metadata"].get("labels", {}).get("number") for event in seen]
    ordered = [int(n) for n in dict.fromkeys(numbers) if n is not None]
    assert ordered == list(range(20))
    # Between two changes the apiserver may put a bookmark, which has the version of the first.
    changes = [event for event in seen if event["type"] != "BOOKMARK"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in changes]
    assert versions == sorted(set(versions))


async def test_an_event_larger_than_any_buffer_arrives_whole(world: World, blue: str) -> None:
    large = {**secret("large"), "stringData": {"value": "x" * 900_000}}
    async with watching(world.proxy, SECRETS, blue) as watch:
        await watch.until(is_end_of_initial_events)
        assert world.ask("POST", SECRETS, token=blue, body=large).code == 201
        event = await watch.until(named("large"))
        assert len(event["object"]["data"]["value"]) == 1_200_000
        assert world.ask("DELETE", f"{SECRETS}/large", token=blue).code == 200


async def test_a_watch_from_a_forgotten_past_is_told_so_in_the_stream(
    world: World, blue: str
) -> None:
    query = "watch=true&resourceVersion=1&timeoutSeconds=60"
    tokens = (world.access.admin_token, blue)
    admin, mine = (
        request("GET", f"{CLAIMS}?{query}", f"Authorization: Bearer {token}") for token in tokens
    )
    if isinstance(world.cluster, EmbeddedCluster):
        world.run(_forget(world.cluster))
    trust = ssl.create_default_context(cafile=str(world.access.ca_file))
    port = int(world.access.server.rpartition(":")[2])
    async with (
        connected(port, trust) as straight,
        connected(world.proxy.port, world.proxy.trust) as proxied,
    ):
        await straight.say(admin)
        await proxied.say(mine)
        expected, answer = await straight.answer(), await proxied.answer()
    assert (answer.code, answer.body) == (expected.code, expected.body)
    assert b'"code":410' in answer.body


async def _forget(cluster: EmbeddedCluster) -> None:
    cluster.forget()


async def test_the_apiserver_may_end_a_watch_and_the_client_sees_a_clean_end(
    world: World, blue: str
) -> None:
    query = STREAMING_LIST.replace("timeoutSeconds=300", "timeoutSeconds=1")
    async with watching(world.proxy, CLAIMS, blue, query) as watch:
        await watch.until(is_end_of_initial_events)
        await watch.rest()


def _bounded(settings: Settings) -> None:
    """Give up after a second whatever can be given up."""
    settings["server"] |= {"idleSeconds": 1, "bodySeconds": 1, "stallSeconds": 1}
    settings["cluster"]["answerSeconds"] = 1


async def test_a_watch_outlives_every_bound_of_the_proxy_be_it_idle_or_busy(
    world: World, blue: str
) -> None:
    # The real one for more than a minute; the embedded one has no bounds of its own.
    seconds = 65 if world.real else 3
    query = f"watch=1&timeoutSeconds={seconds}"
    patience = seconds + PATIENCE
    assert world.ask("POST", CLAIMS, token=blue, body=claim("long")).code == 201
    with another(world, "bounded", _bounded) as proxy:
        begun = asyncio.get_running_loop().time()
        async with (
            watching(proxy, SECRETS, blue, query, patience) as idle,
            watching(proxy, CLAIMS, blue, query) as busy,
        ):
            resting = asyncio.create_task(idle.rest())
            changes = 0
            async for event in busy.events:
                labels = event["object"]["metadata"].get("labels", {})
                if labels.get("number", "0") == str(changes):
                    changes += 1
                    await asyncio.to_thread(_number, world, blue, changes)
            assert await resting == []
        # It was the apiserver that ended them, and it does not do so early.
        assert asyncio.get_running_loop().time() - begun >= seconds
    assert changes > seconds
    assert world.ask("DELETE", f"{CLAIMS}/long", token=blue).code == 200


def _number(world: World, token: str, number: int) -> None:
    body = {"metadata": {"labels": {"number": str(number)}}}
    patch = {"Content-Type": "application/merge-patch+json"}
    sent = world.ask("PATCH", f"{CLAIMS}/long", token=token, headers=patch, body=body)
    assert sent.code == 200


@dataclass(frozen=True)
class Scene:
    """A proxy with settings of its own, and the network to the apiserver."""

    proxy: AnotherProxy
    relay: Relay
    forge: EmbeddedIssuer


@pytest.fixture(scope="module")
def scene(world: World) -> Iterator[Scene]:
    folder = world.directory / "watch"
    folder.mkdir()
    forge = EmbeddedIssuer(folder)
    relay = Relay(int(world.access.server.rpartition(":")[2]))

    async def start() -> None:
        await forge.start()
        await relay.start()

    world.run(start())
    credentials = (world.directory / "proxy.kubeconfig").read_text()
    way = world.directory / "watch.kubeconfig"
    files.write(way, credentials.replace(world.access.server, f"https://127.0.0.1:{relay.port}"))

    def change(settings: Settings) -> None:
        settings["cluster"]["kubeconfig"] = way.name
        trusted = {"name": "forge", "url": forge.url, "caFile": str(forge.ca_file)}
        settings["issuers"].append(settings["issuers"][0] | trusted)

    with another(world, "watch", change) as proxy:
        policy = yaml.safe_load(files.POLICIES["blue.yaml"])
        policy["metadata"]["name"] = "forge"
        policy["spec"]["subjects"][0]["issuer"] = "forge"
        (proxy.policies / "forge.yaml").write_text(yaml.safe_dump(policy))
        token = forge.token_for("blue-capm3")
        eventually(lambda: proxy.ask("GET", CLAIMS, token=token).code == 200, "the policy")
        yield Scene(proxy, relay, forge)
    world.run(relay.stop())
    world.run(forge.stop())


def open_watches(proxy: ServedProxy) -> float:
    """How many watches the proxy says are open."""
    lines = proxy.management("/metrics")[1].splitlines()
    (line,) = (line for line in lines if line.startswith("hostclaim_proxy_open_watches "))
    return float(line.split()[1])


@pytest.mark.parametrize(("target", "watches"), [(SECRETS, 1), (ALL_CLAIMS, 2)])
async def test_a_client_that_is_killed_takes_its_upstream_watches_along(
    scene: Scene, blue: str, target: str, watches: int
) -> None:
    async with watching(scene.proxy, CLAIMS, blue) as first:
        await first.until(is_end_of_initial_events)
        async with watching(scene.proxy, target, blue) as watch:
            await watch.until(is_end_of_initial_events)
            most = scene.relay.open - watches
            await watch.connection.hang_up()
            eventually(lambda: scene.relay.open <= most, "the upstream watches to close", seconds=1)
        eventually(lambda: open_watches(scene.proxy) == 1, "one watch to be left")
    eventually(lambda: open_watches(scene.proxy) == 0, "no watch to be left")


async def test_a_policy_that_is_taken_away_ends_the_watch_and_mended_allows_it_again(
    scene: Scene, blue: str
) -> None:
    policy = scene.proxy.policies / "blue.yaml"
    granted = policy.read_text()
    async with (
        watching(scene.proxy, CLAIMS, blue) as ended,
        watching(scene.proxy, CLAIMS.replace("blue-prod", "blue-dev"), blue) as spared,
    ):
        await ended.until(is_end_of_initial_events)
        await spared.until(is_end_of_initial_events)
        files.write(policy, granted.replace("[blue-dev, blue-prod]", "[blue-dev]"))
        await ended.rest()
        assert scene.proxy.ask("GET", CLAIMS, token=blue).code == 403
        assert open_watches(scene.proxy) == 1
    files.write(policy, granted)
    eventually(lambda: scene.proxy.ask("GET", CLAIMS, token=blue).code == 200, "the policy")


async def test_a_watch_of_all_namespaces_ends_when_one_is_lost_or_gained(
    scene: Scene, blue: str
) -> None:
    policy = scene.proxy.policies / "blue.yaml"
    granted = policy.read_text()
    async with (
        watching(scene.proxy, ALL_CLAIMS, blue) as ended,
        watching(scene.proxy, CLAIMS.replace("blue-prod", "blue-dev"), blue) as spared,
    ):
        for watch in (ended, spared):
            await watch.until(is_end_of_initial_events)
        files.write(policy, granted.replace("[blue-dev, blue-prod]", "[blue-dev]"))
        await ended.rest()
        async with watching(scene.proxy, ALL_CLAIMS, blue) as fewer:
            await fewer.until(is_end_of_initial_events)
            files.write(policy, granted)
            await fewer.rest()
        assert open_watches(scene.proxy) == 1
    assert scene.proxy.ask("GET", CLAIMS, token=blue).code == 200


async def test_a_watch_ends_with_its_token(scene: Scene) -> None:
    now = int(time.time())
    claims = scene.forge.claims_for("blue-capm3")
    token = scene.forge.mint({**claims, "iat": now - 60, "exp": now + 2 - int(LEEWAY)})
    async with watching(scene.proxy, CLAIMS, token) as watch:
        await watch.until(is_end_of_initial_events)
        await watch.rest()
    assert scene.proxy.ask("GET", CLAIMS, token=token).code == 401


async def test_a_watch_whose_apiserver_goes_away_does_not_look_ended(
    world: World, scene: Scene, blue: str
) -> None:
    async with watching(scene.proxy, CLAIMS, blue) as watch:
        await watch.until(is_end_of_initial_events)
        world.run(scene.relay.stop())
        with pytest.raises(AssertionError, match="ended within an answer"):
            await watch.rest()
    world.run(scene.relay.start())
    async with watching(scene.proxy, CLAIMS, blue) as watch:
        await watch.until(is_end_of_initial_events)


async def test_each_of_many_watchers_gets_every_event_in_order(world: World, blue: str) -> None:
    lives = [(kind, f"many-{number}") for number in range(5) for kind in ("ADDED", "DELETED")]
    async with AsyncExitStack() as stack:
        watches = [
            await stack.enter_async_context(watching(world.proxy, SECRETS, blue)) for _ in range(12)
        ]
        for watch in watches:
            await watch.until(is_end_of_initial_events)
        for kind, name in lives:
            if kind == "ADDED":
                assert world.ask("POST", SECRETS, token=blue, body=secret(name)).code == 201
            else:
                assert world.ask("DELETE", f"{SECRETS}/{name}", token=blue).code == 200
        for watch in watches:
            seen = [await watch.until(is_change) for _ in lives]
            assert [(e["type"], e["object"]["metadata"]["name"]) for e in seen] == lives


async def test_a_watcher_that_does_not_read_harms_nobody_else(
    world: World, scene: Scene, blue: str
) -> None:
    large = {**secret("filler"), "stringData": {"value": "x" * 500_000}}
    async with watching(scene.proxy, SECRETS, blue) as silent:
        await silent.until(is_end_of_initial_events)
        for number in range(10):
            large["metadata"]["name"] = f"filler-{number}"
            assert world.ask("POST", SECRETS, token=blue, body=large).code == 201
        async with watching(scene.proxy, SECRETS, blue) as other:
            await other.until(named("filler-9"))
    for number in range(10):
        assert world.ask("DELETE", f"{SECRETS}/filler-{number}", token=blue).code == 200
