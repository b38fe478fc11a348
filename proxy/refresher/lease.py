"""Who leads: a Lease of coordination.k8s.io/v1, read and written as client-go does.

No clocks are compared between machines. A candidate takes a lease over once it
has itself seen it unchanged for as long as its holder asked for; the times in it
are for people. (client-go, tools/leaderelection)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: how long a lease is left to its holder, works for it, and is renewed after.

    The holder stops working `lease - renew` before anybody may take the lease.

    Raises:
        ValueError: two replicas could work at once, or a renewal would have no second try.
    """

    lease: float = 15
    renew: float = 10
    retry: float = 2

    def __post_init__(self) -> None:
        if not 0 < 2 * self.retry <= self.renew < self.lease < float("inf"):
            raise ValueError("must hold: 0 < 2 * retry <= renew < lease")

    @classmethod
    def of(cls, lease: float) -> "Timing":
        """Keep the proportions that Kubernetes' own controllers have."""
        return cls(lease, lease * 2 / 3, lease * 2 / 15)


@dataclass(frozen=True, slots=True)
class Record:
    """What a lease says: its holder, or nobody, and for how many seconds since it last changed."""

    holder: str = ""
    seconds: float = 0
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0
    version: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A record, and the moment of our own clock since which it has not changed."""

    record: Record
    since: float


def read(lease: Mapping[str, Any]) -> Record:
    """Read a Lease in JSON. What is not there was left out by whoever gave it up."""
    spec = lease.get("spec") or {}
    return Record(
        holder=spec.get("holderIdentity") or "",
        seconds=spec.get("leaseDurationSeconds") or 0,
        acquired=spec.get("acquireTime") or "",
        renewed=spec.get("renewTime") or "",
        transitions=spec.get("leaseTransitions") or 0,
        version=lease["metadata"]["resourceVersion"],
    )


def look(record: Record, before: Seen | None, now: float) -> Seen:
    """Note a record that was read at `now`, with what was seen before."""
    if before is not None and before.record == record:
        return before
    return Seen(record, now)


def is_free(seen: Seen, me: str, now: float) -> bool:
    """Whether I may write the lease: it is mine, nobody's, or its holder has let it run out."""
    record = seen.record
    return record.holder in {me, ""} or now - seen.since >= record.seconds


def held(before: Record | None, me: str, seconds: float, at: datetime) -> dict[str, Any]:
    """The spec by which I hold a lease, newly or still."""
    now = _micro(at)
    if before is None:
        return _spec(me, seconds, now, now, 0)
    if before.holder == me:
        return _spec(me, seconds, before.acquired or now, now, before.transitions)
    return _spec(me, seconds, now, now, before.transitions + 1)


def given_up(before: Record, at: datetime) -> dict[str, Any]:
    """The spec by which the next candidate need not wait."""
    now = _micro(at)
    return _spec("", 1, now, now, before.transitions)


def _spec(
    holder: str, seconds: float, acquired: str, renewed: str, transitions: int
) -> dict[str, Any]:
    return {
        "holderIdentity": holder,
        # Whole seconds, and rather one too many: the others wait for so long.
        "leaseDurationSeconds": -int(-seconds // 1),
        "acquireTime": acquired,
        "renewTime": renewed,
        "leaseTransitions": transitions,
    }


def _micro(at: datetime) -> str:
    """A MicroTime has six digits always, which `isoformat` leaves out when they are zeros."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
