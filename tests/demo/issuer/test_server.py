"""The issuer as a thing that listens, fails, and signs what no issuer should."""

import hmac
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from proxy.demo.issuer import (
    DEMO_REALM,
    Client,
    EmbeddedIssuer,
    Endpoint,
    Outage,
    Person,
    Realm,
    SigningKey,
)
from tests.demo.issuer.calling import Caller


async def test_discovery_names_the_issuer_and_what_it_serves(caller: Caller) -> None:
    document = (await caller.get(Endpoint.DISCOVERY)).json
    assert document["issuer"] == caller.issuer.url
    assert document["jwks_uri"] == caller.issuer.url + Endpoint.JWKS
    assert caller.issuer.url.endswith("/realms/metal3")


async def test_beside_the_signing_key_an_encryption_key_is_published(caller: Caller) -> None:
    keys = (await caller.get(Endpoint.JWKS)).json["keys"]
    assert {key["use"]: key["alg"] for key in keys} == {"enc": "RSA-OAEP", "sig": "RS256"}
    assert not any("d" in key for key in keys)


async def test_es256_is_to_be_had(tmp_path: Path) -> None:
    issuer = EmbeddedIssuer(tmp_path, realm=replace(DEMO_REALM, algorithm="ES256"))
    await issuer.start()
    token = issuer.token_for("alice")
    key = jwt.PyJWK(issuer.signing_key.jwk())
    await issuer.stop()
    assert jwt.decode(token, key, algorithms=["ES256"], audience="account")["azp"] == "demo-cli"


@pytest.mark.parametrize(("keep_old", "kids"), [(True, 2), (False, 1)])
async def test_rotation_signs_with_a_new_key(caller: Caller, *, keep_old: bool, kids: int) -> None:
    new = caller.issuer.rotate(keep_old=keep_old)
    keys = (await caller.get(Endpoint.JWKS)).json["keys"]
    assert len([key for key in keys if key["use"] == "sig"]) == kids
    assert jwt.get_unverified_header(caller.issuer.token_for("alice"))["kid"] == new


async def test_requests_are_counted_while_the_issuer_is_down_too(caller: Caller) -> None:
    await caller.get(Endpoint.JWKS)
    await caller.issuer.pause()
    assert (await caller.get(Endpoint.JWKS)).status == 503
    await caller.issuer.resume()
    assert (await caller.get(Endpoint.DISCOVERY)).status == 200
    assert caller.issuer.requests == {Endpoint.JWKS: 2, Endpoint.DISCOVERY: 1}


async def test_a_closed_issuer_comes_back_as_it_was(caller: Caller) -> None:
    url, token = caller.issuer.url, caller.issuer.token_for("alice")
    await caller.issuer.pause(Outage.REFUSES_CONNECTIONS)
    with pytest.raises(aiohttp.ClientConnectorError):
        await caller.get(Endpoint.JWKS)
    await caller.issuer.resume()
    assert caller.issuer.url == url
    assert await caller.is_active(token)


async def test_stopping_twice_is_harmless(issuer: EmbeddedIssuer) -> None:
    await issuer.stop()
    await issuer.stop()


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="`test`: twin"):
        Realm("test", clients=(Client("twin"),), people=(Person("twin", "x"),))


async def test_nobody_has_no_token(issuer: EmbeddedIssuer) -> None:
    with pytest.raises(KeyError, match="mallory"):
        issuer.token_for("mallory")


@pytest.mark.parametrize(
    "claims", [{}, {"aud": "elsewhere"}, {"exp": 4_102_444_800, "sub": "somebody"}]
)
async def test_any_claims_can_be_signed(issuer: EmbeddedIssuer, claims: dict[str, Any]) -> None:
    token = issuer.mint(claims)
    key = jwt.PyJWK(issuer.signing_key.jwk())
    assert jwt.decode(token, key, ["RS256"], options={"verify_aud": False}) == claims


async def test_a_token_can_be_unsigned(issuer: EmbeddedIssuer) -> None:
    token = issuer.mint({}, {"alg": "none", "kid": None})
    assert jwt.get_unverified_header(token) == {"alg": "none", "typ": "JWT"}
    assert token.endswith(".")


async def test_a_token_can_be_keyed_with_the_public_key(issuer: EmbeddedIssuer) -> None:
    signed, _, signature = issuer.mint({}, {"alg": "HS256"}).rpartition(".")
    expected = hmac.digest(issuer.signing_key.public_pem, signed.encode(), "sha256")
    assert jwt.utils.base64url_decode(signature) == expected


async def test_a_token_can_be_signed_by_a_stranger(issuer: EmbeddedIssuer) -> None:
    stranger = SigningKey.generate("ES256")
    token = issuer.mint({}, {"kid": issuer.signing_key.kid, "crit": ["unknown"]}, stranger)
    header = {"alg": "ES256", "typ": "JWT", "kid": issuer.signing_key.kid, "crit": ["unknown"]}
    assert json.loads(jwt.utils.base64url_decode(token.split(".")[0])) == header
