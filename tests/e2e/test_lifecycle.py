"""What operators do to it, and what happens to it: stops, reloads, rotations, outages."""

import asyncio
import signal
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from proxy.demo import files
from tests.e2e.kubectl import claim
from tests.e2e.relay import Relay
from tests.e2e.serving import AnotherProxy, Settings, another, command, write_settings
from tests.e2e.wire import connected, request
from tests.e2e.world import STARTED, EmbeddedIam, Iam, KeycloakIam, Response, World, eventually
from tests.edge.certificates import Authority, der

CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/blue-dev/hostclaims"
BROKEN = "apiVersion: hostclaim-proxy.metal3.io/v1alpha1\nkind: AccessPolicy\nmetadata: {}\n"


@dataclass(frozen=True)
class Scene:
    """A proxy, and the network between it and the apiserver."""

    world: World
    proxy: AnotherProxy
    relay: Relay

    def get(self) -> Response:
        token = self.world.token("blue-capm3")
        return self.proxy.ask("GET", CLAIMS, token=token)

    def create(self, name: str) -> Response:
        token = self.world.token("blue-capm3")
        return self.proxy.ask("POST", CLAIMS, token=token, body=claim(name))

    def stored(self, name: str) -> bool:
        token = self.world.token("blue-capm3")
        return self.world.ask("GET", f"{CLAIMS}/{name}", token=token).code == 200

    def forget(self, name: str) -> None:
        token = self.world.token("blue-capm3")
        assert self.world.ask("DELETE", f"{CLAIMS}/{name}", token=token).code == 200


@contextmanager
def behind_a_relay(world: World, name: str, workers: int = 1) -> Iterator[Scene]:
    """One more proxy, whose way to the apiserver a test can spoil."""
    relay = Relay(int(world.access.server.rpartition(":")[2]))
    world.run(relay.start())
    credentials = (world.directory / "proxy.kubeconfig").read_text()
    way = world.directory / f"{name}.kubeconfig"
    files.write(way, credentials.replace(world.access.server, f"https://127.0.0.1:{relay.port}"))

    def change(settings: Settings) -> None:
        settings["cluster"]["kubeconfig"] = way.name
        settings["server"]["workers"] = workers

    with another(world, name, change) as proxy:
        yield Scene(world, proxy, relay)
    world.run(relay.stop())


@pytest.fixture(scope="module")
def scene(world: World) -> Iterator[Scene]:
    with behind_a_relay(world, "lifecycle") as scene:
        yield scene


async def test_a_stop_lets_a_write_finish_and_ends_watches_cleanly(world: World) -> None:
    with behind_a_relay(world, "stopped") as scene:
        token = world.token("blue-capm3")
        watch = request("GET", f"{CLAIMS}?watch=1", f"Authorization: Bearer {token}")
        async with connected(scene.proxy.port, scene.proxy.trust) as watcher:
            await watcher.say(watch)
            await watcher.head()
            scene.get()  # leaves a connection behind, for the write to use
            world.run(scene.relay.hold())
            write = asyncio.create_task(asyncio.to_thread(scene.create, "in-flight"))
            await asyncio.to_thread(eventually, lambda: scene.stored("in-flight"), "the write")
            scene.proxy.process.send_signal(signal.SIGTERM)
            _ = [chunk async for chunk in watcher.chunks()]
            assert await watcher.at_end()
        assert not write.done()
        world.run(scene.relay.release())
        assert (await write).code == 201
        assert await asyncio.to_thread(scene.proxy.process.wait, 10) == 0
        scene.forget("in-flight")


def test_it_does_not_start_with_policies_that_it_cannot_use(world: World) -> None:
    config = write_settings(world, "unpolicied")
    (world.directory / "unpolicied-policies" / "blue.yaml").write_text(BROKEN)
    ended = subprocess.run(
        [command(), "serve", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert "unpolicied-policies/blue.yaml:" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_broken_policy_leaves_the_last_good_ones_and_shows(scene: Scene) -> None:
    policy = scene.proxy.policies / "blue.yaml"
    good = policy.read_text()
    files.write(policy, BROKEN)
    eventually(lambda: "blue.yaml:" in scene.proxy.readiness("?verbose")[1], "the note")
    assert scene.proxy.readiness()[0] == 200
    assert metric(scene, "hostclaim_proxy_policies_broken") == 1
    assert scene.get().code == 200
    files.write(policy, good.replace("blue-dev", "blue-test"))
    eventually(lambda: scene.get().code == 403, "the mended policy")
    assert metric(scene, "hostclaim_proxy_policies_broken") == 0
    assert "blue.yaml:" not in scene.proxy.readiness("?verbose")[1]
    files.write(policy, good)
    eventually(lambda: scene.get().code == 200, "the policy of before")


def metric(scene: Scene, name: str) -> float:
    lines = scene.proxy.management("/metrics")[1].splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name} "))
    return float(line.split()[1])


def test_while_the_apiserver_is_away_it_says_so_and_recovers(world: World, scene: Scene) -> None:
    assert scene.get().code == 200
    world.run(scene.relay.stop())
    away = scene.get()
    code, checks = scene.proxy.readiness()
    assert (away.code, away.json["kind"]) == (503, "Status")
    assert away.headers["Retry-After"]
    assert (code, "[-]cluster failed" in checks) == (503, True)
    assert scene.proxy.management("/livez") == (200, "ok")
    world.run(scene.relay.start())
    assert scene.get().code == 200
    assert scene.proxy.readiness()[0] == 200


async def test_a_write_whose_answer_is_lost_is_not_acknowledged(world: World, scene: Scene) -> None:
    scene.get()
    world.run(scene.relay.hold())
    write = asyncio.create_task(asyncio.to_thread(scene.create, "lost"))
    await asyncio.to_thread(eventually, lambda: scene.stored("lost"), "the write")
    world.run(scene.relay.stop())
    answer = await write
    world.run(scene.relay.release())
    world.run(scene.relay.start())
    assert (answer.code, answer.json["kind"]) == (502, "Status")
    scene.forget("lost")


Change = Callable[[Relay], Coroutine[None, None, None]]


@pytest.mark.parametrize(
    ("away", "back"),
    [(Relay.hold, Relay.release), (Relay.stop, Relay.start)],
    ids=["silent", "refusing"],
)
async def test_an_issuer_that_is_away_at_the_start_is_not_ready_and_then_is(
    world: World, away: Change, back: Change
) -> None:
    relay = Relay(int(world.iam.url.split("/")[2].rpartition(":")[2]))
    world.run(relay.start())
    world.run(away(relay))
    path = "/".join(world.iam.url.split("/")[3:])

    def change(settings: Settings) -> None:
        here = f"https://127.0.0.1:{relay.port}/{path}/.well-known/openid-configuration"
        settings["issuers"][0] |= {"discoveryUrl": here, "refreshSeconds": 1}

    proxy = AnotherProxy(
        world.directory, write_settings(world, f"unvouched-{away.__name__}", change).name
    )
    proxy.launch()
    eventually(lambda: proxy.management("/readyz")[0] == 503, "it to listen", STARTED)
    assert "[-]issuers failed: corp" in proxy.management("/readyz")[1]
    assert proxy.management("/livez") == (200, "ok")
    world.run(back(relay))
    eventually(lambda: proxy.management("/readyz")[0] == 200, "it to be ready")
    assert proxy.ask("GET", CLAIMS, token=world.token("blue-capm3")).code == 200
    assert proxy.stop() == 0
    world.run(relay.stop())


async def _rotate(iam: Iam) -> None:
    """Sign with a new key, and publish the old one no longer."""
    match iam:
        case EmbeddedIam(issuer=issuer):
            issuer.rotate(keep_old=False)
        case KeycloakIam(keycloak=keycloak):
            await keycloak.add_signing_key()
            await keycloak.drop_old_signing_keys()


def test_a_rotated_key_is_taken_at_once_and_the_old_one_no_more(world: World) -> None:
    with another(world, "rekeyed") as proxy:
        old = world.token("blue-capm3")
        assert proxy.ask("GET", CLAIMS, token=old).code == 200
        try:
            world.run(_rotate(world.iam))
            assert proxy.ask("GET", CLAIMS, token=world.token("blue-capm3")).code == 200
            assert proxy.ask("GET", CLAIMS, token=old).code == 401
        finally:
            for tenant in files.TENANTS:
                world.kubeconfig(tenant.name, tenant.client_id, tenant.namespace)


def test_its_own_token_is_read_again_when_it_is_refused(world: World) -> None:
    token_file = world.directory / "rotated.token"
    token_file.write_text("not-yet")
    way = world.directory / "rotated.kubeconfig"
    user = {"tokenFile": str(token_file)}
    files.write(
        way, files.kubeconfig(world.access.server, world.access.ca_file, user, name="proxy")
    )

    def change(settings: Settings) -> None:
        settings["cluster"]["kubeconfig"] = way.name

    with another(world, "rotated", change) as proxy:
        token = world.token("blue-capm3")
        refused = proxy.ask("GET", CLAIMS, token=token)
        assert (refused.code, refused.json["reason"]) == (503, "ServiceUnavailable")
        token_file.write_text(_token_of_the_proxy(world) + "\n")
        eventually(lambda: proxy.ask("GET", CLAIMS, token=token).code == 200, "the new token")


def _token_of_the_proxy(world: World) -> str:
    lines = (world.directory / "proxy.kubeconfig").read_text().splitlines()
    (token,) = (line.split()[-1] for line in lines if "token:" in line)
    return token


async def test_a_renewed_certificate_is_shown_to_new_connections(world: World) -> None:
    folder = world.directory / "certified"
    folder.mkdir()
    authority = Authority(folder)
    authority.issue()

    def change(settings: Settings) -> None:
        settings["server"] |= {
            "certFile": str(authority.cert_file),
            "keyFile": str(authority.key_file),
        }

    with another(world, "certified", change) as proxy:
        async with connected(proxy.port, authority.trust) as before:
            renewed = authority.issue()
            async with asyncio.timeout(20):
                while await _shown(proxy, authority) != der(renewed):
                    pass
            await before.say(request("GET", "/version"))
            assert (await before.answer()).code == 401


async def _shown(proxy: AnotherProxy, authority: Authority) -> bytes:
    async with connected(proxy.port, authority.trust) as connection:
        return connection.certificate


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/readyz?verbose", "/metrics", "/policies"])
def test_what_operators_read_is_on_their_listener_alone(scene: Scene, path: str) -> None:
    assert scene.proxy.management(path)[0] == 200
    assert scene.proxy.ask("GET", path).code == 401
    assert scene.proxy.ask("GET", path, token=scene.world.token("blue-capm3")).code in {400, 403}


@pytest.mark.parametrize("path", ["/apis", CLAIMS, "/version"])
def test_what_tenants_read_is_not_on_the_operators_listener(scene: Scene, path: str) -> None:
    assert scene.proxy.management(path)[0] == 404


def test_requests_are_counted_by_code(scene: Scene) -> None:
    scene.get()
    assert scene.proxy.ask("GET", CLAIMS).code == 401
    page = scene.proxy.management("/metrics")[1]
    counted = 'hostclaim_proxy_requests_total{code="%s",resource="%s",verb="%s"}'
    assert counted % ("200", "hostclaims", "list") in page
    assert counted % ("401", "", "") in page


def test_after_sighup_records_go_to_a_new_audit_file(scene: Scene) -> None:
    audit = scene.proxy.audit_file
    scene.get()
    moved = audit.rename(audit.with_suffix(".1"))
    scene.proxy.process.send_signal(signal.SIGHUP)
    eventually(audit.exists, "a new audit file")
    before = moved.read_text()
    audit_id = scene.get().headers["Audit-Id"]
    eventually(lambda: audit_id in audit.read_text(), "the record")
    assert moved.read_text() == before


def test_when_records_cannot_be_written_it_serves_nobody_and_can_be_interrupted(
    world: World,
) -> None:
    def change(settings: Settings) -> None:
        settings["audit"]["file"] = "/dev/full"

    with another(world, "unrecorded", change) as proxy:
        token = world.token("blue-capm3")
        proxy.ask("GET", CLAIMS, token=token)
        upstream = world.proxy_requests()
        refused = proxy.ask("GET", CLAIMS, token=token)
        assert (refused.code, refused.json["reason"]) == (503, "ServiceUnavailable")
        assert world.proxy_requests() == upstream
        assert "[-]audit failed" in proxy.readiness()[1]
        assert proxy.stop(signal.SIGINT) == 0
