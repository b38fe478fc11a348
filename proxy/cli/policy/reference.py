"""`hostclaim-proxy policy reference`: every field of policy files, in Markdown."""

import click

from proxy.core.policy.reference import page


@click.command()
def reference() -> None:
    """Print what policy files may say: kinds, fields, roles.

    \b
    It is made from the code that reads the files, so it is true for this version:
      hostclaim-proxy policy reference | less

    Exit codes: 0 for done.
    """  # noqa: D301 - click wants the character \b itself
    click.echo(page(), nl=False)
