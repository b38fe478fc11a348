"""Recorded audit logs, as commands read them: what is no record is told, and how far it is."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from proxy.cli.ending import UNUSABLE
from proxy.core.terminal import printable
from proxy.edge import auditreader
from proxy.edge.auditreader import Event, Line, Unreadable

# How many lines are told one by one.
_TOLD: Final = 20
_PATIENCE: Final = 2.0
"""Seconds after which it is told that it goes on."""
_LOOK: Final = 1_000
"""So many lines are read from one look at the clock to the next."""

_Command = TypeVar("_Command", bound=Callable[..., Any])


def argument(command: _Command) -> _Command:
    """Gives the command the files, as `audit`."""
    return click.argument(
        "audit",
        metavar="AUDIT...",
        nargs=-1,
        required=True,
        type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
    )(command)


class Records:
    """What is in some files, once; of many lines that cannot be read, only how many are told."""

    def __init__(self, audit: tuple[Path, ...]) -> None:
        self._audit = audit
        self.unreadable = 0
        self._broken = False

    def __iter__(self) -> Iterator[Event]:
        """All that can be read."""
        began = last = time.monotonic()
        for number, line in enumerate(auditreader.read(self._audit), start=1):
            if isinstance(line.found, Unreadable):
                self._tell(line, line.found)
            else:
                yield line.found
            if number % _LOOK == 0 and (now := time.monotonic()) - last > _PATIENCE:
                last = now
                click.echo(f"{number} lines read in {now - began:.0f} s", err=True)
        if self.unreadable > _TOLD:
            click.echo(f"{self.unreadable} lines could not be read", err=True)

    def end(self) -> None:
        """End with 2, if a file could not be read to its end."""
        if self._broken:
            raise SystemExit(UNUSABLE)

    def _tell(self, line: Line, why: Unreadable) -> None:
        self.unreadable += 1
        self._broken |= why.ends_file
        # What ends a file is always told.
        if self.unreadable <= _TOLD or why.ends_file:
            click.echo(printable(f"{line.file}:{line.number}: {why.message}"), err=True)
