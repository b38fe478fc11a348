"""What the proxy knows of keys when their issuer is away, and when callers make them up."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.e2e.relay import Relay
from tests.e2e.serving import AnotherProxy, Settings, another
from tests.e2e.test_refusals_identity import _base64url
from tests.e2e.wire import connected, request
from tests.e2e.world import World, eventually

CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/blue-dev/hostclaims"
MADE_UP = 10_000
CONNECTIONS = 8
HANDFUL = 5


@dataclass(frozen=True)
class Scene:
    """A proxy, and the network between it and the issuer."""

    world: World
    proxy: AnotherProxy
    relay: Relay

    def code(self, token: str) -> int:
        return self.proxy.ask("GET", CLAIMS, token=token).code


@contextmanager
def behind_a_relay(world: World, name: str, **issuer: float) -> Iterator[Scene]:
    """One more proxy, whose way to the issuer a test can cut."""
    relay = Relay(int(world.iam.url.split("/")[2].rpartition(":")[2]))
    world.run(relay.start())
    path = "/".join(world.iam.url.split("/")[3:])
    here = f"https://127.0.0.1:{relay.port}/{path}"

    def change(settings: Settings) -> None:
        settings["issuers"][0] |= {
            "discoveryUrl": f"{here}/.well-known/openid-configuration",
            "jwksUrl": f"{here}/protocol/openid-connect/certs",
            **issuer,
        }

    with another(world, name, change) as proxy:
        yield Scene(world, proxy, relay)
    world.run(relay.stop())


def made_up(token: str, number: int) -> str:
    """A token of the issuer's, as if signed with a key that nobody has heard of."""
    head = {"alg": "RS256", "typ": "JWT", "kid": f"made-up-{number}"}
    return ".".join((_base64url(json.dumps(head).encode()), *token.split(".")[1:]))


async def flood(scene: Scene, tokens: list[str]) -> list[int]:
    """Ask with each of these tokens over one connection; returns the codes."""
    said = b"".join(request("GET", CLAIMS, f"Authorization: Bearer {token}") for token in tokens)
    async with connected(scene.proxy.port, scene.proxy.trust) as connection:
        saying = asyncio.create_task(connection.say(said))
        codes = [(await connection.answer()).code for _ in tokens]
        await saying
        return codes


async def test_ten_thousand_made_up_keys_cause_a_handful_of_fetches(world: World) -> None:
    blue = world.token("blue-capm3")
    tokens = [made_up(blue, number) for number in range(MADE_UP)]
    shares = [tokens[start::CONNECTIONS] for start in range(CONNECTIONS)]
    with behind_a_relay(world, "flooded") as scene:
        upstream, fetches = world.proxy_requests(), scene.relay.accepted
        found = await asyncio.gather(*(flood(scene, share) for share in shares))
        assert {code for codes in found for code in codes} == {401}
        assert 0 < scene.relay.accepted - fetches <= HANDFUL
        assert world.proxy_requests() == upstream
        assert scene.code(blue) == 200
    codes = [record["responseStatus"]["code"] for record in scene.proxy.audit()]
    assert (codes.count(401), codes.count(200)) == (MADE_UP, 1)


def test_while_the_issuer_is_away_the_keys_at_hand_go_on_serving(world: World) -> None:
    seen, unseen = world.token("blue-capm3"), world.token("alice")
    with behind_a_relay(world, "away") as scene:
        assert scene.code(seen) == 200
        world.run(scene.relay.stop())
        assert [scene.code(token) for token in (seen, unseen)] == [200, 200]
        upstream = world.proxy_requests()
        # Where nobody can tell, nobody is told that the token is wrong.
        unknown = scene.proxy.ask("GET", CLAIMS, token=made_up(seen, 0))
        assert (unknown.code, unknown.json["reason"]) == (503, "ServiceUnavailable")
        assert int(unknown.headers["Retry-After"]) > 0
        assert world.proxy_requests() == upstream
        assert [scene.code(token) for token in (seen, unseen)] == [200, 200]
        assert scene.proxy.readiness()[0] == 200


def test_keys_that_are_too_old_serve_nobody_until_the_issuer_is_back(world: World) -> None:
    blue = world.token("blue-capm3")
    with behind_a_relay(world, "stale", refreshSeconds=1, maxStaleSeconds=2) as scene:
        assert scene.code(blue) == 200
        world.run(scene.relay.stop())
        eventually(lambda: scene.code(blue) == 503, "the keys to be too old")
        upstream = world.proxy_requests()
        refused = scene.proxy.ask("GET", CLAIMS, token=blue)
        assert (refused.code, refused.json["reason"]) == (503, "ServiceUnavailable")
        assert world.proxy_requests() == upstream
        assert "[-]issuers failed: corp: keys are too old" in scene.proxy.readiness()[1]
        world.run(scene.relay.start())
        eventually(lambda: scene.code(blue) == 200, "the keys to be fetched again")
        assert scene.proxy.readiness()[0] == 200
