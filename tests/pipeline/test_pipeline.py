"""The life of one request, with the world around it played by fakes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Self

import pytest

from proxy.core.attributes import Verb
from proxy.core.errors import BadGateway, Unavailable
from proxy.core.narrowing import UpstreamRequest
from proxy.core.policy import Effect, Entry, Hits, Origin, PolicySet, Rule, RuleSet
from proxy.core.wire import Fields, RawRequest, Reply
from proxy.pipeline import Limits, Pipeline, Ports
from proxy.ports import Caller
from tests.fakes import (
    JSON,
    FakeAuditLog,
    FakeAuthenticator,
    FakeClient,
    FakeEntitlements,
    FakeMeter,
    FakeStream,
    FakeUpstream,
    fake_yaml,
)
from tests.identities import make_identity

NOW = 1_700_000_000.0
CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/blue-dev/hostclaims"
CLAIM = Reply(200, JSON, b'{"kind":"HostClaim"}\n')
EVENT = b'{"type":"ADDED"}\n'
EVERYTHING = RuleSet(
    [
        Rule(
            Origin("blue.yaml", "blue", "spec.allow[0]", 9),
            Effect.ALLOW,
            frozenset((plural, verb) for plural in ("hostclaims", "secrets") for verb in Verb),
            ("blue-dev",),
        )
    ]
)
NOTHING = RuleSet()


def counting(rules: RuleSet) -> Hits:
    """Counts for rules that all stand in policy files."""
    return Hits(PolicySet(Entry((), rule) for rule in rules))


@dataclass
class World:
    """A pipeline and all that is around it."""

    upstream: FakeUpstream = field(default_factory=FakeUpstream)
    entitlements: FakeEntitlements = field(default_factory=lambda: FakeEntitlements(EVERYTHING))
    audit: FakeAuditLog = field(default_factory=FakeAuditLog)
    meter: FakeMeter = field(default_factory=FakeMeter)
    hits: Hits = field(default_factory=lambda: counting(EVERYTHING))
    limits: Limits = field(default_factory=Limits)
    expires: float = NOW + 300
    now: float = NOW

    def __post_init__(self) -> None:
        self.authenticator = FakeAuthenticator(alice=make_identity(expires=self.expires))
        self.pipeline = self.piped()

    def piped(self) -> Pipeline:
        """A pipeline of what is around it now."""
        ids = count(1)
        return Pipeline(
            Ports(
                authenticator=self.authenticator,
                entitlements=self.entitlements,
                upstream=self.upstream,
                read_yaml=fake_yaml,
                audit_log=self.audit,
                meter=self.meter,
                hits=self.hits,
                clock=lambda: self.now,
                new_id=lambda: f"audit-{next(ids)}",
            ),
            self.limits,
        )

    async def get(self, target: str, client: FakeClient | None = None) -> FakeClient:
        return await self.ask("GET", target, client)

    async def ask(
        self,
        method: str,
        target: str,
        client: FakeClient | None = None,
        token: str = "alice",
        content_type: str = "",
    ) -> FakeClient:
        client = client or FakeClient()
        headers = [("Authorization", f"Bearer {token}")]
        if method in {"POST", "PUT", "PATCH"}:
            headers.append(("Content-Length", "2"))
        if content_type:
            headers.append(("Content-Type", content_type))
        await self.pipeline.serve(
            RawRequest(method, target, Fields(tuple(headers)), "192.0.2.7"), client
        )
        # Records are written at the end of a turn of the loop.
        await asyncio.sleep(0)
        return client

    @property
    def record(self) -> Any:
        (record,) = self.audit.events
        return record


def status_of(client: FakeClient) -> Any:
    return json.loads(client.received)


async def test_an_allowed_request_gets_the_apiservers_answer() -> None:
    world = World(FakeUpstream(CLAIM))
    client = await world.get(f"{CLAIMS}/c1")
    assert (client.code, client.received, client.complete) == (200, CLAIM.body, True)
    assert [request.target for request in world.upstream.sent] == [f"{CLAIMS}/c1"]


async def test_the_answer_the_record_and_the_upstream_request_share_an_id() -> None:
    world = World(FakeUpstream(CLAIM))
    client = await world.get(f"{CLAIMS}/c1")
    assert client.header("Audit-Id") == "audit-1" == world.record["auditID"]
    assert ("Audit-ID", "audit-1") in world.upstream.sent[0].headers


@pytest.mark.parametrize(
    ("method", "target", "token", "code"),
    [
        ("GET", f"{CLAIMS}/c1", "mallory", 401),
        ("GET", CLAIMS.replace("blue-dev", "red"), "alice", 403),
        ("GET", "/api/v1/namespaces/blue-dev/pods", "alice", 403),
        ("GET", f"{CLAIMS}/../secrets", "alice", 400),
        ("POST", f"{CLAIMS}/c1", "alice", 405),
    ],
)
async def test_a_refusal_sends_nothing_upstream_and_reads_no_body(
    method: str, target: str, token: str, code: int
) -> None:
    world = World()
    client = await world.ask(method, target, token=token)
    assert (client.code, status_of(client)["code"]) == (code, code)
    assert (world.upstream.sent, client.body_read) == ([], False)
    assert world.record["responseStatus"]["code"] == code
    assert world.record["annotations"]["authorization.k8s.io/decision"] == "forbid"


async def test_a_401_says_how_to_authenticate() -> None:
    client = await World().ask("GET", CLAIMS, token="mallory")
    assert client.header("WWW-Authenticate").startswith("Bearer")


async def test_a_denial_says_what_is_allowed() -> None:
    client = await World().get(CLAIMS.replace("blue-dev", "red"))
    assert "your namespaces are blue-dev" in status_of(client)["message"]


async def test_the_record_names_the_rule_that_allowed() -> None:
    world = World(FakeUpstream(CLAIM))
    await world.get(f"{CLAIMS}/c1")
    reason = world.record["annotations"]["authorization.k8s.io/reason"]
    assert reason == "blue.yaml:9 blue spec.allow[0]"


SECRETS = "/api/v1/namespaces/blue-dev/secrets"
YAML = "application/yaml; charset=utf-8"
APPLY = "application/apply-patch+yaml"


DENIAL = Rule(
    Origin("blue.yaml", "blue", "spec.deny[0]", 12),
    Effect.DENY,
    frozenset({("hostclaims", Verb.WATCH)}),
    ("blue-dev",),
)


@pytest.mark.parametrize(
    ("method", "target", "counted"),
    [
        ("GET", CLAIMS, (1, 0)),
        ("GET", f"{CLAIMS}?watch=1", (0, 1)),
        ("GET", CLAIMS.replace("blue-dev", "red"), (0, 0)),
        ("GET", "/version", (0, 0)),
    ],
    ids=["granted", "denied", "not granted", "for everybody"],
)
async def test_a_decision_counts_for_the_rule_that_made_it(
    method: str, target: str, counted: tuple[int, ...]
) -> None:
    rules = RuleSet([*EVERYTHING, DENIAL])
    world = World(FakeUpstream(CLAIM), FakeEntitlements(rules), hits=counting(rules))
    await world.ask(method, target)
    assert world.hits.counts() == counted


async def test_a_body_in_yaml_is_judged_and_sent_as_json() -> None:
    world = World(FakeUpstream(CLAIM))
    client = await world.ask("POST", SECRETS, FakeClient(b"kind: Secret"), content_type=YAML)
    (sent,) = world.upstream.sent
    assert (client.code, json.loads(sent.body)["kind"]) == (200, "Secret")
    assert ("Content-Type", "application/json") in sent.headers


async def test_an_apply_goes_on_as_json_under_its_own_type() -> None:
    world = World(FakeUpstream(Reply(404, JSON, b"{}"), CLAIM))
    client = FakeClient(b"kind: Secret")
    await world.ask("PATCH", f"{SECRETS}/a?fieldManager=x", client, content_type=APPLY)
    sent = world.upstream.sent[-1]
    assert (client.code, json.loads(sent.body)["kind"]) == (200, "Secret")
    assert ("Content-Type", APPLY) in sent.headers


@pytest.mark.parametrize(
    ("method", "target", "content_type"),
    [
        ("POST", SECRETS, YAML),
        ("POST", CLAIMS, YAML),
        ("PUT", f"{SECRETS}/a", YAML),
        ("PATCH", f"{SECRETS}/a?fieldManager=x", APPLY),
        ("PATCH", f"{CLAIMS}/a?fieldManager=x", APPLY),
        ("DELETE", f"{SECRETS}/a", YAML),
    ],
)
async def test_a_body_that_is_no_yaml_is_refused_unasked(
    method: str, target: str, content_type: str
) -> None:
    world = World()
    client = await world.ask(method, target, FakeClient(b"- x"), content_type=content_type)
    assert (client.code, world.upstream.sent) == (400, [])
    assert world.record["responseStatus"]["code"] == 400


class SlowClient(FakeClient):
    """Its body comes late; something happens meanwhile."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__(b"kind: Secret")
        self._meanwhile = meanwhile

    async def body(self, limit: int) -> bytes:
        self._meanwhile()
        return await super().body(limit)


@pytest.mark.parametrize(
    ("take_away", "code"),
    [
        (lambda _: None, 200),
        (lambda world: world.entitlements.become(NOTHING), 403),
        (lambda world: world.authenticator.forget("alice"), 401),
    ],
    ids=["nothing", "the grant", "the token"],
)
async def test_what_is_taken_away_while_a_body_comes_slowly_is_not_kept(
    take_away: Callable[[World], None], code: int
) -> None:
    def meanwhile() -> None:
        world.now += 10
        take_away(world)

    world = World(FakeUpstream(CLAIM))
    client = await world.ask("POST", SECRETS, SlowClient(meanwhile), content_type=YAML)
    assert (client.code, len(world.upstream.sent)) == (code, code == 200)
    decision = world.record["annotations"]["authorization.k8s.io/decision"]
    assert decision == ("allow" if code == 200 else "forbid")


async def test_no_body_is_no_yaml() -> None:
    world = World(FakeUpstream(CLAIM))
    assert (await world.ask("GET", f"{CLAIMS}/c1", content_type=YAML)).code == 200


async def test_a_fault_of_ours_is_a_500_that_leaks_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(FakeUpstream(RuntimeError("password=hunter2")))
    client = await world.get(f"{CLAIMS}/c1")
    assert client.code == 500
    assert b"hunter2" not in client.received
    assert "audit-1" in caplog.text
    assert world.record["responseStatus"]["code"] == 500


@pytest.mark.parametrize("code", [401, 101, 302])
async def test_an_answer_that_is_not_for_clients_is_not_passed_on(code: int) -> None:
    world = World(FakeUpstream(Reply(code, (("Location", "https://10.0.0.1"),), b"internal")))
    client = await world.get(f"{CLAIMS}/c1")
    assert client.code in {502, 503}
    assert b"internal" not in client.received
    assert client.header("Location") == ""


async def test_the_apiservers_own_refusal_passes_unchanged() -> None:
    refusal = Reply(429, (*JSON, ("Retry-After", "7")), b'{"kind":"Status","code":429}')
    client = await World(FakeUpstream(refusal)).get(f"{CLAIMS}/c1")
    assert (client.code, client.received) == (429, refusal.body)
    assert client.header("Retry-After") == "7"


@pytest.mark.parametrize("length", [2, None])
async def test_an_answer_says_its_length_where_the_apiserver_did(length: int | None) -> None:
    stream = FakeStream(length=length)
    stream.pieces.put_nowait(b"{}")
    stream.pieces.put_nowait(None)
    assert (await World(FakeUpstream(stream)).get(f"{CLAIMS}/c1")).length == length


async def test_an_answer_that_is_all_there_is_given_at_once() -> None:
    stream = FakeStream(whole=b"{}")
    client = await World(FakeUpstream(stream)).get(f"{CLAIMS}/c1")
    assert (client.code, client.received, client.length) == (200, b"{}", 2)
    assert stream.closed.is_set()


async def test_a_watch_is_never_given_at_once() -> None:
    stream = FakeStream(whole=EVENT)
    watch = await Watch(World(upstream=FakeUpstream(stream)), stream).open()
    watch.world.entitlements.become(NOTHING)
    assert (await watch.ended()).received == b""


async def test_what_the_apiserver_says_of_itself_stays_behind() -> None:
    told = Reply(200, (*JSON, ("X-Kubernetes-Pf-Flowschema-Uid", "u"), ("Set-Cookie", "a=b")), b"")
    client = await World(FakeUpstream(told)).get(f"{CLAIMS}/c1")
    assert {key for key, _ in client.headers} == {"Content-Type", "Audit-Id"}


async def test_an_answer_that_breaks_off_is_not_taken_for_complete() -> None:
    stream = FakeStream()
    stream.pieces.put_nowait(b'{"items":[')
    stream.pieces.put_nowait(BadGateway("the cluster broke off its answer"))
    world = World(FakeUpstream(stream))
    client = await world.get(CLAIMS)
    assert (client.aborted, client.complete) == (True, False)
    assert world.record["responseStatus"]["message"] == "the cluster broke off its answer"


async def test_no_record_no_service() -> None:
    world = World(FakeUpstream(CLAIM, CLAIM))
    world.audit.full = True
    await world.get(f"{CLAIMS}/c1")
    refused = await world.get(f"{CLAIMS}/c1")
    assert (refused.code, len(world.upstream.sent)) == (503, 1)
    assert not world.pipeline.audit_works


async def test_a_record_that_cannot_be_encoded_is_a_record_lost() -> None:
    class Choosy(FakeAuditLog):
        def write(self, events: Sequence[Mapping[str, Any]]) -> None:
            raise UnicodeEncodeError("utf-8", str(events), 0, 1, "surrogates not allowed")

    world = World(FakeUpstream(CLAIM), audit=Choosy())
    await world.get(f"{CLAIMS}/c1")
    assert (await world.get(f"{CLAIMS}/c1")).code == 503


async def test_requests_that_end_together_are_written_down_together_and_each_once() -> None:
    world = World(FakeUpstream(CLAIM, CLAIM, CLAIM))
    await asyncio.gather(*(world.get(f"{CLAIMS}/c{number}") for number in range(3)))
    named = [event["objectRef"]["name"] for event in world.audit.events]
    assert named == ["c0", "c1", "c2"]


async def test_what_has_ended_can_be_written_down_at_once() -> None:
    world = World(FakeUpstream(CLAIM))
    raw = RawRequest("GET", f"{CLAIMS}/c1", Fields((("Authorization", "Bearer alice"),)))
    await world.pipeline.serve(raw, FakeClient())
    world.pipeline.write_down()
    assert world.record["objectRef"]["name"] == "c1"
    await asyncio.sleep(0)
    assert len(world.audit.events) == 1


async def test_service_goes_on_once_a_record_can_be_written_again() -> None:
    world = World(FakeUpstream(CLAIM, CLAIM))
    world.audit.full = True
    await world.get(f"{CLAIMS}/c1")
    world.audit.full = False
    codes = [(await world.get(f"{CLAIMS}/c1")).code for _ in range(2)]
    assert codes == [503, 200]


async def test_requests_over_the_bound_are_told_to_come_back() -> None:
    world = World(limits=Limits(requests=0))
    client = await world.get(f"{CLAIMS}/c1")
    assert (client.code, client.header("Retry-After")) == (429, "1")
    assert world.upstream.sent == []


async def test_watches_over_the_bound_are_told_to_come_back() -> None:
    client = await World(limits=Limits(watches=0)).get(f"{CLAIMS}?watch=1")
    assert client.code == 429


async def test_a_client_that_left_is_recorded_with_499() -> None:
    world = World(FakeUpstream(CLAIM))
    client = FakeClient()
    client.leaves = True
    await world.get(f"{CLAIMS}/c1", client)
    assert world.record["responseStatus"]["code"] == 200
    assert not client.complete


async def test_a_cancelled_request_is_recorded() -> None:
    world = World(FakeUpstream(FakeStream()))
    client = FakeClient()
    task = asyncio.create_task(world.get(f"{CLAIMS}?watch=1", client))
    await client.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.record["verb"] == "watch"


async def test_what_is_no_request_is_answered_and_recorded() -> None:
    world = World()
    client = FakeClient()
    await world.pipeline.malformed(Unavailable("no"), "192.0.2.7", client)
    world.pipeline.write_down()
    assert client.code == 503
    assert world.record["sourceIPs"] == ["192.0.2.7"]


async def test_the_clusters_version_is_asked_for_once() -> None:
    world = World(FakeUpstream(Reply(200, JSON, b'{"gitVersion":"v1.34.0"}')))
    first, second = await world.get("/version"), await world.get("/version")
    assert first.received == second.received
    assert len(world.upstream.sent) == 1


async def test_a_schema_is_remembered_apart_for_those_who_see_more() -> None:
    path = "/apis/metal3.io/v1alpha1/namespaces/{namespace}/hardwaredata"
    schema = Reply(200, JSON, json.dumps({"paths": {path: {"get": {}}}}).encode())
    world = World(FakeUpstream(schema, schema))
    target = "/openapi/v3/apis/metal3.io/v1alpha1"
    origin = Origin("hw.yaml", "hw", "spec.allow[0]", 9)
    granted = frozenset({("hardwaredata", Verb.GET)})
    seen = []
    for rules in (EVERYTHING, RuleSet([Rule(origin, Effect.ALLOW, granted, ("blue-dev",))])) * 2:
        world.entitlements.become(rules)
        seen.append(path in json.loads((await world.get(target)).received)["paths"])
    assert seen == [False, True, False, True]
    assert len(world.upstream.sent) == 2


class Watch:
    """An open watch: the task that serves it, its client and its upstream."""

    def __init__(self, world: World, stream: FakeStream, who: str = "alice") -> None:
        self.world = world
        self.stream = stream
        self.client = FakeClient()
        self.task = asyncio.create_task(
            world.ask("GET", f"{CLAIMS}?watch=1", self.client, token=who)
        )

    async def open(self, *pieces: bytes) -> Self:
        await self.client.started.wait()
        for piece in pieces:
            self.stream.pieces.put_nowait(piece)
        await self.client.until_received(b"".join(pieces))
        return self

    async def ended(self) -> FakeClient:
        async with asyncio.timeout(5):
            await self.task
        return self.client


def watching(**around: Any) -> Watch:
    stream = FakeStream()
    return Watch(World(upstream=FakeUpstream(stream), **around), stream)


async def test_events_reach_the_watcher_as_they_come() -> None:
    watch = await watching().open(EVENT, b'{"type":"BOOK', b'MARK"}\n')
    assert watch.world.meter.open_watches == 1
    watch.stream.pieces.put_nowait(None)
    assert (await watch.ended()).complete
    assert watch.world.meter.open_watches == 0


ENDINGS: dict[str, Callable[[Watch], None]] = {
    "a policy takes the namespace away": lambda w: w.world.entitlements.become(NOTHING),
    "the token is revoked": lambda w: w.world.authenticator.revoke("alice"),
    "the proxy drains": lambda w: w.world.pipeline.drain(),
}


@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
async def test_a_watch_ends_cleanly_when(end: Callable[[Watch], None]) -> None:
    watch = await watching().open(EVENT)
    end(watch)
    client = await watch.ended()
    assert (client.complete, client.aborted) == (True, False)
    assert watch.stream.closed.is_set()


async def test_a_watch_that_has_said_its_length_and_ends_before_is_broken_off() -> None:
    stream = FakeStream(length=2 * len(EVENT))
    watch = await Watch(World(upstream=FakeUpstream(stream)), stream).open(EVENT)
    watch.world.pipeline.drain()
    client = await watch.ended()
    assert (client.complete, client.aborted) == (False, True)


async def test_a_watch_whose_token_counts_no_longer_ends_when_it_is_looked_at_again() -> None:
    watch = await watching().open(EVENT)
    watch.world.authenticator.forget("alice")
    rechecking = asyncio.create_task(watch.world.pipeline.recheck_watches(0))
    client = await watch.ended()
    rechecking.cancel()
    assert (client.complete, client.aborted) == (True, False)


async def test_a_watch_that_cannot_be_decided_again_ends_and_the_others_are_decided(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Faulty(FakeAuthenticator):
        broken = False

        async def recheck(self, caller: Caller) -> Caller:
            if self.broken and caller.token == "bob":
                raise KeyError(caller.token)
            return await super().recheck(caller)

    streams = FakeStream(), FakeStream()
    world = World(upstream=FakeUpstream(*streams))
    people = {name: make_identity(subject=name, expires=NOW + 300) for name in ("alice", "bob")}
    world.authenticator = Faulty(**people)
    world.pipeline = world.piped()
    watches = [Watch(world, s, who) for s, who in zip(streams, people, strict=True)]
    alice, bob = [await watch.open(EVENT) for watch in watches]
    Faulty.broken = True
    rechecking = asyncio.create_task(world.pipeline.recheck_watches(0.1))
    assert (await bob.ended()).complete
    assert not alice.task.done()
    world.authenticator.forget("alice")
    assert (await alice.ended()).complete
    rechecking.cancel()
    assert "a watch cannot be decided again" in caplog.messages


async def test_watches_that_cannot_be_decided_in_time_end_and_those_of_others_go_on() -> None:
    """An IAM that hangs, or is asked about too many, keeps open none of its own."""

    class Slow(FakeEntitlements):
        hangs = False

        async def rules(self, caller: Caller, *, recheck: bool = False) -> RuleSet:
            if self.hangs and caller.identity.issuer == "slow":
                await asyncio.Event().wait()
            return await super().rules(caller, recheck=recheck)

    streams = [FakeStream() for _ in range(101)]
    world = World(upstream=FakeUpstream(*streams), entitlements=Slow(EVERYTHING))
    world.authenticator = FakeAuthenticator(
        alice=make_identity(issuer="slow", expires=NOW + 300),
        rita=make_identity(issuer="lab", expires=NOW + 300),
    )
    world.pipeline = world.piped()
    watches = [await Watch(world, stream).open(EVENT) for stream in streams[:-1]]
    other = await Watch(world, streams[-1], "rita").open(EVENT)
    Slow.hangs = True
    rechecking = asyncio.create_task(world.pipeline.recheck_watches(0.1))
    clients = [await watch.ended() for watch in watches]
    assert all(client.complete for client in clients)
    assert not other.task.done()
    world.authenticator.forget("rita")
    assert (await other.ended()).complete
    rechecking.cancel()


async def test_a_thousand_changes_at_once_are_looked_at_together() -> None:
    watch = await watching().open(EVENT)
    before = watch.world.entitlements.rechecks
    for _ in range(1000):
        watch.world.entitlements.become(EVERYTHING)
    watch.world.entitlements.become(NOTHING)
    await watch.ended()
    assert watch.world.entitlements.rechecks == before + 1


async def test_a_change_soon_after_another_is_looked_at_soon() -> None:
    watch = await watching().open(EVENT)
    before = watch.world.entitlements.rechecks
    watch.world.entitlements.become(EVERYTHING)
    for _ in range(10):
        await asyncio.sleep(0)
    assert watch.world.entitlements.rechecks == before + 1
    watch.world.entitlements.become(NOTHING)
    await watch.ended()
    assert watch.world.entitlements.rechecks == before + 2


async def test_what_a_watch_may_is_asked_anew_and_what_a_request_may_is_not() -> None:
    watch = await watching().open(EVENT)
    assert watch.world.entitlements.rechecks == 1
    watch.world.upstream.answers(CLAIM)
    await watch.world.get(f"{CLAIMS}/c1")
    assert watch.world.entitlements.rechecks == 1


async def test_a_watch_ends_with_its_token() -> None:
    watch = watching(expires=NOW)
    client = await watch.ended()
    assert client.complete
    assert watch.stream.closed.is_set()


async def test_a_watch_cut_within_an_event_is_not_ended_cleanly() -> None:
    watch = await watching().open(b'{"type":"ADD')
    watch.world.entitlements.become(NOTHING)
    client = await watch.ended()
    assert (client.complete, client.aborted) == (False, True)


async def test_a_watch_that_is_still_allowed_outlives_a_policy_change() -> None:
    watch = await watching().open(EVENT)
    watch.world.entitlements.become(EVERYTHING)
    await asyncio.sleep(0)
    watch.stream.pieces.put_nowait(b"more\n")
    watch.stream.pieces.put_nowait(None)
    assert (await watch.ended()).received == EVENT + b"more\n"


async def test_a_draining_proxy_opens_no_watch() -> None:
    world = World()
    world.pipeline.drain()
    client = await world.get(f"{CLAIMS}?watch=1")
    assert (client.code, world.upstream.sent) == (503, [])


async def test_a_policy_that_changes_while_a_watch_is_opened_ends_it() -> None:
    class Slow(FakeUpstream):
        @asynccontextmanager
        async def stream(self, request: UpstreamRequest) -> AsyncIterator[FakeStream]:
            async with super().stream(request) as opened:
                world.entitlements.become(NOTHING)
                await asyncio.sleep(0)
                yield opened

    stream = FakeStream()
    world = World(upstream=Slow(stream))
    async with asyncio.timeout(5):
        client = await world.get(f"{CLAIMS}?watch=1")
    assert (client.code, client.received, client.complete) == (200, b"", True)


async def test_a_watch_that_is_opened_while_the_proxy_drains_ends() -> None:
    class Draining(FakeUpstream):
        @asynccontextmanager
        async def stream(self, request: UpstreamRequest) -> AsyncIterator[FakeStream]:
            async with super().stream(request) as opened:
                world.pipeline.drain()
                yield opened

    world = World(upstream=Draining(FakeStream()))
    async with asyncio.timeout(5):
        assert (await world.get(f"{CLAIMS}?watch=1")).complete


ALL = "/apis/metal3.io/v1alpha1/hostclaims"
TWO = RuleSet(
    [
        Rule(
            Origin("blue.yaml", "blue", "spec.allow[0]", 9),
            Effect.ALLOW,
            frozenset({("hostclaims", Verb.WATCH)}),
            ("blue-dev", "blue-prod"),
        )
    ]
)
TWENTY = b'{"type":"ADDED","object":{"metadata":{"resourceVersion":"20"}}}\n'


class WatchOfAll(Watch):
    """An open watch of all namespaces: `stream` is one namespace's, `other` the other's."""

    def __init__(self, *streams: FakeStream) -> None:
        self.stream, self.other = streams
        self.world = World(upstream=FakeUpstream(*streams), entitlements=FakeEntitlements(TWO))
        self.client = FakeClient()
        target = f"{ALL}?watch=1&resourceVersion=10"
        self.task = asyncio.create_task(self.world.get(target, self.client))


async def test_a_watch_of_all_namespaces_is_woven_of_one_each() -> None:
    watch = await WatchOfAll(FakeStream(), FakeStream()).open(TWENTY)
    watch.other.pieces.put_nowait(TWENTY.replace(b"20", b"30"))
    watch.other.pieces.put_nowait(None)
    client = await watch.ended()
    assert client.received == TWENTY + TWENTY.replace(b"20", b"30")
    assert client.complete
    assert watch.stream.closed.is_set()
    assert [r.target.split("/")[5] for r in watch.world.upstream.sent] == ["blue-dev", "blue-prod"]


async def test_a_namespace_gained_or_lost_ends_it_so_that_the_client_lists_again() -> None:
    watch = await WatchOfAll(FakeStream(), FakeStream()).open(TWENTY)
    fewer = [replace(rule, namespaces=("blue-dev",)) for rule in TWO.all_matching(*ASKED)]
    watch.world.entitlements.become(RuleSet(fewer))
    assert (await watch.ended()).complete


ASKED = (Effect.ALLOW, "hostclaims", Verb.WATCH, "blue-dev")


async def test_one_stream_that_breaks_breaks_it() -> None:
    watch = await WatchOfAll(FakeStream(), FakeStream()).open(TWENTY)
    watch.other.pieces.put_nowait(BadGateway("the cluster broke off its answer"))
    client = await watch.ended()
    assert (client.complete, client.aborted) == (False, True)


async def test_a_namespace_without_rights_of_the_proxy_shows_nothing() -> None:
    unbound = FakeStream(code=403)
    watch = await WatchOfAll(unbound, FakeStream()).open()
    watch.other.pieces.put_nowait(TWENTY)
    watch.other.pieces.put_nowait(None)
    client = await watch.ended()
    assert (client.code, client.received) == (200, TWENTY)


@pytest.mark.parametrize(("codes", "code"), [((403, 403), 403), ((200, 410), 410)])
async def test_a_watch_that_cannot_begin_says_why(codes: tuple[int, int], code: int) -> None:
    streams = [FakeStream(code=each) for each in codes]
    for stream in streams:
        stream.pieces.put_nowait(b'{"kind":"Status"}')
        stream.pieces.put_nowait(None)
    client = await WatchOfAll(*streams).ended()
    assert (client.code, client.received) == (code, b'{"kind":"Status"}')
