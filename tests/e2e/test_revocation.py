"""What the IAM takes away is gone: within the time that is set, in open watches as well."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import jwt
import pytest
import yaml

from proxy.demo import files
from proxy.demo.process import free_port
from tests.e2e import revoking
from tests.e2e.revoking import CACHE, Admin, asks_the_iam
from tests.e2e.serving import AnotherProxy, Settings, another
from tests.e2e.test_lifecycle import _rotate
from tests.e2e.test_watch import Watch, watching
from tests.e2e.world import World, eventually

CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/blue-dev/hostclaims"
RED_CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/red/hostclaims"
AT_ONCE = 3.0
"""Seconds for what is said by the IAM itself, on a machine that has other things to do."""


@dataclass(frozen=True)
class Scene:
    """A proxy, and somebody who has the say in the IAM."""

    world: World
    proxy: AnotherProxy
    admin: Admin

    def code(self, token: str, target: str = CLAIMS) -> int:
        return self.proxy.ask("GET", target, token=token).code

    def told(self, token: str) -> Any:
        return self.proxy.ask("GET", CLAIMS, token=token).json

    async def becomes(self, token: str, code: int, deadline: float) -> None:
        """Wait until new requests are answered so, at the latest at a time of the loop."""
        await asyncio.to_thread(
            eventually, lambda: self.code(token) == code, f"a {code}", deadline - now()
        )

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        self.world.run(work)


@pytest.fixture(scope="module")
def asking(world: World) -> Iterator[Scene]:
    """A proxy that asks."""
    with another(world, "asking", lambda settings: asks_the_iam(world, settings)) as proxy:
        yield Scene(world, proxy, revoking.admin(world.iam))


@pytest.fixture(scope="module")
def hearing(world: World) -> Iterator[Scene]:
    """A proxy that does not ask, and is told."""
    port = free_port()

    def change(settings: Settings) -> None:
        settings["backChannel"] = {"address": f"127.0.0.1:{port}"}

    with another(world, "hearing", change) as proxy:
        admin = revoking.admin(world.iam)
        world.run(admin.listen(revoking.receiver(port, world.directory / "proxy-ca.crt")))
        yield Scene(world, proxy, admin)


@asynccontextmanager
async def watched(scene: Scene, token: str, target: str = CLAIMS) -> AsyncIterator[Watch]:
    """A watch that has begun."""
    query = "watch=true&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=0"
    async with watching(scene.proxy, target, token, query) as watch:
        yield watch


async def ended(watch: Watch, deadline: float) -> None:
    """Wait for the clean end of a watch."""
    async with asyncio.timeout_at(deadline):
        await watch.rest()


async def goes_on(watch: Watch) -> bool:
    """Whether a watch is still open now."""
    rest = asyncio.ensure_future(watch.rest())
    done, _ = await asyncio.wait([rest], timeout=0.2)
    rest.cancel()
    await asyncio.gather(rest, return_exceptions=True)
    return not done


def now() -> float:
    return asyncio.get_running_loop().time()


Act = Callable[[Admin, str], Coroutine[Any, Any, None]]


async def _leave_all_groups(admin: Admin, name: str) -> None:
    await admin.move(name)


TAKEN: dict[str, tuple[str, Act, int]] = {
    "a person disabled": ("alice", lambda admin, name: admin.disable(name), 401),
    "a person logged out": ("alice", lambda admin, name: admin.log_out(name), 401),
    "a person out of the group": ("alice", _leave_all_groups, 403),
    "a client disabled": ("blue-capm3", lambda admin, name: admin.disable(name), 401),
    "a client out of the group": ("blue-capm3", _leave_all_groups, 403),
}


@pytest.mark.parametrize(("name", "act", "code"), TAKEN.values(), ids=TAKEN)
async def test_what_is_taken_away_is_gone_within_the_time_that_is_set(
    world: World, asking: Scene, name: str, act: Act, code: int
) -> None:
    token, other = world.token(name), world.token("red-capm3")
    assert asking.code(token) == 200
    async with (
        watched(asking, token) as watch,
        watched(asking, other, RED_CLAIMS) as unharmed,
    ):
        try:
            asking.do(act(asking.admin, name))
            deadline = now() + CACHE
            await asyncio.gather(asking.becomes(token, code, deadline), ended(watch, deadline))
            assert asking.code(token) == code
            assert await goes_on(unharmed)
        finally:
            asking.do(asking.admin.enable(name))
            asking.do(asking.admin.move(name, "/tenants/blue"))
    assert asking.code(world.token(name)) == 200


async def test_who_counts_no_longer_is_told_so(world: World, asking: Scene) -> None:
    token = world.token("alice")
    asking.do(asking.admin.log_out("alice"))
    told = asking.told(token)
    assert (told["kind"], told["code"], told["reason"]) == ("Status", 401, "Unauthorized")
    assert "issuer `corp` says that the token counts no longer" in told["message"]


async def test_a_group_that_somebody_joins_counts_without_a_new_token(
    world: World, asking: Scene
) -> None:
    token = world.token("alice")
    try:
        asking.do(asking.admin.move("alice", "/tenants/red"))
        joined = partial(asking.code, token, RED_CLAIMS)
        await asyncio.to_thread(eventually, lambda: joined() == 200, "the group", CACHE)
        assert asking.code(token) == 403
    finally:
        asking.do(asking.admin.move("alice", "/tenants/blue"))


def test_a_thousand_requests_of_a_token_are_one_question(world: World, asking: Scene) -> None:
    token = world.token("blue-capm3")
    before = questions(asking)
    began = time.monotonic()
    for _ in range(100):
        assert asking.code(token) == 200
    ages = (time.monotonic() - began) / (CACHE * 0.9) + 1
    assert 1 <= questions(asking) - before <= ages


def questions(scene: Scene) -> float:
    """How often the IAM was asked, as the metrics have it."""
    page = scene.proxy.management("/metrics")[1]
    name = 'hostclaim_proxy_iam_questions{issuer="corp",question="introspection"} '
    (line,) = (line for line in page.splitlines() if line.startswith(name))
    return float(line.removeprefix(name))


async def test_a_session_that_the_iam_says_has_ended_is_over_at_once(
    world: World, hearing: Scene
) -> None:
    token, other = world.token("alice"), world.token("rita")
    async with (
        watched(hearing, token) as watch,
        watched(hearing, other, RED_CLAIMS) as unharmed,
    ):
        hearing.do(hearing.admin.log_out("alice"))
        deadline = now() + AT_ONCE
        await asyncio.gather(hearing.becomes(token, 401, deadline), ended(watch, deadline))
        assert "session that the token belongs to has ended" in hearing.told(token)["message"]
        assert await goes_on(unharmed)
    assert hearing.code(other, RED_CLAIMS) == 200
    assert hearing.code(world.token("alice")) == 200


async def test_what_is_older_than_the_iam_allows_is_over_at_once(
    world: World, hearing: Scene
) -> None:
    tokens = {name: world.token(name) for name in ("alice", "blue-capm3")}
    moment = 1 + max(issued(token) for token in tokens.values())
    async with watched(hearing, tokens["blue-capm3"]) as watch:
        hearing.do(hearing.admin.push(moment))
        deadline = now() + AT_ONCE
        await asyncio.gather(
            ended(watch, deadline),
            *(hearing.becomes(token, 401, deadline) for token in tokens.values()),
        )
    assert "revoked tokens as old as this one" in hearing.told(tokens["alice"])["message"]
    await asyncio.to_thread(
        eventually, lambda: hearing.code(world.token("alice")) == 200, "a token that is newer"
    )


def issued(token: str) -> int:
    """When a token was made."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return int(claims["iat"])


async def test_a_logout_that_names_the_subject_alone_ends_all_sessions_there_were(
    world: World, hearing: Scene
) -> None:
    settings = yaml.safe_load(hearing.proxy.config.read_text())
    port = int(settings["backChannel"]["address"].rpartition(":")[2])
    ca_file = world.directory / "proxy-ca.crt"
    hearing.do(hearing.admin.listen(revoking.receiver(port, ca_file, session_required=False)))
    first, second = world.token("rita"), world.token("rita")
    hearing.do(hearing.admin.log_out("rita"))
    deadline = now() + AT_ONCE
    await asyncio.gather(*(hearing.becomes(token, 401, deadline) for token in (first, second)))
    assert "ended all sessions of this subject" in hearing.told(second)["message"]


async def test_a_watch_by_a_key_that_is_removed_ends(world: World) -> None:
    with another(world, "unkeyed") as proxy:
        scene = Scene(world, proxy, revoking.admin(world.iam))
        try:
            async with watched(scene, world.token("blue-capm3")) as watch:
                world.run(_rotate(world.iam))
                # Its unknown key has the keys fetched.
                assert scene.code(world.token("blue-capm3")) == 200
                await ended(watch, now() + AT_ONCE)
        finally:
            for tenant in files.TENANTS:
                world.kubeconfig(tenant.name, tenant.client_id, tenant.namespace)
