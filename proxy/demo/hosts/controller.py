"""How do claims come by their hosts: watch, plan, write, and again.

All decisions are `planning`'s. What is written holds only for the version it was decided
on, so that a late decision is refused by the cluster and thought over.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from proxy.demo.hosts import objects
from proxy.demo.hosts.api import Api
from proxy.demo.hosts.mirror import Mirror, Source
from proxy.demo.hosts.objects import Claim, Host, Key, Policy, World
from proxy.demo.hosts.planning import plan
from proxy.demo.hosts.writing import Writer

_RETRY_SECONDS = 0.5


class HostController:
    """Binds HostClaims to BareMetalHosts for as long as it runs.

    Args:
        server: the apiserver's address.
        ca_file: what verifies its certificate.
        token: of somebody who may read all that it looks at, and write hosts and claims.
    """

    def __init__(self, server: str, ca_file: Path, token: str) -> None:
        self._server = server
        self._ca_file = ca_file
        self._token = token
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; the cluster need not answer yet."""
        self._task = asyncio.create_task(self._run(), name="host-controller")

    async def stop(self) -> None:
        """End, with nothing half written; harmless when nothing runs."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        async with Api.session(self._ca_file, self._token) as session:
            api = Api(self._server, session)
            changed = asyncio.Event()
            mirrors = _Mirrors.of(api, changed.set)
            async with asyncio.TaskGroup() as tasks:
                for mirror in mirrors.all:
                    tasks.create_task(mirror.follow())
                tasks.create_task(_reconcile(Writer(api), mirrors, changed))


class _Followed(Protocol):
    """A mirror, whatever it shows."""

    @property
    def synced(self) -> bool: ...

    async def follow(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Mirrors:
    claims: Mirror[Claim]
    hosts: Mirror[Host]
    policies: Mirror[Policy]
    hardware: Mirror[Key]
    namespaces: Mirror[objects.Labels]
    secrets: Mirror[Key]

    @classmethod
    def of(cls, source: Source, changed: Callable[[], None]) -> "_Mirrors":
        return cls(
            claims=Mirror(source, objects.CLAIMS, objects.claim, changed),
            hosts=Mirror(source, objects.HOSTS, objects.host, changed),
            policies=Mirror(source, objects.POLICIES, objects.policy, changed),
            hardware=Mirror(source, objects.HARDWARE, objects.key_of, changed),
            namespaces=Mirror(source, objects.NAMESPACES, objects.labels_of, changed),
            secrets=Mirror(source, objects.SECRETS, objects.key_of, changed),
        )

    @property
    def all(self) -> tuple[_Followed, ...]:
        return (
            self.claims,
            self.hosts,
            self.policies,
            self.hardware,
            self.namespaces,
            self.secrets,
        )

    def world(self) -> World | None:
        """What all of them show, once they all show something."""
        if not all(mirror.synced for mirror in self.all):
            return None
        return World(
            claims=self.claims.objects,
            hosts=self.hosts.objects,
            policies=self.policies.objects,
            hardware=frozenset(self.hardware.objects),
            namespaces=self.namespaces.objects,
            secrets=frozenset(self.secrets.objects),
        )


async def _reconcile(writer: Writer, mirrors: _Mirrors, changed: asyncio.Event) -> None:
    again = False
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(_RETRY_SECONDS if again else None):
                await changed.wait()
        changed.clear()
        if (world := mirrors.world()) is not None:
            again = not await writer.write(plan(world, datetime.now(UTC)))
