"""What is, and what was: the objects of the cluster and their recent history.

One revision counter for everything, as etcd has. A bounded log of changes lets a watch start in
the past and a list be read as it was; what has fallen out of the log is gone (410).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from proxy.demo.cluster.objects import Object

HISTORY = 4096


class Key(NamedTuple):
    """Where an object lives."""

    group: str
    plural: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Change:
    """One step of the history."""

    revision: int
    key: Key
    before: Object | None
    """What was there, None when the step made the object."""
    now: Object
    """What is there since; of an object that is gone, its last state, as etcd tells it."""
    gone: bool = False


class ForgottenError(LookupError):
    """The revision asked for is older than the log."""


class Store:
    """Objects by key. Revisions are stamped here and nowhere else."""

    def __init__(self, history: int = HISTORY) -> None:
        self._objects: dict[Key, Object] = {}
        self._log: deque[Change] = deque()
        self._limit = history
        self._listeners: set[Callable[[], None]] = set()
        # Revision 1 is the empty store, so that no object ever has a version below 2 and
        # "resourceVersion=1" is a past that can be forgotten.
        self.revision = 1
        self.oldest = 1

    def get(self, key: Key) -> Object | None:
        """Give the object as it is now."""
        return self._objects.get(key)

    def put(self, key: Key, obj: Object) -> Object:
        """Write an object, stamped with the next revision."""
        before, now = self._objects.get(key), self._stamped(obj)
        self._objects[key] = now
        self._record(Change(self.revision, key, before, now))
        return now

    def remove(self, key: Key) -> Object:
        """Take an object away, and give its last state stamped with the next revision."""
        before = self._objects.pop(key)
        now = self._stamped(before)
        self._record(Change(self.revision, key, before, now, gone=True))
        return now

    def _stamped(self, obj: Object) -> Object:
        self.revision += 1
        return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.revision)}}

    def _record(self, change: Change) -> None:
        self._log.append(change)
        self.forget(keep=self._limit)
        self.nudge()

    def nudge(self) -> None:
        """Wake everyone who listens."""
        for listener in tuple(self._listeners):
            listener()

    def forget(self, keep: int = 0) -> None:
        """Drop all history but the latest changes, as etcd's compaction does."""
        while len(self._log) > keep:
            self.oldest = self._log.popleft().revision

    def since(self, revision: int) -> list[Change]:
        """Give the changes after a revision, oldest first.

        Raises:
            ForgottenError: the log no longer reaches back so far.
        """
        if revision < self.oldest:
            raise ForgottenError(revision)
        # INVARIANT: revisions are dense, so the log holds oldest+1, oldest+2, ...
        return list(islice(self._log, revision - self.oldest, None))

    def select(self, group_resource: tuple[str, str], namespace: str = "") -> list[Object]:
        """Give the objects of a resource, in the order of namespace and name."""
        return _sorted(self._objects, group_resource, namespace)

    def select_at(
        self, revision: int, group_resource: tuple[str, str], namespace: str = ""
    ) -> list[Object]:
        """Give the objects of a resource as they were at a revision.

        Raises:
            ForgottenError: the log no longer reaches back so far.
        """
        past = dict(self._objects)
        for change in reversed(self.since(revision)):
            if change.before is None:
                past.pop(change.key, None)
            else:
                past[change.key] = change.before
        return _sorted(past, group_resource, namespace)

    def keys_in(self, namespace: str) -> list[Key]:
        """Name everything that a namespace holds."""
        return [key for key in self._objects if key.namespace == namespace]

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Be told of every change and nudge; call what is returned to stop."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)


def _sorted(
    objects: dict[Key, Object], group_resource: tuple[str, str], namespace: str
) -> list[Object]:
    return [
        obj
        for key, obj in sorted(objects.items(), key=lambda item: item[0])
        if key[:2] == group_resource and namespace in {"", key.namespace}
    ]
