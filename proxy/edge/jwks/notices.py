"""What issuers say they have ended: verified by the same keys as their tokens."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable

from proxy.core import notice
from proxy.core.errors import BadRequest, Unauthenticated, Unavailable
from proxy.core.identity import OidcNaming
from proxy.core.notice import SignedNotice
from proxy.core.revocation import Revocation
from proxy.edge.jwks import jws
from proxy.edge.jwks.freshness import FreshKeys
from proxy.edge.jwks.issuers import Issuers
from proxy.ports import Clock

_log = logging.getLogger(__name__)


class SignedNotices:
    """The port `Notices`: hands what an issuer has ended to `revoke`.

    `taken` counts them by issuer and by what was ended: `SessionEnded`,
    `SubjectEnded` or `TokensEnded`.
    """

    def __init__(
        self, issuers: Issuers, revoke: Callable[[Revocation], None], *, clock: Clock = time.time
    ) -> None:
        self.taken: Counter[tuple[str, ...]] = Counter()
        self._issuers = issuers
        self._revoke = revoke
        self._clock = clock

    async def log_out(self, logout_token: str) -> None:
        """As the port says."""
        try:
            token = jws.read(jws.compact(logout_token))
            issuer = self._issuers.find(token.unverified_issuer)
            if issuer is None or not _has_sessions(issuer):
                raise BadRequest("claim `iss` is not an issuer that this proxy takes notices of")
            signed = await _signed(token, issuer)
        except Unauthenticated as exc:
            raise BadRequest(exc.message) from exc
        self._take(notice.read_logout(signed, issuer.config.ours, self._clock()))

    async def push(self, action: str) -> None:
        """As the port says. It does not say whose it is: its key does.

        Of every issuer that has the key: one that is trusted for little might publish
        that of another, and take what the other has ended for its own.
        """
        try:
            token = jws.read_from("", jws.compact(action))
        except Unauthenticated as exc:
            raise BadRequest(exc.message) from exc
        if token.unverified_kid is None:
            raise BadRequest("header `kid` is missing")
        asked = [self._push_of(issuer, token) for issuer in self._issuers if _has_sessions(issuer)]
        # At the same time, so that none waits for the keys of another.
        outcomes = await asyncio.gather(*asked)
        if None in outcomes:
            return
        away = [outcome for outcome in outcomes if isinstance(outcome, Unavailable)]
        raise away[0] if away else BadRequest("the token is signed by no key of an issuer")

    async def _push_of(
        self, issuer: FreshKeys, token: jws.UnverifiedToken
    ) -> Unauthenticated | Unavailable | None:
        """Take an action if it is of this issuer; returns why it is not, or cannot be told."""
        try:
            signed = await _signed(token, issuer)
        except (Unauthenticated, Unavailable) as exc:
            return exc
        self._take(notice.read_push(signed, issuer.config.ours, self._clock()))
        return None

    def _take(self, revocation: Revocation) -> None:
        kind = type(revocation).__name__
        self.taken[revocation.issuer, kind] += 1
        _log.info("issuer `%s` says: %s", revocation.issuer, kind)
        self._revoke(revocation)


def _has_sessions(issuer: FreshKeys) -> bool:
    """A cluster that issues tokens for service accounts has none to end."""
    return isinstance(issuer.config.rules.naming, OidcNaming)


async def _signed(token: jws.UnverifiedToken, issuer: FreshKeys) -> SignedNotice:
    signed, _ = await issuer.verified(lambda keys: jws.verify_notice(token, issuer.config, keys))
    return signed
