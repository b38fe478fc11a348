"""How an IAM is asked: over HTTPS alone, for one JSON document at a time.

Every answer is bounded in size and time, no redirect is followed, no proxy of the
environment is used, and what went wrong is told without any address.
"""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlsplit

import aiohttp

MAX_DOCUMENT = 1024 * 1024
"""The most bytes that an answer may have."""

# The resolver encodes a name first, and aiohttp lets pass what it says of one that is too long.
_FAULTS = (aiohttp.ClientError, UnicodeError)


class HttpsError(Exception):
    """No document was had. The message completes `issuer X: ...` and names no address."""


class NoAnswerError(HttpsError):
    """Nobody answered, or not in time: later, somebody may."""


class NoDocumentError(HttpsError):
    """What was answered is no JSON, or too long."""


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
    except _FAULTS as exc:
        raise _told(exc) from exc


class Line:
    """Questions to one server on connections that are kept for the next ones.

    `ca_file` as for `conversation`, read anew after `renewed` seconds and after each
    fault. Use it in one event loop.
    """

    def __init__(self, ca_file: Path | None, *, renewed: float = 60) -> None:
        self._ca_file = ca_file
        self._renewed = renewed
        self._kept: _Kept | None = None
        self._renewing = asyncio.Lock()

    @asynccontextmanager
    async def conversation(self) -> AsyncIterator["Conversation"]:
        """Ask questions; whoever asks bounds the time.

        Raises:
            NoAnswerError: nobody answered.
            HttpsError: what answered is not to be trusted, or not to be read.
        """
        kept = await self._keep()
        kept.users += 1
        try:
            yield Conversation(kept.session)
        except _FAULTS as exc:
            kept.good_until = 0
            raise _told(exc) from exc
        finally:
            kept.users -= 1
            await self._close_unused(kept)

    async def close(self) -> None:
        """Close the connections."""
        if self._kept is not None:
            await self._kept.session.close()

    async def _keep(self) -> "_Kept":
        async with self._renewing:
            kept, now = self._kept, asyncio.get_running_loop().time()
            if kept is not None and now < kept.good_until:
                return kept
            session = _session(await _trust(self._ca_file, None))
            self._kept = _Kept(session, now + self._renewed)
        if kept is not None:
            await self._close_unused(kept)
        return self._kept

    async def _close_unused(self, kept: "_Kept") -> None:
        if kept is not self._kept and not kept.users:
            await kept.session.close()


@dataclass(slots=True)
class _Kept:
    """Open connections, how many are asking on them, and until when more may."""

    session: aiohttp.ClientSession
    good_until: float
    users: int = 0


class Conversation:
    """Questions to one server. Only `conversation` and a `Line` make one."""

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
            except NoDocumentError:
                if response.status == 200:
                    raise
                return Answer(response.status, None)


def basic(client_id: str, secret: str) -> str:
    """How a client proves who it is, as the value of `Authorization` (RFC 6749, 2.3.1).

    Both are form-encoded first, so that a colon in either is no divider.
    """
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


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
            raise NoDocumentError(f"its answer has more than {MAX_DOCUMENT} bytes")
    return bytes(body)


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise NoDocumentError("its answer is not JSON") from exc


def _told(exc: aiohttp.ClientError | UnicodeError) -> HttpsError:
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
        case UnicodeError():
            return HttpsError("its name is not one that can be looked up")
        case _:
            return HttpsError("its answer cannot be read")
