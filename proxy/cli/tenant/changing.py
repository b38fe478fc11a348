"""`hostclaim-proxy tenant rotate` and `tenant remove`."""

from pathlib import Path

import click

from proxy.cli.tenant import options, printing
from proxy.cli.tenant.realm import Realm, failing
from proxy.core.terminal import printable
from proxy.edge.keycloakadmin import Staying


@click.command()
@click.argument("name")
@options.PROXY_URL
@options.PROXY_CA
@options.OUT
@options.DRY_RUN
@click.pass_obj
@failing
def rotate(
    realm: Realm,
    /,
    name: str,
    proxy_url: str,
    proxy_ca_file: Path | None,
    out: Path | None,
    *,
    dry_run: bool,
) -> None:
    """Give a tenant's client another secret, and print the kubeconfig that holds it.

    The old secret gets no token from then on; tokens that are out live until they expire.
    """
    hand = printing.hand(dry_run=dry_run)
    tenants = realm.tenants(hand)
    found = tenants.find(name)
    way = printing.Way.of(realm, found.tenant, proxy_url, proxy_ca_file)
    secret = tenants.rotate(found)
    printing.conclude(hand, f"tenant `{name}` has another secret", dry_run=dry_run)
    if secret is not None:
        printing.hand_out({f"{name}.kubeconfig": [way.kubeconfig(secret)]}, out)


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.DRY_RUN
@click.pass_obj
@failing
def remove(realm: Realm, /, name: str, *, yes: bool, dry_run: bool) -> None:
    """End a tenant: its client, with its sessions, and what entitles it.

    Where the proxy asks the IAM (`verify: both`), what is open ends within the time
    that is configured there; otherwise with the tokens that are out. Delete the
    policy document and the RoleBindings as well.
    """
    hand = printing.hand(dry_run=dry_run)
    tenants = realm.tenants(hand)
    found = tenants.find(name)
    if not yes and not dry_run:
        click.confirm(f"End tenant `{name}`?", abort=True, err=True)
    staying = tenants.remove(found)
    printing.conclude(hand, f"tenant `{name}` is no more", dry_run=dry_run)
    if staying is not None:
        click.echo(printable(_why(found.tenant.group, staying)), err=True)


def _why(group: str, staying: Staying) -> str:
    """Why a group stays, those first who could still get in."""
    match staying:
        case Staying(members=members) if members:
            why = f"and with it its members, whom the policy lets in: {', '.join(members)}"
        case Staying(below=below) if below:
            why = f"for the groups below it: {', '.join(below)}"
        case _:
            why = "as it was there before the tenant"
    return f"group `{group}` stays, {why}"
