r"""What it looks like: the line of a file that a problem is about, with a caret below its place.

Nothing of a file is a command to a terminal: what is no sign on paper is shown as
its escape, such as `\t`, and a long line is cut around the place.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from proxy.core.policy.located import Position

WIDEST: Final = 100
"""How many columns of a terminal a line may take."""

_AHEAD: Final = WIDEST // 4
_CUT: Final = "..."


class _Sign(NamedTuple):
    """A character as it is shown, and how many columns that takes."""

    text: str
    width: int


class Text:
    """The lines of one file, whatever is in it."""

    def __init__(self, data: bytes) -> None:
        # What is no UTF-8 becomes a lone surrogate, one for each byte.
        text = data.decode(errors="surrogateescape").removeprefix("\ufeff")
        self._lines = text.split("\n")

    def excerpt(self, position: Position) -> tuple[str, str] | None:
        """The line at a place, and the caret below it; None where there is no such line."""
        if not 1 <= position.line <= len(self._lines):
            return None
        line = self._lines[position.line - 1].removesuffix("\r")
        # Beyond its end there is nothing to point at but the end.
        at = min(position.column - 1, len(line))
        start = max(0, at - WIDEST + _AHEAD)
        before = list(_signs(line[start:at]))
        while sum(sign.width for sign in before) > WIDEST - _AHEAD:
            before.pop(0)
            start += 1
        if start:
            before.insert(0, _Sign(_CUT, len(_CUT)))
        indent = sum(sign.width for sign in before)
        after = list(_fitting(_signs(line[at : at + WIDEST]), WIDEST - indent))
        cut = _CUT if at + len(after) < len(line) else ""
        return f"{_joined(before)}{_joined(after)}{cut}", f"{' ' * indent}^"


def _signs(text: str) -> Iterator[_Sign]:
    return map(_sign, text)


@lru_cache(1024)
def _sign(character: str) -> _Sign:
    if not character.isprintable():
        escape = _escaped(character)
        return _Sign(escape, len(escape))
    if unicodedata.category(character) in {"Mn", "Me"}:
        return _Sign(character, 0)
    wide = unicodedata.east_asian_width(character) in {"W", "F"}
    return _Sign(character, 2 if wide else 1)


def _escaped(character: str) -> str:
    byte = ord(character) - 0xDC00
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else repr(character)[1:-1]


def _fitting(signs: Iterable[_Sign], room: int) -> Iterator[_Sign]:
    for sign in signs:
        room -= sign.width
        if room < 0:
            return
        yield sign


def _joined(signs: Iterable[_Sign]) -> str:
    return "".join(sign.text for sign in signs)
