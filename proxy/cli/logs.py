"""How much the commands that go on until they are stopped say on standard error."""

import logging

import click

option = click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="How much to say on standard error. No level ever shows a token or a secret.",
)


def begin(level: str, who: str = "") -> None:
    """Say it, each line with its time and where it comes from; `who` is one of several."""
    source = f"{who} %(name)s" if who else "%(name)s"
    form = f"%(asctime)s %(levelname)s {source}: %(message)s"
    # By force, since a process that was forked has its parent's.
    logging.basicConfig(level=level.upper(), format=form, force=bool(who))
