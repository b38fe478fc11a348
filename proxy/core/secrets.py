"""Which secrets are a tenant's: those that carry the stamp, and no others.

A reference never grants; provenance does. A secret made here is stamped, and
for a tenant only stamped secrets exist. Lists and watches are narrowed by the
apiserver. A write of an existing secret first looks at it and then carries
what it saw (uid and resourceVersion) as a precondition, so nothing slips in
between look and act.
"""

from collections.abc import Sequence
from typing import Any, Final, assert_never

from proxy.core import (
    attributes,
    body,
    deletion,
    filtering,
    live,
    media,
    narrowing,
    owners,
    status,
    written,
)
from proxy.core.attributes import PatchType, Verb
from proxy.core.conversation import Conversation, Forward, at_once
from proxy.core.errors import BadGateway, BadRequest
from proxy.core.live import Asking, Live
from proxy.core.narrowing import STAMP, Call
from proxy.core.wire import Reply

DEFAULT_TYPE: Final = "Opaque"
ALLOWED_TYPES: Final = (DEFAULT_TYPE, "infrastructure.cluster.x-k8s.io/secret")
"""What cloud-init data comes as. A service account token mints credentials: never here."""


# What the apiserver says of a request's form, sometimes only once it has the object.
_FAULTS: Final = frozenset({400, 406, 415, 422})


def converse(call: Call) -> Conversation:
    """Answer an allowed request on secrets.

    Raises, before anything is written: BadRequest, Conflict, Forbidden,
    NotAcceptable, NotFound, UnsupportedMediaType.
    """
    request = call.resource_request
    match request.verb:
        case Verb.LIST | Verb.WATCH:
            return at_once(Forward(narrowing.tenant_secrets(call)))
        case Verb.DELETECOLLECTION:
            deletion.check(call)
            return at_once(Forward(narrowing.tenant_secrets(call)))
        case Verb.GET:
            return _get(call)
        case Verb.CREATE:
            return _create(call)
        case Verb.UPDATE:
            return _update(call)
        case Verb.PATCH if request.patch_type is PatchType.APPLY:
            return _apply(call)
        case Verb.PATCH:
            return _patch(call)
        case Verb.DELETE:
            return _delete(call)
    assert_never(request.verb)


def _get(call: Call) -> Conversation:
    if attributes.parameter(call.resource_request, "includeObject") == "None":
        raise BadRequest("query parameter `includeObject` must be Metadata or Object here")
    reply = yield narrowing.read(call)
    if reply.code == 404 or (reply.code < 300 and not filtering.is_tenant_secret(reply)):
        # Said here in both cases, so that hidden and missing are alike to the byte.
        raise status.not_found(live.target(call))
    if reply.code in _FAULTS and (yield from _look(call)) is None:
        # The apiserver finds some faults only in a request for what is there.
        raise status.not_found(live.target(call))
    return reply


def _create(call: Call) -> Conversation:
    secret = _read_secret(call)
    yield from _check_owners(call, secret.owners, None)
    return Forward(narrowing.write(call, secret.stamped("")))


def _update(call: Call) -> Conversation:
    secret = _read_secret(call)

    def act(seen: Live | None) -> Asking[Reply]:
        existing = live.existing(call, seen)
        _check_same_type(call, secret.type, existing)
        yield from _check_owners(call, secret.owners, existing)
        return (yield narrowing.write(call, secret.stamped(existing.resource_version)))

    return live.act_on(call, live.precondition(secret.resource_version), _look, act)


def _patch(call: Call) -> Conversation:
    """Judge a patch, whatever its type, by what it would store.

    `dryRun=All` tells, and the write that follows is pinned to the version
    that the dry run was about, so it cannot store anything else.
    """
    patch = live.read_patch(call)

    def act(seen: Live | None) -> Asking[Reply]:
        existing = live.existing(call, seen)
        pinned = live.pinned(patch, existing)
        rehearsed = yield narrowing.rehearse(call, pinned)
        if rehearsed.code != 200:
            return rehearsed
        yield from _judge(call, rehearsed, existing)
        return (yield narrowing.write(call, pinned))

    return live.act_on(call, live.precondition(live.version_of(patch)), _look, act)


def _apply(call: Call) -> Conversation:
    """A server-side apply is declarative: what it would store can be read off its body."""
    applied = _read_secret(call)

    def act(seen: Live | None) -> Asking[Reply]:
        if seen is not None:
            _check_same_type(call, applied.type, seen)
        yield from _check_owners(call, applied.owners, seen)
        version = seen.resource_version if seen else live.NO_REVISION
        return (yield narrowing.write(call, applied.stamped(version)))

    return live.act_on(call, live.precondition(applied.resource_version), _look, act)


def _delete(call: Call) -> Conversation:
    options = deletion.options(call)
    asked = body.section(options, "preconditions", "preconditions")
    for key in ("uid", "resourceVersion"):
        body.text(asked, key, f"preconditions.{key}")

    def act(seen: Live | None) -> Asking[Reply]:
        existing = live.existing(call, seen)
        pins = {"uid": existing.uid, "resourceVersion": existing.resource_version}
        if any(asked.get(key) not in {None, pin} for key, pin in pins.items()):
            raise status.conflict(live.target(call))
        return (yield narrowing.delete(call, body.render({**options, "preconditions": pins})))

    return live.act_on(call, "", _look, act)


def _look(call: Call) -> Asking[Live | None]:
    """The live secret if it is a tenant's, None if there is none.

    Raises:
        NotFound: there is one and it is not a tenant's.
        AlreadyExists: the same, said to an apply, which would create it.
    """
    reply = yield narrowing.look(call)
    if reply.code == 404:
        return None
    if reply.code != 200:
        raise filtering.refusal(reply)
    if not filtering.is_tenant_secret(reply):
        if call.resource_request.patch_type is PatchType.APPLY:
            raise status.already_exists(live.target(call))
        raise status.not_found(live.target(call))
    seen = live.read(reply)
    if not isinstance(seen.object.get("type"), str):
        raise BadGateway("the cluster gave a secret without a type")
    return seen


def _read_secret(call: Call) -> written.Secret:
    """The secret in the body, checked; it is stamped when it is written.

    CAPM3's update replaces all labels by its own, so a missing stamp is put
    back, never held against the writer.
    """
    applies = call.resource_request.patch_type is PatchType.APPLY
    secret = written.read(call.body, media.JSON if applies else narrowing.encoding(call))
    live.check_place(call, secret.namespace, secret.name)
    if (secret.type or DEFAULT_TYPE) not in ALLOWED_TYPES:
        raise live.refuse(
            call, live.forbidden_field("type", f"must be one of {', '.join(ALLOWED_TYPES)}")
        )
    return secret


def _judge(call: Call, rehearsed: Reply, seen: Live) -> Asking[None]:
    """Refuse a patch whose outcome is not a tenant secret of the same type, owned by claims."""
    stored = filtering.parse_reply(rehearsed)
    _check_same_type(call, body.text(stored, "type", "type"), seen)
    if not filtering.is_tenant_secret(rehearsed):
        raise live.refuse(
            call, live.forbidden_field(f"metadata.labels[{STAMP}]", "cannot be removed or changed")
        )
    yield from _check_owners(call, owners.of(stored), seen)


def _check_owners(call: Call, wanted: Sequence[Any], seen: Live | None) -> Asking[None]:
    before = owners.of(seen.object) if seen else ()
    if causes := (yield from owners.foreign(call, wanted, before)):
        raise live.refuse(call, *causes)


def _check_same_type(call: Call, wanted: str, seen: Live) -> None:
    live_type = seen.object["type"]
    if live_type not in ALLOWED_TYPES:
        # The owner may hand one to a tenant by labelling it: to read, not to write.
        raise live.refuse(call, live.forbidden_field("type", f"is {live_type}, to be read only"))
    if wanted not in {"", live_type}:
        raise live.refuse(call, live.forbidden_field("type", f"cannot change, it is {live_type}"))
