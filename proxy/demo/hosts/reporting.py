"""What does a claim's status say: the words a tenant reads, and waits for.

Condition types and reasons are those of metal3-io/baremetal-operator,
`apis/metal3.io/v1alpha1/hostclaim_types.go`; `Ready` sums the others up, as there.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from proxy.demo.hosts.matching import NoHost
from proxy.demo.hosts.objects import Claim, Host, Json, World

_SECRET_REASONS = {
    "userData": "UserDataSecretSyncFailure",
    "metaData": "MetaDataSecretSyncFailure",
    "networkData": "NetworkDataSecretSyncFailure",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One line of a status."""

    type: str
    status: Literal["True", "False"]
    reason: str
    message: str = ""


def status(claim: Claim, outcome: Host | NoHost, world: World, now: datetime) -> Json | None:
    """A merge patch that makes a claim's status true, or None where it is already."""
    match outcome:
        case NoHost():
            fields = _without_host()
        case Host():
            fields = _with_host(outcome, world)
    conditions = _conditions(claim, _summed_up(_findings(claim, outcome, world)), now)
    told = {name: claim.status.get(name) for name in fields}
    if told == fields and claim.status.get("conditions") == conditions:
        return None
    return fields | {"conditions": conditions, "lastUpdated": _rfc3339(now)}


def _without_host() -> dict[str, Any]:
    return {"bareMetalHost": None, "hardwareData": None, "poweredOn": False}


def _with_host(host: Host, world: World) -> dict[str, Any]:
    pointer = {"namespace": host.key.namespace, "name": host.key.name}
    return {
        "bareMetalHost": pointer,
        # A host's HardwareData bears the host's name.
        "hardwareData": pointer if host.key in world.hardware else None,
        "poweredOn": host.powered_on,
    }


def _findings(claim: Claim, outcome: Host | NoHost, world: World) -> Iterator[Condition]:
    match outcome:
        case NoHost(message):
            yield Condition("Associated", "False", "NoBareMetalHost", message)
        case Host():
            yield Condition("Associated", "True", "BareMetalHostAssociated")
            yield _synchronized(claim, world)


def _synchronized(claim: Claim, world: World) -> Condition:
    for role, secret in claim.secrets.items():
        if secret not in world.secrets:
            message = f"{role}: secret `{secret.name}` not found"
            return Condition("Synchronized", "False", _SECRET_REASONS[role], message)
    return Condition("Synchronized", "True", "ConfigurationSynced")


def _summed_up(findings: Iterable[Condition]) -> tuple[Condition, ...]:
    conditions = tuple(findings)
    if (failed := next((c for c in conditions if c.status == "False"), None)) is None:
        return (*conditions, Condition("Ready", "True", "Ready"))
    return (
        *conditions,
        Condition("Ready", "False", "NotReady", f"{failed.type}: {failed.message}"),
    )


def _conditions(
    claim: Claim, conditions: Iterable[Condition], now: datetime
) -> list[Mapping[str, Any]]:
    before = {found["type"]: found for found in claim.status.get("conditions", ())}
    return [
        _rendered(condition, before.get(condition.type), claim, now) for condition in conditions
    ]


def _rendered(condition: Condition, before: Json | None, claim: Claim, now: datetime) -> Json:
    since = _rfc3339(now)
    # A transition is a change of the status alone, not of its reason.
    if before is not None and before["status"] == condition.status:
        since = before["lastTransitionTime"]
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "observedGeneration": claim.generation,
        "lastTransitionTime": since,
    }


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
