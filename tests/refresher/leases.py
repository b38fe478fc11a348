"""A lease in memory, as each of several replicas sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.refresher.election import LeaseError
from proxy.refresher.lease import Record, read

Object = Mapping[str, Any]


class FakeLeases:
    """A lease that several replicas see; `away` are those that the apiserver does not answer."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.writes: list[Object] = []

    def seen_by(self, who: str, away: set[str]) -> "LeaseAs":
        return LeaseAs(self, who, away)


@dataclass
class LeaseAs:
    """The port `Leases`, for one replica."""

    leases: FakeLeases
    who: str
    away: set[str]

    async def read(self) -> Record | None:
        self._reach()
        return read(self.leases.lease) if self.leases.lease is not None else None

    async def write(self, spec: Object, version: str | None) -> Record:
        self._reach()
        there = self.leases.lease
        if (there["metadata"]["resourceVersion"] if there else None) != version:
            raise LeaseError("cannot write it: Conflict")
        self.leases.writes.append(spec)
        self.leases.lease = {
            "metadata": {"resourceVersion": str(len(self.leases.writes))},
            "spec": dict(spec),
        }
        return read(self.leases.lease)

    def _reach(self) -> None:
        if self.who in self.away:
            raise LeaseError("cannot get it: no answer")
