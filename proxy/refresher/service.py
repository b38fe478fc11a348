"""The whole: built from a Config, run until it is told to stop.

Of several replicas one works; the others wait for its lease, and look at no Secret.
"""

import asyncio
import logging
import socket
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from proxy.edge.management import Check, Looks, Management, looking
from proxy.refresher import cluster
from proxy.refresher.clock import SystemClock
from proxy.refresher.cluster import Cluster, ClusterLease
from proxy.refresher.config import Config
from proxy.refresher.election import Election
from proxy.refresher.issuers import AllowedIssuers
from proxy.refresher.keeping import Keeping
from proxy.refresher.lease import Timing
from proxy.refresher.metrics import Metrics
from proxy.refresher.renewal import Bounds, Renewal
from proxy.refresher.tokens import ProjectedFile

log = logging.getLogger(__name__)


class StartError(Exception):
    """It cannot start; the message says what to mend."""


async def run(config: Config, told: asyncio.Event) -> bool:
    """Keep tokens fresh until told to stop; returns whether nothing failed.

    Raises:
        StartError: the management address or the cluster's credentials cannot be had.
    """
    async with AsyncExitStack() as stack:
        try:
            client = await cluster.connect(config.kubeconfig, config.context)
        except cluster.ConfigError as exc:
            raise StartError(str(exc)) from exc
        stack.push_async_callback(client.close)
        clock, metrics, api = SystemClock(), Metrics(), Cluster(client)
        timing = Timing.of(config.lease_seconds)
        renewal = Renewal(
            api,
            AllowedIssuers(config.issuers, config.ca_file),
            ProjectedFile(config.token_file) if config.token_file is not None else None,
            Bounds(
                frozenset(url.rstrip("/") for url in config.proxies),
                frozenset(config.token_file_namespaces),
            ),
            clock,
        )
        keeping = Keeping(api, renewal, config.namespaces, clock, metrics)
        # Half of the time that a renewal has: one that hangs leaves room for another.
        leases = ClusterLease(client, *config.lease, seconds=timing.renew / 2)
        election = Election(leases, _identity(), timing, clock)
        _show(metrics, keeping, election)
        management = Management(
            Looks(
                live=looking({}),
                ready=looking(_checks(told, keeping, election)),
                notes=looking(_notes(keeping)),
                metrics=metrics.page,
            )
        )
        stack.push_async_callback(management.stop)
        try:
            port = await management.start(config.host, config.port)
        except OSError as exc:
            raise StartError(f"--management: {exc}") from exc
        log.info("candidate for the lease %s, management on port %d", "/".join(config.lease), port)
        return await _until(told, election.run(keeping.work))


async def _until(told: asyncio.Event, work: Awaitable[None]) -> bool:
    """Work until told to stop; its end, the lease given up included, is waited for."""
    working = asyncio.ensure_future(work)
    waiting = asyncio.create_task(told.wait())
    await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
    failed = working.done()
    log.info("stopping")
    for task in (working, waiting):
        task.cancel()
    [outcome, _] = await asyncio.gather(working, waiting, return_exceptions=True)
    if isinstance(outcome, Exception):
        # Its kind alone: what it says may quote a Secret.
        log.critical("it failed by %s", type(outcome).__name__)
    return not failed


def _identity() -> str:
    """Who we are in the lease: the pod, for people, and what makes it unlike any other."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


def _checks(told: asyncio.Event, keeping: Keeping, election: Election) -> dict[str, Check]:
    return {
        "shutdown": _plain(lambda: "stopping" if told.is_set() else ""),
        "lease": _plain(lambda: election.trouble),
        "namespaces": _plain(lambda: _trouble_everywhere(keeping)),
    }


def _trouble_everywhere(keeping: Keeping) -> str:
    """One namespace may be gone; that must not look as if nothing were done for the others."""
    return "none can be watched" if all(keeping.troubles.values()) else ""


def _notes(keeping: Keeping) -> dict[str, Check]:
    def failing() -> str:
        count = sum(keeper.fails for keeper in keeping.keepers())
        return f"{count} cannot be kept fresh" if count else ""

    def watched(namespace: str) -> Check:
        return _plain(lambda: keeping.troubles[namespace])

    notes = {f"namespace-{namespace}": watched(namespace) for namespace in keeping.troubles}
    return {**notes, "secrets": _plain(failing)}


def _show(metrics: Metrics, keeping: Keeping, election: Election) -> None:
    metrics.show("leader", "1 while this replica leads.", lambda: election.leads)
    metrics.show(
        "secrets", "Secrets that are kept, by the leader.", lambda: len([*keeping.keepers()])
    )
    metrics.show(
        "secrets_failing",
        "Of those, the ones whose last look failed.",
        lambda: sum(keeper.fails for keeper in keeping.keepers()),
    )
    metrics.show(
        "soonest_expiry_timestamp_seconds",
        "When the first of their tokens expires, in seconds since the epoch; 0 without any.",
        lambda: min((k.expires for k in keeping.keepers() if k.expires is not None), default=0),
    )


def _plain(check: Callable[[], str]) -> Check:
    async def checked() -> str:
        return check()

    return checked
