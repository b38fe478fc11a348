"""The options of those who ask Keycloak as its administrator: where it is, and who they are.

`cli.tenant.realm` reads them; it is imported only when Keycloak is asked.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

VARIABLE: Final = "HOSTCLAIM_PROXY_ADMIN_CLIENT_SECRET"
"""Where the admin client's secret is looked for, if in no file."""

_Command = TypeVar("_Command", bound=Callable[..., Any])


def client_id(what: str) -> Callable[[_Command], _Command]:
    """The option that says who asks, with what is needed of them."""
    return click.option(
        "--admin-client-id",
        metavar="ID",
        envvar="HOSTCLAIM_PROXY_ADMIN_CLIENT_ID",
        show_envvar=True,
        help=what,
    )


def secret_file(command: _Command) -> _Command:
    """The option that says where their secret is."""
    return click.option(
        "--admin-client-secret-file",
        "secret_file",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False),
        help=f"Where its secret lies; else it is in {VARIABLE}.",
    )(command)


def options(command: _Command) -> _Command:
    """Add them all, the last one first."""
    for option in (
        click.option(
            "--ca-file",
            metavar="FILE",
            type=click.Path(path_type=Path, dir_okay=False),
            help="The certificates (PEM) that Keycloak is trusted by, instead of the system's.",
        ),
        secret_file,
        client_id("A confidential client of that realm, whose service account may administer it."),
        click.option(
            "--issuer-url",
            metavar="URL",
            envvar="HOSTCLAIM_PROXY_ADMIN_ISSUER_URL",
            show_envvar=True,
            help="The realm: https://HOST/realms/REALM.",
        ),
    ):
        command = option(command)
    return command
