"""One Secret: look at it, and if its token is due, put a new one in.

Each time the Secret is read anew, and what is written holds only for the version
that was read: what a watch told may be old, and somebody else may write as well.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol, assert_never

from proxy.refresher import credentials, kubeconfig, order
from proxy.refresher.clock import Clock
from proxy.refresher.cluster import ApiError
from proxy.refresher.errors import RefreshError
from proxy.refresher.kubeconfig import Login
from proxy.refresher.order import FromSecret, FromTokenFile, Order, Source
from proxy.refresher.schedule import SHORTEST_SECONDS, Lifetime, due, lifetime_of
from proxy.refresher.tokens import Issuers, Token, TokenFile

RECHECK_SECONDS: Final = 30.0
"""How soon to look again for a new token where there still is the old one."""

_TRIES: Final = 3
_CONFLICT: Final = 409


class Secrets(Protocol):
    """The cluster's. Both raise `ApiError`."""

    async def secret(self, namespace: str, name: str) -> Mapping[str, Any]:
        """Get one."""
        ...

    async def patch(self, namespace: str, name: str, body: Mapping[str, Any]) -> None:
        """Change what a JSON merge patch says of one."""
        ...


class Office(Protocol):
    """Whether we are the one who writes."""

    def holds(self) -> bool:
        """Ask right before each write."""
        ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a Secret may ask for at most, whoever wrote it.

    `proxies` are the servers that tokens may be meant for. In `token_file_namespaces`
    a Secret may ask for our own service account's token: who can make one there is us.
    """

    proxies: frozenset[str]
    token_file_namespaces: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Standing:
    """When to look at a Secret again, and when the token in it expires; since the epoch."""

    again: float
    expires: float
    renewed: bool = False


class Renewal:
    """Renews tokens in Secrets.

    `token_file` is None where there is no such way in.
    """

    def __init__(
        self,
        secrets: Secrets,
        issuers: Issuers,
        token_file: TokenFile | None,
        bounds: Bounds,
        clock: Clock,
    ) -> None:
        self._secrets = secrets
        self._issuers = issuers
        self._token_file = token_file
        self._bounds = bounds
        self._clock = clock

    async def renew(self, namespace: str, name: str, office: Office) -> Standing:
        """Renew the token of a Secret, if it is time.

        Raises:
            RefreshError: it is time, and could not be done; the Secret says so too.
        """
        for _ in range(_TRIES):
            try:
                return await self._look(namespace, name, office)
            except ApiError as exc:
                if exc.status != _CONFLICT:
                    raise RefreshError(str(exc)) from exc
        raise RefreshError("somebody else writes the Secret again and again")

    async def _look(self, namespace: str, name: str, office: Office) -> Standing:
        secret = await self._secrets.secret(namespace, name)
        if (secret["metadata"].get("labels") or {}).get(order.LABEL) != "true":
            raise RefreshError(f'the Secret has no label `{order.LABEL}: "true"` any more')
        try:
            return await self._renew(secret, office)
        except RefreshError as exc:
            await self._tell(secret, str(exc), office)
            raise

    async def _renew(self, secret: Mapping[str, Any], office: Office) -> Standing:
        asked = order.read(secret)
        login = kubeconfig.read(asked.kubeconfig, asked.context)
        self._check(login)
        now = self._clock.wall()
        known = _known(secret, login.token)
        again = min((due(each, _name(secret)) for each in known), default=now)
        if again > now:
            expires = min(each.ends for each in known)
            await self._tell(secret, None, office)
            return Standing(again, expires)
        token = await self._token(asked.source, secret["metadata"]["namespace"])
        if token.lifetime.ends - now < SHORTEST_SECONDS:
            raise RefreshError(f"the new token would expire within {SHORTEST_SECONDS:g} s")
        if token.value == login.token:
            await self._tell(secret, None, office)
            return Standing(now + RECHECK_SECONDS, token.lifetime.ends)
        await self._write(secret, asked, token, office)
        return Standing(due(token.lifetime, _name(secret)), token.lifetime.ends, renewed=True)

    def _check(self, login: Login) -> None:
        """A token goes where the proxy is: who writes the Secret cannot have it sent elsewhere."""
        if login.server.rstrip("/") not in self._bounds.proxies:
            raise RefreshError("the server of the kubeconfig is not a proxy that is allowed here")

    async def _token(self, source: Source, namespace: str) -> Token:
        match source:
            case FromSecret(name):
                # Of the same namespace, always: an order has no word for another one.
                try:
                    found = await self._secrets.secret(namespace, name)
                except ApiError as exc:
                    raise RefreshError(str(exc)) from exc
                return await self._issuers.token(credentials.read(found))
            case FromTokenFile():
                allowed = namespace in self._bounds.token_file_namespaces
                if self._token_file is None or not allowed:
                    raise RefreshError(f"`{order.TOKEN_FILE}` is not allowed in this namespace")
                return await self._token_file.token()
            case _:
                assert_never(source)

    async def _write(
        self, secret: Mapping[str, Any], asked: Order, token: Token, office: Office
    ) -> None:
        try:
            text = kubeconfig.with_token(asked.kubeconfig, asked.context, token.value)
        except ValueError as exc:
            raise RefreshError(str(exc)) from exc
        annotations = {
            order.REFRESHED_AT: _shown(token.lifetime.begins),
            order.EXPIRES_AT: _shown(token.lifetime.ends),
            order.ERROR: None,
        }
        data = {asked.key: base64.b64encode(text.encode()).decode()}
        await self._patch(secret, {"data": data}, annotations, office)

    async def _tell(self, secret: Mapping[str, Any], error: str | None, office: Office) -> None:
        """Have the Secret say what is wrong, or that nothing is; where it does not yet."""
        if order.annotations_of(secret).get(order.ERROR) == error:
            return
        try:
            await self._patch(secret, {}, {order.ERROR: error}, office)
        except ApiError:
            if error is None:
                raise

    async def _patch(
        self,
        secret: Mapping[str, Any],
        change: Mapping[str, Any],
        annotations: Mapping[str, str | None],
        office: Office,
    ) -> None:
        if not office.holds():
            raise RefreshError("another replica leads by now")
        meta = secret["metadata"]
        metadata = {
            # INVARIANT: what is written was decided on the very version that it replaces.
            "resourceVersion": meta["resourceVersion"],
            "annotations": annotations,
        }
        await self._secrets.patch(meta["namespace"], meta["name"], {**change, "metadata": metadata})


def _name(secret: Mapping[str, Any]) -> str:
    return f"{secret['metadata']['namespace']}/{secret['metadata']['name']}"


def _known(secret: Mapping[str, Any], token: str) -> list[Lifetime]:
    """What is known of the life of a token: by itself, and by what we noted when we wrote it.

    Somebody may have replaced the token since; then the two differ, and the sooner counts.
    """
    if not token:
        return []
    annotations = order.annotations_of(secret)
    noted = _noted(annotations.get(order.REFRESHED_AT), annotations.get(order.EXPIRES_AT))
    return [lifetime for lifetime in (lifetime_of(token), noted) if lifetime is not None]


def _noted(begins: str | None, ends: str | None) -> Lifetime | None:
    try:
        found = [datetime.fromisoformat(text or "").timestamp() for text in (begins, ends)]
    except (ValueError, OverflowError, OSError):
        return None
    return Lifetime(found[0], found[1]) if found[0] < found[1] else None


def _shown(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
