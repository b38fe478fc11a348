"""What is in a collection now: a copy kept fresh by list and watch.

Once synced, the copy is a state that the collection has really been in, perhaps a moment
ago. Whatever becomes of the connection, the copy catches up when it is back.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

from proxy.demo.hosts.api import ApiError, Event, Listing
from proxy.demo.hosts.objects import Json, Key, Resource, key_of

T = TypeVar("T")

_GONE = 410
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0
_log = logging.getLogger(__name__)


class Source(Protocol):
    """Where the original is."""

    async def list(self, resource: Resource) -> Listing:
        """Read the whole collection."""
        ...

    def watch(self, resource: Resource, version: str) -> AsyncIterator[Event]:
        """Follow it from there."""
        ...


class Mirror(Generic[T]):
    """A copy of one collection, over all namespaces.

    `read` is applied to each object as it comes; `changed` is called whenever the copy
    may have.
    """

    def __init__(
        self,
        source: Source,
        resource: Resource,
        read: Callable[[Json], T],
        changed: Callable[[], None],
    ) -> None:
        self._source = source
        self._resource = resource
        self._read = read
        self._changed = changed
        self._objects: dict[Key, T] = {}
        self._version: str | None = None
        self._pause = _FIRST_PAUSE_SECONDS
        self._synced = False

    @property
    def objects(self) -> Mapping[Key, T]:
        """A live view of the copy."""
        return MappingProxyType(self._objects)

    @property
    def synced(self) -> bool:
        """Whether the copy shows anything yet."""
        return self._synced

    async def follow(self) -> None:
        """Keep the copy fresh until cancelled."""
        while True:
            try:
                await self._catch_up_and_watch()
            except ApiError as exc:
                _log.info("watch of %s ended: %s", self._resource.plural, exc)
                if exc.status == _GONE:
                    self._version = None
            # Even a watch that ended as it should is not begun again in the same instant,
            # so that a server which ends them all at once is not run over.
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _catch_up_and_watch(self) -> None:
        if self._version is None:
            listing = await self._source.list(self._resource)
            self._replace(listing)
        async for event in self._source.watch(self._resource, str(self._version)):
            self._apply(event)

    def _replace(self, listing: Listing) -> None:
        self._objects.clear()
        self._objects.update({key_of(obj): self._read(obj) for obj in listing.items})
        self._version = listing.version
        self._synced = True
        self._changed()

    def _apply(self, event: Event) -> None:
        match event.type:
            case "ADDED" | "MODIFIED":
                self._objects[key_of(event.object)] = self._read(event.object)
            case "DELETED":
                self._objects.pop(key_of(event.object), None)
        self._version = event.version
        self._pause = _FIRST_PAUSE_SECONDS
        self._changed()
