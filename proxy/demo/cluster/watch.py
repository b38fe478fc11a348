"""What changes: the events of one watch.

One position in the store's history, no buffer of its own: whoever falls behind the history is
told 410 in the stream and must list again. Bookmarks say how far the watch has come.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from proxy.demo.cluster.lists import ListOptions, version_number
from proxy.demo.cluster.objects import Object
from proxy.demo.cluster.registry import Target
from proxy.demo.cluster.requests import invalid_options
from proxy.demo.cluster.status import Cause, expired
from proxy.demo.cluster.store import Change, ForgottenError, Store

EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]

BOOKMARK_SECONDS = 60.0
LAST_BOOKMARK_SECONDS = 2.0
"""How long before its end a watch says how far it has come."""
_DEFAULT_SECONDS = 1800
_INITIAL_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a watch."""

    type: EventType
    obj: Object


@dataclass(frozen=True, slots=True)
class Start:
    """Where a watch begins."""

    revision: int
    initial: bool
    """Whether what is there already is told first, as ADDED."""
    announce: bool
    """Whether a bookmark says that this is done."""


def start(store: Store, options: ListOptions) -> Start:
    """Decide where a watch begins.

    Raises:
        ApiError: the options contradict each other, or ask for the future.
    """
    _check(options)
    found = version_number(store, options.version)
    if options.send_initial is False or (found and options.send_initial is None):
        return Start(found or store.revision, initial=False, announce=False)
    return Start(store.revision, initial=True, announce=options.bookmarks)


def _check(options: ListOptions) -> None:
    if options.send_initial is not None and options.match != "NotOlderThan":
        raise _forbidden(
            "resourceVersionMatch",
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        )
    if options.match and options.send_initial is None:
        raise _forbidden(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        )


def _forbidden(field: str, why: str) -> Exception:
    cause = Cause("FieldValueForbidden", f"Forbidden: {why}", field)
    return invalid_options("ListOptions", [cause])


class Watch:
    """One watch, from its start to its end."""

    def __init__(self, store: Store, target: Target, options: ListOptions, begin: Start) -> None:
        self._store = store
        self._target = target
        self._options = options
        self._begin = begin
        self._position = begin.revision
        self._changed = asyncio.Event()
        # INVARIANT: taken at the revision of the start, so that what changes before the first
        # event is sent comes once, as a change.
        self._first = tuple(self._initial()) if begin.initial else ()

    async def events(self, stopping: Callable[[], bool]) -> AsyncGenerator[Event, None]:
        """Give events as they happen, until the time is up or the cluster stops.

        A change of `stopping` is noticed at the store's next nudge.
        """
        unlisten = self._store.listen(self._changed.set)
        try:
            for event in self._first:
                yield event
            async for event in self._later(stopping):
                yield event
        except ForgottenError:
            told = f"too old resource version: {self._position} ({self._store.oldest})"
            yield Event("ERROR", expired(told).status())
        finally:
            unlisten()

    async def _later(self, stopping: Callable[[], bool]) -> AsyncGenerator[Event, None]:
        clock = asyncio.get_running_loop().time
        begun = clock()
        end = begun + (self._options.timeout or _DEFAULT_SECONDS)
        last = end - LAST_BOOKMARK_SECONDS
        due = min(clock() + BOOKMARK_SECONDS, last)
        while not stopping() and clock() < end:
            self._changed.clear()
            for change in self._store.since(self._position):
                self._position = change.revision
                found = self.translate(change)
                if found is not None:
                    yield found
            if clock() >= due:
                if self._options.bookmarks and begun < last:
                    yield self._bookmark()
                due = min(clock() + BOOKMARK_SECONDS, last) if clock() < last else end
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), max(0.0, min(end, due) - clock()))

    def _initial(self) -> Iterator[Event]:
        resource = self._target.resource
        for obj in self._store.select(resource.group_resource, self._target.namespace):
            if self._options.selector.fits(obj):
                yield Event("ADDED", obj)
        if self._begin.announce:
            yield self._bookmark({_INITIAL_END: "true"})

    def _bookmark(self, annotations: Object | None = None) -> Event:
        meta: Object = {"resourceVersion": str(self._position)}
        if annotations:
            meta["annotations"] = annotations
        resource = self._target.resource
        return Event(
            "BOOKMARK",
            {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta},
        )

    def translate(self, change: Change) -> Event | None:
        """Say what a change is to this watch: an object may begin or cease to match."""
        if change.key[:2] != self._target.resource.group_resource:
            return None
        if self._target.namespace not in {"", change.key.namespace}:
            return None
        fits = self._options.selector.fits
        was = change.before is not None and fits(change.before)
        now = not change.gone and fits(change.now)
        match was, now:
            case False, True:
                return Event("ADDED", change.now)
            case True, True:
                return Event("MODIFIED", change.now)
            case True, False:
                return Event("DELETED", _as_of(change))
            case _:
                return None


def _as_of(change: Change) -> Object:
    """Give what was there, with the revision at which it went, as etcd's watch does."""
    before = change.before or change.now
    stamp = {"resourceVersion": str(change.revision)}
    return {**before, "metadata": {**before["metadata"], **stamp}}
