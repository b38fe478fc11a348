"""The order of things: who asks, what, may they, and then what they get.

The whole order can be read in `_serve`. A denial ends it before anything is
sent upstream, and every way out writes exactly one audit record.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from functools import partial

from cachetools import TTLCache

from proxy.core import (
    answer,
    attributes,
    audit,
    discovery,
    entitlement,
    filtering,
    narrowing,
    shadow,
    spanning,
    status,
)
from proxy.core.attributes import (
    DiscoveryRequest,
    Document,
    RequestInfo,
    Resource,
    ResourceRequest,
    ReviewRequest,
)
from proxy.core.audit import Trail
from proxy.core.conversation import Conversation, Forward, Merge, Outcome
from proxy.core.entitlement import Allow, Decision, Deny
from proxy.core.errors import InternalError, Refused, Unavailable
from proxy.core.hostclaims import OutOfBounds
from proxy.core.narrowing import Call
from proxy.core.policy import Hits, RuleSet
from proxy.core.shadow import Difference
from proxy.core.wire import Headers, RawRequest, Reply
from proxy.pipeline.admission import Admission, Limits
from proxy.pipeline.watches import Watches, is_watch
from proxy.pipeline.weaving import Woven, woven
from proxy.ports import (
    AuditLog,
    Authenticator,
    Caller,
    Client,
    ClientGone,
    Clock,
    Entitlements,
    Meter,
    Stream,
    Upstream,
    YamlReader,
)

log = logging.getLogger(__name__)

MAX_BODY = 3 * 1024 * 1024
"""Bytes; what the apiserver itself takes (apiserver, `MaxRequestBodyBytes`)."""

_HOLDS = 1.0
"""Seconds for which a decision holds while a body is waited for."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Who serves each port; `app` fills it in."""

    authenticator: Authenticator
    entitlements: Entitlements
    upstream: Upstream
    read_yaml: YamlReader
    audit_log: AuditLog
    meter: Meter
    hits: Hits
    clock: Clock
    new_id: Callable[[], str]


@dataclass(frozen=True, slots=True)
class _Whose:
    """A request that was let through: whose it is, why, and what is written down of it."""

    caller: Caller
    allow: Allow
    trail: Trail


class Pipeline:
    """Serves requests, with what `app` gives it."""

    def __init__(self, ports: Ports, limits: Limits) -> None:
        self._authenticator = ports.authenticator
        self._entitlements = ports.entitlements
        self._upstream = ports.upstream
        self._read_yaml = ports.read_yaml
        self._audit_log = ports.audit_log
        self._meter = ports.meter
        self._hits = ports.hits
        self._clock = ports.clock
        self._new_id = ports.new_id
        self._admission = Admission(limits)
        self._watches = Watches(ports.authenticator, ports.entitlements, ports.meter, ports.clock)
        self._audit_works = True
        self._ended: list[tuple[Trail, float]] = []
        # The apiserver's descriptions of itself are large, and the same for all who see the same.
        self._documents: TTLCache[tuple[Document, tuple[Resource, ...]], Reply] = TTLCache(
            maxsize=16, ttl=60, timer=self._clock
        )

    @property
    def audit_works(self) -> bool:
        """Whether the last audit record was written; for readiness."""
        return self._audit_works

    async def serve(self, raw: RawRequest, client: Client) -> None:
        """Answer one request. Raises nothing but cancellation, when the client has left."""
        trail = Trail(self._new_id(), raw, self._clock())
        try:
            await self._serve_or_refuse(trail, client)
        except asyncio.CancelledError:
            trail.code = trail.code or audit.CLIENT_GONE
            raise
        except ClientGone:
            trail.code = trail.code or audit.CLIENT_GONE
        finally:
            self._record(trail)

    async def malformed(self, refused: Refused, peer: str, client: Client) -> None:
        """Answer bytes that are no HTTP request at all."""
        trail = Trail(self._new_id(), RawRequest("", "", peer=peer), self._clock())
        try:
            await self._refuse(refused, trail, client)
        except ClientGone:
            trail.message = refused.message
        finally:
            self._record(trail)

    async def _serve_or_refuse(self, trail: Trail, client: Client) -> None:
        try:
            await self._serve(trail, client)
        except Refused as refused:
            await self._refuse(refused, trail, client)
        except ClientGone:
            raise
        except Exception:
            # A fault of ours: said to the log in full and to the client not at all.
            log.exception("request %s failed", trail.audit_id)
            await self._refuse(InternalError("internal error"), trail, client)

    async def _serve(self, trail: Trail, client: Client) -> None:
        """The order of things. Each step's type proves that the one before did its work."""
        self._check_audit()
        caller = await self._authenticator.authenticate(trail.raw)
        identity = trail.identity = caller.identity
        request = trail.request = attributes.parse(trail.raw)
        rules, decision = await self._decide(caller, request, trail)
        if isinstance(decision, Deny):
            await self._deny(decision, trail, client)
            return
        self._watches.check_opening(request)
        watches = is_watch(request)
        # A watch of all namespaces holds a connection to the apiserver for each of them.
        spans = max(1, len(decision.namespaces)) if watches else 1
        with self._admission.admit(identity, watches=watches, spans=spans):
            body = await client.body(MAX_BODY)
            if body and self._clock() - trail.received > _HOLDS:
                # What was taken away meanwhile must not be kept by a body that comes slowly.
                trail.decision = trail.shadow = None
                caller = await self._authenticator.recheck(caller)
                rules, decision = await self._decide(caller, request, trail, recheck=True)
                if isinstance(decision, Deny):
                    await self._deny(decision, trail, client)
                    return
            call = self._in_json(Call(decision, trail.raw, trail.audit_id, body))
            try:
                outcome = await self._outcome(call, request, rules)
            except OutOfBounds as refused:
                trail.shadow = trail.shadow or _supposed(
                    trail, partial(shadow.bounded, refused, rules)
                )
                raise
            await self._give(outcome, _Whose(caller, decision, trail), client)

    async def _decide(
        self, caller: Caller, request: RequestInfo, trail: Trail, *, recheck: bool = False
    ) -> tuple[RuleSet, Decision]:
        rules = await self._entitlements.rules(caller, recheck=recheck)
        decision = trail.decision = entitlement.authorize(caller.identity, request, rules)
        self._hits.count(entitlement.deciding(decision))
        if rules.shadow is not None:
            trail.shadow = _supposed(trail, partial(shadow.decided, decision, rules))
        return rules, decision

    async def _deny(self, deny: Deny, trail: Trail, client: Client) -> None:
        trail.message, reply = status.denial(deny)
        trail.code = reply.code
        await client.send(_signed(reply, reply.headers, trail))

    def _in_json(self, call: Call) -> Call:
        """YAML ends here, so that behind the border it is JSON that is judged and sent."""
        if not call.body or not narrowing.comes_as_yaml(call):
            return call
        return replace(call, body=self._read_yaml(call.body))

    async def _outcome(self, call: Call, request: RequestInfo, rules: RuleSet) -> Outcome:
        """Find the answer, or remember it where it is the same for all who see the same."""
        if not isinstance(request, DiscoveryRequest) or request.document not in discovery.LEARNT:
            return await self._converse(answer.begin(call, rules))
        described = (request.document, rules.resources())
        if known := self._documents.get(described):
            return known
        learnt = await self._converse(answer.begin(call, rules))
        if isinstance(learnt, Reply):
            self._documents[described] = learnt
        return learnt

    async def _converse(self, conversation: Conversation) -> Outcome:
        """Ask upstream what the conversation asks, until it knows what to answer."""
        try:
            asked = next(conversation)
            while True:
                reply = await self._upstream.ask(asked)
                filtering.check(reply.code)
                asked = conversation.send(reply)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        finally:
            conversation.close()

    async def _give(self, outcome: Outcome, whose: _Whose, client: Client) -> None:
        trail = whose.trail
        match outcome:
            case Reply():
                trail.code = outcome.code
                await client.send(_signed(outcome, filtering.headers(outcome.headers), trail))
            case Forward(request=request):
                async with self._upstream.stream(request) as stream:
                    filtering.check(stream.code)
                    await self._relay(stream, whose, client)
            case Merge():
                await self._merge(outcome, whose, client)

    async def _merge(self, merge: Merge, whose: _Whose, client: Client) -> None:
        """Open a stream for each namespace; one that ends ends them all."""
        async with AsyncExitStack() as stack:
            streams: dict[str, Stream] = {}
            refused: Stream | None = None
            for namespace, request in merge.requests:
                stream = await stack.enter_async_context(self._upstream.stream(request))
                filtering.check(stream.code)
                if stream.code == spanning.NOT_BOUND:
                    refused = stream
                elif stream.code != 200:
                    await self._relay(stream, whose, client)
                    return
                else:
                    streams[namespace] = stream
            if not streams and refused is not None:
                await self._relay(refused, whose, client)
                return
            async with aclosing(woven(streams, merge.weaver)) as pieces:
                first = next(iter(streams.values()))
                await self._relay(Woven(first, pieces), whose, client)

    async def _relay(self, stream: Stream, whose: _Whose, client: Client) -> None:
        trail = whose.trail
        trail.code = stream.code
        head = (*filtering.headers(stream.headers), ("Audit-Id", trail.audit_id))
        body = None if is_watch(whose.allow.request) else stream.at_once()
        if body is not None:
            await client.send(Reply(stream.code, head, body))
            return
        await client.begin(stream.code, head, stream.length)
        whole = True
        try:
            async with self._watches.while_allowed(whose.caller, whose.allow):
                async for chunk in stream.chunks():
                    await client.write(chunk)
                    whole = chunk.endswith(b"\n")
        except TimeoutError:
            # The decision behind a watch ended. Between two events the client
            # sees a watch that ran its time; within one, a broken connection.
            if not whole or stream.length is not None:
                client.abort()
                return
        except Refused as refused:
            # The head is gone, so the only way left to say it is to break off.
            trail.message = refused.message
            client.abort()
            return
        await client.end()

    async def recheck_watches(self, interval: float) -> None:
        """Decide all watches again every `interval` seconds, until cancelled.

        No watch goes on for more than four times that without being decided.
        """
        while True:
            await asyncio.sleep(interval)
            await self._watches.decide_all(within=3 * interval)

    def drain(self) -> None:
        """End the watches, cleanly, and open no more: the process is about to stop."""
        self._watches.drain()

    async def _refuse(self, refused: Refused, trail: Trail, client: Client) -> None:
        if client.begun:
            trail.message = refused.message
            client.abort()
            return
        trail.code, trail.message = refused.code, refused.message
        reply = status.reply(refused)
        await client.send(_signed(reply, reply.headers, trail))

    def _check_audit(self) -> None:
        """Serve nobody unseen: after a record was lost, one must be written first."""
        if self._audit_works:
            return
        raise Unavailable("the audit log cannot be written", retry_after=5)

    def _record(self, trail: Trail) -> None:
        """Have a request written down, with all that end in the same turn of the event loop.

        Together they cost half of what they cost one by one.
        """
        if not self._ended:
            asyncio.get_running_loop().call_soon(self.write_down)
        self._ended.append((trail, self._clock()))

    def write_down(self) -> None:
        """Write the records of the requests that have ended."""
        ended, self._ended = self._ended, []
        if not ended:
            return
        events = []
        works = True
        for trail, now in ended:
            verb, resource = _labels(trail.request)
            self._meter.answered(verb, resource, trail.code, now - trail.received)
            if trail.shadow is not None:
                for policy in trail.shadow.policies:
                    self._meter.shadowed(trail.shadow.verdict, policy)
            try:
                events.append(audit.event(trail, now))
            except Exception:
                # A fault of ours, and of this record alone: it must not keep back the others.
                log.exception("request %s cannot be written down", trail.audit_id)
                works = False
        try:
            self._audit_log.write(events)
        except Exception:
            log.exception("the audit log cannot be written")
            works = False
        # Whatever it was, requests went by unseen.
        self._audit_works = works


def _signed(reply: Reply, headers: Headers, trail: Trail) -> Reply:
    """The answer with the id under which its audit record is found."""
    return Reply(reply.code, (*headers, ("Audit-Id", trail.audit_id)), reply.body)


def _supposed(trail: Trail, find: Callable[[], Difference | None]) -> Difference | None:
    """What shadow rules would have changed. They change nothing, not even by a fault of ours."""
    try:
        return find()
    except Exception:
        log.exception("request %s cannot be decided with shadow rules", trail.audit_id)
        return None


def _labels(request: RequestInfo | None) -> tuple[str, str]:
    match request:
        case ResourceRequest(verb=verb, resource=resource):
            return verb, resource.plural
        case DiscoveryRequest():
            return "get", "discovery"
        case ReviewRequest(review=review):
            return "create", review.value.rpartition("/")[2]
        case None:
            return "", ""
