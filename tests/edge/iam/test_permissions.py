"""What a realm permits: asked by each caller's own token, and believed only if it is an answer."""

import asyncio
import gzip
import json
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from proxy.core.attributes import Verb
from proxy.core.errors import Refused, Unauthenticated, Unavailable
from proxy.edge.iam import Ages
from proxy.edge.iam.answers import OF_STRANGERS
from proxy.edge.iam.breaker import FAILURES
from proxy.edge.iam.lines import MAX_ANSWER, Realm
from proxy.edge.iam.permissions import Permissions
from proxy.ports import Caller
from tests.edge.certificates import Authority
from tests.edge.iam.realms import FakeRealm, Handler, permission, running_realm
from tests.identities import make_identity

ALICE = Caller(make_identity(), "token-of-alice")
RITA = Caller(make_identity(username="rita"), "token-of-rita")
READ = "hostclaims:read"
BLUE = permission("blue-dev", READ, "hostclaims:write")
RED = permission("red", READ)
AGES = Ages(yes=30, no=6, timeout=5)


class Scene:
    """A realm, somebody who asks it, and a clock that stands."""

    def __init__(self, realm: FakeRealm) -> None:
        self.realm = realm
        self.now = 0.0
        self.permissions = self.asker()
        realm.permitted = {ALICE.token: [BLUE], RITA.token: [RED]}

    def asker(self, ages: Ages = AGES, **overrides: Any) -> Permissions:
        return Permissions("corp", self.realm.realm(**overrides), ages, monotonic=lambda: self.now)

    async def namespaces(self, caller: Caller = ALICE, **how: bool) -> tuple[str, ...]:
        return (await self.permissions.rules(caller, **how)).namespaces()

    async def refusal(self) -> Refused:
        with pytest.raises(Refused) as refused:
            await self.namespaces()
        return refused.value


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with running_realm(tmp_path) as realm:
        scene = Scene(realm)
        yield scene
        await scene.permissions.close()


async def test_it_asks_for_all_permissions_with_the_callers_own_token(scene: Scene) -> None:
    rules = await scene.permissions.rules(ALICE)
    assert rules.permissions("blue-dev") >= {("hostclaims", Verb.GET), ("hostclaims", Verb.CREATE)}
    (asked,) = scene.realm.asked
    assert asked.token == ALICE.token
    assert asked.form == {
        "grant_type": "urn:ietf:params:oauth:grant-type:uma-ticket",
        "response_mode": "permissions",
        "audience": "hostclaim-proxy",
    }


async def test_a_thousand_requests_of_one_token_are_one_question(scene: Scene) -> None:
    found = await asyncio.gather(*(scene.permissions.rules(ALICE) for _ in range(1000)))
    assert {id(rules) for rules in found} == {id(await scene.permissions.rules(ALICE))}
    assert len(scene.realm.asked) == 1
    scene.now = 30
    await scene.namespaces()
    assert len(scene.realm.asked) == 2


async def test_a_recheck_asks_once_half_the_time_is_over(scene: Scene) -> None:
    await scene.namespaces()
    scene.realm.permitted[ALICE.token] = [RED]
    scene.now = 15
    assert await scene.namespaces() == ("blue-dev",)
    assert await scene.namespaces(recheck=True) == ("red",)


async def test_callers_at_once_each_get_their_own_answer(scene: Scene) -> None:
    callers = [Caller(make_identity(), f"token-{number}") for number in range(OF_STRANGERS)]
    scene.realm.permitted = {
        caller.token: [permission(f"ns-of-{caller.token}", READ)] for caller in callers
    }
    scene.realm.open.clear()
    asking = [asyncio.create_task(scene.namespaces(caller)) for caller in callers]
    async with asyncio.timeout(10):
        while len(scene.realm.asked) < len(callers):  # noqa: ASYNC110 - it is the realm's event
            await asyncio.sleep(0.005)
    scene.realm.open.set()
    assert await asyncio.gather(*asking) == [(f"ns-of-{caller.token}",) for caller in callers]


async def test_the_next_caller_of_a_line_finds_nothing_of_the_one_before(scene: Scene) -> None:
    async def sets_cookies(_: web.Request) -> web.Response:
        answer = web.json_response([BLUE])
        answer.set_cookie("AUTH_SESSION_ID", "of-alice")
        return answer

    scene.realm.handler = sets_cookies
    await scene.namespaces(ALICE)
    await scene.namespaces(RITA)
    _, second = scene.realm.asked
    assert second.token == RITA.token
    assert "Cookie" not in second.headers


async def test_what_is_remembered_is_bounded_by_the_rules_that_it_makes(
    scene: Scene,
) -> None:
    scene.permissions = Permissions("corp", scene.realm.realm(), AGES, room=8)
    scene.realm.permitted[ALICE.token] = [permission("n", READ) for _ in range(5)]
    for caller in (ALICE, RITA, ALICE):
        await scene.namespaces(caller)
    assert len(scene.realm.asked) == 2
    other = Caller(make_identity(), "another-token-of-alice")
    scene.realm.permitted[other.token] = scene.realm.permitted[ALICE.token]
    for caller in (other, ALICE):
        await scene.namespaces(caller)
    assert len(scene.realm.asked) == 4


async def test_who_has_no_permission_is_remembered_for_less(scene: Scene) -> None:
    del scene.realm.permitted[ALICE.token]
    assert await scene.namespaces() == ()
    scene.now = 5
    await scene.namespaces()
    assert len(scene.realm.asked) == 1
    scene.realm.permitted[ALICE.token] = [BLUE]
    scene.now = 6
    assert await scene.namespaces() == ("blue-dev",)


def refusing(status: int, body: bytes) -> Handler:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    return refuse


INVALID = json.dumps({"error": "invalid_grant", "error_description": "Invalid bearer token"})


@pytest.mark.parametrize(
    ("status", "body"), [(400, INVALID.encode()), (401, INVALID.encode()), (401, b"")]
)
async def test_a_token_that_counts_no_longer_is_refused_and_that_is_remembered(
    scene: Scene, status: int, body: bytes
) -> None:
    scene.realm.handler = refusing(status, body)
    for _ in range(FAILURES + 1):
        refused = await scene.refusal()
        assert isinstance(refused, Unauthenticated)
        assert refused.message == "issuer `corp` takes this token no longer"
    assert len(scene.realm.asked) == 1
    assert scene.permissions.trouble() == ""


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"error": "invalid_request"}'),
        (403, b"<html>"),
        (403, b"{}"),
        (404, b""),
        (431, b""),
    ],
)
async def test_an_odd_token_is_refused_and_nobody_else(
    scene: Scene, status: int, body: bytes
) -> None:
    """A gateway may find it too long; that must not look like an outage."""
    scene.realm.handler = refusing(status, body)
    for number in range(FAILURES + 1):
        with pytest.raises(Unavailable, match="does not say what it permits this token"):
            await scene.namespaces(Caller(make_identity(), f"odd-{number}"))
    assert scene.permissions.trouble() == f"it answered with HTTP status {status}"
    scene.realm.handler = None
    assert await scene.namespaces() == ("blue-dev",)
    assert scene.permissions.trouble() == ""


async def long(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(MAX_ANSWER // 65536 + 1):
        await response.write(b" " * 65536)
    await response.write(b"[]")
    return response


async def broken(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def redirected(request: web.Request) -> web.StreamResponse:
    return web.Response(status=307, headers={"Location": str(request.url)})


async def packed(_: web.Request) -> web.StreamResponse:
    body = gzip.compress(json.dumps([BLUE]).encode())
    return web.Response(body=body, headers={"Content-Encoding": "gzip"})


NO_LIST = "its answer is not a list of permissions"


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (refusing(500, b""), "it answered with HTTP status 500"),
        (refusing(503, b'{"error": "access_denied"}'), "it answered with HTTP status 503"),
        (refusing(429, b""), "it answered with HTTP status 429"),
        (refusing(502, b"[]"), NO_LIST),
        (refusing(201, b""), NO_LIST),
        (refusing(204, b""), NO_LIST),
        (refusing(200, b""), NO_LIST),
        (refusing(200, b"<html>"), NO_LIST),
        (refusing(200, b'{"access_token": "x"}'), NO_LIST),
        (refusing(200, b'["blue-dev"]'), NO_LIST),
        (refusing(200, b"[" * 100_000), NO_LIST),
        (redirected, "it answered with HTTP status 307"),
        (long, f"its answer has more than {MAX_ANSWER} bytes"),
        (packed, "its answer is compressed, which was not asked for"),
        (broken, "its answer cannot be had"),
    ],
)
async def test_what_is_no_answer_is_none(scene: Scene, handler: Handler, why: str) -> None:
    scene.realm.handler = handler
    refused = await scene.refusal()
    assert isinstance(refused, Unavailable)
    assert refused.message == "issuer `corp` does not answer now"
    assert scene.permissions.trouble() == why
    assert len(scene.realm.asked) == 1
    scene.realm.handler = None
    assert await scene.namespaces() == ("blue-dev",)
    assert scene.permissions.trouble() == ""


@pytest.mark.parametrize("handler", [long, refusing(200, b"{}")])
async def test_an_answer_that_is_too_much_is_no_outage(scene: Scene, handler: Handler) -> None:
    """Whoever is permitted a lot must not have everybody refused."""
    scene.realm.handler = handler
    for number in range(FAILURES + 1):
        with pytest.raises(Unavailable):
            await scene.namespaces(Caller(make_identity(), f"odd-{number}"))
    scene.realm.handler = None
    assert await scene.namespaces() == ("blue-dev",)


async def test_what_was_permitted_serves_on_for_the_grace_time(scene: Scene) -> None:
    scene.permissions = scene.asker(Ages(yes=30, no=6, grace=60))
    await scene.namespaces()
    scene.realm.handler = refusing(503, b"")
    scene.now = 86
    assert await scene.namespaces() == ("blue-dev",)
    scene.now = 90
    assert isinstance(await scene.refusal(), Unavailable)


async def test_a_realm_that_nobody_vouches_for_is_not_asked(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger = tmp_path / "other" / "ca.pem"
    Authority(tmp_path / "other").ca.cert_pem.write_to_path(stranger)
    scene.permissions = scene.asker(ca_file=stranger)
    await scene.refusal()
    assert scene.permissions.trouble() == "its certificate is not trusted"
    assert scene.realm.asked == []


async def test_a_realm_that_cannot_be_reached_is_away(scene: Scene) -> None:
    scene.permissions = scene.asker(url="https://127.0.0.1:1/realms/corp")
    await scene.refusal()
    assert scene.permissions.trouble() == "it cannot be reached"


async def test_a_ca_file_that_is_gone_is_said(scene: Scene, tmp_path: Path) -> None:
    scene.permissions = scene.asker(ca_file=tmp_path / "gone.pem")
    await scene.refusal()
    assert scene.permissions.trouble() == "its CA file cannot be read"


async def test_no_proxy_of_the_environment_is_used(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings are nobody's configuration, and the token would go there."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setitem(os.environ, name, "http://127.0.0.1:1")
    assert await scene.namespaces() == ("blue-dev",)


@pytest.mark.parametrize("handler", [None, refusing(500, b"token-of-alice"), broken])
async def test_neither_tokens_nor_addresses_are_logged(
    scene: Scene, caplog: pytest.LogCaptureFixture, handler: Handler | None
) -> None:
    scene.realm.handler = handler
    with caplog.at_level(logging.DEBUG):
        await asyncio.gather(scene.permissions.rules(ALICE), return_exceptions=True)
    assert scene.realm.asked
    assert "token-of" not in caplog.text
    assert "127.0.0.1" not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "http://iam.example.com/realms/corp",
        "https:///realms/corp",
        "https://alice@iam.example.com/realms/corp",
        "https://iam.example.com",
        "https://iam.example.com/realms/",
        "https://iam.example.com/realms/corp/",
        "https://iam.example.com/realms/corp/x",
        "https://iam.example.com/realms/corp?x=1",
        "https://iam.example.com/?x=/realms/corp",
        "https://iam.example.com/realms/corp#x",
        "https://iam.example.com/realms/a b",
    ],
)
def test_the_address_of_a_realm_is_that_of_a_keycloak(url: str) -> None:
    with pytest.raises(ValueError, match="must be `https://HOST/realms/NAME`"):
        Realm(url=url, client_id="hostclaim-proxy")


def test_a_keycloak_may_lie_below_a_path() -> None:
    realm = Realm(url="https://iam.example.com/auth/realms/corp", client_id="hostclaim-proxy")
    assert (realm.server, realm.name) == ("https://iam.example.com/auth/", "corp")
