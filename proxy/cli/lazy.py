"""Commands that are imported when they are called: who asks for one waits for no other."""

from importlib import import_module
from typing import Any

import click


class Commands(click.Group):
    """A group whose commands are modules of a package, each with a command of its name in it."""

    def __init__(self, *args: Any, package: str, names: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._package = package
        self._names = names

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
