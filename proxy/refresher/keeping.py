"""Many Secrets, each kept by a keeper of its own: none waits for another, none stops another."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final, Literal, Protocol, TypeAlias

from proxy.refresher import order
from proxy.refresher.clock import Clock
from proxy.refresher.cluster import ApiError, Change, Listing
from proxy.refresher.errors import RefreshError
from proxy.refresher.order import Order
from proxy.refresher.renewal import Office, Standing
from proxy.refresher.schedule import pause

log = logging.getLogger(__name__)

SETTLE_SECONDS: Final = 2.0
"""The least time between two looks at one Secret, however often somebody changes it."""

LONGEST_WAIT_SECONDS: Final = 600.0
"""The most time between two looks: a machine that sleeps, or whose clock is set, wakes up late."""

_LONGEST_AWAY_SECONDS: Final = 30.0
_WATCH_PAUSE_SECONDS: Final = 1.0

Outcome: TypeAlias = Literal["renewed", "fresh", "failed"]


class Collection(Protocol):
    """The labelled Secrets. Both raise `ApiError`."""

    def labelled(self, namespace: str) -> AsyncGenerator[Listing, None]:
        """List those of a namespace, a few at a time and all as of one version."""
        ...

    def changes(self, namespace: str, version: str) -> AsyncGenerator[Change, None]:
        """Follow them from a version on."""
        ...


class Renews(Protocol):
    """What is done about one Secret."""

    async def renew(self, namespace: str, name: str, office: Office) -> Standing:
        """Renew its token if it is time; raises `RefreshError`."""
        ...


class Meter(Protocol):
    """What operators watch."""

    def looked(self, outcome: Outcome) -> None:
        """Count a look at a Secret."""
        ...


class Keeper:
    """Keeps the token of one Secret fresh."""

    def __init__(self, renews: Renews, namespace: str, name: str, clock: Clock) -> None:
        self._renews = renews
        self._namespace = namespace
        self._name = name
        self._clock = clock
        self._changed = asyncio.Event()
        self._asked: object = None
        self.expires: float | None = None
        """When the token expires, in seconds since the epoch, once that is known."""
        self.fails = False

    def tell(self, secret: Mapping[str, Any]) -> None:
        """Tell what the Secret is now; of our own notes in it, nothing changes."""
        try:
            asked: object = _known_by_digest(order.read(secret))
        except RefreshError as exc:
            asked = str(exc)
        if asked != self._asked:
            self._asked = asked
            self._changed.set()

    async def run(self, office: Office, meter: Meter) -> None:
        """Keep it until cancelled. Nothing else ends this."""
        failures = 0
        while True:
            self._changed.clear()
            failures, seconds = await self._look(office, meter, failures)
            await self._clock.sleep(SETTLE_SECONDS)
            await self._wait(min(seconds, LONGEST_WAIT_SECONDS) - SETTLE_SECONDS)
            if self._changed.is_set():
                failures = 0

    async def _look(self, office: Office, meter: Meter, failures: int) -> tuple[int, float]:
        """Look at the Secret; returns how often it failed by now, and when to look again."""
        named = f"{self._namespace}/{self._name}"
        try:
            standing = await self._renews.renew(self._namespace, self._name, office)
        except RefreshError as exc:
            log.warning("Secret %s: %s", named, exc)
        except Exception as exc:  # noqa: BLE001 - whatever one Secret does to us, the others go on
            # Its kind alone: what it says may quote a Secret.
            log.error("Secret %s: failed by %s", named, type(exc).__name__)  # noqa: TRY400
        else:
            if standing.renewed:
                log.info("Secret %s: has a new token", named)
            meter.looked("renewed" if standing.renewed else "fresh")
            self.expires, self.fails = standing.expires, False
            return 0, standing.again - self._clock.wall()
        meter.looked("failed")
        self.fails = True
        return failures + 1, pause(failures + 1, named)

    async def _wait(self, seconds: float) -> None:
        """Wait so long, or until the Secret changes."""
        sleeping = asyncio.create_task(self._clock.sleep(max(seconds, 0)))
        waking = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait((sleeping, waking), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()


Kept: TypeAlias = tuple[Keeper, asyncio.Task[None]]


class Keeping:
    """Keeps the labelled Secrets of some namespaces, while there is something to be kept."""

    def __init__(
        self,
        collection: Collection,
        renews: Renews,
        namespaces: tuple[str, ...],
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._collection = collection
        self._renews = renews
        self._clock = clock
        self._meter = meter
        self._kept: dict[str, dict[str, Kept]] = {namespace: {} for namespace in namespaces}
        self._ending: set[asyncio.Task[None]] = set()
        self.troubles = dict.fromkeys(namespaces, "")
        """For each namespace, why its Secrets are not followed; empty while they are."""

    async def work(self, office: Office) -> None:
        """Keep them until cancelled, as long as `office` is held."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for namespace in self._kept:
                    tasks.create_task(self._follow(namespace, office))
        finally:
            for namespace, kept in self._kept.items():
                for name in tuple(kept):
                    self._drop(namespace, name)
            await asyncio.gather(*self._ending, return_exceptions=True)
            self.troubles = dict.fromkeys(self._kept, "")

    def keepers(self) -> Iterator[Keeper]:
        """All that keep something now."""
        for kept in self._kept.values():
            for keeper, _ in kept.values():
                yield keeper

    async def _follow(self, namespace: str, office: Office) -> None:
        failures = 0
        while True:
            try:
                version = await self._list(namespace, office)
                self.troubles[namespace] = ""
                failures = 0
                changes = self._collection.changes(namespace, version)
                async with aclosing(changes):
                    async for change in changes:
                        self._apply(namespace, change, office)
            except ApiError as exc:
                log.warning("namespace %s: %s", namespace, exc)
                self.troubles[namespace] = str(exc)
                failures += 1
                away = min(pause(failures, namespace), _LONGEST_AWAY_SECONDS)
                await self._clock.sleep(away)
            else:
                # Even a watch that ended as it should is not begun again in the same instant.
                await self._clock.sleep(_WATCH_PAUSE_SECONDS)

    async def _list(self, namespace: str, office: Office) -> str:
        """Keep all that are there, and no others; returns the version to follow them from."""
        there: set[str] = set()
        version = ""
        async with aclosing(self._collection.labelled(namespace)) as listings:
            async for listing in listings:
                version = listing.version
                for secret in listing.items:
                    there.add(secret["metadata"]["name"])
                    self._keep(namespace, secret, office)
        for name in self._kept[namespace].keys() - there:
            self._drop(namespace, name)
        return version

    def _apply(self, namespace: str, change: Change, office: Office) -> None:
        if change.gone:
            self._drop(namespace, change.secret["metadata"]["name"])
        else:
            self._keep(namespace, change.secret, office)

    def _keep(self, namespace: str, secret: Mapping[str, Any], office: Office) -> None:
        name = secret["metadata"]["name"]
        kept = self._kept[namespace]
        if name not in kept:
            keeper = Keeper(self._renews, namespace, name, self._clock)
            kept[name] = (keeper, asyncio.create_task(keeper.run(office, self._meter)))
        kept[name][0].tell(secret)

    def _drop(self, namespace: str, name: str) -> None:
        if (kept := self._kept[namespace].pop(name, None)) is not None:
            _, task = kept
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)


def _known_by_digest(asked: Order) -> Order:
    """The same, to be compared and not to be used: whole Secrets of others are not held on to."""
    return replace(asked, kubeconfig=sha256(asked.kubeconfig.encode()).hexdigest())
