"""A matrix as people read it: a grid where it is small, and a line for each cell where it is not.

Names are other people's words, and none of them means anything in what is printed.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from typing import Final

from proxy.cli import printout
from proxy.cli.policy import told
from proxy.core import wording
from proxy.core.attributes import Verb
from proxy.core.holders import Named
from proxy.core.identity import Identity
from proxy.core.matrix import Cell, Row
from proxy.core.policy import ROLES, Permission, Role
from proxy.core.policy.rules import PLURALS, product

_WIDEST: Final = 140
_MOST_CELLS: Final = 20_000
"""How many cells a page has at most before it leaves out the empty ones."""


@dataclass(slots=True)
class Grid:
    """Lines of cells in words, the first line and the first column being heads.

    Bounds are told once each, below, by the number that the cells give.
    """

    lines: list[list[str]]
    notes: list[str] = field(default_factory=list)


def grid(rows: Sequence[Row], columns: Sequence[str], *, whole: bool) -> Grid:
    """All rows by all columns; not `whole`, a line for each cell that says something."""
    numbers: dict[str, int] = {}
    if whole:
        lines = [["", *columns]]
        for row in rows:
            said = {cell.column.name: _words(cell, numbers) for cell in row.cells}
            lines.append([_who(row.who), *(said.get(name, "") for name in columns)])
    else:
        lines = [["WHO", "NAMESPACE", "MAY"]]
        for row in rows:
            who = _who(row.who)
            lines += [[who, cell.column.name, _words(cell, numbers)] for cell in row.cells]
    return Grid(lines, [f"[{number}] {bounds}" for bounds, number in numbers.items()])


def fits_page(rows: Sequence[Row], columns: Sequence[str]) -> bool:
    """Whether a page can show all rows by all columns."""
    return len(rows) * len(columns) <= _MOST_CELLS


def text(rows: Sequence[Row], columns: Sequence[str]) -> Iterator[str]:
    """Lines for a terminal."""
    found = grid(rows, columns, whole=True) if fits_page(rows, columns) else None
    widths = (
        [max(map(len, column)) + 3 for column in zip(*found.lines, strict=True)] if found else []
    )
    if found is None or sum(widths) > _WIDEST:
        found = grid(rows, columns, whole=False)
    yield from printout.table(found.lines)
    yield from ("", *found.notes) if found.notes else ()


def markdown(rows: Sequence[Row], columns: Sequence[str]) -> Iterator[str]:
    """Lines of a table of GitHub's Markdown."""
    found = grid(rows, columns, whole=fits_page(rows, columns))
    head, *lines = found.lines
    yield _markdown_row(head)
    yield _markdown_row(["---"] * len(head), plain=True)
    yield from (_markdown_row(line) for line in lines)
    for note in found.notes:
        yield ""
        yield _plain(note)


def html(rows: Sequence[Row], columns: Sequence[str], notes: Iterable[str]) -> Iterator[str]:
    """Lines of a page that needs no other file, and lets nothing be loaded or run."""
    found = grid(rows, columns, whole=fits_page(rows, columns))
    head, *lines = found.lines
    digest = b64encode(sha256(_STYLE.encode()).digest()).decode()
    yield "<!DOCTYPE html>"
    yield '<html lang="en">'
    yield '<meta charset="utf-8">'
    yield (
        '<meta http-equiv="Content-Security-Policy" '
        f"content=\"default-src 'none'; style-src 'sha256-{digest}'\">"
    )
    yield '<meta name="viewport" content="width=device-width">'
    yield "<title>Who may what where</title>"
    yield f"<style>{_STYLE}</style>"
    yield "<h1>Who may what where</h1>"
    yield f"<p>{escape(_LEGEND)}</p>"
    yield "<div><table>"
    cells = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    yield f"<thead><tr>{cells}</tr></thead>"
    yield "<tbody>"
    for who, *said in lines:
        cells = "".join(_html_cell(cell) for cell in said)
        yield f'<tr><th scope="row">{escape(who)}</th>{cells}</tr>'
    yield "</tbody></table></div>"
    yield from (f"<p>{escape(note)}</p>" for note in (*found.notes, *notes))
    yield "</html>"


_LEGEND: Final = (
    "A column with a * is of all namespaces that it covers and that have no column of their own. "
    "Whoever has several of the names may what each of them may, less what is denied to one."
)
# One line, as the page has it: its digest is what lets the browser take it.
_STYLE: Final = """
:root { color-scheme: light dark; font: 14px/1.4 system-ui, sans-serif; }
body { margin: 1.5rem; background: Canvas; color: CanvasText; }
div { overflow: auto; max-height: 85vh; border: 1px solid GrayText; }
table { border-collapse: separate; border-spacing: 0; }
th, td { padding: .3rem .6rem; text-align: left; vertical-align: top; }
th, td { border-bottom: 1px solid color-mix(in srgb, GrayText 40%, Canvas); }
thead th { position: sticky; top: 0; z-index: 2; background: Canvas; }
tbody th { position: sticky; left: 0; z-index: 1; background: Canvas; }
thead th:first-child { left: 0; z-index: 3; }
tbody th { font-weight: normal; }
.may { background: color-mix(in srgb, seagreen 18%, Canvas); }
.less { background: color-mix(in srgb, crimson 18%, Canvas); }
""".replace("\n", " ")


def _html_cell(words: str) -> str:
    if not words:
        return "<td></td>"
    less = words == _NOTHING or any(word in words for word in (_LESS, f"{_NOTHING} "))
    kind = "less" if less else "may"
    return f'<td class="{kind}">{escape(words)}</td>'


def _markdown_row(cells: Iterable[str], *, plain: bool = False) -> str:
    return f"| {' | '.join(cell if plain else _plain(cell) for cell in cells)} |"


def _plain(words: str) -> str:
    """Words that are no Markdown, and no HTML in it (CommonMark 0.31, 2.4)."""
    return re.sub(r"([\\`*_<>\[\]|~&#$])", r"\\\1", words)


_NOTHING: Final = "denied"
_LESS: Final = " but not "
_EVERYTHING: Final = product(PLURALS, tuple(Verb))


def _who(who: Named | Identity) -> str:
    return told.named(who) if isinstance(who, Named) else told.somebody(who)


def _words(cell: Cell, numbers: dict[str, int]) -> str:
    """A cell in words; `numbers` has those of the bounds so far, and gets what is new."""
    if not cell.permitted:
        denied = cell.denied | cell.besides
        wholly = not cell.besides or denied == _EVERYTHING
        return _NOTHING if wholly else f"{_NOTHING} {wording.permissions(denied)}"
    words = _permissions(cell.permitted | cell.denied)
    if cell.denied:
        words += f"{_LESS}{wording.permissions(cell.denied)}"
    if cell.besides:
        words += f", {_NOTHING} besides {wording.permissions(cell.besides)}"
    if cell.bounds:
        said = "; or ".join(wording.bounds(bounds) for bounds in cell.bounds)
        words += f" [{numbers.setdefault(said, len(numbers) + 1)}]"
    return words


def _permissions(granted: frozenset[Permission]) -> str:
    for role in (Role.EDITOR, Role.VIEWER):
        if ROLES[role] <= granted:
            more = wording.permissions(granted - ROLES[role])
            return f"{role}, {more}" if more else role.value
    return wording.permissions(granted)
