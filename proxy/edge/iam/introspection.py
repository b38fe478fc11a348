"""Does a token still count: OAuth 2.0 Token Introspection (RFC 7662), asked of one issuer.

The answer is remembered by the token's digest, and the token goes nowhere but
to the issuer that it names.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from proxy.core import introspection
from proxy.core.introspection import Told
from proxy.edge.iam.answers import Ages, Answers, Room
from proxy.edge.iam.breaker import Away, Unclear
from proxy.https import (
    Answer,
    Conversation,
    HttpsError,
    Line,
    NoDocumentError,
    basic,
    is_https,
)

MAX_ANSWER: Final = 64 * 1024
"""The most bytes that an answer may have; it is a token's claims, and little more."""

MEMORY: Final = 80 * 1024 * 1024
"""What all remembered answers of an issuer may weigh, in bytes."""

# It has moved or is busy; any other 4xx may be about the token, and of a gateway.
_ABOUT_ALL: Final = (404, 408, 410, 429)
_BYTES_PER_CHARACTER = 4
_BYTES_PER_ENTRY = 512
_MAX_SECRET = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspected:
    """An issuer that is asked, and who the proxy is to it.

    `name` is what the issuer is called in answers, `issuer` its url, and
    `metadata_url` where its metadata lies; `url` is where it is asked, if not
    where its metadata says. `client_id` and the secret in `client_secret_file`
    are the proxy's own. `ca_file` holds the PEM certificates that it is trusted
    by, instead of the system's.

    Raises:
        ValueError: the configuration could not work, or would not be safe.
    """

    name: str
    issuer: str
    metadata_url: str
    url: str = ""
    client_id: str
    client_secret_file: Path
    ca_file: Path | None = None
    ages: Ages

    def __post_init__(self) -> None:
        # Whoever answers there is told a secret and every token.
        if not is_https(self.url or self.metadata_url):
            raise ValueError(
                f"issuer `{self.name}`: the url of its introspection must begin with `https://`"
            )
        if not self.client_id:
            raise ValueError(f"issuer `{self.name}`: introspection needs a client id")


class Introspection:
    """The port `Introspector`, for one issuer. Use it in one event loop."""

    def __init__(
        self, config: Introspected, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Read the secret once, so that a mistake shows at the start.

        Raises:
            OSError: there is no secret to be read.
            ValueError: what is there cannot be one.
        """
        _read_secret(config.client_secret_file)
        self.answers = Answers[Told | None](
            config.name,
            config.ages,
            gives=lambda told: told is not None,
            room=Room(MEMORY, _weigh),
            monotonic=monotonic,
        )
        self._config = config
        self._line = Line(config.ca_file)
        self._endpoint = ""

    async def introspect(self, token: str, *, recheck: bool = False) -> Told | None:
        """As the port says."""
        return await self.answers.get(token, partial(self._ask, token), recheck=recheck)

    async def close(self) -> None:
        """Give up the questions that are under way, and close the connections."""
        await self.answers.close()
        await self._line.close()

    async def _ask(self, token: str) -> Told | None:
        try:
            async with self._line.conversation() as issuer:
                endpoint = self._endpoint or await self._discover(issuer)
                answer = await self._post(issuer, endpoint, token)
            told = _told(answer)
        except HttpsError as exc:
            # It may have moved.
            self._endpoint = ""
            raise Away(str(exc)) from exc
        self._endpoint = endpoint
        return told

    async def _post(self, issuer: Conversation, endpoint: str, token: str) -> Answer:
        form = {"token": token, "token_type_hint": "access_token"}
        headers = {"Authorization": await self._credentials()}
        try:
            return await issuer.post(endpoint, form, headers)
        except NoDocumentError as exc:
            raise Unclear(str(exc)) from exc

    async def _discover(self, issuer: Conversation) -> str:
        """Where the issuer is asked, by metadata that is its own (RFC 8414, 2 and 3.3)."""
        if self._config.url:
            return self._config.url
        metadata = await issuer.fetch(self._config.metadata_url)
        if not isinstance(metadata, Mapping) or metadata.get("issuer") != self._config.issuer:
            raise HttpsError("its metadata is that of another issuer")
        found = metadata.get("introspection_endpoint")
        if not isinstance(found, str) or not is_https(found):
            raise HttpsError(
                "its metadata names no `introspection_endpoint` that begins with `https://`"
            )
        return found

    async def _credentials(self) -> str:
        """Read anew for each question: secrets are rotated while we run."""
        try:
            secret = await asyncio.to_thread(_read_secret, self._config.client_secret_file)
        except (OSError, ValueError) as exc:
            raise HttpsError("the proxy's client secret cannot be read") from exc
        return basic(self._config.client_id, secret)


def _told(answer: Answer) -> Told | None:
    if answer.status == 401:
        raise HttpsError("it does not take the proxy's own client credentials")
    if answer.status != 200:
        reason = f"it answered with HTTP status {answer.status}"
        about_one = 400 <= answer.status < 500 and answer.status not in _ABOUT_ALL
        raise Unclear(reason) if about_one else HttpsError(reason)
    size = _size(answer.document)
    if size > MAX_ANSWER:
        raise Unclear(f"its answer has more than {MAX_ANSWER} bytes")
    try:
        return introspection.read(answer.document, size)
    except ValueError as exc:
        raise Unclear("its answer is not one to introspection") from exc


def _size(document: Any) -> int:
    try:
        return len(json.dumps(document))
    except RecursionError:
        return MAX_ANSWER + 1


def _weigh(told: Told | None) -> int:
    return _BYTES_PER_ENTRY + (told.size * _BYTES_PER_CHARACTER if told is not None else 0)


def _read_secret(path: Path) -> str:
    """The secret in a file, without the newline that editors end it with."""
    with path.open(encoding="utf-8") as file:
        secret = file.read(_MAX_SECRET + 1).rstrip("\r\n")
    if not secret or len(secret) > _MAX_SECRET:
        raise ValueError(f"a client secret has 1 to {_MAX_SECRET} characters")
    return secret
