"""The operators' listener."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from proxy.edge.management import Check, Looks, Management, Page, looking


class Health:
    """What the checks say; empty is well."""

    def __init__(self) -> None:
        self.loop = ""
        self.cluster = ""
        self.policies = ""

    def check(self, name: str) -> Check:
        async def checked() -> str:
            return str(getattr(self, name))

        return checked


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
async def client(health: Health) -> AsyncIterator[aiohttp.ClientSession]:
    async def page() -> Page:
        return b"up 1\n", "text/plain; version=0.0.4"

    async def policies() -> Page:
        return b"{}", "application/json"

    checks = {"audit": Health().check("cluster"), "cluster": health.check("cluster")}
    management = Management(
        Looks(
            live=looking({"loop": health.check("loop")}),
            ready=looking(checks),
            notes=looking({"policies": health.check("policies")}),
            metrics=page,
            pages={"/policies": policies},
        )
    )
    port = await management.start("127.0.0.1", 0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield session
    await management.stop()


async def ask(client: aiohttp.ClientSession, path: str) -> tuple[int, str]:
    async with client.get(path) as response:
        return response.status, await response.text()


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_a_healthy_proxy_is_ok(client: aiohttp.ClientSession, path: str) -> None:
    assert await ask(client, path) == (200, "ok")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/livez?verbose", "[+]loop ok\nlivez check passed\n"),
        ("/readyz?verbose", "[+]audit ok\n[+]cluster ok\nreadyz check passed\n"),
    ],
)
async def test_verbose_names_each_check(
    client: aiohttp.ClientSession, path: str, told: str
) -> None:
    assert await ask(client, path) == (200, told)


async def test_a_failed_check_is_not_ready_and_says_why(
    client: aiohttp.ClientSession, health: Health
) -> None:
    health.cluster = "it does not answer"
    code, text = await ask(client, "/readyz")
    assert code == 503
    assert "[-]cluster failed: it does not answer" in text
    assert (await ask(client, "/livez"))[0] == 200


async def test_what_is_not_alive_says_why(client: aiohttp.ClientSession, health: Health) -> None:
    health.loop = "it hangs"
    assert await ask(client, "/livez") == (503, "[-]loop failed: it hangs\nlivez check failed\n")


async def test_a_note_is_shown_and_does_not_make_it_unready(
    client: aiohttp.ClientSession, health: Health
) -> None:
    health.policies = "blue.yaml:3: unknown field"
    assert await ask(client, "/readyz") == (200, "ok")
    assert "[!]policies: blue.yaml:3: unknown field" in (await ask(client, "/readyz?verbose"))[1]


async def test_metrics_are_shown_with_their_type(client: aiohttp.ClientSession) -> None:
    async with client.get("/metrics") as response:
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4"
        assert await response.text() == "up 1\n"


@pytest.mark.parametrize("path", ["/", "/apis", "/debug/pprof", "/livez/"])
async def test_there_is_nothing_else(client: aiohttp.ClientSession, path: str) -> None:
    assert (await ask(client, path))[0] == 404


@pytest.mark.parametrize(
    ("path", "body", "media_type"),
    [("/metrics", "up 1\n", "text/plain"), ("/policies", "{}", "application/json")],
)
async def test_pages_are_shown_as_what_they_are(
    client: aiohttp.ClientSession, path: str, body: str, media_type: str
) -> None:
    async with client.get(path) as response:
        assert (response.status, response.content_type) == (200, media_type)
        assert await response.text() == body
