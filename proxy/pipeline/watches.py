"""Which watches go on: those whose token counts and whose decision still holds.

An open watch is decided again whenever credentials are revoked or entitlements
change, and as often as the IAM has to be asked again, so what was taken away is
not read on through a connection that was opened before.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass

from proxy.core import entitlement
from proxy.core.attributes import RequestInfo, ResourceRequest, Verb
from proxy.core.entitlement import Allow
from proxy.core.errors import Refused, Unavailable
from proxy.ports import Authenticator, Caller, Clock, Entitlements, Meter

log = logging.getLogger(__name__)

_AT_ONCE = 64
"""How many watches of an issuer are decided at the same time; each may ask the IAM."""

_REST = 0.5
"""Seconds between two times that all are decided: an IAM may log out thousands one by one."""


@dataclass(frozen=True, slots=True)
class _Open:
    """A watch that goes on: by whose right, and by which decision."""

    caller: Caller
    allow: Allow


class Watches:
    """The open watches."""

    def __init__(
        self,
        authenticator: Authenticator,
        entitlements: Entitlements,
        meter: Meter,
        clock: Clock,
    ) -> None:
        self._authenticator = authenticator
        self._entitlements = entitlements
        self._meter = meter
        self._clock = clock
        self._open: dict[asyncio.Timeout, _Open] = {}
        self._draining = False
        self._deciding: set[asyncio.Task[None]] = set()
        self._due = False
        self._rested_at = 0.0
        authenticator.subscribe(self._decide_all_soon)
        entitlements.subscribe(self._decide_all_soon)

    def check_opening(self, request: RequestInfo) -> None:
        """Refuse a watch that would end at once.

        Raises:
            Unavailable: the process is about to stop.
        """
        if self._draining and is_watch(request):
            raise Unavailable("the proxy is about to stop", retry_after=1)

    def while_allowed(self, caller: Caller, allow: Allow) -> AbstractAsyncContextManager[None]:
        """Let a watch go on inside, as long as it may; anything else goes on undisturbed.

        Raises, inside:
            TimeoutError: it may no longer.
        """
        return self._watching(caller, allow) if is_watch(allow.request) else nullcontext()

    @asynccontextmanager
    async def _watching(self, caller: Caller, allow: Allow) -> AsyncIterator[None]:
        async with asyncio.timeout(allow.identity.expires - self._clock()) as scope:
            self._open[scope] = _Open(caller, allow)
            self._meter.watching(+1)
            try:
                # What changed while the apiserver was asked has passed it by.
                await self._decide_again(scope)
                yield
            finally:
                del self._open[scope]
                self._meter.watching(-1)

    async def decide_all(self, within: float | None = None) -> None:
        """Decide every watch again; returns when that is done.

        What could not be decided `within` so many seconds ends: an IAM that is slow, or
        asked about too many, must not be what keeps a watch open.
        """
        undecided = dict.fromkeys(self._open)
        # Apart, so that nobody waits for another issuer than their own.
        of_issuers: defaultdict[str, list[asyncio.Timeout]] = defaultdict(list)
        for scope, known in self._open.items():
            of_issuers[known.caller.identity.issuer].append(scope)
        queues = [iter(scopes) for scopes in of_issuers.values()]
        try:
            async with asyncio.timeout(within):
                await asyncio.gather(
                    *(self._decide_each(q, undecided) for q in queues for _ in range(_AT_ONCE))
                )
        except TimeoutError:
            log.warning("%d watches could not be decided again in time", len(undecided))
            for scope in undecided:
                self._end(scope)

    def drain(self) -> None:
        """End them all, and open no more."""
        self._draining = True
        for scope in list(self._open):
            self._end(scope)

    def _decide_all_soon(self) -> None:
        """Have all decided again at once, or with those that come in the rest after that."""
        if self._due:
            return
        self._due = True
        task = asyncio.get_running_loop().create_task(self._decide_all_rested())
        self._deciding.add(task)
        task.add_done_callback(self._deciding.discard)

    async def _decide_all_rested(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._rested_at - loop.time())
        # From here on, whatever changes is for another time.
        self._due = False
        self._rested_at = loop.time() + _REST
        await self.decide_all()

    async def _decide_each(
        self, scopes: Iterator[asyncio.Timeout], undecided: dict[asyncio.Timeout, None]
    ) -> None:
        for scope in scopes:
            await self._decide_again(scope)
            del undecided[scope]

    async def _decide_again(self, scope: asyncio.Timeout) -> None:
        """Decide by what holds now, and end the watch if that differs."""
        # It may have ended by itself while others were decided.
        if (known := self._open.get(scope)) is None:
            return
        try:
            caller = await self._authenticator.recheck(known.caller)
            rules = await self._entitlements.rules(caller, recheck=True)
            decision = entitlement.authorize(caller.identity, known.allow.request, rules)
        except Refused:
            # Nobody can tell whether it is still allowed, so it is not.
            decision = None
        except Exception:
            # A fault of ours, and of this watch alone: it must not keep one open, nor
            # leave the others undecided.
            log.exception("a watch cannot be decided again")
            decision = None
        spans = decision.namespaces if isinstance(decision, Allow) else None
        if self._draining or spans != known.allow.namespaces:
            self._end(scope)

    def _end(self, scope: asyncio.Timeout) -> None:
        if scope in self._open:
            scope.reschedule(asyncio.get_running_loop().time())


def is_watch(request: RequestInfo) -> bool:
    """Whether a request may go on for ever."""
    return isinstance(request, ResourceRequest) and request.verb is Verb.WATCH
