"""`hostclaim-proxy tenant`: let a tenant in with one command, and out with another.

`realm` is what every subcommand is told, `options` what several of them take, and
`printing` what they hand out.
"""

from pathlib import Path

import click

from proxy.cli import admin
from proxy.cli.tenant.adding import add
from proxy.cli.tenant.changing import remove, rotate
from proxy.cli.tenant.looking import list_tenants, show
from proxy.cli.tenant.realm import Realm


@click.group()
@admin.options
@click.pass_context
def tenant(
    context: click.Context,
    issuer_url: str | None,
    admin_client_id: str | None,
    secret_file: Path | None,
    ca_file: Path | None,
) -> None:
    """Make, show and end tenants at Keycloak, by its admin API.

    \b
    The admin client needs, of the roles of `realm-management` in that one realm:
      manage-clients    always
      manage-users      for tenants that are entitled by a group
    Nothing is made in a cluster: what has to be committed there is printed.

    \b
    hostclaim-proxy tenant --issuer-url https://iam.example.com/realms/corp \\
        --admin-client-id tenant-admin --admin-client-secret-file secret \\
        add blue --issuer corp --namespace blue-dev --namespace blue-prod \\
        --proxy-url https://hostclaims.example.com --out blue

    Exit codes: 0 for done, 1 if Keycloak refused or cannot be reached, 2 for wrong usage.
    """  # noqa: D301 - click wants the character \b itself
    context.obj = Realm(
        issuer_url, admin_client_id, secret_file, ca_file, where=", before the subcommand"
    )


for command in (add, list_tenants, show, rotate, remove):
    tenant.add_command(command)
