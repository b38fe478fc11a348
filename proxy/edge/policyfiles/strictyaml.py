"""What a text says: YAML without what readers and parsers of it disagree about.

No anchors, merge keys, tags or duplicate keys, and no scalar that versions of
YAML read differently. Works on libyaml's events, so nothing is ever expanded
and nesting is bounded.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias

import yaml
from yaml import CSafeLoader
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from proxy.core.policy import Code, Document, Fault, Path, Position, Problem, dotted, shown


class _Mark(Protocol):
    line: int
    column: int


_DEEPEST: Final = 32
# Of one document. Each that is wrong takes a kilobyte to be told.
_MOST: Final = 50_000
# What YAML 1.2 calls printable, less what makes a file look other than it is: a
# carriage return on its own and the line separators of Unicode end a line for
# YAML and not for most editors; direction marks reorder what is shown.
_MISLEADING: Final = re.compile(
    r"[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    r"|\r(?!\n)|[\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)
_WORDS: Final[Mapping[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True"), True),
    **dict.fromkeys(("false", "False"), False),
}
_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,17}")
# Numbers and dates of YAML 1.1 and 1.2 that are not plain integers.
_AMBIGUOUS: Final = re.compile(
    r"[-+]?[0-9][0-9_]*"
    r"|[-+]?0(?:o[0-7_]+|x[0-9a-fA-F_]+|b[01_]+)"
    r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"
    r"|[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9_]+)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?"
)
# With what each of those begins, and hardly any other text does.
_NUMERIC: Final = frozenset("-+.0123456789")
# libyaml stops where it notices, which is often far behind what is to be mended.
_BEGUN: Final = {
    "while scanning a quoted scalar": "close the quotes that open in line",
    "while scanning a simple key": "write `field: value` in line",
    "while parsing a block collection": "check indentation and quotes from line",
    "while parsing a block mapping": "check indentation and quotes from line",
    "while parsing a flow mapping": "put `,` between fields, and close the `{` of line",
    "while parsing a flow sequence": "put `,` between items, and close the `[` of line",
}
_IN_QUOTES: Final = "put text that begins with it in quotes"
_BLANK: Final = re.compile(r"[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
"""What looks like a space and is none to YAML."""
_INDENTATION: Final = "check the indentation"
_CONFLICT: Final = re.compile(r"<{7} |>{7} |={7}$")
_HINTS: Final = {
    "did not find expected alphabetic or numeric character": "put text that begins with `*` or `&` "
    "in quotes",
    "did not find expected node content": "write a value there, or close the bracket",
    "found character that cannot start any token": _IN_QUOTES,
    "mapping values are not allowed in this context": f"{_INDENTATION}, or put text with `: ` "
    "in quotes",
}


@dataclass(slots=True)
class _Place:
    """Where a list or a mapping stands, and where its parts do; of a scalar, a mark says all.

    There are many and few are ever asked, so marks become positions then.
    """

    mark: _Mark | None
    parts: "Mapping[str | int, _Stands]"
    names: Mapping[str, _Mark | None]

    def key(self, path: Path) -> Position:
        """Where the name of a field begins, or where the mapping does."""
        *parent, name = path
        place = self._deepest(parent)
        if isinstance(place, _Place):
            return _at(place.names.get(str(name), place.mark))
        return _at(place)

    def value(self, path: Path) -> Position:
        """Where a value begins, or the last piece on the way to it."""
        place = self._deepest(path)
        return _at(place.mark if isinstance(place, _Place) else place)

    def _deepest(self, path: Iterable[str | int]) -> "_Stands":
        place: _Stands = self
        for step in path:
            if not isinstance(place, _Place) or step not in place.parts:
                return place
            place = place.parts[step]
        return place


_Stands: TypeAlias = _Place | _Mark | None
_NONE: Final[Mapping[str, _Mark | None]] = MappingProxyType({})


class _TooMuchError(Exception):
    """A document is such as no policy is, and what else it says is not looked at."""

    def __init__(self, path: Path, position: Position, fault: Fault) -> None:
        super().__init__()
        self.path = path
        self.position = position
        self.fault = fault


def read(
    file: str, data: bytes, pause: Callable[[], None] = lambda: None
) -> tuple[list[Document], list[Problem]]:
    """Read a file's documents as plain trees, and say what is not strict about them.

    A document with problems is there as well, so that what else is wrong with
    it can be said at the same time. What follows broken YAML is not. `pause` is
    called after each document.
    """
    try:
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as exc:
        position = _position(data[: exc.start].decode())
        return [], [Problem(file, position, "", "is not UTF-8", "save it as UTF-8", Code.NOT_UTF8)]
    if found := _MISLEADING.search(text):
        message = f"holds the invisible character U+{ord(found[0]):04X}"
        position = _position(text[: found.start()])
        return [], [Problem(file, position, "", message, "delete it", Code.INVISIBLE_CHARACTER)]
    return _Reader(file, text).read(pause)


def _position(before: str) -> Position:
    line = before.rpartition("\n")[2]
    return Position(before.count("\n") + 1, len(line) + 1)


class _Reader:
    """The events of one text, turned into trees and places."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._lines = text.split("\n")
        # As `yaml.parse` yields them, at half the cost.
        self._events = iter(CSafeLoader(text).get_event, None)
        self._problems: list[Problem] = []
        self._left = _MOST

    def read(self, pause: Callable[[], None]) -> tuple[list[Document], list[Problem]]:
        documents: list[Document] = []
        try:
            for event in self._events:
                if isinstance(event, DocumentStartEvent):
                    self._left = _MOST
                    tree, place = self._piece(next(self._events), ())
                    if tree is not None:
                        documents.append(Document(self._file, tree, _layout(place)))
                    pause()
        except yaml.MarkedYAMLError as exc:
            self._broken(exc)
        except _TooMuchError as exc:
            self._problem(exc.position, exc.path[:1], exc.fault)
        else:
            if not documents and not self._problems:
                hint = "delete the file, or write a policy"
                fault = Fault("has no document", hint, Code.NO_DOCUMENT)
                self._problem(Position(1, 1), (), fault)
        return documents, self._problems

    def _piece(self, event: Event, path: Path) -> tuple[object, _Stands]:
        self._left -= 1
        if len(path) > _DEEPEST or self._left < 0:
            raise self._too_much(event, path)
        match event:
            case ScalarEvent():
                return self._scalar(event, path), event.start_mark
            case MappingStartEvent():
                return self._mapping(event, path)
            case SequenceStartEvent():
                return self._sequence(event, path)
            case AliasEvent():
                hint = "write it out, or in quotes if it is a pattern"
                fault = Fault(f"is the alias `*{event.anchor}`", hint, Code.ALIAS)
                self._problem(event, path, fault)
        return None, event.start_mark

    def _too_much(self, event: Event, path: Path) -> _TooMuchError:
        fault = Fault(f"nests deeper than {_DEEPEST} levels", "no policy does", Code.TOO_DEEP)
        if self._left < 0:
            message = f"has more than {_MOST} names and values"
            fault = Fault(message, "make several documents of it", Code.TOO_LARGE)
        return _TooMuchError(path, _at(event.start_mark), fault)

    def _sequence(self, start: CollectionStartEvent, path: Path) -> tuple[list[object], _Place]:
        self._refuse_properties(start, path)
        items: list[object] = []
        parts: dict[str | int, _Stands] = {}
        while not isinstance(event := next(self._events), CollectionEndEvent):
            item, parts[len(items)] = self._piece(event, (*path, len(items)))
            items.append(item)
        return items, _Place(start.start_mark, parts, _NONE)

    def _mapping(self, start: CollectionStartEvent, path: Path) -> tuple[dict[str, object], _Place]:
        self._refuse_properties(start, path)
        fields: dict[str, object] = {}
        parts: dict[str | int, _Stands] = {}
        names: dict[str, _Mark | None] = {}
        while not isinstance(event := next(self._events), CollectionEndEvent):
            name = self._name(event, path)
            value, part = self._piece(next(self._events), (*path, name))
            if name in fields:
                message = f"has {shown(name)} twice, first in line {_at(names[name]).line}"
                two = not path and name in {"apiVersion", "kind"}
                hint = "write `---` between two documents" if two else "keep one"
                self._problem(event, path, Fault(message, hint, Code.DUPLICATE_KEY))
                continue
            fields[name], parts[name], names[name] = value, part, event.start_mark
        return fields, _Place(start.start_mark, parts, names)

    def _name(self, event: Event, path: Path) -> str:
        name, _ = self._piece(event, path)
        if name == "<<":
            fault = Fault("merges with `<<`", "write the fields out", Code.MERGE_KEY)
            self._problem(event, path, fault)
        elif not isinstance(name, str):
            fault = Fault("has a field whose name is no text", "write a name", Code.NOT_TEXT)
            self._problem(event, path, fault)
        return event.value if isinstance(event, ScalarEvent) else ""

    def _scalar(self, event: ScalarEvent, path: Path) -> object:
        self._refuse_properties(event, path)
        text = event.value
        if not event.implicit[0]:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if text[0] not in _NUMERIC:
            return text
        if _INTEGER.fullmatch(text):
            return int(text)
        if _AMBIGUOUS.fullmatch(text):
            message = f"{shown(text)} is a number or a date to some readers of YAML"
            self._problem(event, path, Fault(message, "put it in quotes", Code.AMBIGUOUS))
        return text

    def _refuse_properties(self, event: ScalarEvent | CollectionStartEvent, path: Path) -> None:
        if event.anchor is not None:
            message = f"has the anchor {shown(event.anchor)}"
            self._problem(event, path, Fault(message, "leave it out", Code.ANCHOR))
        if event.tag is not None:
            message = f"has the tag {shown(event.tag)}"
            self._problem(event, path, Fault(message, "leave it out", Code.TAG))

    def _broken(self, exc: yaml.MarkedYAMLError) -> None:
        position = _at(exc.problem_mark)
        if position.line > len(self._lines):
            position = Position(len(self._lines), len(self._lines[-1]) + 1)
        what = str(exc.problem)
        hint = _HINTS.get(what, "")
        if exc.context in _BEGUN:
            hint = f"{_BEGUN[exc.context]} {_at(exc.context_mark).line}"
        if any(map(_CONFLICT.match, self._lines[: position.line + 1])):
            hint = "resolve the merge conflict"
        begun = _at(exc.context_mark).line if exc.context_mark else position.line
        for number, text in enumerate(self._lines[begun - 1 : position.line], begun):
            if found := _BLANK.search(text):
                hint = f"write a space for the character U+{ord(found[0]):04X} in line {number}"
        line = self._lines[position.line - 1]
        if "\t" in line[: len(line) - len(line.lstrip())]:
            hint = "indent with spaces, not with tabs"
        self._problem(position, (), Fault(f"is not YAML: {what}", hint, Code.NOT_YAML))

    def _problem(self, where: Event | Position, path: Path, fault: Fault) -> None:
        position = _at(where.start_mark) if isinstance(where, Event) else where
        self._problems.append(Problem(self._file, position, dotted(path), *fault))


def _layout(place: _Stands) -> _Place:
    return place if isinstance(place, _Place) else _Place(place, {}, _NONE)


def _at(mark: _Mark | None) -> Position:
    """A mark of libyaml, which it puts on everything, unlike what its types say."""
    return Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
