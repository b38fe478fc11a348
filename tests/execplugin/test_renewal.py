"""Which question the IAM is asked, and what is made of its answer."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from proxy.execplugin import renewal
from proxy.execplugin.faults import PluginError, UnreachableError, WrongUseError
from proxy.execplugin.kept import Kept
from proxy.execplugin.ways import Account, ByDeviceCode, ByKey, BySecret, Way
from tests.edge.jwks.issuers import running_issuer
from tests.edge.oidc.iams import TOKENS, Iam, refused


@pytest.fixture
async def iam(tmp_path: Path) -> AsyncIterator[Iam]:
    async with running_issuer(tmp_path) as issuer:
        yield Iam(issuer)


async def renew(iam: Iam, way: Way, refresh: str | None = None) -> Kept:
    """Nobody is there to log in."""
    account = Account(iam.issuer.url, "blue", way, (), iam.issuer.ca_file)
    return await asyncio.to_thread(renewal.renew, account, None, refresh)


async def test_a_refresh_token_spares_a_person_the_login(iam: Iam) -> None:
    kept = await renew(iam, ByDeviceCode(), "refresh-1")
    assert (kept.access, kept.refresh) == ("access-1", "refresh-1")
    assert [form["grant_type"] for form in iam.forms] == ["refresh_token"]


async def test_a_refresh_token_that_is_over_is_not_the_end(iam: Iam) -> None:
    iam.tokens = [refused("invalid_grant")]
    with pytest.raises(PluginError, match="a person has to log in"):
        await renew(iam, ByDeviceCode(), "refresh-1")


async def test_a_client_that_is_refused_needs_no_person(iam: Iam) -> None:
    iam.tokens = [refused("invalid_client", 401)]
    with pytest.raises(PluginError, match="does not know the client"):
        await renew(iam, ByDeviceCode(), "refresh-1")


async def test_a_client_asks_for_itself_whatever_is_left(iam: Iam) -> None:
    iam.tokens = [TOKENS | {"refresh_token": "refresh-2"}]
    await renew(iam, BySecret("s3cret"), "refresh-1")
    assert [form["grant_type"] for form in iam.forms] == ["client_credentials"]


async def test_client_go_and_the_cache_are_told_the_same_time(iam: Iam) -> None:
    kept = await renew(iam, BySecret("s3cret"))
    assert kept.renew_at == int(kept.renew_at)
    assert kept.asked_at + 200 < kept.renew_at <= kept.asked_at + 240


async def test_an_iam_that_is_not_well_is_told_from_one_that_refuses(iam: Iam) -> None:
    iam.tokens = [web.Response(status=503)]
    with pytest.raises(UnreachableError, match="no token from the issuer: it answered"):
        await renew(iam, BySecret("s3cret"))


@pytest.mark.parametrize("way", [ByKey(b""), ByKey(b"s3cret")])
async def test_a_key_that_is_none_is_told(iam: Iam, way: Way) -> None:
    with pytest.raises(WrongUseError, match="no private key in PEM"):
        await renew(iam, way)


def test_an_issuer_that_is_none_is_told() -> None:
    account = Account("http://iam.example.com", "blue", BySecret("s3cret"))
    with pytest.raises(WrongUseError, match="https://"):
        renewal.renew(account, None, None)
