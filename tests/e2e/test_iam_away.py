"""The IAM is away or changes its keys while tenants are at work."""

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jwt

from proxy.demo import files
from proxy.demo.issuer import SigningKey
from proxy.demo.issuer.keys import sign
from tests.e2e import revoking
from tests.e2e.load import load
from tests.e2e.relay import Relay
from tests.e2e.revoking import asks_the_iam
from tests.e2e.serving import AnotherProxy, Settings, another
from tests.e2e.test_revocation import CLAIMS
from tests.e2e.test_watch import watching
from tests.e2e.world import EmbeddedIam, Iam, KeycloakIam, World, eventually

RED_CLAIMS = CLAIMS.replace("blue-dev", "red")
QUESTION = '{issuer="corp",question="introspection"}'
CACHE = 1.0
"""Seconds for which what the IAM said counts: an outage shows soon."""


@dataclass(frozen=True)
class Scene:
    """A proxy that asks the IAM, and the network between the two."""

    world: World
    proxy: AnotherProxy
    relay: Relay

    def code(self, token: str, target: str = CLAIMS) -> int:
        return self.proxy.ask("GET", target, token=token).code

    def metric(self, name: str) -> float:
        lines = self.proxy.management("/metrics")[1].splitlines()
        (line,) = (line for line in lines if line.startswith(f"{name}{QUESTION} "))
        return float(line.rpartition(" ")[2])


@contextmanager
def behind_a_relay(world: World, name: str, **introspection: Any) -> Iterator[Scene]:
    """One more proxy, whose way to introspection a test can spoil."""
    relay = Relay(int(world.iam.url.split("/")[2].rpartition(":")[2]))
    world.run(relay.start())
    path = "/".join(world.iam.url.split("/")[3:])
    url = f"https://127.0.0.1:{relay.port}/{path}/protocol/openid-connect/token/introspect"
    times = {"cacheSeconds": CACHE, "timeoutSeconds": CACHE / 4}

    def change(settings: Settings) -> None:
        asks_the_iam(world, settings, url=url, **times | introspection)

    with another(world, name, change) as proxy:
        yield Scene(world, proxy, relay)
    world.run(relay.stop())


def test_an_outage_is_bridged_for_who_is_known_and_lets_in_nobody_else(world: World) -> None:
    admin = revoking.admin(world.iam)
    with behind_a_relay(world, "graced", graceSeconds=120) as scene:
        known, alice = world.token("blue-capm3"), world.token("alice")
        unknown, wrong = world.token("red-capm3"), world.run(world.iam.wrong_tokens("alice"))
        refused = world.token("rita")
        world.run(admin.disable("rita"))
        assert [scene.code(token) for token in (known, alice, refused)] == [200, 200, 401]
        with load(scene.proxy, CLAIMS, known, alice) as tenants:
            world.run(scene.relay.stop())
            eventually(lambda: scene.metric("hostclaim_proxy_iam_answers_in_grace") > 0, "grace")
            tenants.goes_on(100)
            away = scene.proxy.ask("GET", RED_CLAIMS, token=unknown)
            assert (away.code, away.json["kind"], away.json["reason"]) == (
                503,
                "Status",
                "ServiceUnavailable",
            )
            assert away.json["message"].startswith("issuer `corp` does not answer now")
            assert away.headers["Retry-After"]
            assert "127.0.0.1" not in away.json["message"]
            assert {scene.code(token) for token in (*wrong.values(), _forged(known))} == {401}
            assert scene.code(refused) in {401, 503}
            code, page = scene.proxy.readiness("?verbose")
            assert (code, "[!]introspection-corp: it cannot be reached" in page) == (200, True)
            assert scene.metric("hostclaim_proxy_iam_failures") >= 1
            tenants.use(known)
            world.run(admin.disable("alice"))
            assert scene.code(alice) == 200
            world.run(scene.relay.start())
            eventually(lambda: scene.code(alice) == 401, "what has happened since")
            eventually(lambda: scene.code(unknown, RED_CLAIMS) == 200, "who was not known")
            assert tenants.codes.keys() == {200}, tenants.codes
            assert "introspection-corp" not in scene.proxy.readiness("?verbose")[1]
        for name in ("rita", "alice"):
            world.run(admin.enable(name))


def _forged(token: str) -> str:
    """The same claims by a key that nobody knows."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return sign(claims, jwt.get_unverified_header(token), SigningKey.generate("RS256"))


async def test_without_grace_everybody_is_refused_and_watches_end_until_it_is_back(
    world: World,
) -> None:
    with behind_a_relay(world, "graceless") as scene:
        token = world.token("blue-capm3")
        assert scene.code(token) == 200
        async with watching(scene.proxy, CLAIMS, token, "watch=true&timeoutSeconds=300") as watch:
            world.run(scene.relay.stop())
            ended = asyncio.create_task(watch.rest())
            # What was said counts for its time, and the watch is looked at soon after.
            async with asyncio.timeout(2 * CACHE + 1):
                await ended
        assert await asyncio.to_thread(scene.code, token) == 503
        assert scene.proxy.readiness()[0] == 200
        world.run(scene.relay.start())
        await asyncio.to_thread(eventually, lambda: scene.code(token) == 200, "the IAM")


def test_an_iam_that_is_silent_holds_nobody_up_and_is_spared(world: World) -> None:
    with behind_a_relay(world, "silent") as scene:
        token = world.token("blue-capm3")
        assert scene.code(token) == 200
        world.run(scene.relay.hold())
        with load(scene.proxy, CLAIMS, token, world.token("alice")) as tenants:
            eventually(lambda: scene.metric("hostclaim_proxy_iam_breaker_open") == 1, "the breaker")
            asked = scene.metric("hostclaim_proxy_iam_questions")
            tenants.goes_on(100)
            # One in two seconds is let through, to see.
            assert scene.metric("hostclaim_proxy_iam_questions") - asked <= 10
            world.run(scene.relay.release())
            eventually(lambda: scene.metric("hostclaim_proxy_iam_breaker_open") == 0, "the IAM")
            eventually(lambda: scene.code(token) == 200, "an answer")
        assert tenants.codes.keys() <= {200, 503}


async def _add_key(iam: Iam) -> str:
    """Sign with a new key, and publish the old one still; returns the old one's name."""
    match iam:
        case EmbeddedIam(issuer=issuer):
            old = issuer.signing_key.kid
            issuer.rotate(keep_old=True)
            return old
        case KeycloakIam(keycloak=keycloak):
            await keycloak.add_signing_key()
            return ""
    raise AssertionError(iam)


async def _remove_key(iam: Iam, old: str) -> None:
    match iam:
        case EmbeddedIam(issuer=issuer):
            issuer.remove_key(old)
        case KeycloakIam(keycloak=keycloak):
            await keycloak.drop_old_signing_keys()


def test_keys_rotate_under_load_and_no_good_token_is_refused(world: World) -> None:
    def change(settings: Settings) -> None:
        settings["issuers"][0]["refreshSeconds"] = 10

    with contextlib.ExitStack() as after, another(world, "rotating", change) as proxy:
        for tenant in files.TENANTS:
            after.callback(world.kubeconfig, tenant.name, tenant.client_id, tenant.namespace)
        old = world.token("blue-capm3")
        with load(proxy, CLAIMS, old) as tenants:
            tenants.goes_on(100)
            kid = world.run(_add_key(world.iam))
            new = world.token("blue-capm3")
            tenants.use(old, new)
            tenants.goes_on(100)
            tenants.use(new)
            world.run(_remove_key(world.iam, kid))
            tenants.goes_on(100)
            eventually(
                lambda: proxy.ask("GET", CLAIMS, token=old).code == 401, "the loss of the key"
            )
            tenants.goes_on(100)
        assert tenants.codes.keys() == {200}, tenants.codes
        assert proxy.ask("GET", CLAIMS, token=world.token("blue-capm3")).code == 200
