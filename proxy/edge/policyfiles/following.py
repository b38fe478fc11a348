"""What holds now: the last good state of the files, followed as they change."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from proxy.core.identity import Identity
from proxy.core.policy import Hits, Origin, PolicySet, RuleSet, inforce
from proxy.edge.policyfiles import reading
from proxy.edge.policyfiles.reading import Contents, Fingerprint, PolicyError, PolicyFile
from proxy.memory import Memory
from proxy.ports import Caller, Clock

_log = logging.getLogger(__name__)

_Known: TypeAlias = tuple[Identity, RuleSet]

_ROOM: Final = 500_000
"""Of what is remembered; a rule in one namespace takes an eighth of a kB."""
_CHANGES: Final = 10
_QUIET: Final = 10
_LOOKS: Final = 300


@dataclass(frozen=True, slots=True)
class Status:
    """What is in force, since when, and what is wrong with what should be.

    `rules` count, `shadow_rules` are only recorded. Times are in seconds since the
    epoch. `error` and `failed_at` are None as long as the files in force are the files
    that are there; of many problems, `error` has the first.
    """

    files: tuple[PolicyFile, ...]
    rules: int
    shadow_rules: int
    loaded_at: float
    reloads: int = 0
    failures: int = 0
    error: PolicyError | None = None
    failed_at: float | None = None


class _Rest:
    """Tells when files that change have come to rest.

    A checkout changes one file after the other, each of them once or twice. A file that
    is found changed again and again will never rest, nor will a folder for ever. Where
    files come and go that are none of ours, ours may rest for long.
    """

    def __init__(self, last: Fingerprint) -> None:
        self._last = last
        self._changes: Counter[object] = Counter()
        self._looks = 0
        self._quiet = 0

    def reached(self, now: Fingerprint) -> bool:
        """Whether nothing has changed since it was asked before, or nothing of ours for long."""
        last, self._last = self._last, now
        changed = reading.changed(last, now)
        self._changes.update(changed)
        self._looks += 1
        self._quiet = 0 if changed else self._quiet + 1
        return now == last or self._quiet > _QUIET

    @property
    def hopeless(self) -> bool:
        """Whether it is not worth waiting for."""
        return self._looks > _LOOKS or max(self._changes.values(), default=0) > _CHANGES


class PolicyFiles:
    """The rules in policy files, as they are now. Implements `Entitlements`.

    `hits` is for whoever decides by them to count. Loading at the start blocks; afterwards
    files are read in a thread.
    """

    def __init__(
        self,
        paths: Iterable[Path],
        *,
        interval: float = 1.0,
        room: int = _ROOM,
        clock: Clock = time.time,
    ) -> None:
        """Load the files; `interval` is the number of seconds between two looks at them.

        `room` is how many rules and claims are remembered of all tokens together, a rule once
        for each of its namespaces.

        Raises:
            PolicyError: they cannot be used.
        """
        self._paths = tuple(paths)
        self._interval = interval
        self._clock = clock
        self._subscribers: list[Callable[[], None]] = []
        self._cache: Memory[tuple[str, str, str], _Known] = Memory(room, clock, _weight)
        contents = reading.read(self._paths)
        self._policies = reading.compiled(contents)
        self.hits = Hits(self._policies)
        self._status = Status(
            contents.files, len(self._policies), len(self._policies.shadows()), clock()
        )
        self._read = contents
        self._seen = contents.fingerprint if contents.lasting else None
        self._rest = _Rest(contents.fingerprint)

    @property
    def status(self) -> Status:
        """What is in force and what is not."""
        return self._status

    def trouble(self) -> str:
        """Why the files that are there are not in force, on a line, or nothing."""
        if (error := self._status.error) is None:
            return ""
        first, *others = error.problems
        number = len(others) + error.more
        more = f" (and {number} more)" if number else ""
        since = _time(self._status.loaded_at).isoformat(timespec="seconds")
        return f"not loaded, those of {since} stay in force: {first}{more}"

    def in_force(self) -> inforce.InForce:
        """All of that, and what each rule did, as operators are told."""
        status = self._status
        counted = zip(self._policies, self.hits.counts(), strict=True)
        return inforce.InForce(
            loaded_at=_time(status.loaded_at),
            reloads=status.reloads,
            failures=status.failures,
            enforced_rules=status.rules,
            shadow_rules=status.shadow_rules,
            error=_failure(status),
            files=tuple(inforce.File(path=each.path, sha256=each.digest) for each in status.files),
            rules=tuple(
                inforce.RuleInForce(
                    document=origin.document,
                    path=origin.path,
                    file=origin.file,
                    line=origin.line,
                    effect=entry.rule.effect,
                    hits=hits,
                )
                for entry, hits in counted
                if isinstance(origin := entry.rule.origin, Origin)
            ),
        )

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
            self._rest = _Rest(now)
        elif self._rest.reached(now) or self._rest.hopeless:
            await self._reload()

    async def _reload(self) -> None:
        contents = await asyncio.to_thread(reading.read, self._paths)
        if contents.moving and not self._rest.hopeless:
            return
        self._seen = contents.fingerprint if contents.lasting else None
        self._rest = _Rest(contents.fingerprint)
        known, self._read = self._read, contents
        if contents.says_the_same(known):
            return
        if contents.files == self._status.files and not contents.problems:
            _log.info("policies mended: the set that stayed in force is that of the files")
            self._status = replace(self._status, error=None, failed_at=None)
            return
        compiled = await asyncio.to_thread(self._compile, contents)
        if isinstance(compiled, PolicyError):
            self._fail(compiled)
            return
        policies, follow = compiled
        self._policies = policies
        follow()
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

    def _compile(self, contents: Contents) -> tuple[PolicySet, Callable[[], None]] | PolicyError:
        pauses = reading.Pauses()
        with reading.uncollected():
            try:
                policies = reading.compiled(contents, pauses)
            except PolicyError as exc:
                # All that it was raised among goes with it.
                return exc.told()
            return policies, self.hits.following(policies, pauses)

    def _fail(self, error: PolicyError) -> None:
        known = self._status.error
        if known is not None and (known.problems, known.more) == (error.problems, error.more):
            return
        self._status = replace(
            self._status,
            failures=self._status.failures + 1,
            error=error,
            failed_at=self._clock(),
        )
        _log.error("policies not loaded, the last good set stays in force:\n%s", error)


def _weight(known: _Known) -> int:
    """A bound on tokens alone would be none on memory: one may stand for thousands of rules."""
    identity, rules = known
    return 1 + sum(map(len, identity.claims.values())) + rules.size()


def _failure(status: Status) -> inforce.Failure | None:
    if status.error is None or status.failed_at is None:
        return None
    return inforce.Failure(
        failed_at=_time(status.failed_at),
        problems=tuple(
            inforce.Fault(
                file=problem.file,
                line=problem.position.line,
                column=problem.position.column,
                field=problem.field,
                message=problem.message,
                hint=problem.hint,
            )
            for problem in status.error.problems
        ),
        more=status.error.more,
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
