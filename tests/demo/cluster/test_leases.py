"""Replicas agree on a leader by a Lease, each write of which names the version it is based on."""

from typing import Any

from tests.demo.cluster.asking import Api

LEASES = "/apis/coordination.k8s.io/v1/namespaces/blue/leases"
ONE = f"{LEASES}/one"


def lease(holder: str, **metadata: str) -> dict[str, Any]:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "one", **metadata},
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": 15,
            "renewTime": "2030-01-01T12:00:00.000000Z",
        },
    }


def test_a_lease_is_kept(api: Api) -> None:
    api.ask("POST", LEASES, lease("a"))
    assert api.ask("GET", ONE)["spec"] == lease("a")["spec"]


def test_of_two_who_take_a_lease_one_does(api: Api) -> None:
    version = api.ask("POST", LEASES, lease("a"))["metadata"]["resourceVersion"]
    api.ask("PUT", ONE, lease("b", resourceVersion=version))
    assert api.refusal("PUT", ONE, lease("c", resourceVersion=version))[0] == 409
    assert api.ask("GET", ONE)["spec"]["holderIdentity"] == "b"


def test_a_lease_is_not_taken_unseen(api: Api) -> None:
    api.ask("POST", LEASES, lease("a"))
    assert api.refusal("PUT", ONE, lease("b"))[0] == 422
