"""Where issuers tell that something has ended: the listener's service for their notices.

Logout tokens come as OpenID Connect Back-Channel Logout 1.0 has it, and Keycloak's
actions as it posts them to the admin URL of a client. Who sends one does not
matter, only who signed it.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import parse_qs

from proxy.core.errors import BadRequest, MethodNotAllowed, NotFound, Refused, UnsupportedMediaType
from proxy.core.wire import Headers, RawRequest, Reply
from proxy.ports import Client, ClientGone, Notices

MAX_BODY: Final = 64 * 1024
"""Bytes; a notice is one token."""

LOGOUT: Final = "/backchannel-logout"

_NOT_STORED: Headers = (("Cache-Control", "no-store"),)

Take = Callable[[RawRequest, bytes], Awaitable[None]]


class BackChannel:
    """Answers what issuers send; use it behind a listener."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        # Keycloak appends its own names to the admin URL of a client (AdapterConstants).
        self._takers: Mapping[str, Take] = {
            LOGOUT: self._log_out,
            "/k_push_not_before": self._push,
            "/k_logout": self._push,
        }

    async def serve(self, raw: RawRequest, client: Client) -> None:
        """Answer one request."""
        try:
            await self._take(raw, client)
            reply = Reply(200, _NOT_STORED, b"")
        except Refused as refused:
            reply = _refusal(refused)
        except ClientGone:
            return
        await _send(client, reply)

    async def malformed(self, refused: Refused, _: str, client: Client) -> None:
        """Answer what is no request."""
        await _send(client, _refusal(refused))

    async def _take(self, raw: RawRequest, client: Client) -> None:
        take = self._takers.get(raw.target)
        if take is None:
            raise NotFound("there is nothing here")
        if raw.method != "POST":
            raise MethodNotAllowed("send it with POST")
        await take(raw, await client.body(MAX_BODY))

    async def _log_out(self, raw: RawRequest, body: bytes) -> None:
        media = raw.value("Content-Type").partition(";")[0].strip().lower()
        if media != "application/x-www-form-urlencoded":
            raise UnsupportedMediaType("send `application/x-www-form-urlencoded`")
        await self._notices.log_out(_logout_token(body))

    async def _push(self, _: RawRequest, body: bytes) -> None:
        await self._notices.push(_text(body).strip())


async def _send(client: Client, reply: Reply) -> None:
    try:
        await client.send(reply)
    except ClientGone:
        return


def _logout_token(body: bytes) -> str:
    try:
        form = parse_qs(_text(body), strict_parsing=True, max_num_fields=16)
    except ValueError as exc:
        raise BadRequest("the body is not a form") from exc
    match form.get("logout_token"):
        case [token]:
            return token
        case _:
            raise BadRequest("send one `logout_token`")


def _text(body: bytes) -> str:
    try:
        return body.decode("ascii")
    except UnicodeDecodeError as exc:
        raise BadRequest("the body is not ASCII") from exc


def _refusal(refused: Refused) -> Reply:
    """As the specification has it (OIDC Back-Channel Logout 1.0, 2.8): an OAuth error in JSON."""
    error = "invalid_request" if refused.code < 500 else "temporarily_unavailable"
    body = json.dumps({"error": error, "error_description": refused.message}).encode()
    headers: Headers = (("Content-Type", "application/json"), *_NOT_STORED)
    if refused.retry_after is not None:
        headers = (*headers, ("Retry-After", str(refused.retry_after)))
    return Reply(refused.code, headers, body)
