"""What was in the files: a set of them as a revision of a git repository has it.

Objects are read, nothing is checked out and nothing written. As in a folder on disk,
`*.yaml` and `*.yml` count and folders in it do not; links are not followed, since a
revision does not say what they led to.
"""

import hashlib
import os
import posixpath
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from proxy.core.policy import Problem, Read
from proxy.core.terminal import printable
from proxy.edge.policyfiles.reading import (
    MAX_BYTES,
    TOP,
    Contents,
    PolicyFile,
    empty,
    is_policy,
    no_file,
    too_large,
    understood,
)

_LINK: Final = "120000"
_SUBMODULE: Final = "160000"
_GIT: Final = (
    "git",
    "--no-replace-objects",
    "--literal-pathspecs",
    "--no-optional-locks",
    # A tag `origin/main` goes before the branch that is meant, and who may push makes one.
    "-c",
    "core.warnAmbiguousRefs=true",
)
_AMBIGUOUS: Final = b"is ambiguous"


class GitError(Exception):
    """Git cannot say what was there, and why not."""


class MissingError(GitError):
    """The revision is there, and nothing in it at that path."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A path in a revision, named as git names it: from the top of the repository.

    One that begins with `./` or `../` is from the present folder.
    """

    name: str
    path: str

    def __str__(self) -> str:
        return printable(f"{self.name}:{self.path}")


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a tree of git says of one name in it."""

    mode: str
    kind: str
    number: str
    size: int
    name: str


def load_revision(revision: Revision) -> Read:
    """Read the policy files that a revision has, a file or a folder of them, and their tests.

    Raises:
        GitError: it cannot be read.
        MissingError: it has no such path.
        PolicyError: any of the files cannot be used, or there is none.
    """
    problems: list[Problem] = []
    listed = [*_listed(revision, problems)]
    contents = _contents([entry.number for _, entry in listed])
    data = tuple(
        (PolicyFile(file, hashlib.sha256(content).hexdigest()), content)
        for (file, _), content in zip(listed, contents, strict=True)
    )
    return understood(Contents((), data, tuple(problems)))


def is_revision(name: str) -> bool:
    """Whether git knows a revision by a name, or several."""
    try:
        _run("rev-parse", "--verify", "--end-of-options", f"{name}^{{tree}}")
    except GitError:
        return False
    return True


def _listed(revision: Revision, problems: list[Problem]) -> Iterator[tuple[str, _Entry]]:
    """The files to read; what is none of them that should be is a problem."""
    tree = _tree(revision)
    path = _from_top(revision.path)
    if path != ".":
        top = next(_entries(tree, path), None)
        if top is None:
            raise MissingError(f"`{printable(revision.name)}` has no `{printable(path)}`")
        if top.kind != "tree":
            yield from _readable(str(revision), top, problems)
            return
        tree = top.number
    folder = str(revision).removesuffix("/")
    entries = sorted(_entries(tree), key=lambda entry: entry.name)
    entries = [entry for entry in entries if is_policy(entry.name)]
    if not entries:
        problems.append(empty(folder))
    for entry in entries:
        yield from _readable(f"{folder}/{printable(entry.name)}", entry, problems)


def _readable(file: str, entry: _Entry, problems: list[Problem]) -> Iterator[tuple[str, _Entry]]:
    match entry:
        case _Entry(mode=mode) if mode == _LINK:
            hint = "put the file itself there"
            problems.append(Problem(file, TOP, "", "is a symbolic link", hint))
        case _Entry(mode=mode) if mode == _SUBMODULE:
            problems.append(Problem(file, TOP, "", "is a submodule", "take it out of there"))
        case _Entry(kind="blob", size=size) if size > MAX_BYTES:
            problems.append(too_large(file))
        case _Entry(kind="blob"):
            yield file, entry
        case _:
            problems.append(no_file(file))


def _tree(revision: Revision) -> str:
    """The top of a revision."""
    if not revision.name:
        raise GitError("no revision is named before the `:`")
    found = _run("rev-parse", "--verify", "--end-of-options", f"{revision.name}^{{tree}}")
    if _AMBIGUOUS in found.stderr:
        hint = f"write it in full, such as `refs/remotes/{printable(revision.name)}`"
        raise GitError(f"`{printable(revision.name)}` is the name of several revisions, {hint}")
    return found.stdout.decode().strip()


def _from_top(path: str) -> str:
    """A path as trees have it, without a way out of the repository."""
    if path.startswith(("./", "../")):
        prefix = os.fsdecode(_git("rev-parse", "--show-prefix")).removesuffix("\n")
        path = posixpath.join(prefix, path)
    path = posixpath.normpath(path or ".")
    if path.startswith(("/", "../")) or path == "..":
        raise GitError(f"`{printable(path)}` is not in the repository")
    return path


def _entries(tree: str, *paths: str) -> Iterator[_Entry]:
    listed = _git("ls-tree", "-z", "-l", "--full-tree", tree, "--", *paths)
    for line in filter(None, listed.split(b"\0")):
        said, _, name = os.fsdecode(line).partition("\t")
        mode, kind, number, size = said.split()
        yield _Entry(mode, kind, number, int(size) if size.isdecimal() else 0, name)


def _contents(numbers: list[str]) -> Iterator[bytes]:
    """What objects hold, in their order; one run of git reads them all."""
    said = _git("cat-file", "--batch", given="".join(f"{number}\n" for number in numbers).encode())
    begins = 0
    for _ in numbers:
        ends = said.index(b"\n", begins)
        size = int(said[begins:ends].split()[-1])
        yield said[ends + 1 : ends + 1 + size]
        begins = ends + size + 2


def _git(*arguments: str, given: bytes = b"") -> bytes:
    return _run(*arguments, given=given).stdout


def _run(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    # What git says is read, so it has to be in one language.
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.run(  # noqa: S603 - words of ours, and what is said not to be an option
            (*_GIT, *arguments), check=True, capture_output=True, input=given, env=environment
        )
    except FileNotFoundError as exc:
        raise GitError("git is not installed, and a revision is asked for") from exc
    except (subprocess.CalledProcessError, ValueError) as exc:
        said = exc.stderr.decode(errors="replace") if hasattr(exc, "stderr") else str(exc)
        first = said.strip().split("\n")[0].removeprefix("fatal: ")
        raise GitError(f"git: {printable(first)}") from exc
