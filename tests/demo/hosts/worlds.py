"""Claims, hosts and policies for tests, and a cluster made of a dictionary."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from proxy.demo.hosts import objects
from proxy.demo.hosts.objects import CLAIMS, HOSTS, Json, Key, Resource, World
from proxy.demo.hosts.planning import Patch, plan

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def claim_of(namespace: str, name: str = "web", **spec: Any) -> dict[str, Any]:
    return _object(namespace, name) | {"spec": {"poweredOn": True} | spec}


def host_of(pool: str, name: str, **labels: str) -> dict[str, Any]:
    manifest = _object(pool, name) | {"spec": {"online": False}}
    manifest["metadata"]["labels"] = labels
    manifest["status"] = {"poweredOn": False, "provisioning": {"state": "available"}}
    return manifest


def policy_of(pool: str, **admits: Any) -> dict[str, Any]:
    return _object(pool, "policy") | {"spec": {"hostClaimNamespaces": admits}}


def _object(namespace: str, name: str) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": name, "resourceVersion": "1", "generation": 1}
    return {"metadata": metadata}


class Shelf:
    """Claims and hosts as an apiserver would keep them: what a plan says is done at once."""

    def __init__(self, *, claims: list[Any], hosts: list[Any], policies: list[Any]) -> None:
        self._objects: dict[Resource, dict[Key, Any]] = {
            CLAIMS: {objects.key_of(claim): claim for claim in claims},
            HOSTS: {objects.key_of(host): host for host in hosts},
        }
        self._policies = {objects.key_of(policy): objects.policy(policy) for policy in policies}
        self.secrets: frozenset[Key] = frozenset()
        self.hardware: frozenset[Key] = frozenset()

    def world(self) -> World:
        return World(
            claims={key: objects.claim(found) for key, found in self._objects[CLAIMS].items()},
            hosts={key: objects.host(found) for key, found in self._objects[HOSTS].items()},
            policies=self._policies,
            hardware=self.hardware,
            secrets=self.secrets,
        )

    def settle(self, now: datetime = NOON) -> None:
        """Do what is planned until nothing is."""
        for _ in range(20):
            patches = plan(self.world(), now)
            if not patches:
                return
            for patch in patches:
                self._write(patch)
        raise AssertionError(f"never settles: {patches}")

    def claim(self, namespace: str, name: str = "web") -> Any:
        return self._objects[CLAIMS].get(Key(namespace, name))

    def host(self, pool: str, name: str) -> Any:
        return self._objects[HOSTS][Key(pool, name)]

    def remove_claim(self, namespace: str, name: str = "web") -> None:
        """As if its finalizers had been torn off."""
        del self._objects[CLAIMS][Key(namespace, name)]

    def conditions(self, namespace: str, name: str = "web") -> dict[str, tuple[str, str]]:
        found = self.claim(namespace, name)["status"]["conditions"]
        return {each["type"]: (each["status"], each["reason"]) for each in found}

    def _write(self, patch: Patch) -> None:
        known = self._objects[patch.resource]
        metadata = known[patch.key]["metadata"]
        assert patch.version == metadata["resourceVersion"], "written against an old version"
        known[patch.key] = merged(known[patch.key], patch.body)
        known[patch.key]["metadata"]["resourceVersion"] = str(int(patch.version) + 1)
        written = known[patch.key]["metadata"]
        if "deletionTimestamp" in written and not written.get("finalizers"):
            del known[patch.key]


def merged(target: Any, patch: Json) -> Any:
    """RFC 7396, section 2."""
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping):
            result[name] = merged(result.get(name), value)
        else:
            result[name] = value
    return result
