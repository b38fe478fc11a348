"""`hostclaim-proxy kubeconfig`: make a tenant's kubeconfig, and prove that one works."""

import asyncio
import base64
import binascii
import json
import ssl
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from proxy.cli import yamltext
from proxy.cli.checkup import check, report
from proxy.core.kubeconfig import (
    COMMAND,
    ExecLogin,
    Kubeconfig,
    Login,
    StaticTokenLogin,
    TokenFileLogin,
    render,
)
from proxy.edge import checkup, privatefile
from proxy.https import is_https

_F = TypeVar("_F", bound=Callable[..., Any])


def _absolute(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """A kubeconfig is used from any folder. Symlinks stay: a mounted secret is swapped by them."""
    return str(Path(value).absolute()) if value else value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """The options, as they are given; paths for the kubeconfig are absolute."""

    server: str
    ca_file: Path | None
    namespace: str
    name: str
    token_file: str | None
    embed_token: str | None
    issuer_url: str | None
    client_id: str | None
    client_secret_file: str | None
    private_key_file: str | None
    device_code: bool
    scopes: tuple[str, ...]
    issuer_ca_file: str | None
    cache_dir: str | None
    plugin: str
    output: Path | None
    force: bool
    check: bool


_DEVICE_CODE = "--device-code"
_PROOFS = frozenset({"--client-secret-file", "--private-key-file", _DEVICE_CODE})
_COMMANDLINE = click.core.ParameterSource.COMMANDLINE
_FILE = click.Path(path_type=Path, dir_okay=False)


def _options(command: _F) -> _F:
    def path(name: str, means: str) -> Callable[[_F], _F]:
        return click.option(name, metavar="PATH", callback=_absolute, help=means)

    options: list[Callable[[_F], _F]] = [
        click.option("--server", metavar="URL", help="The proxy: https://HOST[:PORT]."),
        click.option("--ca-file", type=_FILE, help="The proxy's CA in PEM; it is copied."),
        click.option("--namespace", metavar="NS", help="Where kubectl starts and CAPM3 claims."),
        click.option(
            "--name",
            default="hostclaim-proxy",
            show_default=True,
            help="What context, cluster and user are called.",
        ),
        path("--token-file", "Log in by the token that lies there, kept fresh by something else."),
        click.option(
            "--embed-token",
            metavar="FILE",
            help="Log in by a token until it expires; - is standard input.",
        ),
        click.option("--issuer-url", metavar="URL", help="Log in at this OIDC issuer."),
        click.option("--client-id", metavar="ID", help="The client at the issuer."),
        path("--client-secret-file", "The client's secret."),
        path("--private-key-file", "The client's private key, in PEM."),
        click.option("--device-code", is_flag=True, help="A person logs in, with a browser."),
        click.option("--scope", "scopes", multiple=True, help="Can be given more than once."),
        path("--issuer-ca-file", "The issuer's CA, in PEM."),
        path("--cache-dir", "Where tokens are kept from one command to the next."),
        click.option(
            "--plugin",
            metavar="COMMAND",
            default=COMMAND,
            help="Where hostclaim-proxy is, if not in the PATH of whoever uses the kubeconfig.",
        ),
        click.option("-o", "--output", type=_FILE, help="Write FILE, with mode 0600."),
        click.option("--force", is_flag=True, help="Replace FILE."),
        click.option("--check", is_flag=True, help="Prove that what was made works."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group(invoke_without_command=True, subcommand_metavar="[check]")
@_options
@click.pass_context
def kubeconfig(context: click.Context, /, **options: Any) -> None:
    """Make a tenant's kubeconfig, on standard output or in a file; or check one.

    \b
    A person, who logs in with a browser:
      --issuer-url URL --client-id ID --device-code
    A program with a client of its own at the IAM:
      --issuer-url URL --client-id ID --client-secret-file FILE
      --issuer-url URL --client-id ID --private-key-file FILE
    A pod whose cluster is an issuer, by its projected token, or whatever else keeps a file fresh:
      --token-file /var/run/secrets/hostclaim-proxy/token
    Where none of these can be:
      --embed-token FILE

    The first three have client-go run `hostclaim-proxy token`, which has to be installed where
    the kubeconfig is used; without a file, the client's secret is what is in
    HOSTCLAIM_PROXY_CLIENT_SECRET there.

    Exit codes: 0 for done, 1 if the file cannot be written or the check fails, 2 for
    wrong options.
    """  # noqa: D301 - click wants the character \b itself
    given = [name for name in options if context.get_parameter_source(name) is _COMMANDLINE]
    if context.invoked_subcommand is None:
        _make(_Wanted(**options))
    elif given:
        raise click.UsageError(f"--{given[0].replace('_', '-')} is for making a kubeconfig")


kubeconfig.add_command(check)


def _make(wanted: _Wanted) -> None:
    for name in ("server", "namespace"):
        if not getattr(wanted, name):
            raise click.UsageError(f"--{name} is needed")
    login = _login(wanted)
    ca_pem = None if wanted.ca_file is None else _ca(wanted.ca_file)
    try:
        config = Kubeconfig(wanted.server, ca_pem, login, wanted.name, wanted.namespace)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    document = render(config)
    content = yamltext.dump(document)
    _warn(login)
    if wanted.output is None:
        click.echo(content, nl=False)
    else:
        _write(wanted.output, content, force=wanted.force)
    if wanted.check:
        report(asyncio.run(checkup.check(document, Path.cwd())), "text", err=True)


def _login(wanted: _Wanted) -> Login:
    by_issuer = _plugin_options(wanted)
    ways = [bool(by_issuer), wanted.token_file is not None, wanted.embed_token is not None]
    if ways.count(True) != 1:
        raise click.UsageError("give one way in: --issuer-url, --token-file or --embed-token")
    if wanted.token_file is not None:
        return TokenFileLogin(wanted.token_file)
    if wanted.embed_token is not None:
        return StaticTokenLogin(_read(wanted.embed_token))
    if not wanted.issuer_url or not wanted.client_id:
        raise click.UsageError("--issuer-url and --client-id are needed, both or none")
    if not is_https(wanted.issuer_url):
        raise click.UsageError("--issuer-url must be https://HOST, with no password in it")
    if len(_proofs(by_issuer)) > 1:
        raise click.UsageError(f"give one of {', '.join(_proofs(by_issuer))}")
    return ExecLogin(("token", *by_issuer), command=wanted.plugin)


def _plugin_options(wanted: _Wanted) -> tuple[str, ...]:
    """The options of `hostclaim-proxy token`; none if none is given."""
    valued = {
        "--issuer-url": wanted.issuer_url,
        "--client-id": wanted.client_id,
        "--client-secret-file": wanted.client_secret_file,
        "--private-key-file": wanted.private_key_file,
        "--ca-file": wanted.issuer_ca_file,
        "--cache-dir": wanted.cache_dir,
    }
    given = [f"{name}={value}" for name, value in valued.items() if value is not None]
    given += [f"--scope={scope}" for scope in wanted.scopes]
    flags = [_DEVICE_CODE] if wanted.device_code else []
    return (*given, *flags)


def _proofs(options: Iterable[str]) -> list[str]:
    """How a client proves who it is, by those of its options that say."""
    names = (option.partition("=")[0] for option in options)
    return [name for name in names if name in _PROOFS]


def _ca(file: Path) -> str:
    pem = _read(str(file))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as exc:
        raise click.UsageError(f"--ca-file: `{file}` has no certificates in PEM") from exc
    return f"{pem}\n"


def _read(file: str) -> str:
    """What is in a file, or on standard input, less the space around it."""
    try:
        return (sys.stdin.read() if file == "-" else Path(file).read_text("ascii")).strip()
    except OSError as exc:
        raise click.UsageError(f"`{file}` cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise click.UsageError(f"`{file}` is not plain ASCII text") from exc


def _warn(login: Login) -> None:
    match login:
        case StaticTokenLogin(token):
            until = _expiry(token)
            click.echo(
                "warning: the token itself is in the kubeconfig: whoever reads it is you,"
                f" {f'until {until}' if until else 'until it expires'}, and then it is of no use",
                err=True,
            )
        case ExecLogin(args) if not _proofs(args):
            click.echo(
                "note: the client's secret has to be in HOSTCLAIM_PROXY_CLIENT_SECRET"
                " wherever the kubeconfig is used",
                err=True,
            )
        case _:
            pass


def _expiry(unverified_token: str) -> str:
    """When a token says that it expires; empty if it does not say."""
    try:
        _, payload, _ = unverified_token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, KeyError, TypeError, OverflowError, OSError, binascii.Error):
        return ""


def _write(file: Path, content: str, *, force: bool) -> None:
    try:
        privatefile.write(file, content, replace=force)
    except FileExistsError as exc:
        raise click.ClickException(f"`{file}` is there already: replace it with --force") from exc
    except OSError as exc:
        raise click.ClickException(f"`{file}` cannot be written: {exc.strerror}") from exc
