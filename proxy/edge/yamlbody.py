"""What a YAML body says: the JSON text that means the same to every reader.

Kubernetes' clients may write objects as YAML, and readers of YAML differ. So a
body is read here, once, and goes on as JSON: what is judged is what is sent.
A scalar is what Kubernetes (sigs.k8s.io/yaml) takes it for; one that YAML 1.1,
1.2 and Kubernetes do not agree on is refused, not guessed: `yes` is true to
one and text to another, and a secret or a claim has no room for both. A date
alone stays the text it is to Kubernetes, as JSON has nothing else for it.
Anchors, aliases, merge keys and tags are refused. Works on libyaml's events,
so nothing is ever expanded, and neither depth nor number can grow unseen.
"""

import math
import re
from typing import Any, Final, NoReturn

import yaml
from yaml import CSafeLoader
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from proxy.core import body
from proxy.core.errors import BadRequest

_DEEPEST: Final = 100
# Bytes. Longer bodies are data, which clients send as JSON; libyaml is slow, and all wait for it.
_LONGEST: Final = 1024 * 1024
# Libyaml takes its time for each; no object of ours has a tenth of them.
_MOST_VALUES: Final = 10_000

# What YAML calls printable, less a byte order mark and the line separators that
# YAML 1.1 ends a line at and 1.2 does not.
_MISLEADING: Final = re.compile(
    r"[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_DIRECTIVE: Final = re.compile(r"(?:^|[\r\n])%")
_WORDS: Final = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# No longer than what a double holds, which is what long ones are to the apiserver.
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,307})")
_FLOAT: Final = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+][0-9]+)?")
_SWITCH: Final = re.compile(
    r"y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF",
)
# A number to YAML 1.1, to 1.2 or to Kubernetes, once underscores are left out.
_NUMBER: Final = re.compile(
    r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+)"
    r"|[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?"
    r"|[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


def to_json(written: bytes) -> bytes:
    """The JSON text of a YAML body.

    JSON is let through as it came: it is YAML too, kubectl's applies are JSON,
    and readers do not differ about it.

    Raises:
        BadRequest: it is not one document of strict YAML; says in which line and
            column, and never what stands there, which may be a secret.
    """
    try:
        body.parse(written)
    except BadRequest:
        return body.render(_Reader(_decode(written)).read())
    return written


def _decode(written: bytes) -> str:
    try:
        text = written.decode()
    except UnicodeDecodeError as exc:
        raise BadRequest("the body is not strict YAML: it is not UTF-8") from exc
    if len(written) > _LONGEST:
        raise BadRequest(f"a body in YAML has at most {_LONGEST} bytes, send a longer one as JSON")
    if _DIRECTIVE.search(text):
        # Libyaml reads all of them before its first event, in the square of their number.
        raise BadRequest("the body is not strict YAML: it has a directive, leave it out")
    if found := _MISLEADING.search(text):
        line_start = text.rfind("\n", 0, found.start()) + 1
        place = text.count("\n", 0, found.start()), found.start() - line_start
        _refuse(place, "a character that must be escaped, in double quotes")
    return text


class _Reader:
    """Reads the one document of a text."""

    def __init__(self, text: str) -> None:
        self._events = yaml.parse(text, Loader=CSafeLoader)
        self._left = _MOST_VALUES

    def read(self) -> Any:
        try:
            next(self._events)  # the stream starts
            start = next(self._events)
            if not isinstance(start, DocumentStartEvent):
                _refuse(_at(start), "no document")
            value = self._value(next(self._events), _DEEPEST)
            next(self._events)  # the document ends
            after = next(self._events)
            if not isinstance(after, StreamEndEvent):
                _refuse(_at(after), "a second document, send one at a time")
        except yaml.MarkedYAMLError as exc:
            mark = exc.problem_mark
            place = (mark.line, mark.column) if mark else (0, 0)
            _refuse(place, str(exc.problem), exc)
        return value

    def _value(self, event: Event, deep: int) -> Any:
        """The value that begins with an event, with so many levels left for it."""
        self._left -= 1
        if self._left < 0:
            _refuse(_at(event), f"more than {_MOST_VALUES} values")
        if deep == 0:
            _refuse(_at(event), f"more than {_DEEPEST} levels")
        if isinstance(event, AliasEvent):
            _refuse(_at(event), "an alias, write it out")
        _refuse_properties(event)
        match event:
            case SequenceStartEvent():
                return self._sequence(deep - 1)
            case MappingStartEvent():
                return self._mapping(deep - 1)
            case ScalarEvent():
                return _scalar(event)
        raise TypeError(f"libyaml gave {event} for a value")

    def _sequence(self, deep: int) -> list[Any]:
        items = []
        while not isinstance(event := next(self._events), CollectionEndEvent):
            items.append(self._value(event, deep))
        return items

    def _mapping(self, deep: int) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        while not isinstance(event := next(self._events), CollectionEndEvent):
            key = self._value(event, deep)
            if not isinstance(key, str):
                _refuse(_at(event), "a key that is no text, put it in quotes")
            if key == "<<" and _is_plain(event):
                _refuse(_at(event), "a merge key, write the fields out")
            if key in fields:
                _refuse(_at(event), "a key that is given twice")
            fields[key] = self._value(next(self._events), deep)
        return fields


def _scalar(event: ScalarEvent) -> Any:
    text = event.value
    if not _is_plain(event):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    if _SWITCH.fullmatch(text):
        what = "a word that is true or false to some readers of YAML and text to others"
        _refuse(_at(event), f"{what}, write true or false, or put it in quotes")
    if _NUMBER.fullmatch(text[0] + text[1:].replace("_", "")):
        what = "what is one number to some readers of YAML, and another or text to others"
        _refuse(_at(event), f"{what}, write a plain decimal number, or put it in quotes")
    return text


def _is_plain(event: Event) -> bool:
    return isinstance(event, ScalarEvent) and event.implicit[0]


def _refuse_properties(event: Event) -> None:
    if getattr(event, "anchor", None) is not None:
        _refuse(_at(event), "an anchor, leave it out")
    if getattr(event, "tag", None) is not None:
        _refuse(_at(event), "a tag, leave it out")


def _at(event: Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line, mark.column) if mark else (0, 0)


def _refuse(place: tuple[int, int], found: str, cause: Exception | None = None) -> NoReturn:
    line, column = place
    raise BadRequest(
        f"the body is not strict YAML: line {line + 1} column {column + 1} has {found}"
    ) from cause
