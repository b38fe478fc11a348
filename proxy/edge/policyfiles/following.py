"""What holds now: the last good state of the files, followed as they change."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

from proxy.core.identity import Identity
from proxy.core.policy import RuleSet
from proxy.edge.policyfiles import reading
from proxy.edge.policyfiles.reading import Fingerprint, PolicyError, PolicyFile
from proxy.memory import Memory
from proxy.ports import Caller, Clock

_log = logging.getLogger(__name__)

_Known: TypeAlias = tuple[Identity, RuleSet]

_CACHED: Final = 4096
_PATIENCE: Final = 10


@dataclass(frozen=True, slots=True)
class Status:
    """What is in force, since when, and what is wrong with what should be.

    `rules` count, `shadow_rules` are only recorded. Times are in seconds since the
    epoch. `error` and `failed_at` are None as long as the files in force are the files
    that are there.
    """

    files: tuple[PolicyFile, ...]
    rules: int
    shadow_rules: int
    loaded_at: float
    reloads: int = 0
    failures: int = 0
    error: PolicyError | None = None
    failed_at: float | None = None


class PolicyFiles:
    """The rules in policy files, as they are now. Implements `Entitlements`.

    Loading at the start blocks; afterwards files are read in a thread.
    """

    def __init__(
        self, paths: Iterable[Path], *, interval: float = 1.0, clock: Clock = time.time
    ) -> None:
        """Load the files; `interval` is the number of seconds between two looks at them.

        Raises:
            PolicyError: they cannot be used.
        """
        self._paths = tuple(paths)
        self._interval = interval
        self._clock = clock
        self._subscribers: list[Callable[[], None]] = []
        self._cache: Memory[tuple[str, str, str], _Known] = Memory(_CACHED, clock, lambda _: 1)
        contents = reading.read(self._paths)
        self._policies = reading.compiled(contents)
        self._status = Status(
            contents.files, len(self._policies), len(self._policies.shadows()), clock()
        )
        self._seen: Fingerprint | None = contents.fingerprint
        self._unsettled: Fingerprint | None = None
        self._looks = 0

    @property
    def status(self) -> Status:
        """What is in force and what is not."""
        return self._status

    async def rules(self, caller: Caller, *, recheck: bool = False) -> RuleSet:  # noqa: ARG002 - files are followed, there is nothing to ask
        """The rules that concern a caller, as of now."""
        identity = caller.identity
        key = (identity.issuer, identity.subject, identity.token_id)
        known = self._cache.get(key)
        # A token's id is its issuer's word; what it grants follows from all the token says.
        if known is not None and (known[0] is identity or known[0] == identity):
            return known[1]
        rules = self._policies.rules_for(identity)
        self._cache.put(key, (identity, rules), identity.expires)
        return rules

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Have `changed` called, in the event loop, each time answers may differ."""
        self._subscribers.append(changed)

    async def run(self) -> None:
        """Follow the files until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            await self.look()

    async def look(self) -> None:
        """Look at the files once, and read them if they have changed and come to rest.

        A checkout or an editor touches one file after another; between two looks
        that find the same, it is done. Files that never rest are read as they are.
        """
        now = await asyncio.to_thread(reading.fingerprint, self._paths)
        if now == self._seen:
            self._unsettled = None
            self._looks = 0
        elif now != self._unsettled and self._looks < _PATIENCE:
            self._unsettled = now
            self._looks += 1
        else:
            self._looks = 0
            await self._reload()

    async def _reload(self) -> None:
        contents = await asyncio.to_thread(reading.read, self._paths)
        # What could not be read is tried again: the file may not be what changes.
        self._seen = None if contents.problems else contents.fingerprint
        if contents.files == self._status.files and not contents.problems:
            if self._status.error is not None:
                _log.info("policies mended: the set that stayed in force is that of the files")
            self._status = replace(self._status, error=None, failed_at=None)
            return
        try:
            policies = await asyncio.to_thread(reading.compiled, contents, reading.Pauses())
        except PolicyError as exc:
            self._fail(exc)
            return
        self._policies = policies
        self._cache.clear()
        self._status = Status(
            contents.files,
            len(policies),
            len(policies.shadows()),
            self._clock(),
            self._status.reloads + 1,
            self._status.failures,
        )
        _log.info(
            "policies loaded: %d rules and %d shadow rules from %d files",
            self._status.rules,
            self._status.shadow_rules,
            len(contents.files),
        )
        for changed in self._subscribers:
            changed()

    def _fail(self, error: PolicyError) -> None:
        known = self._status.error
        if known is not None and known.problems == error.problems:
            return
        self._status = replace(
            self._status,
            failures=self._status.failures + 1,
            error=error,
            failed_at=self._clock(),
        )
        _log.error("policies not loaded, the last good set stays in force:\n%s", error)
