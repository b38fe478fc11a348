"""Who asks: the `Authenticator` that verifies tokens of several issuers.

A token is verified once; what it said is remembered by its digest until it
expires or its issuer's keys change.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import final

from cachetools import LRUCache

from proxy.core.errors import Unauthenticated, Unavailable
from proxy.core.identity import Identity, identify
from proxy.core.wire import RawRequest
from proxy.edge.jwks import jws
from proxy.edge.jwks.config import IssuerConfig
from proxy.edge.jwks.freshness import FreshKeys, Monotonic
from proxy.edge.jwks.keyfile import KeyFile
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


def _fresh(config: IssuerConfig, monotonic: Monotonic) -> FreshKeys:
    if config.jwks_file is None:
        return FreshKeys(config, monotonic=monotonic)
    file = KeyFile(config.jwks_file)
    return FreshKeys(config, monotonic=monotonic, fetch=file.fetch, rest=file.rest)


def _weight(entry: _Verified) -> int:
    return entry.weight


@final
class TokenVerifier:
    """Tells who asks by bearer tokens, each verified once. Use it in one event loop.

    `clock` is what tokens are judged by, `monotonic` what the age of keys is
    counted by. `verifications` counts requests by result: `accepted`,
    `remembered` (accepted without another look at the signature), `refused`,
    `unavailable`.

    Raises:
        ValueError: no issuer, or two that share a name or a url.
    """

    def __init__(
        self,
        issuers: Iterable[IssuerConfig],
        *,
        clock: Clock = time.time,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        configs = tuple(issuers)
        names = {config.name for config in configs}
        urls = {config.rules.url for config in configs}
        if not configs or not len(configs) == len(names) == len(urls):
            # Two of a name would make one person of two people.
            raise ValueError("there must be issuers, each with a name and a url of its own")
        self.verifications: Counter[str] = Counter()
        self._clock = clock
        self._issuers = {config.rules.url: _fresh(config, monotonic) for config in configs}
        self._cache: LRUCache[str, _Verified] = LRUCache(CACHE_SIZE, getsizeof=_weight)
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    async def start(self) -> None:
        """Begin to fetch keys. Issuers that are away are asked until they answer."""
        for issuer in self._issuers.values():
            issuer.begin()  # not left to the task, so that the first request finds it under way
        self._tasks = tuple(
            asyncio.create_task(issuer.keep_fresh(), name=f"refresh {issuer.config.name}")
            for issuer in self._issuers.values()
        )

    async def close(self) -> None:
        """Stop fetching keys. Those at hand serve on until they are too old."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for issuer in self._issuers.values():
            await issuer.close()

    def ready(self) -> Mapping[str, str]:
        """For each issuer, by name, why its tokens cannot be verified now; else empty."""
        return {issuer.config.name: issuer.trouble() for issuer in self._issuers.values()}

    def fetches(self) -> Mapping[tuple[str, str], int]:
        """How many fetches of keys there were, by issuer and result: `ok` or `failed`."""
        counts: dict[tuple[str, str], int] = {}
        for issuer in self._issuers.values():
            counts[issuer.config.name, "ok"] = issuer.fetched
            counts[issuer.config.name, "failed"] = issuer.failed
        return counts

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
        """Have `changed` called each time credentials were revoked."""

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
        issuer = self._issuers.get(token.unverified_issuer)
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
