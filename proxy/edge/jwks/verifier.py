"""Who asks: the `Authenticator` that verifies tokens of several issuers.

A token is verified once; what it said is remembered by its digest until it
expires, its issuer's keys change, or its issuer says something else of it.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import assert_never, final

from proxy.core import introspection
from proxy.core.errors import Unauthenticated, Unavailable
from proxy.core.identity import Identity, SignedClaims, ToldClaims, check_token, identify
from proxy.core.introspection import Told
from proxy.core.revocation import Revocation, Revocations
from proxy.core.wire import RawRequest
from proxy.edge.jwks import jws
from proxy.edge.jwks.freshness import FreshKeys
from proxy.edge.jwks.issuers import Issuers
from proxy.edge.jwks.keys import KeySet
from proxy.memory import Memory
from proxy.ports import Caller, Clock, Introspector

CACHE_SIZE = 80 * 1024 * 1024
"""What all remembered tokens may weigh, in bytes: about ten thousand of the usual size."""

# A bound on entries alone would let whoever can have fat tokens issued fill the memory.
_BYTES_PER_CHARACTER = 4
_BYTES_PER_ENTRY = 1024


@dataclass(frozen=True, slots=True)
class _Grounds:
    """What a token counts by: its issuer's keys, what the issuer says of it, or both."""

    keys: KeySet | None
    told: Told | None


@dataclass(frozen=True, slots=True)
class _Verified:
    """What a token yielded, and by what."""

    issuer: FreshKeys
    grounds: _Grounds
    identity: Identity
    weight: int


def _weight(entry: _Verified) -> int:
    return entry.weight


@final
class TokenVerifier:
    """Tells who asks by bearer tokens, each verified once. Use it in one event loop.

    `introspectors` ask the issuers that are to be asked, by name; `clock` is what
    tokens are judged by. `verifications` counts requests by result: `accepted`,
    `remembered` (accepted without another look at the token), `refused`,
    `unavailable`.

    Raises:
        ValueError: an issuer is to be asked and nobody asks it, or the other way round.
    """

    def __init__(
        self,
        issuers: Issuers,
        introspectors: Mapping[str, Introspector] = MappingProxyType({}),
        *,
        clock: Clock = time.time,
    ) -> None:
        asked = {each.config.name for each in issuers if each.config.verify != "jwt"}
        if asked != introspectors.keys():
            raise ValueError("there must be an introspector for each issuer that is to be asked")
        self.verifications: Counter[str] = Counter()
        self._clock = clock
        self._issuers = issuers
        self._introspectors = introspectors
        self._cache: Memory[str, _Verified] = Memory(CACHE_SIZE, clock, _weight)
        lifetimes = {each.config.name: each.config.rules.max_lifetime for each in issuers}
        self._revocations = Revocations(lifetimes)
        self._subscribers: list[Callable[[], None]] = []
        # A token is worth nothing once the key that signed it is gone.
        issuers.subscribe(self._tell)

    async def authenticate(self, raw: RawRequest) -> Caller:
        """Tell who sent a request.

        Raises:
            Unauthenticated: missing, wrong, expired or revoked credentials.
            Unavailable: the issuer cannot be asked, so nobody can tell.
        """
        try:
            text, digest = jws.bearer(raw), jws.bearer_digest(raw)
            identity, result = await self._identify(text, digest, recheck=False)
        except Unauthenticated:
            self.verifications["refused"] += 1
            raise
        except Unavailable:
            self.verifications["unavailable"] += 1
            raise
        self.verifications[result] += 1
        return Caller(identity, text)

    async def recheck(self, caller: Caller) -> Caller:
        """As the port says: its key may be gone, or its issuer may think otherwise by now."""
        digest = jws.digest(caller.token)
        identity, _ = await self._identify(caller.token, digest, recheck=True)
        return Caller(identity, caller.token)

    def subscribe(self, changed: Callable[[], None]) -> None:
        """As the port says."""
        self._subscribers.append(changed)

    def revoke(self, revocation: Revocation) -> None:
        """Refuse from now on what an issuer has ended, and tell who is subscribed."""
        self._revocations.note(revocation, self._clock())
        self._tell()

    def _tell(self) -> None:
        for changed in self._subscribers:
            changed()

    async def _identify(self, text: str, digest: str, *, recheck: bool) -> tuple[Identity, str]:
        identity, result = await self._recall(digest, text, recheck=recheck), "remembered"
        if identity is None:
            verified = await self._verify(text, recheck=recheck)
            self._cache.put(digest, verified, verified.identity.expires)
            identity, result = verified.identity, "accepted"
        # INVARIANT: last, so that what was ended while we waited is refused, too.
        if (reason := self._revocations.reason(identity)) is not None:
            raise Unauthenticated(reason)
        return identity, result

    async def _recall(self, digest: str, text: str, *, recheck: bool) -> Identity | None:
        entry = self._cache.get(digest)
        if entry is None:
            return None
        expired = entry.identity.expires <= self._clock()
        if not expired and await self._still_holds(entry, text, recheck=recheck):
            return entry.identity
        # Expired, or its key may be gone: whatever it still is worth, it is verified anew.
        self._cache.forget(digest)
        return None

    async def _still_holds(self, entry: _Verified, text: str, *, recheck: bool) -> bool:
        """Whether nothing has changed since. Grounds are replaced only by what differs."""
        issuer, grounds = entry.issuer, entry.grounds
        if grounds.keys is not None and grounds.keys is not await issuer.current():
            return False
        if grounds.told is None:
            return True
        return grounds.told is await self._told(issuer, text, recheck=recheck)

    async def _verify(self, text: str, *, recheck: bool) -> _Verified:
        token = jws.read(jws.compact(text))
        issuer = self._issuers.find(token.unverified_issuer)
        if issuer is None:
            raise Unauthenticated("claim `iss` is not an issuer that this proxy trusts")
        vouched, grounds = await self._vouched(token, issuer, recheck=recheck)
        identity = identify(issuer.config.rules, vouched, self._clock())
        size = len(text) + (0 if grounds.told is None else grounds.told.size)
        weight = size * _BYTES_PER_CHARACTER + _BYTES_PER_ENTRY
        return _Verified(issuer, grounds, identity, weight)

    async def _vouched(
        self, token: jws.UnverifiedToken, issuer: FreshKeys, *, recheck: bool
    ) -> tuple[SignedClaims | ToldClaims, _Grounds]:
        def by_signature(keys: KeySet) -> SignedClaims:
            return jws.verify(token, issuer.config, keys)

        match issuer.config.verify:
            case "jwt":
                signed, keys = await issuer.verified(by_signature)
                return signed, _Grounds(keys, None)
            case "both":
                # First what needs no asking, so that nobody has the issuer asked for nothing.
                signed, keys = await issuer.verified(by_signature)
                check_token(issuer.config.rules, signed, self._clock())
                told = await self._told(issuer, token.text, recheck=recheck)
                return introspection.confirmed(signed, told), _Grounds(keys, told)
            case "introspection":
                told = await self._told(issuer, token.text, recheck=recheck)
                digest = jws.digest(token.text)
                vouched = introspection.alone(token.unverified_header, told, digest)
                return vouched, _Grounds(None, told)
            case _:
                assert_never(issuer.config.verify)

    async def _told(self, issuer: FreshKeys, text: str, *, recheck: bool) -> Told:
        name = issuer.config.name
        told = await self._introspectors[name].introspect(text, recheck=recheck)
        if told is None:
            raise Unauthenticated(f"issuer `{name}` says that the token counts no longer")
        return told
