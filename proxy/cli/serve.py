"""`hostclaim-proxy serve`: run the proxy until it is told to stop."""

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path

import click
import uvloop

from proxy import settings
from proxy.app import StartError
from proxy.cli import ending, logs
from proxy.serving import Running, Single, Supervisor, hire
from proxy.settings import Settings, SettingsError

log = logging.getLogger(__name__)


@click.command()
@click.option(
    "--config",
    "config",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration file (kind: ProxyConfiguration).",
)
@logs.option
def serve(config: Path, log_level: str) -> None:
    """Serve tenants until SIGTERM or SIGINT, then drain.

    \b
    A setting of the file can be overridden from the environment:
      HOSTCLAIM_PROXY__SERVER__ADDRESS=127.0.0.1:8443

    SIGHUP reopens the audit file, after it was moved away.

    Exit codes: 0 after a clean stop, 1 if a part of the proxy failed, 2 if the
    configuration cannot be used.
    """  # noqa: D301 - click wants the character \b itself
    logs.begin(log_level)
    try:
        loaded = settings.load(config)
        made = _made(loaded, log_level)
        clean = uvloop.run(_serve(made))
    except (SettingsError, StartError) as exc:
        raise ending.unusable(exc) from exc
    raise SystemExit(0 if clean else 1)


def _made(loaded: Settings, log_level: str) -> Callable[[], Running]:
    """What makes the proxy, in an event loop; workers are made here, where there is none yet."""
    if loaded.server.workers == 1:
        return lambda: Single(loaded)
    crew = hire(loaded, lambda number: logs.begin(log_level, f"worker {number}"))
    return lambda: Supervisor(loaded, crew)


async def _serve(made: Callable[[], Running]) -> bool:
    """Serve until told to stop, or until a part fails; returns whether none did."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    proxy = made()
    addresses = await proxy.start()
    loop.add_signal_handler(signal.SIGHUP, proxy.reopen_logs)
    log.info("serving on port %d, management on %d", addresses.port, addresses.management_port)
    failed = asyncio.create_task(proxy.failed())
    ended = asyncio.create_task(told.wait())
    await asyncio.wait([failed, ended], return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping")
    unharmed = not failed.done()
    for waiting in (failed, ended):
        waiting.cancel()
    return await proxy.stop() and unharmed
