"""Who gets a token and what it says, asked over HTTP as a tenant would."""

from typing import Any

import aiohttp
import jwt
import pytest

from proxy.demo.issuer import EmbeddedIssuer, Endpoint
from tests.demo.issuer.calling import Caller

BLUE = {"client_id": "blue-capm3", "client_secret": "blue-secret"}
SERVICE = {"grant_type": "client_credentials"}
PASSWORD = {"grant_type": "password", "client_id": "demo-cli"}
ALICE = PASSWORD | {"username": "alice", "password": "alice-password"}


async def verified(caller: Caller, token: str, audience: str = "hostclaim-proxy") -> dict[str, Any]:
    keys = jwt.PyJWKSet.from_dict((await caller.get(Endpoint.JWKS)).json)
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = jwt.decode(
        token, key, algorithms=["RS256", "ES256"], audience=audience, issuer=caller.issuer.url
    )
    return claims


async def test_a_service_account_gets_an_access_token_and_no_refresh_token(caller: Caller) -> None:
    reply = await caller.post(Endpoint.TOKEN, SERVICE | BLUE)
    claims = await verified(caller, reply.json["access_token"])
    assert "refresh_token" not in reply.json
    assert claims["preferred_username"] == "service-account-blue-capm3"
    assert claims["client_id"] == claims["azp"] == "blue-capm3"
    assert claims["groups"] == ["/tenants/blue"]
    assert claims["aud"] == ["hostclaim-proxy", "account"]
    assert claims["typ"] == "Bearer"


async def test_a_client_may_authenticate_in_the_header(caller: Caller) -> None:
    basic = aiohttp.encode_basic_auth("blue-capm3", "blue-secret")
    reply = await caller.post(Endpoint.TOKEN, SERVICE, basic)
    assert reply.status == 200
    assert reply.headers["Cache-Control"] == "no-store"


async def test_a_person_gets_all_three_kinds_of_token(caller: Caller) -> None:
    tokens = await caller.log_in("alice")
    access = await verified(caller, tokens["access_token"])
    refresh = await verified(caller, tokens["refresh_token"], audience=caller.issuer.url)
    identity = await verified(caller, tokens["id_token"], audience="demo-cli")
    assert [t["typ"] for t in (access, refresh, identity)] == ["Bearer", "Refresh", "ID"]
    assert access["sub"] == refresh["sub"] == identity["sub"]
    assert access["groups"] == ["/tenants/blue"]
    assert access["exp"] - access["iat"] == 300


async def test_without_the_openid_scope_there_is_no_id_token(caller: Caller) -> None:
    assert "id_token" not in await caller.log_in("alice", scope="profile")


async def test_a_refresh_token_buys_another_access_token_of_the_session(caller: Caller) -> None:
    first = await caller.log_in("alice")
    form = {
        "grant_type": "refresh_token",
        "client_id": "demo-cli",
        "refresh_token": first["refresh_token"],
    }
    second = (await caller.post(Endpoint.TOKEN, form)).json
    claims = [await verified(caller, t["access_token"]) for t in (first, second)]
    assert claims[0]["sid"] == claims[1]["sid"]
    assert claims[0]["jti"] != claims[1]["jti"]


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        (SERVICE | BLUE | {"client_secret": "guess"}, 401, "invalid_client"),
        (SERVICE | {"client_id": "blue-capm3"}, 401, "invalid_client"),
        (SERVICE | {"client_id": "nobody", "client_secret": ""}, 401, "invalid_client"),
        (SERVICE, 401, "invalid_client"),
        (SERVICE | {"client_id": "demo-cli"}, 401, "unauthorized_client"),
        (ALICE | BLUE, 400, "unauthorized_client"),
        (ALICE | {"password": "guess"}, 401, "invalid_grant"),
        (ALICE | {"username": "mallory"}, 401, "invalid_grant"),
        (BLUE, 400, "invalid_request"),
        (BLUE | {"grant_type": "implicit"}, 400, "unsupported_grant_type"),
        (
            {"grant_type": "refresh_token", "client_id": "demo-cli", "refresh_token": "x"},
            400,
            "invalid_grant",
        ),
    ],
)
async def test_a_wrong_token_request_is_refused_in_the_words_of_rfc_6749(
    caller: Caller, form: dict[str, str], status: int, error: str
) -> None:
    reply = await caller.post(Endpoint.TOKEN, form)
    assert (reply.status, reply.json["error"]) == (status, error)
    assert reply.json["error_description"]


async def test_an_access_token_is_no_refresh_token(caller: Caller) -> None:
    tokens = await caller.log_in("alice")
    form = {
        "grant_type": "refresh_token",
        "client_id": "demo-cli",
        "refresh_token": tokens["access_token"],
    }
    assert (await caller.post(Endpoint.TOKEN, form)).json["error"] == "invalid_grant"


async def test_a_client_authenticates_one_way_only(caller: Caller) -> None:
    basic = aiohttp.encode_basic_auth("blue-capm3", "blue-secret")
    reply = await caller.post(Endpoint.TOKEN, SERVICE | BLUE, basic)
    assert (reply.status, reply.json["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("header", ["Basic ???", "Basic /w==", "Bearer YWJj", "Basic YWJj"])
async def test_a_header_that_says_no_client_is_refused(caller: Caller, header: str) -> None:
    reply = await caller.post(Endpoint.TOKEN, SERVICE, header)
    assert (reply.status, reply.json["error"]) == (401, "invalid_client")
    assert reply.headers["WWW-Authenticate"].startswith("Basic ")


async def test_the_disabled_get_nothing(caller: Caller, issuer: EmbeddedIssuer) -> None:
    issuer.disable("alice")
    issuer.disable("blue-capm3")
    person = await caller.post(Endpoint.TOKEN, ALICE)
    client = await caller.post(Endpoint.TOKEN, SERVICE | BLUE)
    assert (person.json["error"], client.json["error"]) == ("invalid_grant", "invalid_client")
