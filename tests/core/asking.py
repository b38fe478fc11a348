"""Requests for tests, taken as far as the room under test needs them, and an apiserver to play."""

import json
from dataclasses import dataclass, field
from typing import Any

from proxy.core import answer, attributes, protobuf
from proxy.core.attributes import HOSTCLAIMS, SECRETS, RequestInfo, ResourceRequest, Verb
from proxy.core.conversation import Conversation, Forward, Outcome
from proxy.core.entitlement import Allow, authorize
from proxy.core.errors import Refused
from proxy.core.narrowing import STAMP, Call, UpstreamRequest
from proxy.core.policy import Effect, Origin, Rule, RuleSet
from proxy.core.wire import BODY_METHODS, Fields, Headers, RawRequest, Reply
from tests.identities import make_identity

CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/blue/hostclaims"
SECRETS_PATH = "/api/v1/namespaces/blue/secrets"
SECRET_PATH = f"{SECRETS_PATH}/user-data"
JSON = ("Content-Type", "application/json")

EVERY_PERMISSION = frozenset((r.plural, verb) for r in (HOSTCLAIMS, SECRETS) for verb in Verb)


def rule(
    *permissions: tuple[str, Verb],
    namespaces: tuple[str, ...] = ("blue",),
    effect: Effect = Effect.ALLOW,
    line: int = 8,
) -> Rule:
    """A rule with these permissions, or with every one there is."""
    origin = Origin("blue.yaml", "blue", "spec.allow[0]", line)
    return Rule(origin, effect, frozenset(permissions) or EVERY_PERMISSION, namespaces)


ALL_OF_BLUE = RuleSet([rule()])


def raw(method: str, target: str, *headers: tuple[str, str], body: bytes = b"") -> RawRequest:
    """A request as a client sends it: a write says how long its body is."""
    length = (("Content-Length", str(len(body))),) if body or method in BODY_METHODS else ()
    return RawRequest(method, target, Fields((*headers, *length)), "192.0.2.7")


def parse(method: str, target: str, *headers: tuple[str, str], body: bytes = b"") -> RequestInfo:
    return attributes.parse(raw(method, target, *headers, body=body))


def resource(method: str, target: str, *headers: tuple[str, str]) -> ResourceRequest:
    info = parse(method, target, *headers)
    assert isinstance(info, ResourceRequest)
    return info


def call(
    method: str,
    target: str,
    *headers: tuple[str, str],
    body: object = b"",
    rules: RuleSet = ALL_OF_BLUE,
) -> Call:
    """An allowed request; a body that is not bytes is sent as JSON."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = raw(method, target, *headers, body=payload)
    decision = authorize(make_identity(), attributes.parse(sent), rules)
    assert isinstance(decision, Allow), decision
    return Call(decision, sent, "audit-1", payload)


def header(request: UpstreamRequest, name: str) -> str:
    """The values of one header, joined; empty if it is not sent."""
    return ",".join(value for key, value in request.headers if key == name)


# An apiserver that says what a test has it say.


def reply(code: int, value: object, headers: Headers = (JSON,)) -> Reply:
    return Reply(code, headers, json.dumps(value).encode())


def secret(
    version: str = "5",
    *,
    uid: str = "u-1",
    stamped: bool = True,
    **fields: Any,
) -> dict[str, Any]:
    """A secret as the apiserver stores it."""
    labels = {"app": "x"} | ({STAMP: "true"} if stamped else {})
    metadata = {"name": "user-data", "uid": uid, "resourceVersion": version, "labels": labels}
    return {"kind": "Secret", "apiVersion": "v1", "metadata": metadata, "type": "Opaque"} | fields


PROTOBUF = "application/vnd.kubernetes.protobuf"


def protobuf_reply(kind: str = "Secret", version: str = "v1", *, stamped: bool = True) -> Reply:
    """A secret, or its metadata, as the apiserver gives it to a typed client."""
    message = protobuf._CLASSES[kind]()
    message.metadata.labels.add(key="app", value="x")
    if stamped:
        message.metadata.labels.add(key=STAMP, value="true")
    message.MergeFromString(b"\xfa\x01\x01x")  # a field that the proxy has never heard of
    return Reply(200, (("Content-Type", PROTOBUF),), protobuf.encode(message, kind, version))


FOUND = reply(200, secret())
HIDDEN = reply(200, secret(stamped=False))
MISSING = reply(404, {"kind": "Status", "code": 404, "message": "from upstream"})
CONFLICT = reply(409, {"kind": "Status", "code": 409, "message": "from upstream"})
DONE = reply(200, {"kind": "Secret", "written": True})


@dataclass(slots=True)
class Transcript:
    """What was sent upstream, in order, and how it ended."""

    sent: list[UpstreamRequest] = field(default_factory=list)
    outcome: Outcome | Refused | None = None

    @property
    def lines(self) -> list[str]:
        return [f"{request.method} {request.target}" for request in self.sent]

    def body(self, number: int) -> Any:
        return json.loads(self.sent[number].body)

    @property
    def reply(self) -> Reply:
        assert isinstance(self.outcome, Reply), self.outcome
        return self.outcome

    @property
    def refused(self) -> Refused:
        assert isinstance(self.outcome, Refused), self.outcome
        return self.outcome


def play(asked: Call, *replies: Reply, rules: RuleSet = ALL_OF_BLUE) -> Transcript:
    """Answer `asked`, with these replies from the apiserver, all of which must be wanted."""
    transcript = Transcript()
    left = list(replies)
    try:
        transcript.outcome = _drive(answer.begin(asked, rules), transcript, left)
    except Refused as refused:
        transcript.outcome = refused
    if isinstance(transcript.outcome, Forward):
        transcript.sent.append(transcript.outcome.request)
    assert not left, "the apiserver was not asked that often"
    return transcript


def _drive(conversation: Conversation, transcript: Transcript, replies: list[Reply]) -> Outcome:
    try:
        asked = next(conversation)
        while True:
            transcript.sent.append(asked)
            assert replies, f"an unexpected {transcript.lines[-1]}"
            asked = conversation.send(replies.pop(0))
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome
