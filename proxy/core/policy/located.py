"""Where something stands: documents, the places in them, and problems there.

Whatever a file says, a message about it is one line that a terminal can show.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from proxy.core.policy.codes import Code, Severity
from proxy.core.terminal import printable

SHOWN: Final = 80
"""How many characters of a text a message quotes."""

Path = tuple[str | int, ...]
"""The way from the top of a document to a piece of it: `("spec", "allow", 0)`."""


class Position(NamedTuple):
    """A place in a file; both count from 1."""

    line: int
    column: int


class Layout(Protocol):
    """Where the pieces of a document stand in its file.

    A path that leads to nothing yields the place of its last piece that is there.
    """

    def key(self, path: Path) -> Position:
        """Where the name of a field begins."""
        ...

    def value(self, path: Path) -> Position:
        """Where a value begins."""
        ...


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file, unread: dicts with string keys, lists and scalars."""

    file: str
    tree: object
    layout: Layout

    @property
    def kind(self) -> str | None:
        """Its `kind`, if it has one."""
        match self.tree:
            case {"kind": str(kind)}:
                return kind
        return None

    @property
    def name(self) -> str | None:
        """Its `metadata.name`, if it has one."""
        match self.tree:
            case {"metadata": {"name": str(name)}}:
                return name
        return None


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file.

    `field` is a path such as `spec.allow[0].role`, empty for the whole file;
    `hint` says what would be right, `code` what kind of problem it is.
    """

    file: str
    position: Position
    field: str
    message: str
    hint: str = ""
    code: Code = Code.INVALID_VALUE

    @property
    def severity(self) -> Severity:
        """Whether the file can be used in spite of it."""
        return self.code.severity

    @property
    def said(self) -> str:
        """The field, what is wrong, and what would be right: all but where."""
        fault = ", ".join(filter(None, (self.message, self.hint)))
        return ": ".join(filter(None, (self.field, fault)))

    def __str__(self) -> str:
        place = f"{self.file}:{self.position.line}:{self.position.column}"
        return printable(f"{place}: {self.said}")


def shown(text: str) -> str:
    """A piece of a file as messages quote it."""
    return f"`{_plain(text)}`"


def _plain(text: str) -> str:
    """Fit for a terminal and one line: escaped, and cut where it is long."""
    escaped = text if text.isprintable() else repr(text)[1:-1]
    return escaped if len(escaped) <= SHOWN else f"{escaped[:SHOWN]}..."


def dotted(path: Iterable[str | int]) -> str:
    """A path as messages write it: `spec.allow[0].role`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{_plain(step)}" for step in path)
    return "".join(steps).removeprefix(".")
