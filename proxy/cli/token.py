"""`hostclaim-proxy token`: the credential plugin that a kubeconfig names."""

import base64
import os
import ssl
import sys
from pathlib import Path

import click

from proxy.execplugin import protocol
from proxy.execplugin.cache import Cache
from proxy.execplugin.call import PATIENCE, PATIENCE_WITH_PEOPLE, Call
from proxy.execplugin.faults import PluginError, WrongUseError
from proxy.execplugin.kept import Kept, parent
from proxy.execplugin.protocol import ExecInfo
from proxy.execplugin.terminal import Terminal
from proxy.execplugin.ways import Account, ByDeviceCode, ByKey, BySecret, Way

SECRET_VARIABLE = "HOSTCLAIM_PROXY_CLIENT_SECRET"  # noqa: S105 - the name of one
REFUSED, WRONG_USE = 1, 2

_MAX_FILE = 64 * 1024


@click.command()
@click.option(
    "--issuer-url",
    required=True,
    metavar="URL",
    help="The issuer, as the proxy knows it, such as https://iam.example.com/realms/corp.",
)
@click.option("--client-id", required=True, metavar="ID", help="The OAuth client to log in as.")
@click.option(
    "--client-secret-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help=f"The client's secret. [or env: {SECRET_VARIABLE}]",
)
@click.option(
    "--private-key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The client's private key in PEM, RSA or EC P-256 (private_key_jwt).",
)
@click.option("--device-code", is_flag=True, help="Let a person log in, in any browser.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    help="A scope to ask for. Can be given more than once.",
)
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Certificates in PEM that the issuer is trusted by, instead of the system's.",
)
@click.option(
    "--ca-data",
    metavar="BASE64",
    help="The same certificates themselves, in Base64 as a kubeconfig has its CA.",
)
@click.option(
    "--cache-dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where tokens are kept. [default: $XDG_CACHE_HOME/hostclaim-proxy/tokens or"
    " ~/.cache/hostclaim-proxy/tokens]",
)
def token(  # noqa: PLR0913 - each option is an argument
    *,
    issuer_url: str,
    client_id: str,
    client_secret_file: Path | None,
    private_key_file: Path | None,
    scopes: tuple[str, ...],
    ca_file: Path | None,
    ca_data: str | None,
    cache_dir: Path | None,
    device_code: bool,
) -> None:
    """Print a token for kubectl, as its credential plugin.

    \b
    A kubeconfig names it so; kubectl runs it whenever it needs a token:
      users:
      - name: blue
        user:
          exec:
            apiVersion: client.authentication.k8s.io/v1
            command: hostclaim-proxy
            args: [token, --issuer-url, https://iam.example.com/realms/corp,
                   --client-id, blue-capm3, --client-secret-file, /etc/blue/secret]
            interactiveMode: IfAvailable

    There is one way in: a secret, a private key, or --device-code. With the last one, a
    page to open is shown on standard error; afterwards a refresh token is used for as long
    as the issuer takes it.

    Tokens are kept in files that only you can read, and renewed before they expire. One that
    the proxy refuses is replaced as well: kubectl calls again after a 401. The command that
    was refused still fails, the next one works.

    Exit codes: 0 with a token, 1 if the issuer refuses or does not answer, 2 if the options
    or files cannot be used.
    """  # noqa: D301 - click wants the character \b itself
    try:
        info = protocol.read(os.environ)
        way = _way(client_secret_file, private_key_file, device_code=device_code)
        account = Account(issuer_url, client_id, way, scopes, ca_file, _pem(ca_file, ca_data))
        printed = _print(account, info, cache_dir)
    except PluginError as exc:
        _say(str(exc))
        raise SystemExit(WRONG_USE if isinstance(exc, WrongUseError) else REFUSED) from exc
    click.echo(printed)


def _way(secret_file: Path | None, key_file: Path | None, *, device_code: bool) -> Way:
    secret = os.environ.get(SECRET_VARIABLE)
    named = {
        "--client-secret-file": secret_file is not None,
        SECRET_VARIABLE: secret is not None,
        "--private-key-file": key_file is not None,
        "--device-code": device_code,
    }
    given = [name for name, is_given in named.items() if is_given]
    if len(given) != 1:
        said = f"not {' and '.join(given)}" if given else "there is none"
        raise WrongUseError(f"give one way in: {', '.join(named)}; {said}")
    if key_file is not None:
        return ByKey(_contents(key_file, "--private-key-file"))
    if device_code:
        return ByDeviceCode()
    if secret_file is not None:
        secret = _text(secret_file, "--client-secret-file")
    if not secret:
        raise WrongUseError(f"{given[0]} is empty")
    return BySecret(secret)


def _pem(ca_file: Path | None, ca_data: str | None) -> str | None:
    if ca_data is None:
        return None
    if ca_file is not None:
        raise WrongUseError("give one of --ca-file and --ca-data")
    try:
        pem = base64.b64decode(ca_data, validate=True).decode("ascii")
        # Not `create_default_context`: no certificates at all are the system's to that one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ValueError, ssl.SSLError) as exc:
        raise WrongUseError("--ca-data is not certificates in PEM, in Base64") from exc
    return pem


def _text(file: Path, option: str) -> str:
    try:
        # Editors and `echo` end a file with a line break; no secret ends with one.
        return _contents(file, option).decode().rstrip("\r\n")
    except UnicodeDecodeError as exc:
        raise WrongUseError(f"{option} is not text in UTF-8") from exc


def _contents(file: Path, option: str) -> bytes:
    try:
        with file.open("rb") as opened:
            contents = opened.read(_MAX_FILE + 1)
    except OSError as exc:
        raise WrongUseError(f"{option} cannot be read: {exc.strerror}") from exc
    if len(contents) > _MAX_FILE:
        raise WrongUseError(f"{option} has more than {_MAX_FILE} bytes")
    return contents


def _print(account: Account, info: ExecInfo, folder: Path | None) -> str:
    cache = _cache(account, folder)
    terminal = Terminal(sys.stderr) if info.interactive else None

    def renew(refresh: str | None) -> Kept:
        # Only here: it takes longer to load than all the rest.
        from proxy.execplugin import renewal  # noqa: PLC0415

        return renewal.renew(account, terminal, refresh)

    waits_for_people = account.needs_person and info.interactive
    call = Call(
        renew,
        _say,
        # Whoever runs it by hand may do so twice, and means nothing by it.
        holder=parent() if info.by_client else None,
        patience=PATIENCE_WITH_PEOPLE if waits_for_people else PATIENCE,
        needs_person=account.needs_person,
    )
    try:
        credential = call.credential(cache)
    finally:
        if terminal is not None:
            terminal.done()
    return protocol.render(info, credential.token, credential.expires_at)


def _cache(account: Account, folder: Path | None) -> Cache | None:
    try:
        return Cache(folder or _usual_folder(), account.digest, _say)
    except (OSError, RuntimeError) as exc:  # the latter, for a user without a home
        why = exc.strerror if isinstance(exc, OSError) else "you have no home folder"
        _say(f"tokens are not cached: {why}")
        return None


def _usual_folder() -> Path:
    """Below the user's cache folder (XDG Base Directory Specification)."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # A relative one is invalid and has to be ignored, says the specification.
    caches = base if base.is_absolute() else Path.home() / ".cache"
    # A folder of its own: others of our name may hold what is no secret, open to all.
    return caches / "hostclaim-proxy" / "tokens"


def _say(text: str) -> None:
    click.echo(f"hostclaim-proxy: {text}", err=True)
