"""`hostclaim-proxy kubeconfig check`: prove that a kubeconfig works."""

import asyncio
import os
from pathlib import Path

import click

from proxy.cli import printout
from proxy.core.checkup import Checkup, Problem, render, text
from proxy.edge import checkup


@click.command()
@click.argument(
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("~/.kube/config"),
    envvar="KUBECONFIG",
)
@click.option("--context", metavar="NAME", help="Another context than the current one.")
@printout.option()
def check(file: Path, context: str | None, output: str) -> None:
    """Prove that a kubeconfig works, the one that KUBECONFIG names if no FILE is given.

    It is used as a client would: the token is had, for which a credential plugin that it names
    is run, as kubectl would run it; the proxy is reached and its certificate verified; it says
    who you are, and what you may do in the namespace of the context and in your others.

    Exit codes: 0 if it is usable, 1 if not, and the step that fails says why; 2 for wrong options.
    Usable means that HostClaims can at least be read where the context leads.
    """
    report(_checked(file.expanduser(), context), output)


def report(found: Checkup, output: str, *, err: bool = False) -> None:
    """Print what was found, on standard error if told so, and end with the code for it."""
    shown = text(found) if output == "text" else printout.document(render(found), output)
    click.echo(shown, nl=False, err=err)
    raise SystemExit(0 if found.usable else 1)


def _checked(file: Path, context: str | None) -> Checkup:
    if os.pathsep in str(file) and not file.exists():
        raise click.UsageError("KUBECONFIG names several files: give the one to check")
    try:
        document = checkup.read(file)
    except Problem as problem:
        return Checkup().failed(problem)
    return asyncio.run(checkup.check(document, file.absolute().parent, context))
