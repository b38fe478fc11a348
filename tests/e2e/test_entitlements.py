"""What the IAM grants: by claims of its tokens, and by permissions that it is asked for.

On Keycloak the permissions are those of its Authorization Services.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e import revoking
from tests.e2e.kubectl import claim
from tests.e2e.relay import Relay
from tests.e2e.serving import AnotherProxy, Settings, another
from tests.e2e.wire import connected, request
from tests.e2e.world import EmbeddedIam, Response, World, eventually

READ = "hostclaims:read"
WRITE = "hostclaims:write"
CLAIMS = [
    {"issuer": "corp", "claim": "groups", "pattern": "/namespaces/{namespace}/{role}"},
    {
        "issuer": "corp",
        "claim": "resource_access.hostclaim-proxy.roles",
        "pattern": "{namespace}:{role}",
        "within": ["red"],
    },
]


def claims_in(namespace: str) -> str:
    return f"/apis/metal3.io/v1alpha1/namespaces/{namespace}/hostclaims"


@dataclass(frozen=True)
class Scene:
    """A proxy that lets the IAM grant, and the network between the two."""

    world: World
    proxy: AnotherProxy
    relay: Relay

    def permit(self, client: str, namespace: str, *scopes: str) -> None:
        self.world.run(revoking.admin(self.world.iam).permit(client, namespace, *scopes))

    def forbid(self, client: str, namespace: str) -> None:
        self.world.run(revoking.admin(self.world.iam).forbid(client, namespace))

    @property
    def patience(self) -> float:
        """Seconds within which a change must show: those of an answer, and some to see it."""
        return ttl(self.world) + 5

    def list(self, token: str, namespace: str) -> Response:
        return self.proxy.ask("GET", claims_in(namespace), token=token)

    def create(self, token: str, namespace: str, name: str) -> Response:
        return self.proxy.ask("POST", claims_in(namespace), token=token, body=claim(name))

    def code(self, token: str, namespace: str) -> int:
        return self.list(token, namespace).code

    def asked(self) -> float:
        """How often the proxy has asked the IAM what it permits."""
        name = 'hostclaim_proxy_iam_questions{issuer="corp",question="permissions"} '
        lines = self.proxy.management("/metrics")[1].splitlines()
        (line,) = (one for one in lines if one.startswith(name))
        return float(line.removeprefix(name))

    def why(self, response: Response) -> str:
        """What the audit record of an answer names as the reason; it comes after the answer."""
        audit_id = response.headers["Audit-Id"]

        def reasons() -> list[str]:
            records = [one for one in self.proxy.audit() if one["auditID"] == audit_id]
            return [one["annotations"]["authorization.k8s.io/reason"] for one in records]

        eventually(lambda: bool(reasons()), "the record")
        (reason,) = reasons()
        return str(reason)


def ttl(world: World) -> float:
    """Seconds for which an answer of the IAM is true, where a test waits for the next one."""
    return 5 if world.real else 3


@pytest.fixture(scope="module")
def relay(world: World) -> Iterator[Relay]:
    """The way from the proxies to the IAM, which a test can cut."""
    relay = Relay(int(world.iam.url.split("/")[2].rpartition(":")[2]))
    world.run(relay.start())
    yield relay
    world.run(relay.stop())


def serving(
    world: World, relay: Relay, name: str, entitlements: dict[str, Any], seconds: float
) -> Iterator[Scene]:
    realm = f"https://127.0.0.1:{relay.port}/{'/'.join(world.iam.url.split('/')[3:])}"
    asked = {
        "issuer": "corp",
        "clientId": "hostclaim-proxy",
        "cacheSeconds": seconds,
        "timeoutSeconds": min(seconds / 4, 5),
    }

    def change(settings: Settings) -> None:
        settings["issuers"][0]["discoveryUrl"] = f"{realm}/.well-known/openid-configuration"
        settings["entitlements"] = entitlements | {"permissions": [asked]}

    with another(world, name, change) as proxy:
        yield Scene(world, proxy, relay)


@pytest.fixture(scope="module")
def scene(world: World, relay: Relay) -> Iterator[Scene]:
    """Where any source may grant, and what the IAM said is soon asked for again."""
    yield from serving(world, relay, "any-source", {"claims": CLAIMS}, ttl(world))


@pytest.fixture(scope="module")
def agreeing(world: World, relay: Relay) -> Iterator[Scene]:
    """Where policy files and the IAM have to agree, and an answer is true for long."""
    yield from serving(world, relay, "all-sources", {"combine": "all"}, 3600)


def test_a_group_whose_path_names_a_namespace_grants_the_role_there(scene: Scene) -> None:
    token = scene.world.token("ines")
    listed = scene.list(token, "blue-dev")
    assert (listed.code, scene.why(listed)) == (
        200,
        "corp: claim groups /namespaces/blue-dev/viewer",
    )
    assert scene.create(token, "blue-dev", "unentitled").code == 403
    assert scene.code(token, "blue-prod") == 403


def test_a_client_role_grants_what_it_names(scene: Scene) -> None:
    token = scene.world.token("ines")
    made = scene.create(token, "red", "by-role")
    assert (made.code, scene.why(made)) == (
        201,
        "corp: claim resource_access.hostclaim-proxy.roles red:editor",
    )
    gone = scene.proxy.ask("DELETE", f"{claims_in('red')}/by-role", token=token)
    assert gone.code == 200


def test_policy_files_grant_beside_the_iam(scene: Scene) -> None:
    token = scene.world.token("blue-capm3")
    listed = scene.list(token, "blue-prod")
    assert (listed.code, "blue.yaml:" in scene.why(listed)) == (200, True)


def test_a_permission_grants_its_scopes_in_its_namespace(scene: Scene) -> None:
    scene.permit("red-capm3", "blue-dev", READ)
    token = scene.world.token("red-capm3")
    listed = scene.list(token, "blue-dev")
    assert (listed.code, scene.why(listed)) == (200, f"corp: permission blue-dev {READ}")
    assert scene.create(token, "blue-dev", "unpermitted").code == 403
    assert scene.code(token, "blue-prod") == 403
    scene.forbid("red-capm3", "blue-dev")


async def test_a_permission_that_is_taken_away_ends_requests_and_the_open_watch(
    scene: Scene,
) -> None:
    scene.permit("red-capm3", "blue-prod", READ)
    token = scene.world.token("red-capm3")
    target = claims_in("blue-prod")
    async with connected(scene.proxy.port, scene.proxy.trust) as watcher:
        await watcher.say(request("GET", f"{target}?watch=1", f"Authorization: Bearer {token}"))
        assert (await watcher.head()).code == 200
        scene.forbid("red-capm3", "blue-prod")
        async with asyncio.timeout(scene.patience):
            _ = [chunk async for chunk in watcher.chunks()]
    await asyncio.to_thread(
        eventually, lambda: scene.code(token, "blue-prod") == 403, "the refusal", scene.patience
    )


def test_a_permission_that_is_given_is_in_force_soon(scene: Scene) -> None:
    token = scene.world.token("red-capm3")
    assert scene.code(token, "blue-prod") == 403
    scene.permit("red-capm3", "blue-prod", READ)
    eventually(lambda: scene.code(token, "blue-prod") == 200, "the permission", scene.patience)
    scene.forbid("red-capm3", "blue-prod")


def test_where_all_have_to_agree_neither_grants_alone(agreeing: Scene) -> None:
    agreeing.permit("blue-capm3", "blue-dev", READ)
    agreeing.permit("blue-capm3", "red", READ, WRITE)
    token = agreeing.world.token("blue-capm3")
    listed = agreeing.list(token, "blue-dev")
    files, _, permission = agreeing.why(listed).partition(" and ")
    assert (listed.code, "blue.yaml:" in files) == (200, True)
    assert permission == f"corp: permission blue-dev {READ}"
    assert agreeing.create(token, "blue-dev", "disagreed").code == 403
    assert agreeing.code(token, "blue-prod") == 403
    assert agreeing.code(token, "red") == 403
    agreeing.forbid("blue-capm3", "blue-dev")
    agreeing.forbid("blue-capm3", "red")


def test_a_thousand_requests_of_one_token_ask_the_iam_once(agreeing: Scene) -> None:
    agreeing.permit("blue-capm3", "blue-prod", READ)
    iam = agreeing.world.iam
    token = agreeing.world.token("blue-capm3")
    before = agreeing.asked()
    counted = iam.issuer.permissions.asked if isinstance(iam, EmbeddedIam) else 0
    with ThreadPoolExecutor(16) as pool:
        codes = set(pool.map(lambda _: agreeing.code(token, "blue-prod"), range(1000)))
    assert codes == {200}
    assert agreeing.asked() - before == 1
    if isinstance(iam, EmbeddedIam):
        assert iam.issuer.permissions.asked - counted == 1
    agreeing.forbid("blue-capm3", "blue-prod")


def test_while_the_iam_is_away_nobody_is_let_in_by_what_it_does_not_say(
    scene: Scene, relay: Relay
) -> None:
    token, other = scene.world.token("blue-capm3"), scene.world.token("blue-capm3")
    assert scene.code(token, "blue-dev") == 200
    scene.world.run(relay.stop())
    refused = scene.list(other, "blue-dev")
    assert (refused.code, refused.json["reason"]) == (503, "ServiceUnavailable")
    assert refused.json["message"] == "issuer `corp` does not answer now"
    assert refused.headers["Retry-After"]
    eventually(lambda: scene.code(token, "blue-dev") == 503, "what was said to be too old")
    code, checks = scene.proxy.readiness("?verbose")
    assert (code, "[!]permissions-corp: it cannot be reached" in checks) == (200, True)
    scene.world.run(relay.start())
    eventually(lambda: scene.code(token, "blue-dev") == 200, "the IAM to be asked again")
    assert "permissions-corp" not in scene.proxy.readiness("?verbose")[1]


def test_a_login_that_is_over_is_refused_as_soon_as_the_iam_is_asked(scene: Scene) -> None:
    token = scene.world.token("rita")
    assert scene.code(token, "red") == 200
    scene.world.run(revoking.admin(scene.world.iam).log_out("rita"))
    eventually(lambda: scene.code(token, "red") == 401, "the refusal", scene.patience)
