"""The main job: a tenant claims a host with its secrets, and can do nothing else."""

import json
from typing import Any

import pytest

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


FOREIGN = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "story-foreign"},
    "stringData": {"password": "x"},
}


@pytest.mark.parametrize(
    ("method", "content_type", "patch"),
    [
        (
            "PATCH",
            "application/merge-patch+json",
            {"spec": {"userData": {"name": "story-foreign"}}},
        ),
        (
            "PATCH",
            "application/json-patch+json",
            [{"op": "add", "path": "/spec/userData", "value": {"name": "story-foreign"}}],
        ),
        (
            "PATCH",
            "application/apply-patch+yaml",
            {**CLAIM, "spec": {"poweredOn": True, "userData": {"name": "story-foreign"}}},
        ),
        ("PATCH", "application/merge-patch+json", {"spec": {"metaData": {"namespace": "red"}}}),
    ],
)
def test_no_patch_makes_a_claim_point_where_it_must_not(
    world: World, method: str, content_type: str, patch: Any
) -> None:
    token = world.token("blue-capm3")
    world.kubectl("admin", "create", "-n", "blue-dev", "-f", "-", stdin=json.dumps(FOREIGN))
    claim = {**CLAIM, "metadata": {"name": "story-pointer"}}
    if isinstance(patch, dict) and "metadata" in patch:
        patch = {**patch, "metadata": claim["metadata"]}
    assert world.ask("POST", BLUE, token=token, body=claim).code in {201, 409}
    target = f"{BLUE}/story-pointer"
    before = world.ask("GET", target, token=token).json["spec"]
    query = "?fieldManager=story&force=true" if "apply" in content_type else ""
    refused = world.ask(
        method, target + query, token=token, headers={"Content-Type": content_type}, body=patch
    )
    assert refused.code == 403, refused.body
    assert refused.json["details"]["causes"]
    assert world.ask("GET", target, token=token).json["spec"] == before
