"""How a person's login goes, until it is over."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from proxy.edge.oidc import LoginError, RefusedError, Tokens
from tests.edge.jwks.issuers import NOW, until
from tests.edge.oidc.iams import CODE, TOKENS, Iam, Person, Reply, refused

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


async def log_in(iam: Iam, person: Person, *scopes: str) -> Tokens:
    login = iam.login(None, *scopes, clock=person.clock, pause=person.pause)
    return await login.device_code(person)


def pending() -> web.Response:
    return refused("authorization_pending")


async def test_a_person_logs_in_elsewhere(iam: Iam, person: Person) -> None:
    iam.tokens = [pending(), pending(), TOKENS | {"refresh_token": "refresh-1"}]
    tokens = await log_in(iam, person, "openid")
    assert (tokens.access, tokens.refresh) == ("access-1", "refresh-1")
    assert tokens.asked_at == NOW + 15
    assert iam.forms[0] == {"client_id": "cli", "scope": "openid"}
    assert iam.forms[1] == {"grant_type": GRANT, "client_id": "cli", "device_code": "device-1"}
    assert len(iam.forms) == 4


async def test_the_person_is_told_where_to_go_and_how_long_it_is_good(
    iam: Iam, person: Person
) -> None:
    iam.tokens = [pending(), TOKENS]
    await log_in(iam, person)
    [code] = person.shown
    assert (code.url, code.user_code) == (CODE["verification_uri"], "WDJB-MJHT")
    assert code.complete_url == CODE["verification_uri_complete"]
    assert person.left == [595]
    assert "device-1" not in repr(code)


async def test_a_page_that_knows_the_code_is_not_needed(iam: Iam, person: Person) -> None:
    iam.codes = [{k: v for k, v in CODE.items() if k != "verification_uri_complete"}]
    await log_in(iam, person)
    assert person.shown[0].complete_url is None


@pytest.mark.parametrize(
    ("replies", "pauses"),
    [
        ([pending(), pending()], [5, 5, 5]),
        ([refused("slow_down"), pending()], [5, 10, 10]),
        ([refused("slow_down"), refused("slow_down")], [5, 10, 15]),
        ([web.Response(status=503), web.Response(status=503)], [5, 10, 20]),
        ([web.Response(status=503)] * 5, [5, 10, 20, 40, 60, 60]),
    ],
)
async def test_the_iam_is_asked_as_often_as_it_likes(
    iam: Iam, person: Person, replies: list[Reply], pauses: list[float]
) -> None:
    iam.tokens = [*replies, TOKENS]
    await log_in(iam, person)
    assert person.pauses == pauses


@pytest.mark.parametrize(("interval", "pause"), [({}, 5), ({"interval": 30}, 30)])
async def test_the_iam_says_how_often_it_likes_to_be_asked(
    iam: Iam, person: Person, interval: dict[str, int], pause: float
) -> None:
    iam.codes = [{k: v for k, v in CODE.items() if k != "interval"} | interval]
    await log_in(iam, person)
    assert person.pauses == [pause]


async def test_a_long_interval_is_not_made_shorter_by_an_outage(iam: Iam, person: Person) -> None:
    iam.codes = [CODE | {"interval": 90}]
    iam.tokens = [web.Response(status=503), TOKENS]
    await log_in(iam, person)
    assert person.pauses == [90, 90]


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        ("access_denied", "the login was denied"),
        ("expired_token", "before the code expired"),
        ("invalid_grant", "no longer good"),
    ],
)
async def test_a_login_that_is_over_is_told(
    iam: Iam, person: Person, error: str, meaning: str
) -> None:
    iam.tokens = [pending(), refused(error)]
    with pytest.raises(RefusedError, match=meaning):
        await log_in(iam, person)
    assert len(iam.forms) == 3


async def test_nobody_waits_longer_than_the_code_is_good(iam: Iam, person: Person) -> None:
    iam.codes = [CODE | {"expires_in": 12}]
    iam.tokens = [pending()]
    with pytest.raises(RefusedError, match="before the code expired"):
        await log_in(iam, person)
    assert person.left == [7, 2, 0]


async def test_no_pause_is_longer_than_the_code_is_good(iam: Iam, person: Person) -> None:
    iam.codes = [CODE | {"interval": 10**9}]
    iam.tokens = [pending()]
    with pytest.raises(RefusedError, match="before the code expired"):
        await log_in(iam, person)
    assert person.pauses == [600]


@pytest.mark.parametrize(
    "answer",
    [
        {"device_code": None},
        {"user_code": "\x1b]8;;https://evil"},
        {"user_code": "W" * 65},
        {"verification_uri": "http://iam.example.com/device"},
        {"verification_uri": None},
        {"verification_uri_complete": "javascript:alert(1)"},
        {"verification_uri_complete": None},
        {"expires_in": -1},
        {"interval": 0},
        {"interval": "5"},
    ],
)
async def test_a_code_that_cannot_be_used_is_not_shown(
    iam: Iam, person: Person, answer: dict[str, Any]
) -> None:
    iam.codes = [CODE | answer]
    with pytest.raises(LoginError, match="its answer has no"):
        await log_in(iam, person)
    assert person.shown == []


async def test_an_answer_that_is_no_code_is_refused(iam: Iam, person: Person) -> None:
    iam.codes = [web.json_response([])]
    with pytest.raises(LoginError, match="not an object"):
        await log_in(iam, person)


async def test_a_client_that_may_not_is_told_before_anybody_is_sent_anywhere(
    iam: Iam, person: Person
) -> None:
    iam.codes = [refused("unauthorized_client", 401)]
    with pytest.raises(RefusedError, match="may not log in this way"):
        await log_in(iam, person)
    assert person.shown == []


@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1/device"])
async def test_an_iam_without_device_codes_is_told(
    iam: Iam, person: Person, endpoint: str | None
) -> None:
    iam.issuer.metadata["device_authorization_endpoint"] = endpoint
    with pytest.raises(LoginError, match="by a device code"):
        await log_in(iam, person)


async def test_a_person_who_gives_up_ends_the_login(iam: Iam, person: Person) -> None:
    iam.tokens = [pending()]
    login = iam.login(clock=person.clock, pause=lambda _: asyncio.Event().wait())
    task = asyncio.create_task(login.device_code(person))
    await until(lambda: bool(person.shown))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
