"""When an issuer's keys are fetched, and how long they may be used.

One fetch at a time, however many ask; unknown keys ask once per cooldown; an
issuer that is away is asked again each cooldown and holds nobody up.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

from proxy.core.errors import Unavailable
from proxy.edge.jwks.config import IssuerConfig
from proxy.edge.jwks.discovery import FetchError, fetch_keys
from proxy.edge.jwks.jws import UnknownKeyError
from proxy.edge.jwks.keys import KeySet

_T = TypeVar("_T")

Fetch: TypeAlias = Callable[[IssuerConfig], Awaitable[KeySet]]
Rest: TypeAlias = Callable[[float], Awaitable[None]]
Monotonic: TypeAlias = Callable[[], float]

_log = logging.getLogger(__name__)


class FreshKeys:
    """The keys of one issuer, as of now.

    Between two fetches it rests for a number of seconds; `rest` may end early
    when it knows that there is something new. `lost` is called when a key is in
    use no longer, as none is that is too old to trust.

    INVARIANT: a `KeySet` is replaced only by one that differs, so whoever keeps
    the one it used can tell by identity whether that still is the current one.
    """

    def __init__(
        self,
        config: IssuerConfig,
        *,
        monotonic: Monotonic,
        lost: Callable[[], None],
        fetch: Fetch = fetch_keys,
        rest: Rest = asyncio.sleep,
    ) -> None:
        self.config = config
        self.fetched = 0
        self.failed = 0
        self._fetch = fetch
        self._rest = rest
        self._lost = lost
        self._monotonic = monotonic
        self._keys: KeySet | None = None
        self._fetched_at = -math.inf
        self._asked_at = -math.inf
        self._failure = ""
        self._failed = asyncio.Event()
        self._flight: asyncio.Task[None] | None = None

    async def current(self) -> KeySet:
        """The keys to verify with.

        Waits for the first fetch, and for no other.

        Raises:
            Unavailable: there are none, or they are too old to trust.
        """
        if self._keys is None and self._flight is not None and not self._failure:
            await asyncio.wait([self._flight])
        if self._keys is None or self._is_stale():
            raise self._unavailable()
        return self._keys

    async def newer_than(self, known: KeySet) -> KeySet:
        """The keys after one more look, for a token whose key is not among `known`.

        Returns `known` itself if there is nothing new, or the last look was too
        short ago: made-up key ids must not become load on the issuer.

        Raises:
            Unavailable: the issuer is away, so nobody can tell.
        """
        if self._keys is known and not self._failure:
            if self._flight is None and self._monotonic() - self._asked_at >= self.config.cooldown:
                self._asked_at = self._monotonic()
                self.begin()
            if self._flight is not None:
                await asyncio.wait([self._flight])
        if self._keys is known and self._failure:
            raise self._unavailable()
        return await self.current()

    async def verified(self, verify: Callable[[KeySet], _T]) -> tuple[_T, KeySet]:
        """Have something verified by the keys at hand, or after one more look; says by which.

        Raises:
            Unavailable: the issuer is away, so nobody can tell.
            Unauthenticated: as `verify` raises it.
        """
        keys = await self.current()
        try:
            return verify(keys), keys
        except UnknownKeyError:
            keys = await self.newer_than(keys)
            return verify(keys), keys

    def begin(self) -> asyncio.Task[None]:
        """Fetch now, or join the fetch that is under way."""
        if self._flight is None:
            name = f"fetch keys of {self.config.name}"
            self._flight = asyncio.create_task(self._fly(), name=name)
        return self._flight

    async def keep_fresh(self) -> None:
        """Fetch now, and again and again until cancelled."""
        while True:
            await asyncio.wait([self.begin()])
            await self._rest_until_failure()
            if self._failed.is_set():
                await self._rest(self.config.cooldown)

    async def close(self) -> None:
        """Give up the fetch that is under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait([self._flight])

    def trouble(self) -> str:
        """Why no token of this issuer can be verified now; empty if all is well."""
        if self._keys is None:
            return f"keys were never fetched: {self._failure or 'the first fetch is under way'}"
        if self._is_stale():
            return f"keys are too old: {self._failure or 'they were not fetched again'}"
        return ""

    async def _rest_until_failure(self) -> None:
        """A fetch that an unknown key asked for may fail while there is nothing to do."""
        resting = asyncio.ensure_future(self._rest(self.config.refresh_interval))
        failing = asyncio.ensure_future(self._failed.wait())
        try:
            await asyncio.wait([resting, failing], return_when=asyncio.FIRST_COMPLETED)
            if resting.done():
                resting.result()
        finally:
            for waiting in (resting, failing):
                waiting.cancel()
            await asyncio.gather(resting, failing, return_exceptions=True)

    def _is_stale(self) -> bool:
        return self._monotonic() - self._fetched_at > self.config.max_stale

    def _unavailable(self) -> Unavailable:
        return Unavailable(
            f"the keys of issuer `{self.config.name}` cannot be fetched now",
            retry_after=math.ceil(self.config.cooldown),
        )

    async def _fly(self) -> None:
        try:
            keys = await self._fetch(self.config)
        except FetchError as exc:
            self._note_failure(str(exc))
        except Exception as exc:  # noqa: BLE001 - no answer of an issuer may end the refreshing
            self._note_failure(f"its answer caused a {type(exc).__name__}")
        else:
            self._note_success(keys)
        finally:
            self._flight = None

    def _note_success(self, keys: KeySet) -> None:
        self.fetched += 1
        self._fetched_at = self._monotonic()
        self._failure = ""
        self._failed.clear()
        if keys == self._keys:
            return
        before, self._keys = self._keys, keys
        _log.info("issuer `%s`: %d keys in use", self.config.name, len(keys.keys))
        if before is not None and not set(before.keys) <= set(keys.keys):
            self._lost()

    def _note_failure(self, reason: str) -> None:
        self.failed += 1
        if reason != self._failure:  # else a long outage fills the log
            _log.warning("issuer `%s`: no keys fetched: %s", self.config.name, reason)
        self._failure = reason
        self._failed.set()
        if self._keys is not None and self._is_stale():
            self._lost()
