"""`hostclaim-proxy tenant list` and `tenant show`."""

from typing import Any

import click

from proxy.cli import ending, printout
from proxy.cli.tenant import printing
from proxy.cli.tenant.realm import Realm, failing
from proxy.edge.keycloakadmin import Found


@click.command("list")
@printout.option()
@click.pass_obj
@failing
def list_tenants(realm: Realm, /, output: str) -> None:
    """List the tenants."""
    found, broken = realm.tenants(printing.hand(dry_run=True)).all()
    for fault in broken:
        ending.say(str(fault))
    table = printout.table([_HEAD, *(_row(each) for each in found)])
    printout.show(output, table, [_shown(each) for each in found])


@click.command()
@click.argument("name")
@printout.option()
@click.pass_obj
@failing
def show(realm: Realm, /, name: str, output: str) -> None:
    """Show one tenant; never its secret."""
    found = realm.tenants(printing.hand(dry_run=True)).find(name)
    click.echo(printout.document(_shown(found), output), nl=False)


_HEAD = ("NAME", "CLIENT", "BY", "ROLE", "ENABLED", "NAMESPACES")


def _row(found: Found) -> tuple[str, ...]:
    of = found.tenant
    enabled = "true" if found.enabled else "false"
    return (of.name, of.client_id, of.by, of.role, enabled, ",".join(of.namespaces))


def _shown(found: Found) -> dict[str, Any]:
    of = found.tenant
    shown = {
        "name": of.name,
        "clientId": of.client_id,
        "enabled": found.enabled,
        "issuer": of.issuer,
        "namespaces": [*of.namespaces],
        "role": of.role.value,
        "by": of.by.value,
    }
    return shown | ({"group": of.group} if of.group else {})
