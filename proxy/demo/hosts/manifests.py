"""Which hosts does the demo have: two pools, what is known of them, and whose they may be.

Ready for an apiserver in this order. The hosts come without status: that is their
controllers' to write.
"""

import base64
from dataclasses import dataclass
from typing import Any

from proxy.demo.hosts.matching import FAILURE_DOMAIN

BMC_PASSWORD = "bmc-password-that-no-tenant-may-see"
"""The password of every BMC: where a tenant comes to see it, something has failed."""

_METAL3 = "metal3.io/v1alpha1"

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Machine:
    pool: str
    name: str
    number: int
    size: str
    disk: str
    zone: str


_MACHINES = (
    _Machine("pool-a", "a-large-1", 1, "large", "nvme", "zone-1"),
    _Machine("pool-a", "a-large-2", 2, "large", "ssd", "zone-2"),
    _Machine("pool-a", "a-small-1", 3, "small", "hdd", "zone-1"),
    _Machine("pool-b", "b-large-1", 4, "large", "nvme", "zone-2"),
    _Machine("pool-b", "b-small-1", 5, "small", "ssd", "zone-2"),
)
_CORES = {"large": 64, "small": 8}
_RAM_MEBIBYTES = {"large": 512 * 1024, "small": 32 * 1024}


def demo_hosts() -> list[Manifest]:
    """Everything of the infrastructure manager's that the demo needs, namespaces first.

    Claims of `blue-*` may have hosts of `pool-a`, claims of `red` those of `pool-b`, and so
    may those of any namespace labelled `demo.hostclaim-proxy.metal3.io/pool-b: shared`.
    """
    return [
        _namespace("pool-a"),
        _namespace("pool-b"),
        _deploy_policy("pool-a", "blue", {"nameMatches": "^blue-"}),
        _deploy_policy("pool-b", "red", {"names": ["red"]}),
        _deploy_policy(
            "pool-b",
            "shared",
            {"hasLabels": [{"name": "demo.hostclaim-proxy.metal3.io/pool-b", "value": "shared"}]},
        ),
        *(manifest for machine in _MACHINES for manifest in _machine(machine)),
    ]


def _machine(machine: _Machine) -> tuple[Manifest, ...]:
    return _bmc_secret(machine), _hardware_data(machine), _bare_metal_host(machine)


def _namespace(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _deploy_policy(pool: str, name: str, namespaces: Manifest) -> Manifest:
    return {
        "apiVersion": _METAL3,
        "kind": "HostDeployPolicy",
        "metadata": {"namespace": pool, "name": name},
        "spec": {"hostClaimNamespaces": namespaces},
    }


def _bmc_secret(machine: _Machine) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": machine.pool, "name": f"{machine.name}-bmc"},
        "type": "Opaque",
        "data": {"username": _base64("admin"), "password": _base64(BMC_PASSWORD)},
    }


def _bare_metal_host(machine: _Machine) -> Manifest:
    return {
        "apiVersion": _METAL3,
        "kind": "BareMetalHost",
        "metadata": {
            "namespace": machine.pool,
            "name": machine.name,
            "labels": {
                "size": machine.size,
                "disk": machine.disk,
                FAILURE_DOMAIN: machine.zone,
            },
        },
        "spec": {
            "online": False,
            "bootMACAddress": _mac(machine),
            "bmc": {
                "address": f"redfish-virtualmedia://192.0.2.{machine.number}/redfish/v1/Systems/1",
                "credentialsName": f"{machine.name}-bmc",
            },
        },
    }


def _hardware_data(machine: _Machine) -> Manifest:
    return {
        "apiVersion": _METAL3,
        "kind": "HardwareData",
        "metadata": {"namespace": machine.pool, "name": machine.name},
        "spec": {
            "hardware": {
                "hostname": machine.name,
                "cpu": {"arch": "x86_64", "count": _CORES[machine.size]},
                "ramMebibytes": _RAM_MEBIBYTES[machine.size],
                "nics": [{"name": "eno1", "mac": _mac(machine), "pxe": True}],
                "storage": [
                    {
                        "name": "/dev/sda",
                        "type": machine.disk.upper(),
                        "sizeBytes": 960_000_000_000,
                    }
                ],
            }
        },
    }


def _mac(machine: _Machine) -> str:
    return f"02:00:00:00:00:{machine.number:02x}"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
