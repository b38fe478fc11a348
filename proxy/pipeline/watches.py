"""Which watches go on: those whose token lives and whose decision still holds.

An open watch is decided again whenever the entitlements change, so what was
taken away is not read on through a connection that was opened before.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from proxy.core import entitlement
from proxy.core.attributes import RequestInfo, ResourceRequest, Verb
from proxy.core.entitlement import Allow
from proxy.core.errors import Refused, Unavailable
from proxy.ports import Clock, Entitlements, Meter


class Watches:
    """The open watches."""

    def __init__(self, entitlements: Entitlements, meter: Meter, clock: Clock) -> None:
        self._entitlements = entitlements
        self._meter = meter
        self._clock = clock
        self._open: dict[asyncio.Timeout, Allow] = {}
        self._draining = False
        self._deciding: set[asyncio.Task[None]] = set()
        entitlements.subscribe(self._decide_all_soon)

    def check_opening(self, request: RequestInfo) -> None:
        """Refuse a watch that would end at once.

        Raises:
            Unavailable: the process is about to stop.
        """
        if self._draining and is_watch(request):
            raise Unavailable("the proxy is about to stop", retry_after=1)

    @asynccontextmanager
    async def while_allowed(self, allow: Allow) -> AsyncIterator[None]:
        """Let a watch go on inside, as long as it may; anything else goes on undisturbed.

        Raises:
            TimeoutError: it may no longer.
        """
        if not is_watch(allow.request):
            yield
            return
        async with asyncio.timeout(allow.identity.expires - self._clock()) as scope:
            self._open[scope] = allow
            self._meter.watching(+1)
            try:
                # What changed while the apiserver was asked has passed it by.
                await self._decide_again(scope, allow)
                yield
            finally:
                del self._open[scope]
                self._meter.watching(-1)

    def drain(self) -> None:
        """End them all, and open no more."""
        self._draining = True
        for scope in list(self._open):
            self._end(scope)

    def _decide_all_soon(self) -> None:
        task = asyncio.get_running_loop().create_task(self._decide_all())
        self._deciding.add(task)
        task.add_done_callback(self._deciding.discard)

    async def _decide_all(self) -> None:
        for scope, allow in list(self._open.items()):
            await self._decide_again(scope, allow)

    async def _decide_again(self, scope: asyncio.Timeout, allow: Allow) -> None:
        """Decide by the rules as they are now, and end the watch if that differs."""
        try:
            rules = await self._entitlements.rules(allow.identity)
            decision = entitlement.authorize(allow.identity, allow.request, rules)
        except Refused:
            # Nobody can tell whether it is still allowed, so it is not.
            decision = None
        spans = decision.namespaces if isinstance(decision, Allow) else None
        if self._draining or spans != allow.namespaces:
            self._end(scope)

    def _end(self, scope: asyncio.Timeout) -> None:
        # It may have ended by itself while others were decided.
        if scope in self._open:
            scope.reschedule(asyncio.get_running_loop().time())


def is_watch(request: RequestInfo) -> bool:
    """Whether a request may go on for ever."""
    return isinstance(request, ResourceRequest) and request.verb is Verb.WATCH
