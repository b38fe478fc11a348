"""Issuers that are allowed are asked, with a client's secret or key, and no others are."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from proxy.refresher.credentials import ClientSecret, Credentials, PrivateKey
from proxy.refresher.errors import RefreshError
from proxy.refresher.issuers import AllowedIssuers
from tests.edge.jwks.issuers import running_issuer
from tests.edge.oidc.iams import Iam, refused

SECRET = ClientSecret("s3cret")


@pytest.fixture
async def iam(tmp_path: Path) -> AsyncIterator[Iam]:
    async with running_issuer(tmp_path) as issuer:
        yield Iam(issuer)


def allowed(iam: Iam) -> AllowedIssuers:
    return AllowedIssuers([iam.issuer.url], iam.issuer.ca_file)


async def test_a_client_gets_a_token_by_its_secret(iam: Iam) -> None:
    asked = Credentials(iam.issuer.url, "blue", SECRET, ("openid", "hosts"))
    token = await allowed(iam).token(asked)
    assert token.value == "access-1"
    assert token.lifetime.ends - token.lifetime.begins == 300
    assert iam.forms == [{"grant_type": "client_credentials", "scope": "openid hosts"}]


async def test_or_by_its_key(iam: Iam) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    token = await allowed(iam).token(Credentials(iam.issuer.url, "blue", PrivateKey(pem)))
    assert token.value == "access-1"
    assert "client_assertion" in iam.forms[0]


@pytest.mark.parametrize("end", ["/", "/realms/other", "?x", ".example.com"])
async def test_an_issuer_that_is_not_allowed_is_not_asked(iam: Iam, end: str) -> None:
    elsewhere = Credentials(iam.issuer.url + end, "blue", SECRET)
    with pytest.raises(RefreshError, match="`issuer-url` names no issuer that is allowed here"):
        await allowed(iam).token(elsewhere)
    assert not iam.forms


async def test_what_the_issuer_refuses_is_told_in_our_words(iam: Iam) -> None:
    iam.tokens = [refused("invalid_client", 401)]
    with pytest.raises(RefreshError, match="the issuer: it does not know the client") as told:
        await allowed(iam).token(Credentials(iam.issuer.url, "blue", SECRET))
    assert "s3cret" not in str(told.value)


async def test_a_key_that_is_none_is_told_without_a_byte_of_it(iam: Iam) -> None:
    with pytest.raises(RefreshError, match="the key `private-key`: ") as told:
        await allowed(iam).token(Credentials(iam.issuer.url, "blue", PrivateKey("s3cret")))
    assert "s3cret" not in str(told.value)
    assert not iam.forms
