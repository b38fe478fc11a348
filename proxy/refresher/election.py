"""One of several replicas works: it stands for election, leads, and steps down in time.

Kubernetes_asyncio has such a module, by the wall clock alone, which may be set
while a lease runs; it does not give a lease up, nor wait for the end of the work
that it cancels, and an apiserver that cannot be reached ends it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from proxy.refresher import lease
from proxy.refresher.clock import Clock
from proxy.refresher.lease import Record, Seen, Timing

log = logging.getLogger(__name__)


class LeaseError(Exception):
    """The lease was not read or written: somebody was faster, or the apiserver is away."""


class Leases(Protocol):
    """Where the lease lies. All raise `LeaseError`."""

    async def read(self) -> Record | None:
        """What it says, or None if there is none yet."""
        ...

    async def write(self, spec: Mapping[str, Any], version: str | None) -> Record:
        """Write it on top of a version; without one, make it."""
        ...


class Term:
    """A time in office, which ends by itself unless it is prolonged."""

    def __init__(self, clock: Clock, until: float) -> None:
        """`until` is of the steady clock."""
        self._clock = clock
        self.until = until

    def holds(self) -> bool:
        """Whether nobody else can be at work. Ask right before each write."""
        return self._clock.steady() < self.until

    def end(self) -> None:
        """Nothing more may be written."""
        self.until = float("-inf")


class Election:
    """A candidate, as `me`, which no other replica is called."""

    def __init__(self, leases: Leases, me: str, timing: Timing, clock: Clock) -> None:
        self._leases = leases
        self._me = me
        self._timing = timing
        self._clock = clock
        self._seen: Seen | None = None
        self.trouble = "the lease has not been read yet"
        """Why it is not known who leads; empty while it is."""
        self.leads = False

    async def run(self, work: Callable[[Term], Awaitable[None]]) -> None:
        """Stand for election until cancelled, and have `work` done while we lead.

        Work is cancelled when the term ends, and its end is waited for before the
        lease is given up. What it raises is raised.
        """
        while True:
            term = await self._win()
            log.info("leading")
            try:
                await self._serve(term, work)
            finally:
                log.info("not leading any more")

    async def _win(self) -> Term:
        while (until := await self._stand()) is None:
            await self._clock.sleep(self._timing.retry)
        return Term(self._clock, until)

    async def _serve(self, term: Term, work: Callable[[Term], Awaitable[None]]) -> None:
        self.leads = True
        worker = asyncio.ensure_future(work(term))
        renewing = asyncio.create_task(self._keep_renewing(term))
        ending = asyncio.create_task(self._end_of(term))
        try:
            await asyncio.wait((worker, renewing, ending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            term.end()
            self.leads = False
            for task in (worker, renewing, ending):
                task.cancel()
            results = await asyncio.gather(worker, renewing, ending, return_exceptions=True)
            await self._give_up()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _keep_renewing(self, term: Term) -> None:
        """Prolong the term; returns when somebody else has the lease."""
        while True:
            await self._clock.sleep(self._timing.retry)
            until = await self._stand()
            if until is not None:
                term.until = until
            elif self._seen is None or self._seen.record.holder != self._me:
                return

    async def _end_of(self, term: Term) -> None:
        while (left := term.until - self._clock.steady()) > 0:
            await self._clock.sleep(left)

    async def _stand(self) -> float | None:
        """Take or renew the lease, if that may be; returns until when we may work by it."""
        try:
            record = await self._leases.read()
            now = self._clock.steady()
            self._seen = lease.look(record, self._seen, now) if record is not None else None
            self.trouble = ""
            if self._seen is not None and not lease.is_free(self._seen, self._me, now):
                return None
            # From before it is sent: for the others, it is from when they see it.
            spec = lease.held(record, self._me, self._timing.lease, self._today())
            written = await self._leases.write(spec, record.version if record else None)
        except LeaseError as exc:
            self.trouble = f"the lease: {exc}"
            log.warning("the lease: %s", exc)
            return None
        self._seen = Seen(written, now)
        return now + self._timing.renew

    async def _give_up(self) -> None:
        """Spare the next one the wait; what else is written there by now stays."""
        if self._seen is None or self._seen.record.holder != self._me:
            return
        before, self._seen = self._seen.record, None
        try:
            await self._leases.write(lease.given_up(before, self._today()), before.version)
        except LeaseError as exc:
            log.warning("the lease runs out by itself, it was not given up: %s", exc)

    def _today(self) -> datetime:
        return datetime.fromtimestamp(self._clock.wall(), UTC)
