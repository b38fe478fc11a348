"""`hostclaim-proxy policy schema`: the format of policy files, for editors."""

import json

import click

from proxy.core import policy as policies


@click.command()
def schema() -> None:
    """Print the JSON Schema of a document in a policy file, whatever its kind.

    \b
    An editor with a YAML language server checks and completes by it:
      hostclaim-proxy policy schema > policies/policy.schema.json
      # yaml-language-server: $schema=policy.schema.json     <- the first line of each file

    What no schema can say, such as that names are unique, `policy check` finds.

    Exit codes: 0 for done.
    """  # noqa: D301 - click wants the character \b itself
    click.echo(json.dumps(policies.schema(), indent=2))
