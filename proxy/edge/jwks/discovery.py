"""Where an issuer's keys are: OIDC Discovery 1.0, then its JWK Set, over HTTPS.

Every answer is bounded in size and time, and nothing in it may send us
elsewhere but `jwks_uri`, where no place is configured. What went wrong is told without any address.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from proxy.edge.jwks.config import IssuerConfig, is_https
from proxy.edge.jwks.keys import KeySet, KeySetError, read_keys

MAX_DOCUMENT = 1024 * 1024
"""The most bytes either document may have."""

_HEADERS = {
    # A kube-apiserver has its key set in the media type of RFC 7517, 8.5.2 alone.
    "Accept": "application/json, application/jwk-set+json",
    # Else a small answer could unpack into a large one.
    "Accept-Encoding": "identity",
}


class FetchError(Exception):
    """No keys were had. The message completes `issuer X: ...` and names no address."""


async def fetch_keys(config: IssuerConfig) -> KeySet:
    """Fetch the keys that an issuer signs with now.

    Raises:
        FetchError: it did not answer, or not as an issuer would.
    """
    try:
        async with asyncio.timeout(config.fetch_timeout):
            trust = await _trust(config.ca_file)
            async with _session(trust) as session:
                metadata = await _document(session, config.metadata_url)
                jwks = await _document(session, _jwks_url(metadata, config))
        return read_keys(jwks, config.algorithms)
    except TimeoutError as exc:
        raise FetchError(f"it did not answer within {config.fetch_timeout:g} s") from exc
    except aiohttp.ClientError as exc:
        raise FetchError(_why(exc)) from exc
    except KeySetError as exc:
        raise FetchError(str(exc)) from exc


async def _trust(ca_file: Path | None) -> ssl.SSLContext:
    """Read anew for each fetch: certificates are rotated while we run.

    It may read many files, so not in the event loop.
    """
    try:
        return await asyncio.to_thread(ssl.create_default_context, cafile=ca_file)
    except OSError as exc:  # an SSLError, for a file without certificates, is one too
        raise FetchError("its CA file cannot be read") from exc


def _session(trust: ssl.SSLContext) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trust),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
        auto_decompress=False,
        trust_env=False,  # a proxy of the environment, or a .netrc, is nobody's configuration
    )


async def _document(session: aiohttp.ClientSession, url: str) -> Any:
    # A redirect would let whoever can write one on that host choose the keys.
    async with session.get(url, allow_redirects=False) as response:
        if response.status != 200:
            raise FetchError(f"it answered with HTTP status {response.status}")
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MAX_DOCUMENT:
                raise FetchError(f"its answer has more than {MAX_DOCUMENT} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise FetchError("its answer is not JSON") from exc


def _jwks_url(metadata: Any, config: IssuerConfig) -> str:
    """Where the keys lie, by metadata that is the issuer's own (OIDC Discovery 1.0, 4.3).

    It has to be, also where an administrator knows better where the keys lie:
    who answers there may be another cluster by now.
    """
    if not isinstance(metadata, Mapping) or metadata.get("issuer") != config.rules.url:
        raise FetchError("its metadata is that of another issuer")
    if config.jwks_url:
        return config.jwks_url
    uri = metadata.get("jwks_uri")
    if not isinstance(uri, str) or not is_https(uri):
        raise FetchError("its metadata names no `jwks_uri` that begins with `https://`")
    return uri


def _why(exc: aiohttp.ClientError) -> str:
    """The kind of fault; aiohttp's own words hold hosts and addresses."""
    match exc:
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not trusted"
        case aiohttp.ClientSSLError():
            return "it does not speak TLS as it should"
        case aiohttp.ClientConnectorDNSError():
            return "its name does not resolve"
        case aiohttp.ClientConnectionError():
            return "it cannot be reached"
        case _:
            return "its answer cannot be read"
