"""`hostclaim-proxy serve`: run the proxy until it is told to stop."""

import asyncio
import logging
import signal
from pathlib import Path

import click
import uvloop

from proxy import settings
from proxy.app import App, StartError
from proxy.settings import Settings, SettingsError

log = logging.getLogger(__name__)

WRONG_CONFIGURATION = 2


@click.command()
@click.option(
    "--config",
    "config",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration file (kind: ProxyConfiguration).",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="How much to say on standard error. No level ever shows a token or a secret.",
)
def serve(config: Path, log_level: str) -> None:
    r"""Serve tenants until SIGTERM or SIGINT, then drain.

    \b
    A setting of the file can be overridden from the environment:
      HOSTCLAIM_PROXY__SERVER__ADDRESS=127.0.0.1:8443 hostclaim-proxy serve --config proxy.yaml
    SIGHUP reopens the audit file, after it was moved away.

    Exit codes: 0 after a clean stop, 2 if the configuration cannot be used.
    """
    logging.basicConfig(
        level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        loaded = settings.load(config)
        uvloop.run(_serve(loaded))
    except (SettingsError, StartError) as exc:
        click.echo(f"hostclaim-proxy: {exc}", err=True)
        raise SystemExit(WRONG_CONFIGURATION) from exc


async def _serve(loaded: Settings) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    app = App(loaded)
    addresses = await app.start()
    loop.add_signal_handler(signal.SIGHUP, app.reopen_logs)
    log.info("serving on port %d, management on %d", addresses.port, addresses.management_port)
    await told.wait()
    log.info("stopping")
    await app.stop()
