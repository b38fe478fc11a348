"""The composition: what starts in which order, and what is left when it does not."""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
import yaml

from proxy import app, settings
from proxy.app import REFUSED_SECONDS, App, StartError
from proxy.edge.iam import Ages
from proxy.edge.policyfiles import PolicyFiles
from proxy.pipeline import CombinedEntitlements
from proxy.serving import Single
from proxy.serving.front import BACK_CHANNEL_BOUNDS
from proxy.settings import Settings
from tests.cli.test_serve import CERTIFIED, POLICY
from tests.edge import apiservers
from tests.edge.apiservers import FakeApiServer
from tests.edge.certificates import Authority
from tests.test_settings import LEAST

CLAIM = {"issuer": "corp", "claim": "groups", "pattern": "/tenants/{namespace}/{role}"}
REALM = {
    "name": "corp",
    "url": "https://127.0.0.1:1/realms/corp",
    "audiences": ["hostclaim-proxy"],
}
PERMISSION = {
    "issuer": "corp",
    "clientId": "hostclaim-proxy",
    "cacheSeconds": 8,
    "timeoutSeconds": 2,
}


@dataclass
class Surroundings:
    """An apiserver and everything in a folder; the issuer is away."""

    folder: Path
    apiserver: FakeApiServer
    authority: Authority

    def proxy(self, **changes: Any) -> Single:
        """A whole proxy with these settings; a section of None is left out."""
        return Single(self.settings(**changes))

    def app(self, **changes: Any) -> App:
        """What serves tenants, with these settings."""
        return App(self.settings(**changes))

    def settings(self, **changes: Any) -> Settings:
        usual: dict[str, Any] = LEAST | {
            "server": CERTIFIED | {"address": "127.0.0.1:0"},
            "management": {"address": "127.0.0.1:0"},
            "cluster": {"kubeconfig": str(self.apiserver.kubeconfig())},
            "issuers": [
                {"name": "corp", "url": "https://127.0.0.1:1", "audiences": ["hostclaim-proxy"]}
            ],
            "audit": {"file": "audit.jsonl"},
        }
        file = self.folder / "proxy.yaml"
        whole = {name: value for name, value in (usual | changes).items() if value is not None}
        file.write_text(yaml.safe_dump(whole))
        return settings.load(file, {})


@pytest.fixture
async def around(tmp_path: Path) -> AsyncIterator[Surroundings]:
    authority = Authority(tmp_path)
    authority.issue()
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "blue.yaml").write_text(POLICY)
    cluster = tmp_path / "cluster"
    cluster.mkdir()
    async with apiservers.running(cluster) as apiserver:
        yield Surroundings(tmp_path, apiserver, authority)


async def ask(port: int, path: str) -> tuple[int, str]:
    """What the management listener answers."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}") as response,
    ):
        return response.status, await response.text()


async def test_an_issuer_that_is_away_leaves_it_running_and_not_ready(
    around: Surroundings,
) -> None:
    proxy = around.proxy()
    port = (await proxy.start()).management_port
    assert await ask(port, "/livez") == (200, "ok")
    async with asyncio.timeout(10):
        while "it cannot be reached" not in (await ask(port, "/readyz"))[1]:
            pass
    code, text = await ask(port, "/readyz")
    assert code == 503
    assert "[+]cluster ok" in text
    assert "[-]issuers failed: corp: keys were never fetched" in text
    await proxy.stop()


async def test_an_issuer_may_be_asked_every_second(around: Surroundings) -> None:
    away = {"name": "corp", "url": "https://127.0.0.1:1", "audiences": ["hostclaim-proxy"]}
    proxy = around.proxy(issuers=[{**away, "refreshSeconds": 1, "maxStaleSeconds": 1}])
    await proxy.start()
    await proxy.stop()


async def test_metrics_tell_of_requests_upstream_and_policies(around: Surroundings) -> None:
    proxy = around.proxy()
    port = (await proxy.start()).management_port
    page = (await ask(port, "/metrics"))[1]
    for name in (
        "hostclaim_proxy_upstream_requests",
        "hostclaim_proxy_upstream_retries",
        "hostclaim_proxy_upstream_connections_made",
        "hostclaim_proxy_upstream_connections_open",
        "hostclaim_proxy_policies_loaded_timestamp_seconds",
        "hostclaim_proxy_policies_broken",
        "hostclaim_proxy_open_watches",
        'hostclaim_proxy_key_fetches{issuer="corp",result="ok"}',
    ):
        assert f"\n{name} " in page
    assert "hostclaim_proxy_iam_questions{" not in page
    await proxy.stop()


ASKED: dict[str, Any] = {
    "name": "corp",
    "url": "https://127.0.0.1:1",
    "audiences": ["hostclaim-proxy"],
    "verify": "introspection",
    "introspection": {"clientId": "hostclaim-proxy", "clientSecretFile": "secret"},
}


async def test_an_iam_that_is_asked_is_counted_and_noted(around: Surroundings) -> None:
    (around.folder / "secret").write_text("s3cret")
    proxy = around.proxy(issuers=[ASKED])
    addresses = await proxy.start()
    assert (await ask(addresses.management_port, "/readyz"))[0] == 200
    claims = {"iss": ASKED["url"], "sub": "alice"}
    token = jwt.encode(claims, "k" * 32, algorithm="HS256")
    assert await call(around, addresses.port, token) == 503
    page = (await ask(addresses.management_port, "/metrics"))[1]
    for name, value in (("questions", 1), ("failures", 1), ("breaker_open", 0)):
        labels = 'issuer="corp",question="introspection"'
        assert f"\nhostclaim_proxy_iam_{name}{{{labels}}} {value}.0" in page
    assert '\nhostclaim_proxy_token_verifications{result="unavailable"} 1.0' in page
    code, text = await ask(addresses.management_port, "/readyz?verbose")
    assert code == 200
    assert "[!]introspection-corp: it cannot be reached" in text
    await proxy.stop()


async def call(around: Surroundings, port: int, token: str) -> int:
    """What a tenant gets."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"https://127.0.0.1:{port}/apis",
            headers={"Authorization": f"Bearer {token}"},
            ssl=around.authority.trust,
        ) as response,
    ):
        return response.status


async def interval_of(app: App) -> float | None:
    """How often open watches are decided again, if they are."""
    given: list[float] = []

    async def note(interval: float) -> None:
        given.append(interval)
        await asyncio.Event().wait()

    app._pipeline.recheck_watches = note  # type: ignore[method-assign] # to see what it is given
    await app.start()
    await asyncio.sleep(0)
    await app.close()
    return given[0] if given else None


async def test_open_watches_are_looked_at_four_times_while_an_answer_counts(
    around: Surroundings,
) -> None:
    (around.folder / "secret").write_text("s3cret")
    often = {**ASKED, "name": "often", "url": "https://127.0.0.1:2"}
    often["introspection"] = often["introspection"] | {"cacheSeconds": 12, "timeoutSeconds": 3}
    permissions = {"permissions": [PERMISSION]}
    assert await interval_of(around.app(issuers=[ASKED, often])) == 3
    assert await interval_of(around.app(issuers=[REALM], entitlements=permissions)) == 2
    both = [REALM, often]
    assert await interval_of(around.app(issuers=both, entitlements=permissions)) == 2
    assert await interval_of(around.app()) is None


async def test_an_issuer_is_asked_as_it_is_set(around: Surroundings) -> None:
    (around.folder / "secret").write_text("s3cret")
    times = {"cacheSeconds": 40, "graceSeconds": 50, "timeoutSeconds": 3}
    names = {"clientId": "proxy-of-corp", "clientSecretFile": "secret"}
    app = around.app(issuers=[ASKED | {"introspection": names | times}])
    asked = app._introspections["corp"]._config
    assert asked.ages == Ages(yes=40, no=REFUSED_SECONDS, grace=50, timeout=3)
    assert (asked.name, asked.issuer, asked.client_id) == ("corp", ASKED["url"], "proxy-of-corp")
    (issuer,) = app._issuers
    assert issuer.config.ours == {"hostclaim-proxy", "proxy-of-corp"}


async def test_a_start_without_the_secret_to_ask_with_is_an_error(around: Surroundings) -> None:
    with pytest.raises(StartError, match=r"issuers: .*secret"):
        around.app(issuers=[ASKED])


@pytest.mark.parametrize("taken", ["server", "management", "backChannel"])
async def test_a_start_that_fails_leaves_nothing_behind(around: Surroundings, taken: str) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        address = {"address": f"127.0.0.1:{busy.getsockname()[1]}"}
        section = CERTIFIED | address if taken == "server" else address
        before = asyncio.all_tasks()
        with pytest.raises(StartError, match=rf"{taken}\.address: "):
            await around.proxy(**{taken: section}).start()
    assert asyncio.all_tasks() == before


async def test_a_start_with_other_policies_than_files_can_be_is_an_error(
    around: Surroundings,
) -> None:
    (around.folder / "policies" / "blue.yaml").write_text("a: [")
    with pytest.raises(StartError, match=r"blue\.yaml:"):
        around.app()


async def test_while_it_waits_for_balancers_it_serves_and_is_not_ready(
    around: Surroundings,
) -> None:
    proxy = around.proxy(shutdown={"delaySeconds": 0.5, "graceSeconds": 5})
    addresses = await proxy.start()
    stopping = asyncio.create_task(proxy.stop())
    async with asyncio.timeout(10):
        while (
            "[-]shutdown failed: stopping"
            not in (await ask(addresses.management_port, "/readyz"))[1]
        ):
            pass
    _, writer = await asyncio.open_connection("127.0.0.1", addresses.port)
    writer.close()
    await stopping
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", addresses.port)


async def test_who_has_nobody_to_wait_for_stops_at_once(around: Surroundings) -> None:
    app = around.app(shutdown={"delaySeconds": 600, "graceSeconds": 5})
    await app.start()
    port = await app.listen()
    async with asyncio.timeout(10):
        await app.drain(at_once=True)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await app.close()


async def test_tenants_come_in_by_a_socket_that_is_bound(around: Surroundings) -> None:
    app = around.app(server=CERTIFIED | {"address": "192.0.2.1:1"})
    await app.start()
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    port = await app.listen(bound)
    assert await call(around, port, "none") == 401
    await app.drain()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await app.close()


async def test_a_socket_on_which_others_listen_is_an_error(around: Surroundings) -> None:
    app = around.app()
    await app.start()
    with socket.socket() as busy, socket.socket() as bound:
        for each in (busy, bound):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        busy.bind(("127.0.0.1", 0))
        bound.bind(busy.getsockname())
        busy.listen()
        with pytest.raises(StartError, match=r"server\.address: "):
            await app.listen(bound)
    await app.close()


async def test_nothing_is_left_after_a_stop(around: Surroundings) -> None:
    before = asyncio.all_tasks()
    proxy = around.proxy()
    await proxy.start()
    await proxy.stop()
    left = {task.get_coro().__qualname__ for task in asyncio.all_tasks() - before}  # type: ignore[union-attr] # every coroutine has a name
    assert not {
        name for name in left if name.startswith(("App", "Single", "PolicyFiles", "Certificate"))
    }


async def test_a_part_that_fails_is_told(around: Surroundings) -> None:
    app = around.app()

    async def fail() -> None:
        raise RuntimeError("broken")

    assert app._policies is not None
    app._policies.run = fail  # type: ignore[method-assign] # it never fails by itself
    await app.start()
    async with asyncio.timeout(10):
        await app.failed()
    await app.close()


async def test_issuers_have_a_listener_of_their_own_where_one_is_set(around: Surroundings) -> None:
    proxy = around.proxy(backChannel={"address": "127.0.0.1:0"})
    addresses = await proxy.start()
    async with aiohttp.ClientSession() as session:
        for port, code in ((addresses.back_channel_port, 400), (addresses.port, 401)):
            url = f"https://127.0.0.1:{port}/backchannel-logout"
            form = {"logout_token": "a.b.c"}
            async with session.post(url, data=form, ssl=around.authority.trust) as response:
                assert response.status == code
    await proxy.stop()
    assert addresses.back_channel_port is not None
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", addresses.back_channel_port)


async def test_whoever_holds_all_connections_of_issuers_keeps_none_out(
    around: Surroundings,
) -> None:
    proxy = around.proxy(backChannel={"address": "127.0.0.1:0"})
    port = (await proxy.start()).back_channel_port
    trust = around.authority.trust
    held = [
        await asyncio.open_connection("127.0.0.1", port, ssl=trust)
        for _ in range(BACK_CHANNEL_BOUNDS.connections)
    ]
    async with aiohttp.ClientSession() as session:
        url = f"https://127.0.0.1:{port}/backchannel-logout"
        async with session.post(url, data={"logout_token": "a.b.c"}, ssl=trust) as response:
            assert response.status == 400
    for _, writer in held:
        writer.transport.abort()
    await proxy.stop()


async def test_without_an_address_issuers_have_none(around: Surroundings) -> None:
    proxy = around.proxy()
    assert (await proxy.start()).back_channel_port is None
    await proxy.stop()


async def test_policy_files_alone_are_asked_without_a_detour(around: Surroundings) -> None:
    assert isinstance(around.app()._entitlements(), PolicyFiles)


@pytest.mark.parametrize(
    "entitlements", [{"claims": [CLAIM]}, {"claims": [CLAIM], "permissions": [PERMISSION]}]
)
async def test_without_policy_files_the_iam_grants_alone(
    around: Surroundings, entitlements: dict[str, Any]
) -> None:
    proxy = around.proxy(policies=None, issuers=[REALM], entitlements=entitlements)
    assert isinstance(proxy._app._entitlements(), CombinedEntitlements)
    port = (await proxy.start()).management_port
    assert "policies" not in (await ask(port, "/metrics"))[1]
    assert "policies" not in (await ask(port, "/readyz"))[1]
    await proxy.stop()


async def test_an_iam_that_is_asked_what_it_permits_is_counted(around: Surroundings) -> None:
    proxy = around.proxy(issuers=[REALM], entitlements={"permissions": [PERMISSION]})
    port = (await proxy.start()).management_port
    page = (await ask(port, "/metrics"))[1]
    for name in ("questions", "failures", "answers_in_grace", "breaker_open"):
        labels = 'issuer="corp",question="permissions"'
        assert f"\nhostclaim_proxy_iam_{name}{{{labels}}} 0.0" in page
    await proxy.stop()


@pytest.mark.parametrize("url", ["https://iam.example.com", "https://iam.example.com/realms/"])
async def test_permissions_are_those_of_a_keycloak_realm(around: Surroundings, url: str) -> None:
    with pytest.raises(StartError, match=r"entitlements\.permissions: .*/realms/NAME`"):
        around.app(issuers=[REALM | {"url": url}], entitlements={"permissions": [PERMISSION]})


async def test_a_realm_is_asked_where_its_metadata_is_reached(around: Surroundings) -> None:
    there = "https://keycloak.iam.svc/realms/corp/.well-known/openid-configuration"
    issuer = REALM | {"url": "https://iam.example.com/realms/corp", "discoveryUrl": there}
    app = around.app(issuers=[issuer], entitlements={"permissions": [PERMISSION]})
    (permissions,) = app._permissions
    assert permissions._lines._realm.url == "https://keycloak.iam.svc/realms/corp"


def test_every_request_of_every_process_has_a_uuid_of_its_own() -> None:
    made = {each for _ in range(10) for each in islice(app._ids(), 1000)}
    assert len(made) == 10_000
    assert {(str(uuid.UUID(each)) == each, uuid.UUID(each).version) for each in made} == {(True, 8)}
