"""One run of the plugin: the token that is kept, or else another one from the IAM."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from proxy.execplugin.cache import Cache, LockError, Say
from proxy.execplugin.faults import PluginError, UnreachableError
from proxy.execplugin.kept import Holder, Kept

PATIENCE = 30.0
"""Seconds to wait for another process that asks the IAM for the same token."""

PATIENCE_WITH_PEOPLE = 600.0
"""Seconds to wait for another process in which a person logs in."""

_RETRY = 10.0

Renew: TypeAlias = Callable[[str | None], Kept]
"""Asks the IAM, with a refresh token where there is one; raises PluginError."""

Clock: TypeAlias = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Credential:
    """A token, and when to call again, in seconds since the epoch."""

    token: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Call:
    """What a run needs. `holder` is who calls, if that is a Kubernetes client.

    A process that waits `patience` seconds in vain for another one asks the IAM on
    its own, unless `needs_person`: two logins at once would confuse whoever logs in.
    """

    renew: Renew
    say: Say
    holder: Holder | None = None
    patience: float = PATIENCE
    needs_person: bool = False
    clock: Clock = time.time

    def credential(self, cache: Cache | None) -> Credential:
        """The token to hand out.

        Raises:
            PluginError: there is none to be had.
        """
        if cache is None:
            return _credential(self.renew(None))
        try:
            with cache.lock(self.patience):
                return self._kept(cache)
        except LockError as exc:
            if self.needs_person:
                raise PluginError(f"cannot use the cache: {exc}") from exc
            self.say(f"cannot use the cache: {exc}")
            return _credential(self.renew(None))

    def _kept(self, cache: Cache) -> Credential:
        kept = cache.read()
        if kept is not None and kept.does(self.holder, self.clock()):
            handed = kept.handed_to(self.holder)
            if handed is not kept:
                cache.write(handed)
            return _credential(kept)
        try:
            renewed = self.renew(kept.refresh if kept is not None else None)
        except UnreachableError as exc:
            now = self.clock()
            if kept is None or not kept.still_lives(now):
                raise
            self.say(f"using the token of before: {exc}")
            return Credential(kept.access, min(kept.expires_at, now + _RETRY))
        cache.write(renewed.handed_to(self.holder))
        return _credential(renewed)


def _credential(kept: Kept) -> Credential:
    return Credential(kept.access, kept.renew_at)
