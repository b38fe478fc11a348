"""What every subcommand is told: where Keycloak is, and who administers it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from proxy.cli.admin import VARIABLE
from proxy.core.terminal import printable
from proxy.edge.keycloakadmin import Access, AdminError, Hand, Options, Tenants, connect

_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class Realm:
    """The options of `admin`, as they were typed: whoever asks for help needs none.

    `where` is where a missing one is to be given.
    """

    issuer_url: str | None
    admin_client_id: str | None
    secret_file: Path | None
    ca_file: Path | None
    where: str = ""

    def access(self) -> Access:
        """Read them.

        Raises:
            click.UsageError: one is missing or wrong.
        """
        if self.issuer_url is None or self.admin_client_id is None:
            missing = "--issuer-url" if self.issuer_url is None else "--admin-client-id"
            raise click.UsageError(f"give {missing}{self.where}")
        # The library would take a file that it cannot read for none.
        text(self.ca_file, "--ca-file")
        try:
            return Access(self.issuer_url, self.admin_client_id, self._secret(), self.ca_file)
        except ValueError as exc:
            raise click.BadParameter(str(exc), param_hint="--issuer-url") from exc

    def tenants(self, hand: Hand, options: Options = Options()) -> Tenants:  # noqa: B008 - it is frozen
        """Log in.

        Raises:
            AdminError: nobody answers there, or not to these credentials.
        """
        return Tenants(connect(self.access()), hand, options)

    def _secret(self) -> str:
        hint = "--admin-client-secret-file"
        if self.secret_file is None:
            secret = os.environ.get(VARIABLE, "")
            if not secret:
                raise click.UsageError(f"give {hint}, or set {VARIABLE}")
            return secret
        secret = (text(self.secret_file, hint) or "").strip()
        if not secret:
            raise click.BadParameter(f"`{self.secret_file}` is empty", param_hint=hint)
        return secret


def text(file: Path | None, option: str) -> str | None:
    """What is in a file that an option names.

    Raises:
        click.BadParameter: it cannot be read.
    """
    try:
        return None if file is None else file.read_text()
    except (OSError, UnicodeDecodeError) as exc:
        raise click.BadParameter(f"`{file}` cannot be read", param_hint=option) from exc


def failing(command: Callable[_P, _R]) -> Callable[_P, _R]:
    """Say what Keycloak did not do, and end with 1."""

    @wraps(command)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return command(*args, **kwargs)
        except AdminError as exc:
            # Names of clients and groups are in it, as somebody else chose them.
            raise click.ClickException(printable(str(exc))) from exc

    return guarded
