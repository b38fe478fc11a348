"""Bodies and answers in every encoding that Kubernetes' clients use."""

import pytest

from proxy.core import filtering, protobuf
from proxy.core.wire import Reply
from proxy.demo.tour import CLAIM
from tests.e2e.world import Response, World

CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/blue-dev/hostclaims"
SECRETS = "/api/v1/namespaces/blue-dev/secrets"
STAMP = "hostclaim-proxy.metal3.io/tenant-secret"
YAML = {"Content-Type": "application/yaml"}
PROTOBUF = "application/vnd.kubernetes.protobuf"
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


def typed(name: str) -> bytes:
    """A secret with a name and a value, as a typed client writes it."""
    message = protobuf._CLASSES["Secret"]()
    message.metadata.name = name
    message.data.append(b"\n\x05value\x12\x03abc")
    return protobuf.encode(message, "Secret", "v1")


def is_stamped(answer: Response) -> bool:
    """Whether an answer holds a secret with the stamp; the embedded cluster speaks JSON alone."""
    headers = tuple(answer.headers.items())
    return filtering.is_tenant_secret(Reply(answer.code, headers, answer.body))


def test_a_typed_client_gets_what_it_writes_in_protobuf(world: World) -> None:
    accept = PROTOBUF if world.real else f"{PROTOBUF},application/json"
    headers = {"Accept": accept, "Content-Type": PROTOBUF}
    token = world.token("blue-capm3")
    body, one = typed("encodings-typed"), f"{SECRETS}/encodings-typed"
    answers = [
        world.ask("POST", SECRETS, token=token, headers=headers, body=body),
        world.ask("GET", one, token=token, headers=headers),
        world.ask("PUT", one, token=token, headers=headers, body=body),
    ]
    assert [answer.code for answer in answers] == [201, 200, 200]
    assert all(is_stamped(answer) for answer in answers)
    assert all(answer.body.startswith(b"k8s\0") for answer in answers) is world.real
    assert world.ask("DELETE", one, token=token, headers=headers).code == 200
    assert world.ask("GET", one, token=token, headers=headers).code == 404


def test_a_hidden_secret_is_hidden_in_protobuf(world: World) -> None:
    world.kubectl("admin", "create", "secret", "generic", "encodings-hidden", "-n", "blue-dev")
    headers = {"Accept": f"{PROTOBUF},application/json"}
    token = world.token("blue-capm3")
    for name in ("encodings-hidden", "encodings-missing"):
        answer = world.ask("GET", f"{SECRETS}/{name}", token=token, headers=headers)
        assert (answer.code, answer.json["message"]) == (404, f'secrets "{name}" not found')


CBOR = "application/cbor"


def test_a_client_that_prefers_cbor_falls_back(world: World) -> None:
    token = world.token("blue-capm3")
    headers = {"Accept": f"{CBOR},application/json", "Content-Type": CBOR}
    written = world.ask("POST", SECRETS, token=token, headers=headers, body=b"\xa0")
    assert (written.code, written.json["reason"]) == (415, "UnsupportedMediaType")
    assert world.ask("GET", SECRETS, token=token, headers=headers).json["kind"] == "SecretList"
    refused = world.ask("GET", SECRETS, token=token, headers={"Accept": CBOR})
    assert (refused.code, refused.json["reason"]) == (406, "NotAcceptable")


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


def test_a_dry_run_beside_a_body_deletes_no_claim(world: World) -> None:
    token, one = world.token("blue-capm3"), f"{CLAIMS}/encodings-dry"
    claim = {**CLAIM, "metadata": {"name": "encodings-dry"}}
    assert world.ask("POST", CLAIMS, token=token, body=claim).code == 201
    body = {"propagationPolicy": "Background"}
    mixed = world.ask("DELETE", f"{one}?dryRun=All", token=token, body=body)
    assert (mixed.code, mixed.json["reason"]) == (400, "BadRequest")
    assert world.ask("DELETE", f"{one}?dryRun=All", token=token).code == 200
    assert "deletionTimestamp" not in world.ask("GET", one, token=token).json["metadata"]
    assert world.ask("DELETE", one, token=token, body=body).code == 200
