"""Whom a command is about: the options that describe or prove somebody, and who that is."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from proxy.cli import admin
from proxy.cli.policy.sources import Sources
from proxy.core.errors import Unauthenticated
from proxy.core.identity import Identity, ServiceAccountNaming
from proxy.core.policy.faults import suggestion
from proxy.core.policy.subjects import SubjectKind
from proxy.core.supposed import Supposed, identify

_HINT: Final = "--issuer"


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody as the options describe them."""

    user: str
    groups: tuple[str, ...]
    client: str
    service_account: str
    claims: tuple[str, ...]
    issuer: str
    token_file: Path | None
    live: str
    live_client: str
    admin_client_id: str | None
    secret_file: Path | None

    def __bool__(self) -> bool:
        """Whether the options say anything of somebody."""
        return self._described or self._looked_up or self.token_file is not None

    @property
    def _looked_up(self) -> bool:
        return bool(self.live or self.live_client)

    @property
    def _described(self) -> bool:
        return bool(self.user or self.groups or self.client or self.service_account or self.claims)

    def identity(self, sources: Sources) -> Identity:
        """Who that is, as their token says or one of theirs would.

        Ends with 2 if Keycloak is to tell, and cannot.

        Raises:
            click.UsageError: no token could say so, or it is not said whose.
            Unauthenticated: the token is not taken.
        """
        if self.token_file is not None:
            return self._proven(self.token_file, sources)
        if self._looked_up and self._described:
            raise click.UsageError("give one of --as and its like, and --live")
        issuer = self.issuer or self._only_issuer(sources)
        known = _issuers(sources)
        if sources.issuers and issuer not in sources.issuers:
            message = f"`{issuer}` is no issuer of the configuration, {suggestion(issuer, known)}"
            raise click.BadParameter(message, param_hint=_HINT)
        if self._looked_up:
            return self._asked(issuer, sources)
        try:
            supposed = Supposed(
                issuer=issuer,
                username=self.user,
                groups=self.groups,
                client=self.client,
                service_account=self.service_account,
                claims=_claims(self.claims),
            )
            return identify(supposed, sources.issuers.get(issuer))
        except (ValueError, Unauthenticated) as exc:
            raise click.UsageError(f"no token says so: {exc}") from exc

    def _proven(self, file: Path, sources: Sources) -> Identity:
        if self._described or self._looked_up or self.issuer:
            raise click.UsageError("a token says itself who it is of: give --token-file alone")
        if sources.settings is None:
            raise click.UsageError("give --config, which says whose tokens are taken")
        # What verifies tokens takes half a second to load, which only who has one need wait.
        from proxy.cli.policy.proving import prove  # noqa: PLC0415 - loads all that verifies

        return prove(file, sources.settings)

    def _asked(self, issuer: str, sources: Sources) -> Identity:
        settings = sources.settings
        found = [one for one in settings.issuers if one.name == issuer] if settings else []
        if not found:
            raise click.UsageError("give --config, which says where Keycloak is")
        # The library takes half a second to load, too.
        from proxy.cli.policy.live import Live, ask  # noqa: PLC0415 - loads Keycloak's client

        live = Live(self.live, self.live_client, self.admin_client_id, self.secret_file)
        return ask(live, found[0], sources.issuers[issuer])

    def _only_issuer(self, sources: Sources) -> str:
        """The issuer of whom nobody needs to be told, as there is no other."""
        accounts = bool(self.service_account)
        fitting = sorted(
            name for name, kind in _issuers(sources).items() if kind in {accounts, None}
        )
        if len(fitting) != 1:
            choice = f", one of {', '.join(fitting)}" if fitting else ""
            raise click.UsageError(f"give {_HINT}{choice}")
        return fitting[0]


def _issuers(sources: Sources) -> Mapping[str, bool | None]:
    """Every issuer, and whether those of it are service accounts; None where that is not said."""
    if sources.issuers:
        return {
            name: isinstance(rules.naming, ServiceAccountNaming)
            for name, rules in sources.issuers.items()
        }
    found: dict[str, bool | None] = {}
    for entry in sources.policies:
        for subject in entry.subjects:
            if subject.kind is SubjectKind.EVERYONE:
                found.setdefault(subject.issuer, None)
            else:
                found[subject.issuer] = subject.kind is SubjectKind.SERVICE_ACCOUNT
    return found


def _claims(given: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"`{text}` is not NAME=VALUE", param_hint="--as-claim")
        found[name] = (*found.get(name, ()), value)
    return found


_OPTIONS: Final = (
    click.option("--as", "user", default="", metavar="USER", help="Somebody of this username."),
    click.option(
        "--as-group",
        "groups",
        multiple=True,
        metavar="GROUP",
        help="A group that they are in. Can be given more than once.",
    ),
    click.option(
        "--as-client",
        "client",
        default="",
        metavar="ID",
        help="The OAuth client that they came with.",
    ),
    click.option(
        "--as-service-account",
        "service_account",
        default="",
        metavar="NS/NAME",
        help="A service account of a management cluster, and nothing else.",
    ),
    click.option(
        "--as-claim",
        "claims",
        multiple=True,
        metavar="NAME=VALUE",
        help="A value in a claim of their token. Can be given more than once.",
    ),
    click.option(
        "--issuer",
        default="",
        metavar="NAME",
        help="The issuer that they are of, where there is more than one.",
    ),
    click.option(
        "--token-file",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
        help="Instead of all these: a token, verified as `serve` does; - is standard input.",
    ),
    click.option(
        "--live",
        default="",
        metavar="USER",
        help="Instead of all these: somebody as Keycloak knows them now. [with --config]",
    ),
    click.option(
        "--live-client",
        default="",
        metavar="ID",
        help="The client that they log in by; without a user, its own service account.",
    ),
    admin.client_id(
        "To ask Keycloak: a client whose service account has `view-clients` and `view-users`"
        " of realm-management."
    ),
    admin.secret_file,
)


def who(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives the command a `Who`."""

    @wraps(command)
    def told(*args: Any, **kwargs: Any) -> Any:
        said = Who(**{field.name: kwargs.pop(field.name) for field in fields(Who)})
        return command(*args, who=said, **kwargs)

    for option in reversed(_OPTIONS):
        told = option(told)
    return told
