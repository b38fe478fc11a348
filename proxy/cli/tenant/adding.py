"""`hostclaim-proxy tenant add`."""

from pathlib import Path
from typing import Any, TypedDict, Unpack

import click

from proxy.cli.account import service_account
from proxy.cli.tenant import options, printing
from proxy.cli.tenant.realm import Realm, failing
from proxy.core import tenant
from proxy.core.policy import Role
from proxy.core.rights import Account
from proxy.core.tenant import EntitledBy, Tenant
from proxy.edge.keycloakadmin import Options


class _Chosen(TypedDict):
    """The options, by their names."""

    issuer: str
    namespaces: tuple[str, ...]
    role: str
    by: str
    group: str | None
    client_id: str | None
    audience: str
    resource_server: str
    logout_url: str
    account: Account
    proxy_url: str
    proxy_ca_file: Path | None
    out: Path | None
    dry_run: bool


@click.command()
@click.argument("name")
@click.option("--issuer", required=True, help="What the proxy's configuration calls this issuer.")
@click.option(
    "--namespace",
    "namespaces",
    required=True,
    multiple=True,
    metavar="NS",
    help="A namespace of the tenant's; its kubeconfig starts in the first. Again for more.",
)
@click.option(
    "--role",
    type=click.Choice([r.value for r in Role]),
    default=Role.EDITOR.value,
    show_default=True,
)
@click.option(
    "--by",
    type=click.Choice([by.value for by in EntitledBy]),
    default=EntitledBy.GROUP.value,
    show_default=True,
    help="What entitles: a group, which people can join; the client alone; or permissions of"
    " Authorization Services, with no policy file.",
)
@click.option("--group", metavar="PATH", help="The group.  [default: /tenants/NAME]")
@click.option("--client-id", metavar="ID", help="The client.  [default: hostclaim-NAME]")
@click.option(
    "--audience",
    default=Options().audience,
    show_default=True,
    help="What the proxy's configuration has as the issuer's audience.",
)
@options.RESOURCE_SERVER
@click.option(
    "--logout-url",
    default="",
    metavar="URL",
    help="The proxy's back-channel logout endpoint, as Keycloak reaches it.",
)
@service_account
@options.PROXY_URL
@options.PROXY_CA
@options.OUT
@options.DRY_RUN
@click.pass_obj
@failing
def add(realm: Realm, /, name: str, **chosen: Unpack[_Chosen]) -> None:
    """Have tenant NAME be there, and print what lets it in.

    Makes a confidential client with a service account, the claims that the proxy
    looks for in its tokens, and what entitles it. What is there already is left, or
    put right: adding twice is adding once.

    Prints the policy document and the Roles and RoleBindings to commit, and the
    tenant's kubeconfig, which holds the client's secret. With --out they are
    DIR/policy.yaml, DIR/rbac.yaml and DIR/NAME.kubeconfig.
    """
    try:
        wanted = _wanted(name, chosen)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    way = printing.Way.of(realm, wanted, chosen["proxy_url"], chosen["proxy_ca_file"])
    hand = printing.hand(dry_run=chosen["dry_run"])
    at = Options(chosen["audience"], chosen["resource_server"], chosen["logout_url"])
    secret = realm.tenants(hand, at).add(wanted)
    printing.conclude(hand, f"tenant `{name}` is as wanted", dry_run=chosen["dry_run"])
    if chosen["dry_run"]:
        return
    printed: dict[str, list[dict[str, Any]]] = {}
    if (document := tenant.policy(wanted)) is not None:
        printed["policy.yaml"] = [document]
    printed["rbac.yaml"] = list(tenant.bindings(wanted, chosen["account"]))
    if secret is not None:
        printed[f"{name}.kubeconfig"] = [way.kubeconfig(secret)]
    printing.hand_out(printed, chosen["out"])


def _wanted(name: str, chosen: _Chosen) -> Tenant:
    by = EntitledBy(chosen["by"])
    default_group = f"/tenants/{name}" if by is EntitledBy.GROUP else ""
    return Tenant(
        name=name,
        client_id=chosen["client_id"] or f"hostclaim-{name}",
        issuer=chosen["issuer"],
        namespaces=chosen["namespaces"],
        role=Role(chosen["role"]),
        by=by,
        group=chosen["group"] or default_group,
    )
