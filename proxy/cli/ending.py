"""How a command ends that cannot do what it was asked: with the reason, and with 2."""

from typing import Final

import click

from proxy.core.terminal import printable

UNUSABLE: Final = 2
"""The exit code, which is click's own for wrong options."""


def unusable(why: object) -> SystemExit:
    """Say why on standard error; what is returned is to be raised."""
    for line in str(why).split("\n"):
        say(line)
    return SystemExit(UNUSABLE)


def say(line: str) -> None:
    """A line on standard error; what is quoted in it is no command to a terminal."""
    click.echo(printable(f"hostclaim-proxy: {line}"), err=True)
