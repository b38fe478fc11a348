"""What is refused for what a body says, or would have stored.

What the body alone can tell is refused before anything goes upstream. Where it takes a look at
what is there, the proxy has asked as often as it needs to look, and not once to write.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from proxy.core import protobuf
from tests.e2e.kubectl import STAMP, Kubectl, claim, fresh, made, secret
from tests.e2e.ledger import Ledger, kept, record_of
from tests.e2e.test_encodings import PROTOBUF, typed
from tests.e2e.wire import request
from tests.e2e.world import Response, World

CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/blue-dev/hostclaims"
SECRETS = "/api/v1/namespaces/blue-dev/secrets"
FINALIZER = "metal3.io/hostclaim"

JSON = "application/json"
YAML = "application/yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


@pytest.fixture(scope="module")
def ledger(world: World) -> Iterator[Ledger]:
    with kept(world, world.proxy) as ledger:
        yield ledger


@pytest.fixture
def blue(world: World) -> str:
    return world.token("blue-capm3")


def sending(method: str, target: str, media: str, body: bytes) -> bytes:
    """The bytes of a write of blue's."""
    lines = ("Authorization: Bearer TOKEN", f"Content-Type: {media}")
    return request(method, target, *lines, f"Content-Length: {len(body)}", body=body)


def whole(kind: str, /, **changes: Any) -> bytes:
    """A sound object, but for what changes; None leaves a field out."""
    sound = claim("x") if kind == "HostClaim" else secret("x")
    said = {key: value for key, value in {**sound, **changes}.items() if value is not None}
    return json.dumps(said).encode()


def unsound(kind: str) -> dict[str, bytes]:
    """Objects that are not what the path says, whatever else is right about them."""
    named = {"name": "x"}
    sound = whole(kind)
    return {
        "another namespace": whole(kind, metadata={**named, "namespace": "red"}),
        "a namespace in capitals": whole(kind, metadata={**named, "namespace": "BLUE-DEV"}),
        "a namespace that is a list": whole(kind, metadata={**named, "namespace": ["blue-dev"]}),
        "another kind": whole(kind, kind="ServiceAccount"),
        "a kind in lower case": whole(kind, kind=kind.lower()),
        "another group": whole(kind, apiVersion="rbac.authorization.k8s.io/v1"),
        "another version": whole(kind, apiVersion="metal3.io/v1beta1"),
        "a list of them": whole(kind, kind=f"{kind}List"),
        "a List": whole(kind, kind="List", apiVersion="v1", items=[json.loads(sound)]),
        "metadata that is a list": whole(kind, metadata=[named]),
        "metadata that is text": whole(kind, metadata="x"),
    }


def unreadable(sound: bytes) -> dict[str, bytes]:
    """Bytes that two readers could read differently, or that would keep one busy."""
    return {
        "nothing": b" ",
        "an array": b"[" + sound + b"]",
        "text": b'"x"',
        "null": b"null",
        "half of it": sound[:-9],
        "two of them": sound + sound,
        "something after it": sound + b"x",
        "a key twice": sound[:-1] + b',"kind":"HostClaim"}',
        "a key twice, spelt otherwise": sound[:-1] + rb',"\u006bind":"HostClaim"}',
        "a key twice, further down": sound[:-1] + b',"x":{"a":1,"a":2}}',
        "NaN": sound[:-1] + b',"x":NaN}',
        "Infinity": sound[:-1] + b',"x":-Infinity}',
        "nests without end": sound[:-1] + b',"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        "too many values": sound[:-1] + b',"x":[' + b"0," * 200_000 + b"0]}",
        "UTF-16": sound.decode().encode("utf-16"),
        "Latin-1": sound.replace(b'"x"', b'"\xe4"'),
        "half of a surrogate pair": sound[:-1] + rb',"x":"\ud800"}',
        "a comment": sound[:-1] + b"/* */}",
        "single quotes": sound.replace(b'"', b"'"),
        "a comma too many": sound[:-1] + b",}",
    }


BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (key, key, b",".join([b"*%c" % (key - 1)] * 9)) for key in b"bcdefghi"
)


def unreadable_yaml(kind: str) -> dict[str, bytes]:
    """YAML of which it depends on the reader what it is."""
    version = "metal3.io/v1alpha1" if kind == "HostClaim" else "v1"
    sound = f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\n".encode()
    return {
        "two documents": sound + b"---\n" + sound,
        "two documents, of which one is empty": sound + b"---\n...\n---\n" + sound,
        "a bomb": sound + BOMB,
        "an anchor": sound + b"spec: &s {}\nx: *s\n",
        "an alias to itself": sound + b"x: &x [*x]\n",
        "a merge": sound + b"a: &a {b: c}\nspec:\n  <<: *a\n",
        "a key twice": sound + b"kind: Secret\n",
        "a key twice, in quotes": sound + b'"kind": Secret\n',
        "a tag": sound + b"x: !!python/object/apply:os.system [id]\n",
        "a tag of its own": sound + b"x: !secret y\n",
        "binary": sound + b"x: !!binary aGVsbG8=\n",
        "an odd yes": sound + b"immutable: yes\n",
        "an octal": sound + b"x: 0o17\n",
        "base 60": sound + b"x: 12:30:45\n",
        "a key that is a list": sound + b"? [a]\n: b\n",
        "a directive": b"%YAML 1.1\n---\n" + sound,
        "a tab": sound + b"spec:\n\tx: y\n",
        "NUL": sound + b'x: "\0"\n',
        "a scalar": b"x",
        "a sequence": b"- x",
    }


KINDS = {"HostClaim": CLAIMS, "Secret": SECRETS}
# What is sent whole: the method, where to, and as what.
WRITES = {
    "create": ("POST", "", JSON),
    "create in YAML": ("POST", "", YAML),
    "update": ("PUT", "/x", JSON),
    "update in YAML": ("PUT", "/x", YAML),
    "apply": ("PATCH", "/x?fieldManager=x&force=true", APPLY),
}


def bodies(kind: str, write: str) -> dict[str, bytes]:
    """What may be wrong about the body of a write."""
    found = unsound(kind)
    if write not in {"create", "create in YAML"}:
        found["another name"] = whole(kind, metadata={"name": "y"})
    if WRITES[write][2] == JSON:
        return found | unreadable(whole(kind))
    return found | unreadable_yaml(kind)


BODIES = {
    f"{write} of a {kind}, {why}": (method, target + where, media, body)
    for kind, target in KINDS.items()
    for write, (method, where, media) in WRITES.items()
    for why, body in bodies(kind, write).items()
}


@pytest.mark.parametrize(("method", "target", "media", "body"), BODIES.values(), ids=BODIES)
async def test_a_body_that_is_not_what_the_path_says_is_refused(
    ledger: Ledger, blue: str, method: str, target: str, media: str, body: bytes
) -> None:
    said = sending(method, target, media, body)
    await ledger.refused(said, code=400, token=blue, decisions=("allow",))


def pointing(field: str, **reference: str) -> bytes:
    """A claim that refers to a secret."""
    return json.dumps(claim("x", **{field: reference})).encode()


REFERENCES = ("userData", "networkData", "metaData")
ELSEWHERE = {
    "red": {"name": "any", "namespace": "red"},
    "a pool": {"name": "a-large-1-bmc", "namespace": "pool-a"},
    "nowhere": {"namespace": "kube-system"},
    "a path": {"name": "../../pool-a/secrets/a-large-1-bmc"},
}
FORBIDDEN: dict[str, tuple[str, bytes, str]] = {
    f"a claim whose {field} points to {where}": (CLAIMS, pointing(field, **reference), field)
    for field in REFERENCES
    for where, reference in ELSEWHERE.items()
}


def owned(metadata: dict[str, Any]) -> bytes:
    return whole("HostClaim", metadata={"name": "x", **metadata})


def of_type(name: str) -> bytes:
    return whole("Secret", type=name)


FORBIDDEN |= {
    "a claim with a finalizer of one's own": (
        CLAIMS,
        owned({"finalizers": ["example.com/x"]}),
        "metadata.finalizers",
    ),
    "a claim with a secret of the host's namespace": (
        CLAIMS,
        json.dumps(
            claim("x", image={"url": "oci://images/x", "ociAuthSecretName": "any"})
        ).encode(),
        "spec.image.ociAuthSecretName",
    ),
    **{
        f"a secret of type {name}": (SECRETS, of_type(name), "type")
        for name in (
            "kubernetes.io/service-account-token",
            "kubernetes.io/dockerconfigjson",
            "kubernetes.io/tls",
            "bootstrap.kubernetes.io/token",
            "opaque",
            "example.com/anything",
        )
    },
}


@pytest.mark.parametrize(("target", "body", "field"), FORBIDDEN.values(), ids=FORBIDDEN)
async def test_what_the_body_alone_forbids_is_refused_unheard(
    ledger: Ledger, blue: str, target: str, body: bytes, field: str
) -> None:
    said = sending("POST", target, JSON, body)
    answer, _ = await ledger.refused(said, code=403, token=blue, decisions=("allow",))
    assert any(field in cause["field"] for cause in answer.json["details"]["causes"])


MEDIA = {
    "CBOR": (SECRETS, "application/cbor", b"\xa0"),
    "a form": (CLAIMS, "application/x-www-form-urlencoded", b"a=b"),
    "text": (SECRETS, "text/plain", b"{}"),
    "a claim in protobuf": (CLAIMS, PROTOBUF, b"k8s\0"),
}


@pytest.mark.parametrize(("target", "media", "body"), MEDIA.values(), ids=MEDIA)
async def test_an_encoding_that_is_not_taken_is_refused(
    ledger: Ledger, blue: str, target: str, media: str, body: bytes
) -> None:
    said = sending("POST", target, media, body)
    await ledger.refused(said, code=415, token=blue, decisions=("allow",))


def enveloped(kind: str, version: str) -> bytes:
    """A secret in an envelope that says it is something else."""
    message = protobuf.decode(typed("x"), "Secret", frozenset({"v1"}))
    return protobuf.encode(message, kind, version)


WRONG = {
    "nothing": b"",
    "no envelope": b"\x0a\x00",
    "an envelope alone": b"k8s\0",
    "half of it": typed("x")[:-9],
    "something after it": typed("x") + b"\xff",
    "JSON": b'{"kind":"Secret"}',
    "another kind": enveloped("ServiceAccount", "v1"),
    "another version": enveloped("Secret", "v2"),
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
async def test_protobuf_that_is_none_is_refused(ledger: Ledger, blue: str, body: bytes) -> None:
    said = sending("POST", SECRETS, PROTOBUF, body)
    await ledger.refused(said, code=400, token=blue, decisions=("allow",))


@dataclass(frozen=True)
class Mine:
    """An object of blue's that a refusal is to leave as it is."""

    world: World
    token: str
    target: str

    def stored(self) -> Any:
        """What is there; its controller may have said more of it in the status meanwhile."""
        found = self.world.ask("GET", self.target, token=self.token).json
        return {**found, "status": None, "metadata": {**found["metadata"], "managedFields": None}}

    def refuses(self, method: str, media: str, body: Any, asked: int) -> Response:
        """Try a write; it changes nothing, is on record, and the apiserver is asked so often."""
        before, upstream = self.stored(), self.world.proxy_requests()
        query = "?fieldManager=x&force=true" if media == APPLY else ""
        answer = self.world.ask(
            method,
            self.target + query,
            token=self.token,
            headers={"Content-Type": media},
            body=json.dumps(body).encode(),
        )
        assert self.world.proxy_requests() - upstream == asked
        assert self.stored() == before
        assert _recorded_code(self.world, answer) == answer.code
        return answer


def _recorded_code(world: World, answer: Response) -> Any:
    return record_of(world.proxy, answer.headers["Audit-Id"])["responseStatus"]["code"]


@pytest.fixture(scope="module")
def foreign(world: World) -> Iterator[str]:
    """A secret beside the tenant's that is not a tenant's, and stays as it is."""
    admin = Kubectl(world, "admin", "blue-dev")
    with made(admin, secret(fresh("foreign"))) as name:
        before = admin.read(f"get secret {name}")
        yield name
        assert admin.read(f"get secret {name}") == before


@pytest.fixture(scope="module")
def my_claim(world: World) -> Iterator[Mine]:
    """A claim of which its controller has said what there is to say."""
    kubectl = Kubectl(world, "blue", "blue-dev")
    with made(kubectl, guarded(fresh("guarded"))) as name:
        yield Mine(world, world.token("blue-capm3"), f"{CLAIMS}/{name}")


def guarded(name: str) -> Any:
    """A claim that holds its host until it is released."""
    made = claim(name)
    return {**made, "metadata": {**made["metadata"], "finalizers": [FINALIZER]}}


Write = tuple[str, str, Any, int]
"""The method, as what, the body, and how often the apiserver is asked before it would be written:
for what is there, and by a patch for what it would store."""


def setting(found: Any, section: str, key: str, value: Any) -> dict[str, Write]:
    """Each of the ways to set a field of what was found; None takes it away."""
    changed = {**found, section: {**found[section], key: value}}
    if value is None:
        del changed[section][key]
    removal = {"op": "remove", "path": f"/{section}/{key}"}
    operation = removal if value is None else {**removal, "op": "add", "value": value}
    applied = {
        **{said: found[said] for said in ("apiVersion", "kind")},
        "metadata": {"name": found["metadata"]["name"]},
    }
    applied[section] = {**applied.get(section, {}), key: value}
    return {
        "update": ("PUT", JSON, changed, 1),
        "merge": ("PATCH", MERGE, {section: {key: value}}, 2),
        "JSON": ("PATCH", JSON_PATCH, [operation], 2),
        "apply": ("PATCH", APPLY, applied, 2),
    }


WAYS = ["update", "merge", "JSON", "apply"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("field", REFERENCES)
def test_no_write_makes_a_claim_point_to_what_is_not_the_tenants(
    my_claim: Mine, foreign: str, field: str, way: str
) -> None:
    found = my_claim.world.ask("GET", my_claim.target, token=my_claim.token).json
    method, media, body, asked = setting(found, "spec", field, {"name": foreign})[way]
    # It takes a look at the secret, too.
    answer = my_claim.refuses(method, media, body, asked + 1)
    assert (answer.code, answer.json["reason"]) == (403, "Forbidden")
    assert [cause["field"] for cause in answer.json["details"]["causes"]] == [f"spec.{field}.name"]
    elsewhere = {"name": "any", "namespace": "red"}
    method, media, body, asked = setting(found, "spec", field, elsewhere)[way]
    answer = my_claim.refuses(method, media, body, asked)
    assert answer.code == 403
    assert f"spec.{field}.namespace" in answer.json["message"]


@pytest.mark.parametrize("field", REFERENCES)
def test_no_claim_is_created_that_points_to_what_is_not_the_tenants(
    world: World, blue: str, foreign: str, field: str
) -> None:
    name, upstream = fresh("pointing"), world.proxy_requests()
    body = claim(name, **{field: {"name": foreign}})
    answer = world.ask("POST", CLAIMS, token=blue, body=body)
    assert (answer.code, world.proxy_requests() - upstream) == (403, 1)
    assert _recorded_code(world, answer) == 403
    assert world.ask("GET", f"{CLAIMS}/{name}", token=blue).code == 404


# An apply takes away only what its manager has set before.
@pytest.mark.parametrize("way", ["update", "merge", "JSON"])
@pytest.mark.parametrize("left", [None, []], ids=["none", "an empty list"])
def test_no_write_takes_the_finalizer_away(my_claim: Mine, left: Any, way: str) -> None:
    found = my_claim.world.ask("GET", my_claim.target, token=my_claim.token).json
    write = setting(found, "metadata", "finalizers", left)[way]
    answer = my_claim.refuses(*write)
    assert answer.code == 403
    assert f"metadata.finalizers must keep {FINALIZER}" in answer.json["message"]


@pytest.fixture(scope="module")
def my_secret(world: World) -> Iterator[Mine]:
    with made(Kubectl(world, "blue", "blue-dev"), secret(fresh("guarded"))) as name:
        yield Mine(world, world.token("blue-capm3"), f"{SECRETS}/{name}")


UNSTAMPED: dict[str, tuple[str, Any]] = {
    "merge, the stamp": (MERGE, {"metadata": {"labels": {STAMP: None}}}),
    "merge, all labels": (MERGE, {"metadata": {"labels": None}}),
    "merge, another value": (MERGE, {"metadata": {"labels": {STAMP: "false"}}}),
    "strategic, the stamp": (STRATEGIC, {"metadata": {"labels": {STAMP: None}}}),
    "strategic, all but one": (
        STRATEGIC,
        {"metadata": {"labels": {"$patch": "replace", "a": "b"}}},
    ),
    "JSON, all labels": (JSON_PATCH, [{"op": "remove", "path": "/metadata/labels"}]),
    "JSON, the stamp moved": (
        JSON_PATCH,
        [
            {
                "op": "move",
                "from": f"/metadata/labels/{STAMP.replace('/', '~1')}",
                "path": "/metadata/labels/x",
            }
        ],
    ),
}


@pytest.mark.parametrize(("media", "body"), UNSTAMPED.values(), ids=UNSTAMPED)
def test_no_patch_takes_the_stamp_away(my_secret: Mine, media: str, body: Any) -> None:
    answer = my_secret.refuses("PATCH", media, body, 2)
    assert answer.code == 403
    assert f"metadata.labels[{STAMP}]" in answer.json["message"]


TYPE = "infrastructure.cluster.x-k8s.io/secret"
RETYPED: dict[str, tuple[Write, int]] = {
    "update": (("PUT", JSON, {"type": TYPE}, 1), 403),
    "apply": (("PATCH", APPLY, {"apiVersion": "v1", "kind": "Secret", "type": TYPE}, 1), 403),
    # What a patch would store is the apiserver's to say. A 422 could be the proxy's own
    # precondition that does not hold, which another look tells.
    "merge": (("PATCH", MERGE, {"type": TYPE}, 3), 422),
    "strategic": (("PATCH", STRATEGIC, {"type": TYPE}, 3), 422),
    "JSON": (
        ("PATCH", JSON_PATCH, [{"op": "replace", "path": "/type", "value": TYPE}], 3),
        422,
    ),
}


@pytest.mark.parametrize(("write", "code"), RETYPED.values(), ids=RETYPED)
def test_no_write_changes_a_secrets_type(my_secret: Mine, write: Write, code: int) -> None:
    answer = my_secret.refuses(*write)
    assert answer.code == code
    assert "type" in answer.json["message"]


HIDDEN: dict[str, tuple[str, str, Any]] = {
    "get": ("GET", JSON, None),
    "head": ("HEAD", JSON, None),
    "update": ("PUT", JSON, {"stringData": {"a": "b"}}),
    "update that says to stamp it": ("PUT", JSON, {"metadata": {"labels": {STAMP: "true"}}}),
    "merge": ("PATCH", MERGE, {"data": None}),
    "merge that stamps it": ("PATCH", MERGE, {"metadata": {"labels": {STAMP: "true"}}}),
    "strategic": ("PATCH", STRATEGIC, {"data": None}),
    "JSON": ("PATCH", JSON_PATCH, [{"op": "remove", "path": "/data"}]),
    "JSON that tests it": ("PATCH", JSON_PATCH, [{"op": "test", "path": "/type", "value": "x"}]),
    "delete": ("DELETE", JSON, None),
    "delete of this very one": ("DELETE", JSON, {"preconditions": {"resourceVersion": "1"}}),
}


@pytest.mark.parametrize(("method", "media", "body"), HIDDEN.values(), ids=HIDDEN)
def test_a_secret_that_is_not_the_tenants_is_as_one_that_is_not_there(
    world: World, blue: str, foreign: str, method: str, media: str, body: Any
) -> None:
    answers = []
    for name in (foreign, "x" * len(foreign)):
        upstream = world.proxy_requests()
        sent = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": media} if sent else {}
        answer = world.ask(method, f"{SECRETS}/{name}", token=blue, headers=headers, body=sent)
        assert (answer.code, world.proxy_requests() - upstream) == (404, 1)
        assert _recorded_code(world, answer) == 404
        answers.append(answer.body.replace(name.encode(), b"NAME"))
    assert answers[0] == answers[1]
