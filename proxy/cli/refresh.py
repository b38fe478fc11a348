"""`hostclaim-proxy refresh`: keep the tokens in kubeconfig Secrets fresh."""

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from proxy.cli import ending, logs
from proxy.refresher.config import Config
from proxy.refresher.service import StartError, run


@click.command()
@click.option(
    "--namespace",
    "namespaces",
    multiple=True,
    required=True,
    metavar="NS",
    help="A namespace whose labelled Secrets are kept fresh. Can be given more than once.",
)
@click.option(
    "--proxy-url",
    "proxies",
    multiple=True,
    required=True,
    metavar="URL",
    help="A HostClaim proxy that tokens may be meant for. Can be given more than once.",
)
@click.option(
    "--issuer-url",
    "issuers",
    multiple=True,
    metavar="URL",
    help="An issuer that tokens may be asked of. Can be given more than once.",
)
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Certificates in PEM that the issuers are trusted by, instead of the system's.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A projected service account token of this pod, for Secrets that ask for it.",
)
@click.option(
    "--token-file-namespace",
    "token_file_namespaces",
    multiple=True,
    metavar="NS",
    help="A namespace whose Secrets may ask for it: who can make one there has that identity.",
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="How to reach the management cluster, if not as the pod's service account.",
)
@click.option("--context", help="The context of that kubeconfig, if not the current one.")
@click.option(
    "--lease",
    default="hostclaim-proxy-refresh/hostclaim-proxy-refresh",
    show_default=True,
    metavar="NS/NAME",
    help="The Lease by which replicas agree on the one that works.",
)
@click.option(
    "--lease-seconds",
    type=click.IntRange(3, 3600),
    default=15,
    show_default=True,
    help="How long a replica may be silent before another takes over.",
)
@click.option(
    "--management",
    default="127.0.0.1:8081",
    show_default=True,
    metavar="HOST:PORT",
    help="Where /livez, /readyz?verbose and /metrics are. Port 0 lets the system choose.",
)
@logs.option
def refresh(lease: str, management: str, log_level: str, **options: Any) -> None:
    """Keep the tokens in kubeconfig Secrets fresh, until SIGTERM or SIGINT.

    For a management cluster whose controllers read a kubeconfig from a Secret, and can run
    no exec plugin. Run it there, in two replicas; one of them works.

    \b
    Two Secrets of one namespace work together. The one with the kubeconfig:
      metadata:
        labels:      {hostclaim-proxy.metal3.io/refresh: "true"}
        annotations: {hostclaim-proxy.metal3.io/refresh-from: secret/blue-iam}
      stringData:
        value: a kubeconfig with `token` in the user of its current context

    \b
    And the one with the credentials:
      metadata:
        name: blue-iam
        labels: {hostclaim-proxy.metal3.io/refresh-credentials: "true"}
      stringData:
        issuer-url: https://iam.example.com/realms/corp
        client-id: blue-capm3
        client-secret: ...     # or private-key, in PEM; and scope, if there must be one

    Of the first only the token and a few annotations are written: when it was refreshed,
    when it expires, and what went wrong. With `refresh-from: token-file` it is the token of
    this pod's own service account, and there is no second Secret.

    Exit codes: 0 after a clean stop, 1 if it failed, 2 if the options cannot be used.
    """  # noqa: D301 - click wants the character \b itself
    logs.begin(log_level)
    try:
        config = _config(lease, management, options)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    try:
        clean = asyncio.run(_run(config))
    except StartError as exc:
        raise ending.unusable(exc) from exc
    raise SystemExit(0 if clean else 1)


def _config(lease: str, management: str, options: Mapping[str, Any]) -> Config:
    namespace, _, name = lease.partition("/")
    host, _, port = management.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("--management must be HOST:PORT, such as 0.0.0.0:8081 or [::1]:8081")
    return Config(lease=(namespace, name), host=host.strip("[]"), port=int(port), **options)


async def _run(config: Config) -> bool:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    return await run(config, told)
