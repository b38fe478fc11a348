"""What is in the files: a set of them, read whole or not at all."""

import gc
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from proxy.core import policy
from proxy.core.policy import Code, Document, PolicySet, Position, Problem, Read
from proxy.core.terminal import printable
from proxy.edge.policyfiles import strictyaml

MAX_BYTES: Final = 1 << 20
TOLD: Final = 100
"""How many problems are told one by one, at most."""
_SUFFIXES: Final = (".yaml", ".yml")
_FOLDER: Final = "folder"
_TRIES: Final = 10
_COARSE: Final = 2_000_000_000
"""Nanoseconds; file systems tell two changes of a file apart that are so far from each other."""
TOP: Final = Position(1, 1)
_WORK: Final = 0.001
_PAUSE: Final = 0.000_05

Fingerprint = tuple[tuple[object, ...], ...]
"""What tells one state of the files from another without reading them."""


class PolicyError(Exception):
    """Policy files that cannot be used; the text has a line for each of the first problems.

    `more` is how many others there are, of which nothing but that is known.
    """

    def __init__(self, problems: Iterable[Problem], more: int = 0) -> None:
        super().__init__()
        self.problems = tuple(problems)
        self.more = more

    def __str__(self) -> str:
        """Short: a file has room for hundreds of thousands of problems."""
        told = self.told()
        more = [f"and {told.more} more"] if told.more else []
        return "\n".join([*map(str, told.problems), *more])

    def told(self) -> "PolicyError":
        """The first problems, and the number of the others: what somebody may read of it."""
        left = max(0, len(self.problems) - TOLD)
        return PolicyError(self.problems[:TOLD], self.more + left)


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A file that was read, and the SHA-256 of what it said."""

    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class Contents:
    """Every file as it was at one moment, not looked into.

    `moving` are those that changed while they were read, time and again. With `lasting`,
    what has the same fingerprint later is the same.
    """

    fingerprint: Fingerprint
    data: tuple[tuple[PolicyFile, bytes], ...]
    problems: tuple[Problem, ...]
    moving: bool = False
    lasting: bool = False

    @property
    def files(self) -> tuple[PolicyFile, ...]:
        """The files that could be read."""
        return tuple(file for file, _ in self.data)

    def says_the_same(self, other: "Contents") -> bool:
        """Whether nothing can be read in the one that cannot be read in the other."""
        return (self.files, self.problems) == (other.files, other.problems)


Pause = Callable[[], None]
"""Called between two documents."""


class Pauses:
    """A pause after each millisecond of work, in which other threads get the interpreter.

    Unasked it changes hands every five, and a request takes its turn several times.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._began = clock()

    def __call__(self) -> None:
        """Pause, if it is time."""
        if self._clock() - self._began > _WORK:
            self._sleep(_PAUSE)
            self._began = self._clock()


def load(paths: Iterable[Path]) -> PolicySet:
    """Read policy files: each path is a file, or a folder of `*.yaml` and `*.yml`.

    Raises:
        PolicyError: any of them cannot be used, or there is none.
    """
    return compiled(read(tuple(paths)))


def load_with_tests(paths: Iterable[Path]) -> Read:
    """Read policy files as `load` does, and the tests that stand in them.

    Raises:
        PolicyError: as `load`.
    """
    return understood(read(tuple(paths)))


def fingerprint(paths: tuple[Path, ...]) -> Fingerprint:
    """The present state of the files.

    The change time is part of it, since a copy may keep all else. So are folders: where
    files come and go that are none of ours, somebody is at work who will write ours, too.
    """
    folder_of = cache(os.path.realpath)
    folders = ((_FOLDER, *_traits(path, folder_of)) for path in paths)
    return (*folders, *(_traits(path, folder_of) for path in _listed(paths)))


def changed(before: Fingerprint, after: Fingerprint) -> set[object]:
    """The files that two fingerprints differ in."""
    return {traits[0] for traits in {*before} ^ {*after}} - {_FOLDER}


def read(paths: tuple[Path, ...]) -> Contents:
    """Read all files, again if they change meanwhile, so that they belong together."""
    for _ in range(_TRIES):
        now, before = time.time_ns(), fingerprint(paths)
        contents = _read_once(paths, before)
        if fingerprint(paths) == before:
            return replace(contents, lasting=not contents.problems and _are_old(before, now))
    problem = _problem(paths[0], Code.UNREADABLE, "keeps changing while it is read")
    return Contents(before, (), (problem,), moving=True)


def _are_old(found: Fingerprint, now: int) -> bool:
    """Whether a change after `now` would show.

    One in the same tick of the file system's clock does not, where the size stays.
    """
    return all(now - traits[-1] > _COARSE for traits in found if isinstance(traits[-1], int))


def compiled(contents: Contents, pause: Pause = lambda: None) -> PolicySet:
    """The rules in the files.

    Raises:
        PolicyError: with every problem of every file.
    """
    return understood(contents, pause).policies


def understood(contents: Contents, pause: Pause = lambda: None) -> Read:
    """The rules in the files, and the tests of them.

    Raises:
        PolicyError: as `compiled`.
    """
    problems = list(contents.problems)
    with uncollected():
        parsed = policy.read(_documents(contents, problems, pause))
    if isinstance(parsed, Read):
        if problems:
            raise PolicyError(problems)
        return parsed
    # What is not strict YAML need not be called wrong a second time.
    told = {(problem.file, problem.position) for problem in problems}
    problems += [problem for problem in parsed if (problem.file, problem.position) not in told]
    raise PolicyError(sorted(problems, key=lambda problem: (problem.file, problem.position)))


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the garbage collector away from work that makes many objects and no cycles.

    It would look at all there is again and again, for nothing, and all threads wait for it.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # Nothing stays frozen. But all that is new counts as old now, so that there is
        # no look at all of it at once, either.
        gc.freeze()
        gc.unfreeze()
        if enabled:
            gc.enable()


def _documents(contents: Contents, problems: list[Problem], pause: Pause) -> Iterator[Document]:
    """Read one file at a time, since the trees of thousands take much memory."""
    for file, data in contents.data:
        documents, strict = strictyaml.read(file.path, data, pause)
        problems += strict
        for document in documents:
            yield document
            pause()


def _listed(paths: tuple[Path, ...]) -> Iterator[Path | Problem]:
    for path in paths:
        if not os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where this says no
            yield path
            continue
        try:
            names = sorted(entry.name for entry in path.iterdir())
        except OSError as exc:
            yield _unreadable(path, exc)
            continue
        if not (wanted := [*filter(is_policy, names)]):
            yield empty(_named(path))
        yield from (path / name for name in wanted)


def is_policy(name: str) -> bool:
    """Whether a folder's file of this name is a policy file; folders in it are not looked into."""
    return name.endswith(_SUFFIXES) and name[0] != "."


def empty(folder: str) -> Problem:
    """What is wrong with a folder that has no policy file."""
    hint = "put a policy there, or name a folder in it: none is looked into by itself"
    return Problem(folder, TOP, "", "has no file `*.yaml` or `*.yml`", hint, Code.NO_DOCUMENT)


def no_file(path: str) -> Problem:
    """What is wrong with a pipe or a folder that is called as a policy file is."""
    return Problem(path, TOP, "", "is not a file", "take it out of there", Code.UNREADABLE)


def too_large(path: str) -> Problem:
    """What is wrong with a file of more than `MAX_BYTES`."""
    hint = f"split it, a file has at most {MAX_BYTES} bytes"
    return Problem(path, TOP, "", "is too large", hint, Code.TOO_LARGE)


def _traits(path: Path | Problem, folder_of: Callable[[Path], str]) -> tuple[object, ...]:
    if isinstance(path, Problem):
        return (path,)
    try:
        found = path.stat()
        # One folder holds thousands of files, and most of them are no links. One that goes
        # away as it is read makes `realpath` raise, strict or not.
        link = os.path.realpath(path) if path.is_symlink() else (folder_of(path.parent), path.name)
    except OSError as exc:
        return (path, exc.errno)
    return (
        path,
        link,
        found.st_dev,
        found.st_ino,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )


def _read_once(paths: tuple[Path, ...], before: Fingerprint) -> Contents:
    data: list[tuple[PolicyFile, bytes]] = []
    problems: list[Problem] = []
    for path in _listed(paths):
        if isinstance(path, Problem):
            problems.append(path)
            continue
        match _read_file(path):
            case Problem() as problem:
                problems.append(problem)
            case bytes() as content:
                digest = hashlib.sha256(content).hexdigest()
                data.append((PolicyFile(_named(path), digest), content))
    return Contents(before, tuple(data), tuple(problems))


def _read_file(path: Path) -> bytes | Problem:
    try:
        # Looked at first: opening a pipe would wait for somebody to write to it.
        if not stat.S_ISREG(path.stat().st_mode):
            return no_file(_named(path))
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as exc:
        return _unreadable(path, exc)
    if len(content) > MAX_BYTES:
        return too_large(_named(path))
    return content


def _named(path: Path) -> str:
    """A path as logs, records and answers have it; a name may hold whatever is no slash."""
    return printable(str(path))


def _unreadable(path: Path, exc: OSError) -> Problem:
    reason = (exc.strerror or str(exc)).lower()
    return _problem(path, Code.UNREADABLE, f"cannot be read: {reason}")


def _problem(path: Path, code: Code, message: str, hint: str = "") -> Problem:
    return Problem(_named(path), TOP, "", message, hint, code)
