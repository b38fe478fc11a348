"""What is said while something is done, and the documents that are handed out."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from proxy.cli import yamltext
from proxy.cli.tenant.realm import Realm, text
from proxy.core import kubeconfig
from proxy.core.kubeconfig import ExecLogin, Kubeconfig
from proxy.core.tenant import Tenant
from proxy.core.terminal import printable
from proxy.edge import privatefile
from proxy.edge.keycloakadmin import Hand


@dataclass(frozen=True, slots=True)
class Way:
    """How a tenant gets to the proxy: all that its kubeconfig says but the secret."""

    server: str
    ca_pem: str | None
    args: tuple[str, ...]
    name: str
    namespace: str

    @classmethod
    def of(cls, realm: Realm, tenant: Tenant, server: str, ca_file: Path | None) -> "Way":
        """The way of a tenant, found fit for a kubeconfig before anything is changed.

        Raises:
            click.UsageError: an option would make a kubeconfig that nobody could use.
        """
        access = realm.access()
        args = ("token", "--issuer-url", access.issuer_url, "--client-id", tenant.client_id)
        pem = text(access.ca_file, "--ca-file")
        trust = ("--ca-data", base64.b64encode(pem.encode()).decode()) if pem else ()
        ca_pem = text(ca_file, "--proxy-ca-file")
        way = cls(server, ca_pem, (*args, *trust), tenant.name, tenant.namespaces[0])
        try:
            way.kubeconfig("secret")
        except ValueError as exc:
            raise click.UsageError(f"--proxy-url, --proxy-ca-file: {exc}") from exc
        return way

    def kubeconfig(self, secret: str) -> dict[str, Any]:
        """The kubeconfig, with everything in it: it can be handed over as it is."""
        login = ExecLogin(self.args, {"HOSTCLAIM_PROXY_CLIENT_SECRET": secret})
        return kubeconfig.render(
            Kubeconfig(self.server, self.ca_pem, login, self.name, self.namespace)
        )


def hand(*, dry_run: bool) -> Hand:
    """What is done goes to standard error as it is done; what would be is the answer itself."""
    if dry_run:
        return Hand(lambda what: click.echo(printable(f"would {what}")), dry_run=True)
    return Hand(lambda what: click.echo(printable(f"{what} ..."), err=True), dry_run=False)


def conclude(hand: Hand, what: str, *, dry_run: bool) -> None:
    """Say how it ended."""
    if dry_run:
        click.echo(f"{hand.changes} changes, none made")
    else:
        click.echo(f"{what}, {hand.changes} changes made", err=True)


def hand_out(printed: Mapping[str, Sequence[dict[str, Any]]], out: Path | None) -> None:
    """Documents as files of their names, or one after the other."""
    if out is None:
        every = [document for documents in printed.values() for document in documents]
        click.echo(yamltext.dump(*every, explicit_start=True), nl=False)
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, documents in printed.items():
            privatefile.write(out / name, yamltext.dump(*documents), replace=True)
            click.echo(f"wrote {out / name}", err=True)
    except OSError as exc:
        raise click.ClickException(f"cannot write to `{out}`: {exc.strerror}") from exc
