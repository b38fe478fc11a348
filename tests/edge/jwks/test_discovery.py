"""Where keys come from, and which answers are believed."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from proxy import https
from proxy.edge.jwks.discovery import FetchError, fetch_keys
from tests.edge.jwks.issuers import Issuer, SigningKey, running_issuer

METADATA = "/.well-known/openid-configuration"


async def test_keys_come_by_discovery(issuer: Issuer) -> None:
    keys = await fetch_keys(issuer.config())
    assert [key.kid for key in keys.keys] == ["k1"]


async def test_metadata_may_lie_elsewhere(issuer: Issuer) -> None:
    issuer.handlers["/else"] = lambda _: _json({"issuer": "https://iam", "jwks_uri": issuer.url})
    issuer.handlers["/"] = lambda _: _json({"keys": [issuer.keys[0].jwk()]})
    config = issuer.config(rules={"url": "https://iam"}, discovery_url=issuer.url + "/else")
    keys = await fetch_keys(config)
    assert keys.find("k1", "ES256") is not None


@pytest.mark.parametrize(
    ("path", "media_type"), [(METADATA, "application/json"), ("/keys", "application/jwk-set+json")]
)
async def test_an_issuer_may_have_each_document_in_its_own_media_type_alone(
    issuer: Issuer, path: str, media_type: str
) -> None:
    """As a kube-apiserver, which answers 406 to whoever does not take a key set as such."""
    accepted: list[str] = []

    async def note(request: web.Request) -> web.StreamResponse:
        accepted.extend(request.headers["Accept"].split(", "))
        return web.Response(status=406)

    issuer.handlers[path] = note
    with pytest.raises(FetchError, match="406"):
        await fetch_keys(issuer.config())
    assert media_type in accepted


async def test_keys_may_lie_elsewhere_than_metadata_says(issuer: Issuer) -> None:
    issuer.metadata = {"jwks_uri": "https://10.0.0.1:6443/openid/v1/jwks"}
    issuer.handlers["/openid/v1/jwks"] = lambda _: _json({"keys": [issuer.keys[0].jwk()]})
    keys = await fetch_keys(issuer.config(jwks_url=issuer.url + "/openid/v1/jwks"))
    assert keys.find("k1", "ES256") is not None


async def test_keys_that_lie_elsewhere_still_need_metadata_of_the_issuer(issuer: Issuer) -> None:
    issuer.metadata = {"issuer": "https://other"}
    with pytest.raises(FetchError, match="another issuer"):
        await fetch_keys(issuer.config(jwks_url=issuer.url + "/keys"))
    assert issuer.fetches == 0


async def test_a_slash_at_the_end_of_the_url_is_not_doubled(issuer: Issuer) -> None:
    issuer.metadata["issuer"] = issuer.url + "/"
    keys = await fetch_keys(issuer.config(rules={"url": issuer.url + "/"}))
    assert len(keys.keys) == 1


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other"},
        {"issuer": None},
        {"issuer": ["https://other"]},
        {"jwks_uri": None},
        {"jwks_uri": 7},
        {"jwks_uri": "http://127.0.0.1/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "/keys"},
        {"jwks_uri": "https://"},
        {"jwks_uri": "https://user:secret@127.0.0.1/keys"},
        {"jwks_uri": "https://[/keys"},
    ],
)
async def test_metadata_that_is_not_the_issuers_is_refused(
    issuer: Issuer, metadata: dict[str, Any]
) -> None:
    issuer.metadata = metadata
    with pytest.raises(FetchError, match="its metadata"):
        await fetch_keys(issuer.config())
    assert issuer.fetches == 0


async def test_an_issuer_that_differs_by_a_slash_is_another(issuer: Issuer) -> None:
    issuer.metadata["issuer"] = issuer.url + "/"
    with pytest.raises(FetchError, match="another issuer"):
        await fetch_keys(issuer.config())


async def _json(document: Any) -> web.Response:
    return web.json_response(document)


async def _redirect(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": f"{request.url.origin()}/elsewhere"})


async def _huge(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(https.MAX_DOCUMENT // 4096 + 1):
        await response.write(b" " * 4096)
    return response


async def _gzipped(_: web.Request) -> web.Response:
    body = gzip.compress(json.dumps({"keys": [SigningKey.generate("k1").jwk()]}).encode())
    return web.Response(body=body, headers={"Content-Encoding": "gzip"})


async def _deep(_: web.Request) -> web.Response:
    return web.Response(body=b"[" * 100_000)


async def _digits(_: web.Request) -> web.Response:
    return web.Response(body=b"1" * 100_000)


async def _hang_up(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def _hang_up_halfway(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b"{")
    return await _hang_up(request)


@pytest.mark.parametrize("path", [METADATA, "/keys"])
@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (_redirect, "HTTP status 302"),
        (_huge, "more than 1048576 bytes"),
        (_gzipped, "not JSON"),
        (_deep, "not JSON"),
        (_digits, "not JSON"),
        (_hang_up, "cannot be reached"),
        (_hang_up_halfway, "cannot be read"),
        (lambda _: _json([]), "its metadata|its key set"),
        (lambda _: _json({}), "its metadata|its key set"),
    ],
)
async def test_an_answer_no_issuer_gives_is_refused(
    issuer: Issuer, path: str, handler: Any, why: str
) -> None:
    issuer.handlers[path] = handler
    with pytest.raises(FetchError, match=why):
        await fetch_keys(issuer.config())


async def test_an_issuer_that_is_down_is_told_without_its_address(issuer: Issuer) -> None:
    config = issuer.config(rules={"url": "https://127.0.0.1:1"})
    with pytest.raises(FetchError) as refused:
        await fetch_keys(config)
    assert str(refused.value) == "it cannot be reached"


async def test_a_name_that_does_not_resolve_is_told(issuer: Issuer) -> None:
    with pytest.raises(FetchError, match="its name does not resolve"):
        await fetch_keys(issuer.config(rules={"url": "https://iam.invalid"}))


async def test_a_certificate_of_another_authority_is_refused(
    issuer: Issuer, tmp_path: Path
) -> None:
    async with running_issuer(tmp_path, "impostor") as impostor:
        with pytest.raises(FetchError, match="its certificate is not trusted"):
            await fetch_keys(issuer.config(rules={"url": impostor.url}))
        assert impostor.fetches == 0


async def test_the_systems_authorities_count_where_none_is_named(issuer: Issuer) -> None:
    with pytest.raises(FetchError, match="its certificate is not trusted"):
        await fetch_keys(issuer.config(ca_file=None))


@pytest.mark.parametrize("content", [None, "not a certificate"])
async def test_a_ca_file_that_cannot_be_read_is_told(
    issuer: Issuer, tmp_path: Path, content: str | None
) -> None:
    ca_file = tmp_path / "broken.pem"
    if content is not None:
        ca_file.write_text(content)
    with pytest.raises(FetchError, match="its CA file cannot be read"):
        await fetch_keys(issuer.config(ca_file=ca_file))


async def test_an_issuer_without_tls_is_refused(issuer: Issuer) -> None:
    async def banner(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(banner, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(FetchError, match=r"does not speak TLS|cannot be reached"):
            await fetch_keys(issuer.config(rules={"url": f"https://127.0.0.1:{port}"}))


async def test_an_issuer_that_does_not_answer_is_given_up(issuer: Issuer) -> None:
    released = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    issuer.handlers["/keys"] = hang
    with pytest.raises(FetchError, match=r"did not answer within 0\.2 s"):
        await fetch_keys(issuer.config(fetch_timeout=0.2))
    released.set()
