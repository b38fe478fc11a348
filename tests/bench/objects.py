"""What is asked for: a HostClaim as CAPM3 makes it, a list of 500, and a patch."""

import json
from typing import Any, Final

NAMESPACE: Final = "bench"
CLAIMS: Final = f"/apis/metal3.io/v1alpha1/namespaces/{NAMESPACE}/hostclaims"
FOREIGN: Final = "/apis/metal3.io/v1alpha1/namespaces/foreign/hostclaims"
NAME: Final = "worker-0"
LISTED: Final = 500
MERGE_PATCH: Final = "application/merge-patch+json"

PATCH: Final = json.dumps({"metadata": {"annotations": {"metal3.io/touched": "yes"}}})


def claim(name: str, namespace: str = NAMESPACE) -> dict[str, Any]:
    """A bound claim of a machine, 1.3 kB in compact JSON."""
    uid = "6d1f3b0e-1f5c-4c2a-9a54-2f0f5f6f7a10"
    moment = "2026-01-15T09:30:00Z"
    return {
        "apiVersion": "metal3.io/v1alpha1",
        "kind": "HostClaim",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "resourceVersion": "184467",
            "generation": 3,
            "creationTimestamp": moment,
            "finalizers": ["metal3.io/hostclaim"],
            "labels": {
                "cluster.x-k8s.io/cluster-name": "production",
                "infrastructure.cluster.x-k8s.io/machine": name,
            },
            "annotations": {"metal3.io/machine": f"{namespace}/{name}"},
        },
        "spec": {
            "poweredOn": True,
            "consumerRef": {
                "apiVersion": "infrastructure.cluster.x-k8s.io/v1beta1",
                "kind": "Metal3Machine",
                "name": name,
                "namespace": namespace,
            },
            "hostSelector": {"matchLabels": {"pool": "a", "size": "large"}},
            "image": {
                "url": "https://images.example.org/ubuntu-24.04-v1.33.qcow2",
                "checksum": "https://images.example.org/ubuntu-24.04-v1.33.qcow2.sha256sum",
                "checksumType": "sha256",
                "format": "qcow2",
            },
        },
        "status": {
            "bareMetalHost": {"name": "rack-7-host-12", "namespace": "hosts"},
            "poweredOn": True,
            "conditions": [
                {
                    "type": kind,
                    "status": "True",
                    "reason": "Done",
                    "message": "",
                    "lastTransitionTime": moment,
                }
                for kind in ("Associated", "Provisioned", "Ready")
            ],
        },
    }


def text(value: dict[str, Any]) -> str:
    """Compact JSON, as the apiserver writes it."""
    return json.dumps(value, separators=(",", ":"))


def claim_list(count: int = LISTED) -> str:
    """A list of so many claims."""
    return text(
        {
            "apiVersion": "metal3.io/v1alpha1",
            "kind": "HostClaimList",
            "metadata": {"resourceVersion": "184467"},
            "items": [claim(f"worker-{number}") for number in range(count)],
        }
    )
