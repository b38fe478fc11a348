"""Which host does a claim get: selectors, HostDeployPolicies, and what is free.

Pure, and the same answer for the same world; Metal3's own controller draws lots among the
hosts that fit.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from proxy.demo.hosts.objects import (
    Claim,
    ClaimNamespaces,
    Host,
    HostSelector,
    Key,
    Policy,
    Requirement,
    World,
)

FAILURE_DOMAIN = "infrastructure.cluster.x-k8s.io/failure-domain"
_NODE_REUSE = "infrastructure.cluster.x-k8s.io/node-reuse"
_KEEP_OFF = frozenset({"baremetalhost.metal3.io/paused", "capi.metal3.io/unhealthy"})
_AVAILABLE = frozenset({"ready", "available"})


@dataclass(frozen=True, slots=True)
class NoHost:
    """Why a claim gets none, in words for the tenant."""

    message: str


def choose(claim: Claim, world: World, spoken_for: frozenset[Key] = frozenset()) -> Host | NoHost:
    """Choose a host for a claim that has none.

    Args:
        claim: who asks.
        world: what there is.
        spoken_for: hosts that are free in `world` and yet no longer to be had.
    """
    if (invalid := next(filter(None, map(_fault, claim.selector.expressions)), None)) is not None:
        return NoHost(invalid)
    admitting = admitting_namespaces(claim, world)
    if not admitting:
        return NoHost(f"no HostDeployPolicy admits claims of namespace `{claim.key.namespace}`")
    fitting = [
        host
        for host in world.hosts.values()
        if host.key.namespace in admitting and selects(claim.selector, host.labels)
    ]
    if not fitting:
        return NoHost("no host that may be claimed matches the hostSelector")
    free = [host for host in fitting if is_free(host) and host.key not in spoken_for]
    if not free:
        return NoHost("no host that matches the hostSelector is available")
    return _preferred(free, claim.failure_domain)


def admitting_namespaces(claim: Claim, world: World) -> frozenset[str]:
    """The namespaces whose hosts a claim may get: any one policy of theirs suffices."""
    name = claim.key.namespace
    labels = world.namespaces.get(Key("", name), {})
    wanted = claim.selector.namespace
    return frozenset(
        policy.key.namespace
        for policy in world.policies.values()
        if wanted in {"", policy.key.namespace} and admits(policy, name, labels)
    )


def admits(policy: Policy, namespace: str, labels: Mapping[str, str]) -> bool:
    """Say whether a policy lets claims of a namespace in: all that it sets must agree."""
    rule = policy.admits
    return (
        rule is not None
        and (rule.names is None or namespace in rule.names)
        and _name_matches(rule, namespace)
        and all(name in labels and value in {"", labels[name]} for name, value in rule.labels)
    )


def selects(selector: HostSelector, labels: Mapping[str, str]) -> bool:
    """Say whether a valid selector means a host of these labels."""
    return all(labels.get(key) == value for key, value in selector.labels.items()) and all(
        _meets(labels, requirement) for requirement in selector.expressions
    )


def is_free(host: Host) -> bool:
    """Say whether a host can be given to somebody new."""
    return (
        host.consumer is None
        and not host.deleting
        and not host.error
        and host.state in _AVAILABLE
        and _NODE_REUSE not in host.labels
        and _KEEP_OFF.isdisjoint(host.annotations)
    )


def _preferred(hosts: Iterable[Host], failure_domain: str) -> Host:
    """A failure domain is a preference, not a demand."""
    return min(
        hosts,
        key=lambda host: (
            bool(failure_domain) and host.labels.get(FAILURE_DOMAIN) != failure_domain,
            host.key,
        ),
    )


def _name_matches(rule: ClaimNamespaces, namespace: str) -> bool:
    """Match like Go's regexp.MatchString, anywhere in the name; a bad pattern admits nobody."""
    try:
        return re.search(rule.name_matches, namespace) is not None
    except re.error:
        return False


def _fault(requirement: Requirement) -> str | None:
    """What labels.NewRequirement of apimachinery would object to."""
    match _operator(requirement):
        case "in" | "notin" if not requirement.values:
            return f"hostSelector: `{requirement.operator}` needs values"
        case "exists" | "doesnotexist" if requirement.values:
            return f"hostSelector: `{requirement.operator}` takes no values"
        case "in" | "notin" | "exists" | "doesnotexist":
            return None
        case _:
            return f"hostSelector: `{requirement.operator}` is not an operator"


def _meets(labels: Mapping[str, str], requirement: Requirement) -> bool:
    match _operator(requirement):
        case "in":
            return labels.get(requirement.key) in requirement.values
        case "notin":
            return labels.get(requirement.key) not in requirement.values
        case "exists":
            return requirement.key in labels
        case "doesnotexist":
            return requirement.key not in labels
        case _:
            return False


def _operator(requirement: Requirement) -> str:
    """Metal3 reads operators in any case."""
    return requirement.operator.lower()
