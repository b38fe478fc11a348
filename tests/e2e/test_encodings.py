"""Bodies and answers in every encoding that Kubernetes' clients use."""

import pytest

from proxy.demo.tour import CLAIM
from tests.e2e.world import World

CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/blue-dev/hostclaims"
SECRETS = "/api/v1/namespaces/blue-dev/secrets"
STAMP = "hostclaim-proxy.metal3.io/tenant-secret"
YAML = {"Content-Type": "application/yaml"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}

SECRET = b"""\
apiVersion: v1
kind: Secret
metadata:
  name: encodings-yaml
stringData:
  value: |
    #cloud-config
"""


def test_a_secret_may_be_written_in_yaml(world: World) -> None:
    token = world.token("blue-capm3")
    created = world.ask("POST", SECRETS, token=token, headers=YAML, body=SECRET)
    assert created.code == 201, created.body
    applied = world.ask(
        "PATCH",
        f"{SECRETS}/encodings-yaml?fieldManager=e2e&force=true",
        token=token,
        headers=APPLY,
        body=SECRET.replace(b"cloud-config", b"other"),
    )
    assert applied.code == 200, applied.body
    assert applied.json["data"] == {"value": "I290aGVyCg=="}
    assert applied.json["metadata"]["labels"][STAMP] == "true"


def test_a_claim_may_be_applied_in_yaml(world: World) -> None:
    claim = f"""\
apiVersion: {CLAIM["apiVersion"]}
kind: HostClaim
metadata: {{name: encodings-yaml}}
spec:
  poweredOn: false
  hostSelector:
    matchLabels: {{pool: nowhere}}
""".encode()
    target = f"{CLAIMS}/encodings-yaml?fieldManager=e2e"
    token = world.token("blue-capm3")
    applied = world.ask("PATCH", target, token=token, headers=APPLY, body=claim)
    assert applied.code == 201, applied.body
    assert applied.json["spec"]["poweredOn"] is False


@pytest.mark.parametrize("headers", [YAML, APPLY])
def test_yaml_that_readers_do_not_agree_on_is_refused(
    world: World, headers: dict[str, str]
) -> None:
    method, target = ("POST", SECRETS) if headers is YAML else ("PATCH", f"{SECRETS}/encodings-x")
    body = b"apiVersion: v1\nkind: Secret\nimmutable: yes\n"
    before = world.proxy_requests()
    refused = world.ask(method, target, token=world.token("blue-capm3"), headers=headers, body=body)
    assert (refused.code, refused.json["reason"]) == (400, "BadRequest")
    assert "line 3 column 12" in refused.json["message"]
    assert world.proxy_requests() == before
