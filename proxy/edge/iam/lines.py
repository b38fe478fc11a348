"""Ways to the IAM by python-keycloak, each for one caller at a time.

The library puts a caller's token into the headers of its connection and waits
for the answer. Two callers on one connection would be taken for each other, so a
line is lent to one of them alone, and the next one gets it back clean or not at
all. The HTTP client below it is ours: no proxies of the environment, no
redirects, no cookies, and answers of a bounded size.
"""

import asyncio
import logging
import math
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Final, cast

import httpx
from keycloak import KeycloakOpenID

from proxy.edge.iam.breaker import Away, Unclear

MAX_ANSWER: Final = 4 * 1024 * 1024
"""The most bytes of an answer: some twenty thousand namespaces."""

RENEWED: Final = 300.0
"""Seconds for which a line is used: certificates are rotated while we run."""

# A path of Keycloak's own may come before it; there is no user, query or fragment.
_REALM: Final = re.compile(r"https://[^/?#@\s]+(?:/[^/?#\s]+)*/realms/[^/?#\s]+")
_HEADERS: Final = {
    # Else a small answer could unpack into a large one.
    "Accept-Encoding": "identity",
    "User-Agent": "hostclaim-proxy",
}

# They write down addresses, and headers besides, where a log is to hold neither.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Realm:
    """A realm of a Keycloak, and one of its clients.

    `url` is the realm's own, such as `https://iam.example.com/realms/corp`;
    `ca_file` holds the PEM certificates that it is trusted by, instead of the
    system's. An operation on the network is given up after `timeout` seconds.

    Raises:
        ValueError: it is not the address of a realm, or not a safe one.
    """

    url: str
    client_id: str
    ca_file: Path | None = None
    timeout: float = 5

    def __post_init__(self) -> None:
        if not _REALM.fullmatch(self.url):
            raise ValueError("the url of a realm must be `https://HOST/realms/NAME`")

    @property
    def server(self) -> str:
        """The address that the library puts `realms/...` behind."""
        return self.url.rpartition("realms/")[0]

    @property
    def name(self) -> str:
        """The realm's name, as the url spells it."""
        return self.url.rpartition("/")[2]


class Lines:
    """Lends lines to one realm, and keeps those that are free. Use it in one event loop."""

    def __init__(self, realm: Realm, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._realm = realm
        self._monotonic = monotonic
        self._free: list[_Line] = []

    @asynccontextmanager
    async def line(self) -> AsyncIterator[KeycloakOpenID]:
        """A line for the caller alone; one that fails within is closed.

        Raises:
            Away: the realm's CA file cannot be read.
        """
        line = await self._line()
        try:
            yield line.keycloak
        except BaseException:
            # It may still hold a token, or half of an answer.
            await line.close()
            raise
        self._free.append(line)

    async def close(self) -> None:
        """Close those that are free."""
        while self._free:
            await self._free.pop().close()

    async def _line(self) -> "_Line":
        while self._free:
            line = self._free.pop()
            if self._monotonic() - line.opened < RENEWED:
                return line
            await line.close()
        trust = await _trust(self._realm.ca_file)
        return _Line(_keycloak(self._realm, trust), self._monotonic())


@dataclass(frozen=True, slots=True)
class _Line:
    keycloak: KeycloakOpenID
    opened: float

    async def close(self) -> None:
        await self.keycloak.connection.aclose()


async def _trust(ca_file: Path | None) -> ssl.SSLContext:
    """It may read many files, so not in the event loop."""
    try:
        return await asyncio.to_thread(ssl.create_default_context, cafile=ca_file)
    except OSError as exc:  # an SSLError, for a file without certificates, is one too
        raise Away("its CA file cannot be read") from exc


def _keycloak(realm: Realm, trust: ssl.SSLContext) -> KeycloakOpenID:
    keycloak = KeycloakOpenID(
        realm.server,
        realm.name,
        realm.client_id,
        timeout=math.ceil(realm.timeout),
        verify=trust,  # type: ignore[arg-type] # httpx takes a context, and a file's name no more
    )
    # The library's own client would go by proxies of the environment.
    keycloak.connection.async_s = httpx.AsyncClient(
        transport=_Bounded(verify=trust, trust_env=False),
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        headers=_HEADERS,
    )
    return keycloak


class _Bounded(httpx.AsyncHTTPTransport):
    """Gives up an answer that is too long, or packed."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if "Content-Encoding" in response.headers:
            await response.aclose()
            raise Away("its answer is compressed, which was not asked for")
        response.stream = _BoundedStream(cast("httpx.AsyncByteStream", response.stream))
        return response


class _BoundedStream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > MAX_ANSWER:
                raise Unclear(f"its answer has more than {MAX_ANSWER} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
