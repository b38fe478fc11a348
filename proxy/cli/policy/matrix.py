"""`hostclaim-proxy policy matrix`: who may what in which namespace, on one page."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from proxy.cli import printout
from proxy.cli.policy import grid, sources, told
from proxy.cli.policy.sources import Sources
from proxy.cli.policy.who import Who, who
from proxy.core import matrix as core
from proxy.core import wording
from proxy.core.attributes import is_namespace
from proxy.core.errors import Unauthenticated
from proxy.core.holders import Named
from proxy.core.identity import Identity
from proxy.core.matrix import Cell, Row
from proxy.core.terminal import printable

NOBODY: Final = 1


@click.command()
@who
@sources.options
@click.option(
    "-n",
    "--namespace",
    "only",
    multiple=True,
    metavar="NS",
    help="A namespace to show, and no other but these. Can be given more than once.",
)
@printout.option("markdown", "html")
def matrix(
    *,
    who: Who,
    config: Path | None,
    paths: tuple[Path, ...],
    only: tuple[str, ...],
    output: str,
) -> None:
    """Show who may what where: everybody whom policies name, by every namespace.

    \b
    For a terminal, and as a page to send round:
      hostclaim-proxy policy matrix --policies policies
      hostclaim-proxy policy matrix --policies policies -o html > matrix.html

    A cell names a role, or verbs, what is denied, and the number of the bounds that a HostClaim
    has to keep. Whoever has several of the names may what each may, less what is denied to one.
    A pattern such as blue-* stands for all namespaces that it covers
    and that are not shown beside it. With --as and its like, it shows that person alone.

    Exit codes: 0 for done, 1 if nobody may anything, 2 if the files or the options cannot be
    used, or Keycloak cannot tell.
    """  # noqa: D301 - click wants the character \b itself
    for name in only:
        if not is_namespace(name):
            message = f"`{name}` is not the name of a namespace"
            raise click.BadParameter(message, param_hint="--namespace")
    given = sources.given(paths, config)
    whole = core.Matrix(given.files, given.combination, only)
    rows = [whole.row(_identity(who, given))] if who else whole.rows()
    shown = [row for row in (_narrowed(row, only) for row in rows) if row.cells]
    names = [column.name for column in whole.columns if column.name in only or not only]
    notes = given.notes()
    click.echo(_SHOWN[output](shown, names, notes), nl=False)
    if not any(cell.permitted for row in shown for cell in row.cells):
        raise SystemExit(NOBODY)


def _identity(who: Who, given: Sources) -> Identity:
    try:
        return who.identity(given)
    except Unauthenticated as refused:
        message = f"{refused.code} {refused.reason}: {refused}"
        raise click.ClickException(printable(message)) from refused


def _narrowed(row: Row, only: tuple[str, ...]) -> Row:
    if not only:
        return row
    return Row(row.who, tuple(cell for cell in row.cells if cell.column.name in only))


def _text(rows: Sequence[Row], names: Sequence[str], notes: tuple[str, ...]) -> str:
    told_besides = (f"note: {note}" for note in notes)
    return printout.text(
        (*grid.text(rows, names), *(line for note in told_besides for line in ("", note)))
    )


def _markdown(rows: Sequence[Row], names: Sequence[str], notes: tuple[str, ...]) -> str:
    return printout.text(
        (*grid.markdown(rows, names), *(line for note in notes for line in ("", note)))
    )


def _html(rows: Sequence[Row], names: Sequence[str], notes: tuple[str, ...]) -> str:
    return printout.text(grid.html(rows, names, notes))


def _value(form: str, rows: Sequence[Row], names: Sequence[str], notes: tuple[str, ...]) -> str:
    value = {"namespaces": [*names], "rows": [_row(row) for row in rows], "notes": [*notes]}
    return printout.document(value, form)


def _row(row: Row) -> dict[str, Any]:
    named = isinstance(row.who, Named)
    who = told.named_value(row.who) if isinstance(row.who, Named) else told.identity(row.who)
    return {"who" if named else "identity": who, "cells": [_cell(cell) for cell in row.cells]}


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "namespace": cell.column.name,
        "may": wording.verbs_by_resource(cell.permitted),
        "denied": wording.verbs_by_resource(cell.denied | cell.besides),
        "bounds": [wording.bounds_value(bounds) for bounds in cell.bounds],
    }


_SHOWN: Final[dict[str, Callable[[Sequence[Row], Sequence[str], tuple[str, ...]], str]]] = {
    "text": _text,
    "markdown": _markdown,
    "html": _html,
    "json": partial(_value, "json"),
    "yaml": partial(_value, "yaml"),
}
