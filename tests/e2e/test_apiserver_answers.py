"""What an apiserver says reaches the client as it was said, and what a client says stays out.

The apiserver is one of raw bytes here, in either world: a real one says neither a watch event
of 2 MiB nor each of its faults when a test wants it to. Callers and proxy are the world's.
"""

import gzip
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from tests.e2e.ledger import record_of
from tests.e2e.serving import AnotherProxy, Settings, another
from tests.e2e.wire import Answer, connected, request
from tests.e2e.world import World
from tests.edge import apiservers
from tests.edge.apiservers import Behaviour, Call, FakeApiServer, saying

METAL3 = "/apis/metal3.io/v1alpha1"
CLAIMS = f"{METAL3}/namespaces/blue-dev/hostclaims"
SECRETS = "/api/v1/namespaces/blue-dev/secrets"
PROTOBUF = "application/vnd.kubernetes.protobuf"
MIB = 1024 * 1024


@dataclass(frozen=True)
class Scene:
    """A proxy whose apiserver says what it is told to."""

    proxy: AnotherProxy
    fake: FakeApiServer

    def script(self, *behaviours: Behaviour) -> list[Call]:
        """Have the next requests answered so, the last for ever; returns what will have come."""
        self.fake.behaviours[:] = behaviours
        self.fake.calls.clear()
        return self.fake.calls

    async def ask(self, method: str, target: str, token: str, *lines: str) -> Answer:
        """Send one request, with an object as body where there must be one."""
        body = BODIES.get(method, b"")
        length = (f"Content-Length: {len(body)}",) if body else ()
        said = request(method, target, f"Authorization: Bearer {token}", *lines, *length, body=body)
        async with connected(self.proxy.port, self.proxy.trust) as connection:
            await connection.say(said)
            return await connection.answer(to=method)


@pytest.fixture(scope="module")
def scene(world: World) -> Iterator[Scene]:
    folder = world.directory / "scripted"
    folder.mkdir()
    stack = AsyncExitStack()
    fake = world.run(stack.enter_async_context(apiservers.running(folder)))

    def change(settings: Settings) -> None:
        settings["cluster"]["kubeconfig"] = str(fake.kubeconfig())

    with another(world, "scripted-proxy", change) as proxy:
        yield Scene(proxy, fake)
    world.run(stack.aclose())


@pytest.fixture
def blue(world: World) -> str:
    return world.token("blue-capm3")


CLAIM = b'{"metadata": {"name": "x", "uid": "u", "resourceVersion": "7"}, "spec": {}}'
PATCH = b'{"metadata": {"resourceVersion": "7"}}'
BODIES = {"POST": CLAIM, "PUT": CLAIM, "PATCH": PATCH}


def framed(code: int, body: bytes, *lines: str) -> bytes:
    """An answer with a length."""
    fields = ("Content-Type: application/json", *lines, f"Content-Length: {len(body)}")
    head = "\r\n".join((f"HTTP/1.1 {code} As It Is", *fields))
    return f"{head}\r\n\r\n".encode() + body


LOOK = saying(framed(200, CLAIM))


@dataclass(frozen=True)
class Fault:
    """What the apiserver says is wrong."""

    code: int
    reason: str
    retry_after: str = ""

    @property
    def body(self) -> bytes:
        told = {"kind": "Status", "apiVersion": "v1", "code": self.code, "reason": self.reason}
        said = {**told, "message": "as it is: äöü"}
        return json.dumps(said, indent=3, ensure_ascii=False).encode()

    @property
    def behaviour(self) -> Behaviour:
        lines = (f"Retry-After: {self.retry_after}",) if self.retry_after else ()
        return saying(framed(self.code, self.body, *lines))


FAULTS = {
    "forbidden": Fault(403, "Forbidden"),
    "not found": Fault(404, "NotFound"),
    "already there": Fault(409, "AlreadyExists"),
    "a conflict": Fault(409, "Conflict"),
    "gone": Fault(410, "Expired"),
    "too large": Fault(413, "RequestEntityTooLarge"),
    "invalid": Fault(422, "Invalid"),
    "too many": Fault(429, "TooManyRequests", "7"),
    "a fault": Fault(500, "InternalError"),
    "a fault further up": Fault(502, "BadGateway"),
    "no leader": Fault(503, "ServiceUnavailable", "1"),
    "a timeout": Fault(504, "Timeout", "1"),
}
REQUESTS: dict[str, tuple[str, str, tuple[Behaviour, ...]]] = {
    "a list": ("GET", CLAIMS, ()),
    "a list of secrets": ("GET", SECRETS, ()),
    "a watch": ("GET", f"{CLAIMS}?watch=1&resourceVersion=7", ()),
    "a get": ("GET", f"{CLAIMS}/x", ()),
    "a create": ("POST", CLAIMS, ()),
    "a delete": ("DELETE", f"{CLAIMS}/x", ()),
    "an update, once it was looked": ("PUT", f"{CLAIMS}/x", (LOOK,)),
    "a patch, once it was looked": ("PATCH", f"{CLAIMS}/x", (LOOK,)),
    "a patch, once it was rehearsed": ("PATCH", f"{CLAIMS}/x", (LOOK, LOOK)),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize(("method", "target", "before"), REQUESTS.values(), ids=REQUESTS)
async def test_a_fault_comes_as_it_was_said(
    scene: Scene,
    blue: str,
    method: str,
    target: str,
    before: tuple[Behaviour, ...],
    fault: Fault,
) -> None:
    # A precondition of the client's that fails is told from one of the proxy's by another look.
    scene.script(*before, fault.behaviour, *before[:1])
    media = "merge-patch+json" if method == "PATCH" else "json"
    answer = await scene.ask(method, target, blue, f"Content-Type: application/{media}")
    assert (answer.code, answer.body) == (fault.code, fault.body)
    assert answer.header("Retry-After") == fault.retry_after
    assert record_of(scene.proxy, answer.header("Audit-Id"))["responseStatus"]["code"] == fault.code


def event(kind: str, name: str, version: int, size: int = 0) -> bytes:
    """A line of a watch, written as no JSON library would write it."""
    told = {
        "object": {
            "metadata": {"resourceVersion": str(version), "name": name},
            "spec": {"filler": "ä" * (size // 2)},
        },
        "type": kind,
    }
    return json.dumps(told, ensure_ascii=False, separators=(" , ", " :")).encode() + b"\n"


GONE = (
    b'{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
    b'"message":"too old resource version: 7 (9)","reason":"Expired","code":410}}\n'
)
SMALL = (event("ADDED", "x", 8), event("MODIFIED", "x", 9), event("BOOKMARK", "", 10), GONE)
LARGE = (event("ADDED", "x", 8), event("MODIFIED", "x", 9, 2 * MIB), event("DELETED", "x", 10))
# What typed clients watch: a length, then bytes of any value.
BINARY = (b"\0\0\1\0" + bytes(range(256)), bytes(range(255, -1, -1)) * (8 * 1024))
STREAMS: dict[str, tuple[tuple[bytes, ...], int, int]] = {
    "an event a segment": (SMALL, 1, MIB),
    "two events a segment": (SMALL, 2, MIB),
    "all events in one segment": (SMALL, 4, MIB),
    "events split at every byte": (SMALL, 1, 1),
    "two events split at odd places": (SMALL, 2, 101),
    "2 MiB in one piece": (LARGE, 1, 3 * MIB),
    "2 MiB in segments": (LARGE, 1, 1_400),
    "2 MiB and its neighbours in one": (LARGE, 3, 4 * MIB),
    "2 MiB split in its middle": (LARGE, 3, MIB + 77),
    "protobuf": (BINARY, 1, 100_001),
}


def cut(whole: bytes, size: int) -> Iterator[bytes]:
    return (whole[start : start + size] for start in range(0, len(whole), size))


def streaming(events: tuple[bytes, ...], per_chunk: int, segment: int) -> Behaviour:
    """Answer with a stream: so many events a chunk, so many bytes a segment."""
    groups = (events[n : n + per_chunk] for n in range(0, len(events), per_chunk))
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(group), group) for group in map(b"".join, groups))

    async def behave(call: Call) -> None:
        await call.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in cut(chunks + b"0\r\n\r\n", segment):
            await call.say(piece)

    return behave


@pytest.mark.parametrize(("events", "per_chunk", "segment"), STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize("target", [CLAIMS, SECRETS])
async def test_a_watch_comes_byte_for_byte_however_it_is_cut(
    scene: Scene, blue: str, target: str, events: tuple[bytes, ...], per_chunk: int, segment: int
) -> None:
    scene.script(streaming(events, per_chunk, segment))
    accept = f"Accept: {PROTOBUF};stream=watch,application/json"
    answer = await scene.ask("GET", f"{target}?watch=1&resourceVersion=7", blue, accept)
    assert answer.code == 200
    assert answer.body == b"".join(events)


@pytest.mark.parametrize(("per_chunk", "segment"), [(1, MIB), (3, 4 * MIB), (1, 1_400)])
async def test_a_watch_of_all_namespaces_loses_and_changes_no_event(
    scene: Scene, blue: str, per_chunk: int, segment: int
) -> None:
    scene.script(streaming(LARGE, per_chunk, segment))
    answer = await scene.ask("GET", f"{METAL3}/hostclaims?watch=1&resourceVersion=7", blue)
    # One that ends ends them all, so of the other there may be less.
    assert set(answer.body.splitlines(keepends=True)) == set(LARGE)


async def test_half_an_event_is_not_held_back_for_the_rest(scene: Scene, blue: str) -> None:
    begun = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    half = SMALL[0][:20]
    scene.script(_and_wait(begun + b"%x\r\n%s\r\n" % (len(half), half)))
    said = request("GET", f"{CLAIMS}?watch=1", f"Authorization: Bearer {blue}")
    async with connected(scene.proxy.port, scene.proxy.trust) as connection:
        await connection.say(said)
        assert (await connection.head()).code == 200
        assert await anext(connection.chunks()) == half


def _and_wait(said: bytes) -> Behaviour:
    """Say this and go silent."""

    async def behave(call: Call) -> None:
        await call.say(said)
        await apiservers.never(call)

    return behave


async def test_a_compressed_list_comes_as_it_was_compressed(scene: Scene, blue: str) -> None:
    whole = json.dumps({"kind": "HostClaimList", "items": ["x" * 97] * 2_000}).encode()
    assert len(whole) > 128 * 1024
    packed = gzip.compress(whole)
    calls = scene.script(saying(framed(200, packed, "Content-Encoding: gzip")))
    answer = await scene.ask("GET", CLAIMS, blue, "Accept-Encoding: gzip")
    assert (answer.header("Content-Encoding"), answer.body) == ("gzip", packed)
    assert dict(calls[0].fields)["Accept-Encoding"] == "gzip"


DROPPED: dict[str, str] = {
    "X-Remote-User": "system:admin",
    "X-Remote-Group": "system:masters",
    "X-Remote-Extra-Scopes": "all",
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-User": "admin",
    "X-Forwarded-Host": "kubernetes",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Client-Cert": "Subject=admin",
    "X-Real-IP": "192.0.2.1",
    "Forwarded": "for=192.0.2.1",
    "Via": "1.1 x",
    "X-Client-Cert": "MII",
    "X-SSL-Client-Verify": "SUCCESS",
    "Ssl-Client-Cert": "MII",
    "X-HTTP-Method-Override": "DELETE",
    "X-Original-URL": "/api/v1/secrets",
    "Connection": "Authorization, Host, X-Remote-User",
    "Proxy-Connection": "keep-alive",
    "Keep-Alive": "timeout=9",
    "TE": "trailers",
    "Expect-CT": "x",
    "Cookie": "a=b",
    "Origin": "https://elsewhere",
    "Referer": "https://elsewhere",
    "Range": "bytes=0-1",
    "If-None-Match": "*",
    "Audit-ID": "mine",
    "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "Kubectl-Command": "kubectl get",
}


@pytest.mark.parametrize("name", DROPPED)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_header_of_the_client_goes_no_further(
    scene: Scene, blue: str, method: str, name: str
) -> None:
    calls = scene.script(saying(framed(200, CLAIM)))
    answer = await scene.ask(method, CLAIMS, blue, f"{name}: {DROPPED[name]}")
    assert answer.code == 200
    (call,) = calls
    assert call.first == f"{method} {CLAIMS} HTTP/1.1"
    sent = {key: value for key, value in call.fields if not key.startswith("Content-")}
    assert sent == {
        "Host": f"127.0.0.1:{scene.fake.port}",
        "Accept": "application/json",
        "Audit-ID": answer.header("Audit-Id"),
        "Authorization": "Bearer ours",
    }


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_neither_followed_nor_passed_on(
    scene: Scene, blue: str, code: int
) -> None:
    calls = scene.script(saying(framed(code, b"", f"Location: https://127.0.0.1:1{CLAIMS}")))
    answer = await scene.ask("GET", CLAIMS, blue)
    assert (answer.code, answer.json["kind"], answer.header("Location")) == (502, "Status", "")
    assert len(calls) == 1
