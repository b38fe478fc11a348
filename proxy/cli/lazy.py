"""Commands that are imported when they are called: who asks for one waits for no other."""

import errno
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Any, Final

import click

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Commands(click.Group):
    """A group whose commands are modules of a package, each with a command of its name in it."""

    def __init__(self, *args: Any, package: str, names: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._package = package
        self._names = names

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """As click says. What cannot be written is told in a line, and no stack trace."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                # A name may have signs that the terminal's encoding has not.
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().main(*args, **kwargs)
        except OSError as exc:
            if exc.errno not in _FULL:
                raise
            click.echo(f"hostclaim-proxy: cannot write: {os.strerror(exc.errno).lower()}", err=True)
            sys.exit(1)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """As click says."""
        return list(self._names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """As click says; None for what is no command."""
        if cmd_name not in self._names:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"{self._package}.{name}"), name)
        return command
