"""Policies that change under load: nobody who is still entitled notices."""

import asyncio
import hashlib
import itertools
import json
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from proxy.demo import files
from tests.e2e.kubectl import Kubectl, claim, fresh
from tests.e2e.load import load
from tests.e2e.serving import AnotherProxy, Settings, another, command
from tests.e2e.test_lifecycle import BROKEN
from tests.e2e.test_watch import Watch, named, watching
from tests.e2e.world import PATIENCE, World, eventually

CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/blue-dev/hostclaims"
RED_CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/red/hostclaims"
QUERY = "watch=true&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=0"
WATCHES = 4
CHANGES = 12

EXTRA = """apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: AccessPolicy
metadata: {name: extra}
spec:
  subjects: [{issuer: corp, group: /tenants/extra}]
  allow: [{namespaces: [extra-NUMBER], role: viewer}]
"""
TESTS = """apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: PolicyTest
metadata: {name: blue}
spec:
  tests:
  - name: its client lists claims
    identity: {issuer: corp, username: service-account-blue-capm3, groups: [/tenants/blue]}
    request: {verbs: [list], resources: [hostclaims], namespaces: [blue-dev]}
    expect: {decision: allow, rule: {policy: blue}}
  - name: and none of others
    identity: {issuer: corp, username: service-account-blue-capm3, groups: [/tenants/blue]}
    request: {verbs: [list], resources: [hostclaims], namespaces: [red]}
    expect: {decision: deny}
"""


@dataclass
class Writes:
    """Claims that are made and deleted without end, and what that was answered."""

    proxy: AnotherProxy
    token: str
    codes: Counter[int] = field(default_factory=Counter)
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        for number in itertools.count():
            if self._over.is_set():
                return
            name = f"reloaded-{number}"
            for method, target, body in (
                ("POST", CLAIMS, claim(name)),
                ("DELETE", f"{CLAIMS}/{name}", None),
            ):
                answer = self.proxy.ask(method, target, token=self.token, body=body)
                self.codes[answer.code] += 1

    @contextmanager
    def going_on(self) -> Iterator["Writes"]:
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join()


@dataclass(frozen=True)
class Scene:
    """A proxy whose policies a test changes."""

    proxy: AnotherProxy
    blue: str
    red: str

    def status(self) -> Any:
        return json.loads(self.proxy.management("/policies")[1])

    def states(self) -> list[Any]:
        """What each process says of itself."""
        known = self.status()
        return known["workers"] or [{**known, "broken": known["error"] is not None}]

    def become(self, what: str, content: str | None) -> None:
        """Write a file whole, or delete it, and wait until every process has taken it up."""
        path = self.proxy.policies / "extra.yaml"
        before = [(state["reloads"], state["failures"]) for state in self.states()]
        if content is None:
            path.unlink()
        else:
            files.write(path, content)

        def taken() -> bool:
            now = [(state["reloads"], state["failures"]) for state in self.states()]
            return all(one != other for one, other in zip(before, now, strict=True))

        eventually(taken, what)


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "two workers"])
def scene(world: World, request: pytest.FixtureRequest) -> Iterator[Scene]:
    def change(settings: Settings) -> None:
        settings["server"]["workers"] = request.param

    with another(world, f"reloaded-{request.param}", change) as proxy:
        yield Scene(proxy, world.token("blue-capm3"), world.token("red-capm3"))


def change_over_and_over(scene: Scene) -> None:
    """New rules, nonsense, and no more of either, again and again."""
    for number in range(CHANGES // 3):
        scene.become("the reload", EXTRA.replace("NUMBER", str(number)))
        scene.become("the failure", BROKEN + f"# {number}\n")
        assert all(state["broken"] for state in scene.states())
        scene.become("the mended policies", EXTRA.replace("NUMBER", f"{number}-mended"))
    scene.become("the policies of before", None)


async def test_who_is_still_entitled_notices_nothing(scene: Scene) -> None:
    async with AsyncExitStack() as stack:
        watches = [await opened(stack, scene, CLAIMS, scene.blue) for _ in range(WATCHES)]
        reads = stack.enter_context(load(scene.proxy, CLAIMS, scene.blue))
        writes = stack.enter_context(Writes(scene.proxy, scene.blue).going_on())
        await asyncio.to_thread(change_over_and_over, scene)
        assert set(reads.codes) == {200}
        assert set(writes.codes) == {200, 201}
        last = scene.proxy.ask("POST", CLAIMS, token=scene.blue, body=claim("after-all"))
        assert last.code == 201
        for watch in watches:
            async with asyncio.timeout(PATIENCE):
                await watch.until(named("after-all"))
        scene.proxy.ask("DELETE", f"{CLAIMS}/after-all", token=scene.blue)
    states = scene.states()
    assert [state["reloads"] for state in states] == [2 * CHANGES // 3 + 1] * len(states)
    assert [state["failures"] for state in states] == [CHANGES // 3] * len(states)


async def opened(stack: AsyncExitStack, scene: Scene, target: str, token: str) -> Watch:
    return await stack.enter_async_context(watching(scene.proxy, target, token, QUERY))


async def test_of_whom_it_was_taken_notices_and_nobody_else(scene: Scene) -> None:
    policy = scene.proxy.policies / "red.yaml"
    good = policy.read_text()
    async with AsyncExitStack() as stack:
        reds = [await opened(stack, scene, RED_CLAIMS, scene.red) for _ in range(WATCHES)]
        blues = [await opened(stack, scene, CLAIMS, scene.blue) for _ in range(WATCHES)]
        with load(scene.proxy, CLAIMS, scene.blue) as reads:
            policy.unlink()
            try:
                async with asyncio.timeout(PATIENCE):
                    await asyncio.gather(*(watch.rest() for watch in reds))
                await asyncio.to_thread(
                    eventually,
                    lambda: all(
                        scene.proxy.ask("GET", RED_CLAIMS, token=scene.red).code == 403
                        for _ in range(10)
                    ),
                    "red to be refused by every process",
                )
            finally:
                files.write(policy, good)
            await asyncio.to_thread(
                eventually,
                lambda: scene.proxy.ask("GET", RED_CLAIMS, token=scene.red).code == 200,
                "red to be served again",
            )
        assert set(reads.codes) == {200}
        made = scene.proxy.ask("POST", CLAIMS, token=scene.blue, body=claim("unharmed"))
        assert made.code == 201
        for watch in blues:
            async with asyncio.timeout(PATIENCE):
                await watch.until(named("unharmed"))
        scene.proxy.ask("DELETE", f"{CLAIMS}/unharmed", token=scene.blue)


def test_a_kubectl_that_watches_goes_on_until_its_grant_is_gone(world: World, scene: Scene) -> None:
    red = Kubectl(world, "red", "red")
    policy = scene.proxy.policies / "red.yaml"
    good = policy.read_text()
    first, second = fresh("watched"), fresh("watched")
    with (
        made_by_red(scene, first),
        red.following(f"get hostclaims --watch --server={scene.proxy.url}") as lines,
    ):
        lines.until(first)
        scene.become("the reload", EXTRA.replace("NUMBER", "0"))
        scene.become("the failure", BROKEN)
        scene.become("the policies of before", None)
        with made_by_red(scene, second):
            lines.until(second)
        policy.unlink()
        try:
            assert lines.end() == 0
            assert "Forbidden" in red.fails(f"get hostclaims --server={scene.proxy.url}")
        finally:
            files.write(policy, good)
        eventually(
            lambda: all(
                scene.proxy.ask("GET", RED_CLAIMS, token=scene.red).code == 200 for _ in range(10)
            ),
            "red to be served again",
        )


@contextmanager
def made_by_red(scene: Scene, name: str) -> Iterator[None]:
    made = scene.proxy.ask("POST", RED_CLAIMS, token=scene.red, body=claim(name))
    assert made.code == 201
    yield
    scene.proxy.ask("DELETE", f"{RED_CLAIMS}/{name}", token=scene.red)


def asked(scene: Scene, name: str = "status", *more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [command(), "policy", name, "--config", str(scene.proxy.config), *more],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_is_in_force_is_told_with_what_each_rule_did(scene: Scene) -> None:
    def hits() -> int:
        return sum(rule["hits"] for rule in scene.status()["rules"] if rule["document"] == "blue")

    before = hits()
    for _ in range(5):
        assert scene.proxy.ask("GET", CLAIMS, token=scene.blue).code == 200
    assert hits() == before + 5
    told = asked(scene)
    assert (told.returncode, told.stderr) == (0, "")
    assert "rules never used since the start:" in told.stdout


def test_what_its_tests_say_it_answers(scene: Scene) -> None:
    scene.become("the tests", TESTS)
    try:
        told = asked(scene, "test")
        assert (told.returncode, told.stderr) == (0, ""), told.stdout
        assert scene.proxy.ask("GET", CLAIMS, token=scene.blue).code == 200
        assert scene.proxy.ask("GET", RED_CLAIMS, token=scene.blue).code == 403
        known = json.loads(asked(scene, "status", "-o", "json").stdout)
        assert known["files"] == [
            {"path": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
            for file in sorted(scene.proxy.policies.iterdir())
        ]
    finally:
        scene.become("the policies of before", None)


def test_a_broken_reload_is_told_and_does_not_make_it_unready(scene: Scene) -> None:
    scene.become("the failure", BROKEN)
    try:
        told = asked(scene)
        assert (told.returncode, told.stderr) == (1, "")
        assert "extra.yaml:3:11: metadata.name: is missing" in told.stdout
        code, verbose = scene.proxy.readiness("?verbose")
        assert code == 200
        notes = [line for line in verbose.splitlines() if line.startswith("[!]")]
        assert [line for line in notes if "policies" in line and "extra.yaml:" in line]
        page = scene.proxy.management("/metrics")[1]
        for name in ("rules", "reloads", "failures", "broken"):
            assert f"hostclaim_proxy_policies_{name}" in page
    finally:
        (scene.proxy.policies / "extra.yaml").unlink()
    eventually(lambda: not any(state["broken"] for state in scene.states()), "it to be mended")
