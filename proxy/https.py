"""How an IAM is asked: over HTTPS alone, for one JSON document at a time.

Every answer is bounded in size and time, no redirect is followed, no proxy of the
environment is used, and what went wrong is told without any address.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

MAX_DOCUMENT = 1024 * 1024
"""The most bytes that an answer may have."""


class HttpsError(Exception):
    """No document was had. The message completes `issuer X: ...` and names no address."""


class NoAnswerError(HttpsError):
    """Nobody answered, or not in time: later, somebody may."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status; `document` is None where there was no JSON."""

    status: int
    document: Any


def is_https(url: str) -> bool:
    """Whether a URL is fit for asking: who answers it decides who everybody is."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc


@asynccontextmanager
async def conversation(
    ca_file: Path | None, seconds: float, *, ca_pem: str | None = None
) -> AsyncIterator["Conversation"]:
    """Ask one or more questions within so many seconds, all together.

    `ca_file` holds the PEM certificates that are trusted instead of the system's.
    It is read anew each time: certificates are rotated while we run. `ca_pem` is
    such certificates themselves, where there is no file.

    Raises:
        NoAnswerError: nobody answered, or not in time.
        HttpsError: what answered is not to be trusted, or not to be read.
    """
    try:
        async with asyncio.timeout(seconds):
            async with _session(await _trust(ca_file, ca_pem)) as session:
                yield Conversation(session)
    except TimeoutError as exc:
        raise NoAnswerError(f"it did not answer within {seconds:g} s") from exc
    except aiohttp.ClientError as exc:
        raise _told(exc) from exc


class Conversation:
    """Questions to one server. Only `conversation` makes one."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def fetch(self, url: str) -> Any:
        """Get a document.

        Raises:
            HttpsError: the answer is not one.
        """
        # A redirect would let whoever can write one on that host choose the keys.
        async with self._session.get(url, allow_redirects=False) as response:
            if response.status != 200:
                raise HttpsError(f"it answered with HTTP status {response.status}")
            return _document(await _body(response))

    async def post(
        self, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Post a form. A refusal is an answer too, and says why in its document (RFC 6749, 5.2).

        Raises:
            HttpsError: success without a document, or an answer too large.
        """
        async with self._session.post(
            url, data=dict(form), headers=headers, allow_redirects=False
        ) as response:
            body = await _body(response)
            try:
                return Answer(response.status, _document(body))
            except HttpsError:
                if response.status == 200:
                    raise
                return Answer(response.status, None)


async def _trust(ca_file: Path | None, ca_pem: str | None) -> ssl.SSLContext:
    """It may read many files, so not in the event loop."""
    try:
        return await asyncio.to_thread(ssl.create_default_context, cafile=ca_file, cadata=ca_pem)
    except OSError as exc:  # an SSLError, for a file without certificates, is one too
        raise HttpsError("its CA file cannot be read") from exc


def _session(trust: ssl.SSLContext) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trust),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={
            # A kube-apiserver has its key set in the media type of RFC 7517, 8.5.2 alone.
            "Accept": "application/json, application/jwk-set+json",
            # Else a small answer could unpack into a large one.
            "Accept-Encoding": "identity",
        },
        auto_decompress=False,
        trust_env=False,  # a proxy of the environment, or a .netrc, is nobody's configuration
    )


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_DOCUMENT:
            raise HttpsError(f"its answer has more than {MAX_DOCUMENT} bytes")
    return bytes(body)


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise HttpsError("its answer is not JSON") from exc


def _told(exc: aiohttp.ClientError) -> HttpsError:
    """The kind of fault; aiohttp's own words hold hosts and addresses."""
    match exc:
        case aiohttp.ClientConnectorCertificateError():
            return HttpsError("its certificate is not trusted")
        case aiohttp.ClientSSLError():
            return HttpsError("it does not speak TLS as it should")
        case aiohttp.ClientConnectorDNSError():
            return NoAnswerError("its name does not resolve")
        case aiohttp.ClientConnectionError():
            return NoAnswerError("it cannot be reached")
        case _:
            return HttpsError("its answer cannot be read")
