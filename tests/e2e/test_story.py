"""The main job: a tenant claims a host with its secrets, and can do nothing else."""

from proxy.demo.tour import CLAIM
from tests.e2e.world import World, eventually

BLUE = "/apis/metal3.io/v1alpha1/namespaces/blue-dev/hostclaims"


def test_a_tenants_claim_becomes_bound(world: World) -> None:
    token = world.token("blue-capm3")
    created = world.ask("POST", BLUE, token=token, body=CLAIM)
    assert created.code == 201, created.body

    def bound() -> bool:
        claim = world.ask("GET", f"{BLUE}/node-0", token=token).json
        return bool(claim.get("status", {}).get("bareMetalHost"))

    eventually(bound, "the claim to be bound")
    assert world.ask("DELETE", f"{BLUE}/node-0", token=token).code == 200
    eventually(
        lambda: world.ask("GET", f"{BLUE}/node-0", token=token).code == 404, "the claim to be gone"
    )
