"""HardwareData: what the tenant's claims have, and what they could have."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

from tests.oracle.grants import span
from tests.oracle.questions import Asked, Caller, Object, Request
from tests.oracle.verdicts import Cluster, Expected, Pass, Refusal, names_in

MATCHED: dict[str, set[str]] = {
    "^blue": {"blue", "blue-dev", "blueberry"},
    "^blue$": {"blue"},
    "-(dev|a)$": {"blue-dev", "pool-a"},
    "e": {"blue", "blue-dev", "blueberry", "red"},
    "^b[a-l]ue-?": {"blue", "blue-dev", "blueberry"},
    # What Go and Python do not read alike, or what could take long, admits nobody.
    "[[:alpha:]]": set(),
    "^(?!red)": set(),
    r"\Ablue": set(),
    "(blue": set(),
    "(b+)+l": set(),
}
"""The namespaces that a `nameMatches` matches, of those that are here."""


def admits(policy: Object, namespace: str, labels: Object) -> bool:
    """Whether a HostDeployPolicy lets the claims of a namespace have hosts: all it sets agrees."""
    spec = policy.get("spec", {})
    if "hostClaimNamespaces" not in spec:
        return False
    wanted = spec["hostClaimNamespaces"]
    return (
        ("names" not in wanted or namespace in wanted["names"])
        and ("nameMatches" not in wanted or namespace in MATCHED[wanted["nameMatches"]])
        and all(
            label["name"] in labels and label.get("value", "") in {"", labels[label["name"]]}
            for label in wanted.get("hasLabels", ())
        )
    )


@dataclass(frozen=True, slots=True)
class Hosts:
    """What there is to read where hosts are, for whoever has claims in some namespaces."""

    cluster: Cluster
    request: Request
    asked: Asked
    tenants: tuple[str, ...]

    def is_open(self) -> bool:
        """Whether a HostDeployPolicy here admits one of the namespaces."""
        here = self._every("hostdeploypolicies", self.asked.namespace)
        return any(
            admits(policy, name, self._labels(name)) for policy in here for name in self.tenants
        )

    def _labels(self, namespace: str) -> Object:
        found = self.cluster.find("namespaces", "", namespace)
        if found is None or not self.cluster.lets_proxy("namespaces", namespace):
            return {}
        return dict(found["metadata"].get("labels", {}))

    def bound(self) -> set[str]:
        """The hosts here that claims of the namespaces are bound to."""
        claims = chain.from_iterable(self._every("hostclaims", name) for name in self.tenants)
        statuses = [claim.get("status", {}) for claim in claims]
        hosts = [s[key] for s in statuses for key in ("hardwareData", "bareMetalHost") if key in s]
        return {host["name"] for host in hosts if host["namespace"] == self.asked.namespace}

    def _every(self, plural: str, namespace: str) -> list[Object]:
        """What the proxy can see of a resource."""
        may_look = self.cluster.lets_proxy(plural, namespace)
        return self.cluster.every(plural, namespace) if may_look else []

    def visible(self) -> set[str]:
        """The names that may be told of at all."""
        here = self.cluster.every("hardwaredata", self.asked.namespace)
        names = {found["metadata"]["name"] for found in here}
        return names if self.is_open() else names & self.bound()

    def expected(self) -> Expected:
        """What is theirs, as the owner would read it; where nothing is asked for, any fault."""
        faults = {406} if "application/cbor" in self.request.header("accept") else set()
        if not self.is_open():
            faults |= set(self._faults_where_closed())
        if not self.cluster.lets_proxy("hardwaredata", self.asked.namespace):
            return Refusal(frozenset(faults | {403, 503}), by_cluster=True)
        if faults:
            return Refusal(frozenset(faults))
        return self._all() if self.is_open() or self.asked.verb == "get" else self._of_bound()

    def _faults_where_closed(self) -> Iterator[int]:
        """There is nothing here but the hosts of one's claims."""
        bound = self.bound()
        match self.asked.verb:
            case "get" if self.asked.name not in bound:
                yield 404
            case "list" if not bound:
                yield 403
            case "watch":
                yield 403
        query = dict(self.request.query)
        if self.asked.verb == "list" and (
            "continue" in query or query.get("includeObject") == "None"
        ):
            yield 400

    def _all(self) -> Pass:
        code, shown = self.cluster.tell_owner(self.request)
        if code != 200 or self.asked.verb == "watch":
            return Pass(code)
        if self.asked.verb == "get":
            return Pass(code, shown)
        return Pass(code, (names_in(shown), shown["metadata"]))

    def _of_bound(self) -> Pass:
        """A list of them, which does not tell how many there are besides."""
        path, _, query = self.request.target.partition("?")
        kept = [pair for pair in query.split("&") if pair and not pair.startswith("limit=")]
        target = f"{path}?{'&'.join(kept)}" if kept else path
        code, shown = self.cluster.tell_owner(replace(self.request, target=target))
        if code != 200:
            return Pass(code)
        names = [name for name in names_in(shown) if name in self.bound()]
        version = shown["metadata"]["resourceVersion"]
        return Pass(code, (names, {"resourceVersion": version}))


def hosts_shown(caller: Caller, policies: list[Object], cluster: Cluster, asked: Asked) -> set[str]:
    """The names of HardwareData of the namespace that an answer may tell."""
    spanned = span(policies, caller, asked)
    if asked.plural != "hardwaredata" or not spanned:
        return set()
    return Hosts(cluster, Request("", ""), asked, spanned).visible()
