"""What does the cluster hold: its objects, as far as handing out hosts needs them.

Objects come validated by the apiserver, so reading one cannot fail; what a schema leaves
optional has a default here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Json = Mapping[str, Any]
Labels = Mapping[str, str]


class Key(NamedTuple):
    """Where an object lives. The namespace of a Namespace is empty."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Resource:
    """A collection of the Kubernetes API."""

    prefix: str
    plural: str
    metadata_only: bool = False
    """Whether no more is read of its objects than their metadata."""

    @property
    def path(self) -> str:
        """The collection over all namespaces."""
        return f"{self.prefix}/{self.plural}"

    def item(self, key: Key) -> str:
        """One namespaced object."""
        return f"{self.prefix}/namespaces/{key.namespace}/{self.plural}/{key.name}"


_METAL3 = "/apis/metal3.io/v1alpha1"
CLAIMS = Resource(_METAL3, "hostclaims")
HOSTS = Resource(_METAL3, "baremetalhosts")
POLICIES = Resource(_METAL3, "hostdeploypolicies")
HARDWARE = Resource(_METAL3, "hardwaredata", metadata_only=True)
NAMESPACES = Resource("/api/v1", "namespaces", metadata_only=True)
SECRETS = Resource("/api/v1", "secrets", metadata_only=True)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One of a selector's `matchExpressions`."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostSelector:
    """Which hosts a claim wants; an empty one wants any."""

    labels: Labels = field(default_factory=dict)
    expressions: tuple[Requirement, ...] = ()
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A HostClaim."""

    key: Key
    version: str
    generation: int = 1
    deleting: bool = False
    finalizers: tuple[str, ...] = ()
    selector: HostSelector = HostSelector()
    failure_domain: str = ""
    powered_on: bool = False
    image: Json | None = None
    secrets: Mapping[str, Key] = field(default_factory=dict)
    """What `userData`, `metaData` and `networkData` point at, as far as they are set."""
    status: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Consumer:
    """Who uses a host."""

    kind: str
    key: Key


@dataclass(frozen=True, slots=True)
class Host:
    """A BareMetalHost."""

    key: Key
    version: str
    labels: Labels = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    deleting: bool = False
    consumer: Consumer | None = None
    online: bool = False
    image: Json | None = None
    state: str = ""
    error: str = ""
    powered_on: bool = False


@dataclass(frozen=True, slots=True)
class ClaimNamespaces:
    """Whose claims a HostDeployPolicy lets in; what is left out restricts nothing."""

    names: frozenset[str] | None = None
    name_matches: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    """Names and values; an empty value stands for any."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A HostDeployPolicy; without `admits` it lets nobody in."""

    key: Key
    admits: ClaimNamespaces | None = None


@dataclass(frozen=True, slots=True)
class World:
    """Everything that a decision looks at, at one moment."""

    claims: Mapping[Key, Claim] = field(default_factory=dict)
    hosts: Mapping[Key, Host] = field(default_factory=dict)
    policies: Mapping[Key, Policy] = field(default_factory=dict)
    hardware: frozenset[Key] = frozenset()
    namespaces: Mapping[Key, Labels] = field(default_factory=dict)
    """The labels of each namespace."""
    secrets: frozenset[Key] = frozenset()


def key_of(obj: Json) -> Key:
    """Where an object lives."""
    return Key(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def labels_of(obj: Json) -> Labels:
    """An object's labels."""
    labels: Labels = obj["metadata"].get("labels", {})
    return labels


def claim(obj: Json) -> Claim:
    """Read a HostClaim."""
    spec, metadata, key = obj.get("spec", {}), obj["metadata"], key_of(obj)
    return Claim(
        key=key,
        version=metadata["resourceVersion"],
        generation=metadata.get("generation", 1),
        deleting="deletionTimestamp" in metadata,
        finalizers=tuple(metadata.get("finalizers", ())),
        selector=_selector(spec.get("hostSelector", {})),
        failure_domain=spec.get("failureDomain", ""),
        powered_on=spec.get("poweredOn", False),
        image=spec.get("image"),
        secrets={
            role: Key(spec[role].get("namespace") or key.namespace, spec[role].get("name", ""))
            for role in ("userData", "metaData", "networkData")
            if spec.get(role)
        },
        status=obj.get("status", {}),
    )


def host(obj: Json) -> Host:
    """Read a BareMetalHost."""
    spec, status, metadata = obj.get("spec", {}), obj.get("status", {}), obj["metadata"]
    return Host(
        key=key_of(obj),
        version=metadata["resourceVersion"],
        labels=labels_of(obj),
        annotations=metadata.get("annotations", {}),
        deleting="deletionTimestamp" in metadata,
        consumer=_consumer(spec.get("consumerRef")),
        online=spec.get("online", False),
        image=spec.get("image"),
        state=status.get("provisioning", {}).get("state", ""),
        error=status.get("errorMessage", ""),
        powered_on=status.get("poweredOn", False),
    )


def policy(obj: Json) -> Policy:
    """Read a HostDeployPolicy."""
    admits = obj.get("spec", {}).get("hostClaimNamespaces")
    return Policy(key_of(obj), None if admits is None else _claim_namespaces(admits))


def _claim_namespaces(admits: Json) -> ClaimNamespaces:
    names = admits.get("names")
    return ClaimNamespaces(
        names=None if names is None else frozenset(names),
        name_matches=admits.get("nameMatches", ""),
        labels=tuple((pair["name"], pair.get("value", "")) for pair in admits.get("hasLabels", ())),
    )


def _selector(spec: Json) -> HostSelector:
    return HostSelector(
        labels=spec.get("matchLabels", {}),
        expressions=tuple(
            Requirement(found["key"], found["operator"], tuple(found.get("values", ())))
            for found in spec.get("matchExpressions", ())
        ),
        namespace=spec.get("inNamespace", ""),
    )


def _consumer(ref: Json | None) -> Consumer | None:
    if ref is None:
        return None
    key = Key(ref.get("namespace", ""), ref.get("name", ""))
    return Consumer(ref.get("kind", ""), key)
