"""The ports, served from memory: for tests that play the world around the pipeline."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from proxy.core.errors import BadRequest, TooLarge, Unauthenticated
from proxy.core.identity import Identity
from proxy.core.narrowing import UpstreamRequest
from proxy.core.policy import RuleSet
from proxy.core.wire import Headers, RawRequest, Reply
from proxy.ports import Caller, ClientGone

JSON: Headers = (("Content-Type", "application/json"),)


class FakeAuthenticator:
    """Knows who holds which token, until a test takes one away."""

    def __init__(self, **identities: Identity) -> None:
        self._identities = identities
        self._changed: list[Callable[[], None]] = []

    async def authenticate(self, raw: RawRequest) -> Caller:
        return self._find(raw.value("Authorization").removeprefix("Bearer "))

    async def recheck(self, caller: Caller) -> Caller:
        return self._find(caller.token)

    def subscribe(self, changed: Callable[[], None]) -> None:
        self._changed.append(changed)

    def forget(self, token: str) -> None:
        """Take a token for good no longer, and tell nobody."""
        del self._identities[token]

    def revoke(self, token: str) -> None:
        """Take a token for good no longer, and say so."""
        self.forget(token)
        for changed in self._changed:
            changed()

    def _find(self, token: str) -> Caller:
        if token not in self._identities:
            raise Unauthenticated("send a bearer token")
        return Caller(self._identities[token], token)


class FakeEntitlements:
    """Gives everybody the same rules, until a test sets others."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self.rechecks = 0
        self._changed: list[Callable[[], None]] = []

    async def rules(self, _: Caller, *, recheck: bool = False) -> RuleSet:
        self.rechecks += recheck
        return self._rules

    def subscribe(self, changed: Callable[[], None]) -> None:
        self._changed.append(changed)

    def become(self, rules: RuleSet) -> None:
        self._rules = rules
        for changed in self._changed:
            changed()


@dataclass
class FakeStream:
    """An answer that a test feeds, piece by piece; None ends it, an exception breaks it."""

    code: int = 200
    headers: Headers = JSON
    length: int | None = None
    pieces: asyncio.Queue[bytes | Exception | None] = field(default_factory=asyncio.Queue)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    whole: bytes | None = None

    def at_once(self) -> bytes | None:
        return self.whole

    async def chunks(self) -> AsyncIterator[bytes]:
        while (piece := await self.pieces.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield piece


class FakeUpstream:
    """Answers from a list, and remembers what it was sent."""

    def __init__(self, *answers: Reply | FakeStream | Exception) -> None:
        self._answers = list(answers)
        self.sent: list[UpstreamRequest] = []

    def answers(self, *more: Reply | FakeStream | Exception) -> None:
        """Give these, too, after those that are left."""
        self._answers.extend(more)

    async def ask(self, request: UpstreamRequest) -> Reply:
        self.sent.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Reply)
        return answer

    @asynccontextmanager
    async def stream(self, request: UpstreamRequest) -> AsyncIterator[FakeStream]:
        self.sent.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Reply):
            stream = FakeStream(answer.code, answer.headers, len(answer.body))
            stream.pieces.put_nowait(answer.body)
            stream.pieces.put_nowait(None)
        else:
            stream = answer
        try:
            yield stream
        finally:
            stream.closed.set()


class FakeClient:
    """A client that keeps what it is given. It leaves once `leaves` is set."""

    def __init__(self, body: bytes = b"") -> None:
        self._body = body
        self.body_read = False
        self.code = 0
        self.headers: Headers = ()
        self.length: int | None = None
        self.received = b""
        self.complete = False
        self.aborted = False
        self.leaves = False
        self.started = asyncio.Event()
        self._progress = asyncio.Event()

    @property
    def begun(self) -> bool:
        return self.code != 0

    async def body(self, limit: int) -> bytes:
        self.body_read = True
        if len(self._body) > limit:
            raise TooLarge(f"the body is larger than {limit} bytes")
        return self._body

    async def send(self, reply: Reply) -> None:
        await self.begin(reply.code, reply.headers, len(reply.body))
        await self.write(reply.body)
        await self.end()

    async def begin(self, code: int, headers: Headers, length: int | None = None) -> None:
        assert not self.begun, "an answer has one head"
        self.code, self.headers, self.length = code, headers, length
        self.started.set()

    async def write(self, chunk: bytes) -> None:
        if self.leaves:
            raise ClientGone
        self.received += chunk
        self._progress.set()

    async def end(self) -> None:
        assert self.length in {None, len(self.received)}, "an answer has the length it announced"
        self.complete = True

    def abort(self) -> None:
        self.aborted = True

    async def until_received(self, expected: bytes) -> None:
        async with asyncio.timeout(5):
            while self.received != expected:
                self._progress.clear()
                await self._progress.wait()

    def header(self, name: str) -> str:
        return Reply(self.code, self.headers, b"").header(name)


def fake_yaml(written: bytes) -> bytes:
    """A reader of YAML that knows one line of it: `key: text`."""
    key, found, text = written.decode().partition(": ")
    if not found:
        raise BadRequest("the body is not strict YAML")
    return json.dumps({key: text}).encode()


class FakeAuditLog:
    """Keeps the records; its disk is full while `full` is set."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.full = False

    def write(self, events: Sequence[Mapping[str, Any]]) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.events.extend(events)


class FakeMeter:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, str, int]] = []
        self.open_watches = 0
        self.shadows: list[tuple[str, str]] = []

    def answered(self, verb: str, resource: str, code: int, seconds: float) -> None:
        assert seconds >= 0
        self.answers.append((verb, resource, code))

    def shadowed(self, decision: str, policy: str) -> None:
        self.shadows.append((decision, policy))

    def watching(self, change: int) -> None:
        self.open_watches += change
