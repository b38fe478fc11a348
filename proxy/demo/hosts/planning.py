"""What is to be written next, so that claims and hosts come to agree.

Looks at the whole world and returns the patches that bring it one step nearer; when there
are none, everything is as it should be. Which host a claim has is told by the `consumerRef`
of the host alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from proxy.demo.hosts import reporting
from proxy.demo.hosts.matching import NoHost, choose
from proxy.demo.hosts.objects import (
    CLAIMS,
    HOSTS,
    Claim,
    Consumer,
    Host,
    Json,
    Key,
    Resource,
    World,
)

FINALIZER = "metal3.io/hostclaim"
_KIND = "HostClaim"
# The states that this stand-in gives; in any other, somebody else is at work on the host.
_OURS = frozenset({"", "available", "provisioned"})


@dataclass(frozen=True, slots=True)
class Patch:
    """A JSON merge patch that holds for one version of one object only."""

    resource: Resource
    key: Key
    version: str
    body: Json
    subresource: str = ""

    @property
    def target(self) -> str:
        """The path of the object that it is for."""
        return self.resource.item(self.key)


def plan(world: World, now: datetime) -> tuple[Patch, ...]:
    """Say what to write, at most one patch for each object.

    Some work waits for other work: once these are written, plan again.
    """
    patches: dict[str, Patch] = {}
    for patch in (*_for_claims(world, now), *_for_hosts(world)):
        patches.setdefault(patch.target, patch)
    return tuple(patches.values())


def _for_claims(world: World, now: datetime) -> Iterator[Patch]:
    spoken_for: frozenset[Key] = frozenset()
    for claim in world.claims.values():
        host = _host_of(claim, world)
        if claim.deleting:
            yield from _let_go(claim, host)
        elif FINALIZER not in claim.finalizers:
            yield _finalizers(claim, (*claim.finalizers, FINALIZER))
        elif host is not None:
            yield from _settle(claim, host, world, now)
        else:
            chosen = choose(claim, world, spoken_for)
            if isinstance(chosen, NoHost):
                yield from _status(claim, chosen, world, now)
            else:
                spoken_for |= {chosen.key}
                yield _bind(chosen, claim)


def _for_hosts(world: World) -> Iterator[Patch]:
    for host in world.hosts.values():
        if _is_orphan(host, world):
            yield _release(host)
        elif host.state in _OURS and not host.error:
            yield from _provision(host)


def _host_of(claim: Claim, world: World) -> Host | None:
    consumer = Consumer(_KIND, claim.key)
    return next((host for host in world.hosts.values() if host.consumer == consumer), None)


def _is_orphan(host: Host, world: World) -> bool:
    """Its claim is gone, or has another host.

    The finalizer holds a claim until its host is free, and a claim with a host is given no
    other; but finalizers can be torn off, and the mirror can be late.
    """
    if host.consumer is None or host.consumer.kind != _KIND:
        return False
    claim = world.claims.get(host.consumer.key)
    return claim is None or _host_of(claim, world) != host


def _let_go(claim: Claim, host: Host | None) -> Iterator[Patch]:
    """The host first: while it is somebody's, the claim stays to say whose."""
    if host is not None:
        yield _release(host)
    elif FINALIZER in claim.finalizers:
        yield _finalizers(claim, tuple(name for name in claim.finalizers if name != FINALIZER))


def _settle(claim: Claim, host: Host, world: World, now: datetime) -> Iterator[Patch]:
    if (host.online, host.image) != (claim.powered_on, claim.image):
        yield _spec(host, {"online": claim.powered_on, "image": _over(host.image, claim.image)})
    yield from _status(claim, host, world, now)


def _bind(host: Host, claim: Claim) -> Patch:
    consumer = {
        "apiVersion": "metal3.io/v1alpha1",
        "kind": _KIND,
        "namespace": claim.key.namespace,
        "name": claim.key.name,
    }
    return _spec(host, {"consumerRef": consumer})


def _release(host: Host) -> Patch:
    return _spec(host, {"consumerRef": None, "image": None, "online": False})


def _spec(host: Host, spec: Json) -> Patch:
    return Patch(HOSTS, host.key, host.version, {"spec": spec})


def _finalizers(claim: Claim, finalizers: tuple[str, ...]) -> Patch:
    body = {"metadata": {"finalizers": list(finalizers)}}
    return Patch(CLAIMS, claim.key, claim.version, body)


def _status(claim: Claim, outcome: Host | NoHost, world: World, now: datetime) -> Iterator[Patch]:
    if (status := reporting.status(claim, outcome, world, now)) is not None:
        yield Patch(CLAIMS, claim.key, claim.version, {"status": status}, "status")


def _provision(host: Host) -> Iterator[Patch]:
    """What baremetal-operator and Ironic would report, minutes later."""
    state = "available" if host.image is None else "provisioned"
    if (host.state, host.powered_on) != (state, host.online):
        node = uuid5(NAMESPACE_DNS, f"{host.key.name}.{host.key.namespace}")
        status = {
            "operationalStatus": "OK",
            "provisioning": {"ID": str(node), "state": state},
            "poweredOn": host.online,
            "errorMessage": "",
            "errorCount": 0,
            "provisioningFailCount": 0,
        }
        yield Patch(HOSTS, host.key, host.version, {"status": status}, "status")


def _over(old: Json | None, new: Json | None) -> dict[str, Any] | None:
    """A merge patch leaves what it does not name, so what is to go is named."""
    return None if new is None else dict.fromkeys(old or ()) | dict(new)
