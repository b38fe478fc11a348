"""How a command prints what it found: text for people, JSON and YAML for programs.

What others wrote is in it, so no line of it commands a terminal.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

import click

from proxy.cli import yamltext
from proxy.core.terminal import printable

FORMS: Final = ("text", "json", "yaml")

_WIDEST: Final = 100
"""Signs of a column; one that is longer does not push those of all other rows aside."""

_Command = TypeVar("_Command", bound=Callable[..., Any])


def option(*more: str) -> Callable[[_Command], _Command]:
    """The option that chooses a form, one of more than there are for all."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice([*FORMS, *more]),
        default="text",
        show_default=True,
    )


def document(value: Any, form: str) -> str:
    """A value, as JSON or YAML."""
    return json.dumps(value, indent=2) + "\n" if form == "json" else yamltext.dump(value)


def text(lines: Iterable[str]) -> str:
    """Lines, shown as what they are."""
    return "".join(f"{printable(line)}\n" for line in lines)


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of aligned columns; the last column is as wide as it is."""
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [min(_WIDEST, max(map(len, column))) for column in zip(*shown, strict=True)]
    for row in shown:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "   ".join(cells).rstrip()


def show(form: str, lines: Iterable[str], value: Any) -> None:
    """Print what was found as lines or, for programs, as a value."""
    click.echo(text(lines) if form == "text" else document(value, form), nl=False)
