"""Who gets a token, and what is said where there is none."""

import base64
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from proxy.edge.oidc import (
    Login,
    LoginError,
    Provider,
    PublicClient,
    RefusedError,
    SecretClient,
    Tokens,
    UnreachableError,
)
from tests.edge.jwks.issuers import NOW, running_issuer
from tests.edge.oidc.iams import TOKENS, Iam, refused

BLUE = SecretClient("blue", "s3cret")


async def test_a_client_gets_a_token_for_itself(iam: Iam) -> None:
    tokens = await iam.login(BLUE, "openid", "hosts", clock=lambda: NOW).client_credentials()
    assert tokens == Tokens("access-1", NOW, NOW + 300)
    assert iam.forms == [{"grant_type": "client_credentials", "scope": "openid hosts"}]


async def test_no_scope_is_asked_for_where_none_is_named(iam: Iam) -> None:
    await iam.login(BLUE).client_credentials()
    assert "scope" not in iam.forms[0]


async def test_a_refresh_token_buys_tokens(iam: Iam) -> None:
    iam.tokens = [TOKENS | {"refresh_token": "refresh-2"}]
    tokens = await iam.login().refresh("refresh-1")
    assert (tokens.access, tokens.refresh) == ("access-1", "refresh-2")
    assert iam.forms == [
        {"grant_type": "refresh_token", "refresh_token": "refresh-1", "client_id": "cli"}
    ]


async def test_a_refresh_token_is_kept_where_no_new_one_comes(iam: Iam) -> None:
    assert (await iam.login().refresh("refresh-1")).refresh == "refresh-1"


@pytest.mark.parametrize("life", [10**12, 10**400])
async def test_a_token_for_ever_is_one_for_a_year(iam: Iam, life: int) -> None:
    iam.tokens = [TOKENS | {"expires_in": life}]
    tokens = await iam.login(BLUE, clock=lambda: NOW).client_credentials()
    assert tokens.expires_at == NOW + 366 * 24 * 3600


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"access_token": None},
        {"access_token": ""},
        {"access_token": "two words"},
        {"access_token": "\x1b[2J"},
        {"access_token": "x" * (16 * 1024 + 1)},
        {"token_type": "mac"},
        {"token_type": None},
        {"expires_in": None},
        {"expires_in": "300"},
        {"expires_in": True},
        {"expires_in": 0},
        {"refresh_token": 7},
    ],
)
async def test_an_answer_that_is_no_token_is_refused(iam: Iam, answer: dict[str, Any]) -> None:
    iam.tokens = [TOKENS | answer if answer else {}]
    with pytest.raises(LoginError, match="its answer"):
        await iam.login(BLUE).client_credentials()


async def test_an_answer_that_is_no_object_is_refused(iam: Iam) -> None:
    iam.tokens = [web.json_response(["access-1"])]
    with pytest.raises(LoginError, match="not an object"):
        await iam.login(BLUE).client_credentials()


async def test_a_token_of_this_type_in_any_case_is_one(iam: Iam) -> None:
    iam.tokens = [TOKENS | {"token_type": "bearer"}]
    assert (await iam.login(BLUE).client_credentials()).access == "access-1"


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        ("invalid_client", "does not know the client"),
        ("unauthorized_client", "may not log in this way"),
        ("invalid_scope", "no such scope"),
        ("interaction_required", r"it refused \(`interaction_required`\)"),
    ],
)
async def test_a_refusal_is_told_by_its_code_alone(iam: Iam, error: str, meaning: str) -> None:
    iam.tokens = [refused(error, 401)]
    with pytest.raises(RefusedError, match=meaning) as caught:
        await iam.login(BLUE).client_credentials()
    assert caught.value.error == error
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("error", [None, 7, "", "\x1b[2J", "x" * 65, "a b"])
async def test_a_code_that_is_none_is_not_repeated(iam: Iam, error: object) -> None:
    iam.tokens = [refused(error)]
    with pytest.raises(LoginError, match=r"^it answered with HTTP status 400$"):
        await iam.login(BLUE).client_credentials()


@pytest.mark.parametrize("body", ["", "[]", "<html>"])
async def test_a_refusal_without_a_document_is_told_by_its_status(iam: Iam, body: str) -> None:
    iam.tokens = [web.Response(status=403, text=body)]
    with pytest.raises(LoginError, match="HTTP status 403"):
        await iam.login(BLUE).client_credentials()


async def test_success_without_a_document_is_none(iam: Iam) -> None:
    iam.tokens = [web.Response(text="access-1")]
    with pytest.raises(LoginError, match="not JSON"):
        await iam.login(BLUE).client_credentials()


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_iam_that_is_not_well_may_be_asked_again(iam: Iam, status: int) -> None:
    iam.tokens = [refused("invalid_client", status)]
    with pytest.raises(UnreachableError, match=f"HTTP status {status}"):
        await iam.login(BLUE).client_credentials()


async def test_a_redirect_is_not_followed(iam: Iam) -> None:
    """It would take the secret along."""
    elsewhere = {"Location": f"{iam.issuer.url}/elsewhere"}
    iam.issuer.handlers["/elsewhere"] = lambda _: pytest.fail("it was followed")
    iam.tokens = [web.Response(status=307, headers=elsewhere)]
    with pytest.raises(LoginError, match="HTTP status 307"):
        await iam.login(BLUE).client_credentials()


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other"},
        {"token_endpoint": None},
        {"token_endpoint": 7},
        {"token_endpoint": "http://127.0.0.1/token"},
        {"token_endpoint": "https://user:password@127.0.0.1/token"},
    ],
)
async def test_metadata_that_is_not_the_iams_is_told_nothing(
    iam: Iam, metadata: dict[str, Any]
) -> None:
    iam.issuer.metadata |= metadata
    with pytest.raises(LoginError, match="its metadata"):
        await iam.login(BLUE).client_credentials()
    assert iam.forms == []


async def test_metadata_that_is_no_object_is_told_nothing(iam: Iam) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response([])

    iam.issuer.handlers["/.well-known/openid-configuration"] = answer
    with pytest.raises(LoginError, match="its metadata"):
        await iam.login(BLUE).client_credentials()


async def test_an_iam_that_is_down_is_told_without_its_address(iam: Iam) -> None:
    login = Login(Provider("https://127.0.0.1:1", iam.issuer.ca_file), BLUE)
    with pytest.raises(UnreachableError, match=r"^it cannot be reached$"):
        await login.client_credentials()


@pytest.mark.parametrize("host", ["iam..example.com", f"{'a' * 64}.example.com"])
async def test_an_endpoint_whose_name_cannot_be_looked_up_is_told(iam: Iam, host: str) -> None:
    iam.issuer.metadata |= {"token_endpoint": f"https://{host}/token"}
    with pytest.raises(LoginError, match="its name is not one that can be looked up"):
        await iam.login(BLUE).client_credentials()


async def test_a_certificate_of_another_authority_is_told_no_secret(
    iam: Iam, tmp_path: Path
) -> None:
    async with running_issuer(tmp_path, "impostor") as impostor:
        impostor_iam = Iam(impostor)
        login = Login(Provider(impostor.url, iam.issuer.ca_file), BLUE)
        with pytest.raises(LoginError, match="its certificate is not trusted"):
            await login.client_credentials()
        assert impostor_iam.forms == []


def test_an_issuer_without_tls_is_refused() -> None:
    with pytest.raises(ValueError, match="https://"):
        Provider("http://iam.example.com")


def test_no_secret_shows_in_what_is_printed_for_debugging() -> None:
    provider = Provider("https://iam.example.com")
    shown = repr((Login(provider, BLUE), Tokens("access-1", 0, 1, "refresh-1")))
    assert not any(secret in shown for secret in ("s3cret", "access-1", "refresh-1"))


async def test_a_public_client_says_its_name_alone(iam: Iam) -> None:
    await iam.login(PublicClient("cli")).client_credentials()
    assert iam.forms[0]["client_id"] == "cli"
    assert "Authorization" not in iam.headers[0]


@pytest.mark.parametrize("methods", [None, "client_secret_post", ["client_secret_basic", 7]])
async def test_a_secret_goes_into_the_header(iam: Iam, methods: object) -> None:
    iam.issuer.metadata["token_endpoint_auth_methods_supported"] = methods
    await iam.login(SecretClient("blue:1", "a+b c:é")).client_credentials()
    basic = base64.b64encode(b"blue%3A1:a%2Bb+c%3A%C3%A9").decode()
    assert iam.headers[0]["Authorization"] == f"Basic {basic}"
    assert iam.forms == [{"grant_type": "client_credentials"}]


async def test_a_secret_goes_into_the_form_where_the_header_is_not_taken(iam: Iam) -> None:
    iam.issuer.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    await iam.login(BLUE).client_credentials()
    assert iam.forms[0] | {"client_id": "blue", "client_secret": "s3cret"} == iam.forms[0]
    assert "Authorization" not in iam.headers[0]
