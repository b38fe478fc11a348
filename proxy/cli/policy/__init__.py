"""`hostclaim-proxy policy`: edit policy files with confidence.

Each command reads files with the code that `serve` reads them with, and decides
with the code that it decides with. `sources` is what several of them go by.
"""

import click

from proxy.cli.lazy import Commands


@click.group(
    cls=Commands,
    package=__name__,
    names=(
        "check",
        "diff",
        "explain",
        "matrix",
        "reference",
        "replay",
        "schema",
        "shadow",
        "status",
        "test",
        "who-can",
    ),
)
def policy() -> None:
    """Check, test and explain policy files, before they decide who gets servers.

    Exit codes: 0 for done, 1 for findings that a script should stop at, 2 for files or
    options that cannot be used.
    """
