"""Who would somebody be who logged in now: asked of Keycloak, by its admin API."""

import time
from dataclasses import dataclass
from pathlib import Path

import click

from proxy.cli import ending
from proxy.cli.tenant.realm import Realm
from proxy.core.identity import Identity, IssuerRules
from proxy.core.supposed import exemplify
from proxy.edge.keycloakadmin import AdminError, connect, example
from proxy.settings import IssuerSettings


@dataclass(frozen=True, slots=True)
class Live:
    """Somebody of a realm: a user and the client that they log in by, or that client alone."""

    username: str
    client_id: str
    admin_client_id: str | None
    secret_file: Path | None


def ask(live: Live, issuer: IssuerSettings, rules: IssuerRules) -> Identity:
    """The identity as of now; ends with 2 if Keycloak cannot tell.

    Raises:
        Unauthenticated: they would be given no token, or it would not be taken.
        click.UsageError: an option is missing or wrong.
    """
    if not live.client_id:
        raise click.UsageError("give --live-client: by which client they log in")
    if live.admin_client_id is None:
        raise click.UsageError("give --admin-client-id, to ask Keycloak as")
    realm = Realm(issuer.url, live.admin_client_id, live.secret_file, issuer.ca_file)
    access = realm.access()
    try:
        claims = example(connect(access), live.client_id, live.username)
    except AdminError as exc:
        raise ending.unusable(exc) from exc
    return exemplify(claims, rules, time.time())
