"""What a claim may say: HostClaims judged as they would be stored, whatever the write.

A claim has Metal3 act for the tenant: hand secrets to a host, fetch an image,
choose a host. So what it refers to must be the tenant's, and what it asks for
within the bounds of a rule that grants the write. Each field that is not is
named; what is valid at all is left to the apiserver to say.
"""

from collections.abc import Iterator
from typing import Any, Final, assert_never

from proxy.core import attributes, body, deletion, filtering, live, narrowing, owners
from proxy.core.attributes import HOSTCLAIMS, SECRETS, PatchType, Verb
from proxy.core.body import Object
from proxy.core.bounds import Bounds, breaches
from proxy.core.conversation import Conversation, Forward, at_once
from proxy.core.errors import Cause, Forbidden
from proxy.core.live import Asking, Live, forbidden_field
from proxy.core.narrowing import Call
from proxy.core.wire import Reply

FINALIZER: Final = "metal3.io/hostclaim"
"""Metal3's: while it is there, the host is not yet released."""

_REFERENCES: Final = ("userData", "networkData", "metaData")


_AllBounds = tuple[tuple[Bounds, ...], ...]
"""For each verb that a request needs, the bounds of every rule that grants it."""


class OutOfBounds(Forbidden):
    """A write of a claim that is refused because of the bounds alone; others can be tried on it."""

    def __init__(
        self, refused: Forbidden, call: Call, claim: Object, number: int | None = None
    ) -> None:
        """`number` is how many claims there are, where it was counted."""
        super().__init__(refused.message, target=refused.target, causes=refused.causes)
        self.call = call
        self._claim = claim
        self._number = number

    def keeps(self, bounds: _AllBounds) -> bool:
        """Whether the claim is within other bounds, as far as it was looked at."""
        within, _ = _within_bounds(bounds, self._claim)
        limit = _limit(within)
        fits = limit is None or self._number is None or self._number < limit
        return bool(within) and fits


def converse(call: Call) -> Conversation:
    """Answer an allowed request on HostClaims.

    Raises, before anything is written: BadRequest, Conflict, Forbidden,
    NotAcceptable, NotFound, UnsupportedMediaType.
    """
    verb = call.resource_request.verb
    match verb:
        case Verb.GET | Verb.LIST | Verb.WATCH:
            return at_once(Forward(narrowing.forward(call)))
        case Verb.DELETE:
            options = body.render(deletion.options(call))
            return at_once(Forward(narrowing.delete(call, options)))
        case Verb.DELETECOLLECTION:
            deletion.check(call)
            return at_once(Forward(narrowing.forward(call)))
        case Verb.CREATE:
            return _create(call)
        case Verb.UPDATE:
            return _update(call)
        case Verb.PATCH:
            return _patch(call)
    assert_never(verb)


def _create(call: Call) -> Conversation:
    claim = _read(call)
    yield from _judge(call, claim, None)
    return Forward(narrowing.write(call, body.render(claim)))


def _update(call: Call) -> Conversation:
    claim = _read(call)
    version = body.text(claim["metadata"], "resourceVersion", "metadata.resourceVersion")

    def act(seen: Live | None) -> Asking[Reply]:
        yield from _judge(call, claim, live.existing(call, seen))
        return (yield narrowing.write(call, body.render(claim)))

    # Without a version the apiserver refuses it, so none is put in.
    return live.act_on(call, version, _look, act)


def _patch(call: Call) -> Conversation:
    """Judge a patch, whatever its type, by what it would store: `dryRun=All` tells."""
    patch = live.read_patch(call)
    creates = call.resource_request.patch_type is PatchType.APPLY
    if creates:
        _check(call, patch)

    def act(seen: Live | None) -> Asking[Reply]:
        before = seen if creates else live.existing(call, seen)
        pinned = live.pinned(patch, before)
        rehearsed = yield narrowing.rehearse(call, pinned)
        if rehearsed.code not in {200, 201}:
            return rehearsed
        yield from _judge(call, filtering.parse_reply(rehearsed), before)
        return (yield narrowing.write(call, pinned))

    return live.act_on(call, live.precondition(live.version_of(patch)), _look, act)


def _look(call: Call) -> Asking[Live | None]:
    reply = yield narrowing.look(call)
    if reply.code == 404:
        return None
    if reply.code != 200:
        raise filtering.refusal(reply)
    return live.read(reply)


def _read(call: Call) -> Object:
    narrowing.check_json(call)
    claim = body.parse_object(call.body)
    _check(call, claim)
    return claim


def _check(call: Call, claim: Object) -> None:
    """Hold a claim that is sent whole to what the path says."""
    body.check_kind(claim, HOSTCLAIMS.kind, HOSTCLAIMS.api_version)
    metadata = body.section(claim, "metadata", "metadata")
    namespace = body.text(metadata, "namespace", "metadata.namespace")
    live.check_place(call, namespace, body.text(metadata, "name", "metadata.name"))


def _judge(call: Call, stored: Object, before: Live | None) -> Asking[None]:
    """Refuse what would be stored if a field of it is not the tenant's to set so."""
    known = before.object if before else {}
    causes = [*_finalizers(stored, known), *_foreign_references(call, stored)]
    causes += _image_secret(stored)
    within, breached = _within_bounds(call.allow.bounds, stored)
    if not within:
        if not causes:
            raise OutOfBounds(live.refuse(call, *breached), call, stored)
        causes += breached
    if causes:
        raise live.refuse(call, *causes)
    causes = yield from _secrets(call, stored)
    causes += yield from owners.foreign(call, owners.of(stored), owners.of(known))
    limit = _limit(within) if before is None else None
    if limit is not None:
        number = yield from _number(call)
        if number >= limit:
            if not causes:
                raise OutOfBounds(live.refuse(call, _too_many(limit)), call, stored, number)
            causes.append(_too_many(limit))
    if causes:
        raise live.refuse(call, *causes)


def _finalizers(stored: Object, known: Object) -> Iterator[Cause]:
    now, before = _names(stored, "finalizers"), _names(known, "finalizers")
    if FINALIZER in before and FINALIZER not in now:
        because = f"must keep {FINALIZER}: it goes once the host is released"
        yield forbidden_field("metadata.finalizers", because)
    for added in sorted(now - before - {FINALIZER}):
        # Whoever would remove it is not in this cluster, and the host would be held for ever.
        yield forbidden_field("metadata.finalizers", f"cannot have `{added}` added")


def _names(claim: Object, key: str) -> set[str]:
    return {v for v in _list(_mapping(claim, "metadata"), key) if isinstance(v, str)}


def _foreign_references(call: Call, stored: Object) -> Iterator[Cause]:
    namespace = call.resource_request.namespace
    for key in _REFERENCES:
        reference = _mapping(_mapping(stored, "spec"), key)
        # A tuple: what a client wrote need not be hashable.
        if reference.get("namespace") not in (None, "", namespace):
            yield forbidden_field(f"spec.{key}.namespace", f"must be `{namespace}` or left out")
        name = reference.get("name")
        if name is not None and not (isinstance(name, str) and attributes.is_name(name)):
            yield forbidden_field(f"spec.{key}.name", "must be the name of a secret")


def _image_secret(stored: Object) -> Iterator[Cause]:
    if _mapping(_mapping(stored, "spec"), "image").get("ociAuthSecretName"):
        # It names a secret in the host's namespace, which is the provider's.
        yield forbidden_field("spec.image.ociAuthSecretName", "must be left out")


def _within_bounds(allowed: _AllBounds, stored: Object) -> tuple[list[Bounds], list[Cause]]:
    """The bounds that the claim keeps, for the verb that has the fewest; or what breaks them."""
    within: list[Bounds] = []
    for alternatives in allowed:
        within = [bounds for bounds in alternatives if not any(breaches(bounds, stored))]
        if not within:
            return [], list(breaches(alternatives[0], stored))
    return within, []


def _secrets(call: Call, stored: Object) -> Asking[list[Cause]]:
    """A reference never grants: it is to a tenant's secret, or to none that is there yet."""
    causes = []
    for key in _REFERENCES:
        name = _mapping(_mapping(stored, "spec"), key).get("name")
        if name is None:
            continue
        reply = yield narrowing.look_at(call, SECRETS, name)
        if reply.code == 200 and not filtering.is_tenant_secret(reply):
            because = f"names `{name}`, which is not a secret that was made through this proxy"
            causes.append(forbidden_field(f"spec.{key}.name", because))
        elif reply.code not in {200, 404}:
            raise filtering.refusal(reply)
    return causes


def _limit(within: list[Bounds]) -> int | None:
    """How many there may be, by the widest of the bounds that the claim keeps."""
    limits = [bounds.max_host_claims for bounds in within if bounds.max_host_claims is not None]
    return max(limits) if limits and len(limits) == len(within) else None


def _number(call: Call) -> Asking[int]:
    """How many there are."""
    reply = yield narrowing.count(call)
    if reply.code != 200:
        raise filtering.refusal(reply)
    found = filtering.parse_reply(reply)
    more: int = _mapping(found, "metadata").get("remainingItemCount", 0)
    return len(found["items"]) + more


def _too_many(limit: int) -> Cause:
    return forbidden_field("metadata.namespace", f"has {limit} hostclaims, as many as it may")


def _mapping(parent: Object, key: str) -> Object:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def _list(parent: Object, key: str) -> list[Any]:
    value = parent.get(key)
    return value if isinstance(value, list) else []
