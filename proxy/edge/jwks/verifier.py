"""Who asks: the `Authenticator` that verifies tokens of several issuers.

A token is verified once; what it said is remembered by its digest until it
expires or its issuer's keys change.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from cachetools import LRUCache

from proxy.core.errors import Unauthenticated, Unavailable
from proxy.core.identity import Identity, identify
from proxy.core.wire import RawRequest
from proxy.edge.jwks import jws
from proxy.edge.jwks.freshness import FreshKeys
from proxy.edge.jwks.issuers import Issuers
from proxy.edge.jwks.keys import KeySet
from proxy.ports import Caller, Clock

CACHE_SIZE = 80 * 1024 * 1024
"""What all remembered tokens may weigh, in bytes: about ten thousand of the usual size."""

# A bound on entries alone would let whoever can have fat tokens issued fill the memory.
_BYTES_PER_CHARACTER = 4
_BYTES_PER_ENTRY = 1024


@dataclass(frozen=True, slots=True)
class _Verified:
    """What a token yielded, and the keys that it was verified by."""

    issuer: FreshKeys
    keys: KeySet
    identity: Identity
    weight: int


def _weight(entry: _Verified) -> int:
    return entry.weight


@final
class TokenVerifier:
    """Tells who asks by bearer tokens, each verified once. Use it in one event loop.

    `clock` is what tokens are judged by. `verifications` counts requests by
    result: `accepted`, `remembered` (accepted without another look at the
    signature), `refused`, `unavailable`.
    """

    def __init__(self, issuers: Issuers, *, clock: Clock = time.time) -> None:
        self.verifications: Counter[str] = Counter()
        self._clock = clock
        self._issuers = issuers
        self._cache: LRUCache[str, _Verified] = LRUCache(CACHE_SIZE, getsizeof=_weight)

    async def authenticate(self, raw: RawRequest) -> Caller:
        """Tell who sent a request.

        Raises:
            Unauthenticated: missing, wrong or expired credentials.
            Unavailable: the issuer's keys cannot be had, so nobody can tell.
        """
        try:
            text = jws.bearer(raw)
            identity, result = await self._identify(text)
        except Unauthenticated:
            self.verifications["refused"] += 1
            raise
        except Unavailable:
            self.verifications["unavailable"] += 1
            raise
        self.verifications[result] += 1
        return Caller(identity, text)

    async def recheck(self, caller: Caller) -> Caller:
        """Verify the token of a request that is still open: its key may be gone.

        Raises the same as `authenticate`.
        """
        identity, _ = await self._identify(caller.token)
        return Caller(identity, caller.token)

    def subscribe(self, changed: Callable[[], None]) -> None:
        """As the port says: a token is worth nothing once the key that signed it is gone."""
        self._issuers.subscribe(changed)

    async def _identify(self, text: str) -> tuple[Identity, str]:
        digest = jws.digest(text)
        remembered = await self._recall(digest)
        if remembered is not None:
            return remembered, "remembered"
        verified = await self._verify(text)
        self._cache[digest] = verified
        return verified.identity, "accepted"

    async def _recall(self, digest: str) -> Identity | None:
        entry = self._cache.get(digest)
        if entry is None:
            return None
        keys = await entry.issuer.current()
        if keys is entry.keys and self._clock() < entry.identity.expires:
            return entry.identity
        # Expired, or its key may be gone: whatever it still is worth, it is verified anew.
        self._cache.pop(digest, None)
        return None

    async def _verify(self, text: str) -> _Verified:
        token = jws.read(text)
        issuer = self._issuers.find(token.unverified_issuer)
        if issuer is None:
            raise Unauthenticated("claim `iss` is not an issuer that this proxy trusts")
        keys = await issuer.current()
        try:
            signed = jws.verify(token, issuer.config, keys)
        except jws.UnknownKeyError:
            keys = await issuer.newer_than(keys)
            signed = jws.verify(token, issuer.config, keys)
        identity = identify(issuer.config.rules, signed, self._clock())
        weight = len(text) * _BYTES_PER_CHARACTER + _BYTES_PER_ENTRY
        return _Verified(issuer, keys, identity, weight)
