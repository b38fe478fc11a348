"""The real Keycloak hands out what the proxy has to tell apart."""

import ssl
from typing import Any

import aiohttp
import jwt
import pytest

from tests.real.keycloak import Keycloak, Tokens


async def published_keys(keycloak: Keycloak) -> dict[str, jwt.PyJWK]:
    url = f"{keycloak.issuer}/protocol/openid-connect/certs"
    tls = ssl.create_default_context(cafile=keycloak.ca_file)
    async with aiohttp.ClientSession() as session, session.get(url, ssl=tls) as answer:
        keys = jwt.PyJWKSet.from_dict(await answer.json()).keys
    return {str(key.key_id): key for key in keys if key.public_key_use == "sig"}


def unverified(token: str | None) -> dict[str, Any]:
    assert token is not None
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def key_id(tokens: Tokens) -> str:
    return str(jwt.get_unverified_header(tokens.access)["kid"])


@pytest.mark.parametrize(
    ("client", "groups"),
    [
        ("blue-capm3", ["/tenants/blue"]),
        ("red-capm3", ["/tenants/red"]),
        ("auditor", ["/auditors"]),
    ],
)
async def test_a_client_is_in_its_tenants_group(
    keycloak: Keycloak, client: str, groups: list[str]
) -> None:
    claims = unverified((await keycloak.tokens_of_client(client)).access)
    assert (claims["azp"], claims["typ"], claims["groups"]) == (client, "Bearer", groups)


@pytest.mark.parametrize(
    ("person", "groups"),
    [("alice", ["/tenants/blue"]), ("rita", ["/tenants/red"]), ("otto", ["/auditors"])],
)
async def test_a_person_is_in_their_tenants_group(
    keycloak: Keycloak, person: str, groups: list[str]
) -> None:
    claims = unverified((await keycloak.tokens_of_person(person)).access)
    assert (claims["preferred_username"], claims["groups"]) == (person, groups)


async def test_an_access_token_verifies_with_the_published_keys(keycloak: Keycloak) -> None:
    tokens = await keycloak.tokens_of_client("blue-capm3")
    key = (await published_keys(keycloak))[key_id(tokens)]
    jwt.decode(
        tokens.access,
        key,
        algorithms=["RS256"],
        audience="hostclaim-proxy",
        issuer=keycloak.issuer,
        options={"require": ["exp", "iat", "sub"]},
    )


async def test_refresh_and_id_tokens_say_what_they_are(keycloak: Keycloak) -> None:
    tokens = await keycloak.tokens_of_person("alice")
    assert unverified(tokens.refresh)["typ"] == "Refresh"
    assert unverified(tokens.id)["typ"] == "ID"


async def test_a_disabled_person_gets_no_token(keycloak: Keycloak) -> None:
    await keycloak.set_enabled("otto", enabled=False)
    with pytest.raises(aiohttp.ClientResponseError, match="400"):
        await keycloak.tokens_of_person("otto")
    await keycloak.set_enabled("otto", enabled=True)
    await keycloak.tokens_of_person("otto")


async def test_keys_rotate(keycloak: Keycloak) -> None:
    old = key_id(await keycloak.tokens_of_client("blue-capm3"))
    await keycloak.add_signing_key()
    new = key_id(await keycloak.tokens_of_client("blue-capm3"))
    assert new != old
    assert set(await published_keys(keycloak)) == {old, new}
    await keycloak.drop_old_signing_keys()
    assert set(await published_keys(keycloak)) == {new}
