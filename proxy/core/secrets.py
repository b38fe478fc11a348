"""Which secrets are a tenant's: those that carry the stamp, and no others.

A reference never grants; provenance does. A secret made here is stamped, and
for a tenant only stamped secrets exist. Lists and watches are narrowed by the
apiserver. A write of an existing secret first looks at it and then carries
what it saw (uid and resourceVersion) as a precondition, so nothing slips in
between look and act.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, assert_never

from proxy.core import (
    attributes,
    body,
    filtering,
    media,
    narrowing,
    protobuf,
    status,
    written,
)
from proxy.core.attributes import PatchType, Verb
from proxy.core.body import Object
from proxy.core.conversation import Conversation, Forward, at_once
from proxy.core.errors import BadGateway, BadRequest, Cause, Forbidden, Target, UnsupportedMediaType
from proxy.core.narrowing import STAMP, Call, UpstreamRequest
from proxy.core.wire import Reply

DEFAULT_TYPE: Final = "Opaque"
ALLOWED_TYPES: Final = (DEFAULT_TYPE, "infrastructure.cluster.x-k8s.io/secret")
"""What cloud-init data comes as. A service account token mints credentials: never here."""

# How often a write is tried anew while others move the object under it.
_ATTEMPTS = 5
# No object was ever written at this revision (the first write to etcd makes 2),
# so as a precondition it says: there must be no such object.
_NO_REVISION: Final = "1"
# What the apiserver answers if a pin does not hold: a version, or the `test` of a JSON patch.
_MOVED: Final = frozenset({409, 422})
_OPTIONS_VERSIONS: Final = frozenset({"v1", "meta.k8s.io/v1"})


@dataclass(frozen=True, slots=True)
class _Seen:
    """The version of a tenant secret that a write is about."""

    uid: str
    resource_version: str
    type: str


_Act = Callable[[_Seen | None], Generator[UpstreamRequest, Reply, Reply]]


def converse(call: Call) -> Conversation:
    """Answer an allowed request on secrets.

    Raises, before anything is written: BadRequest, Conflict, Forbidden,
    NotAcceptable, NotFound, UnsupportedMediaType.
    """
    request = call.resource_request
    match request.verb:
        case Verb.LIST | Verb.WATCH | Verb.DELETECOLLECTION:
            return at_once(Forward(narrowing.tenant_secrets(call)))
        case Verb.GET:
            return _get(call)
        case Verb.CREATE:
            return at_once(Forward(narrowing.write(call, _read_secret(call).stamped(""))))
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
        raise status.not_found(_target(call))
    return reply


def _update(call: Call) -> Conversation:
    secret = _read_secret(call)

    def act(seen: _Seen | None) -> Generator[UpstreamRequest, Reply, Reply]:
        existing = _existing(call, seen)
        _check_same_type(call, secret.type, existing)
        return (yield narrowing.write(call, secret.stamped(existing.resource_version)))

    return _on_live(call, _precondition(secret.resource_version), act)


def _patch(call: Call) -> Conversation:
    """Judge a patch, whatever its type, by what it would store.

    `dryRun=All` tells, and the write that follows is pinned to the version
    that the dry run was about, so it cannot store anything else.
    """
    patch = _read_patch(call)

    def act(seen: _Seen | None) -> Generator[UpstreamRequest, Reply, Reply]:
        existing = _existing(call, seen)
        pinned = body.render(_pinned_patch(patch, existing))
        rehearsed = yield narrowing.rehearse(call, pinned)
        if rehearsed.code != 200:
            return rehearsed
        _judge(call, rehearsed, existing)
        return (yield narrowing.write(call, pinned))

    return _on_live(call, _precondition(_version_of(patch)), act)


def _apply(call: Call) -> Conversation:
    """A server-side apply is declarative: what it would store can be read off its body."""
    applied = _read_secret(call)

    def act(seen: _Seen | None) -> Generator[UpstreamRequest, Reply, Reply]:
        if seen is not None:
            _check_same_type(call, applied.type, seen)
        version = seen.resource_version if seen else _NO_REVISION
        return (yield narrowing.write(call, applied.stamped(version)))

    return _on_live(call, _precondition(applied.resource_version), act)


def _delete(call: Call) -> Conversation:
    options = _delete_options(call)
    asked = body.section(options, "preconditions", "preconditions")
    for key in ("uid", "resourceVersion"):
        body.text(asked, key, f"preconditions.{key}")

    def act(seen: _Seen | None) -> Generator[UpstreamRequest, Reply, Reply]:
        existing = _existing(call, seen)
        pins = {"uid": existing.uid, "resourceVersion": existing.resource_version}
        if any(asked.get(key) not in {None, pin} for key, pin in pins.items()):
            raise status.conflict(_target(call))
        return (yield narrowing.delete(call, body.render({**options, "preconditions": pins})))

    return _on_live(call, "", act)


def _on_live(call: Call, version: str, act: _Act) -> Conversation:
    """Look at the live secret, then act on exactly that version of it.

    `version` is the client's own precondition, if it has one. Without one, the
    client wants its write whatever others did, so a conflict that is ours is
    tried anew; one that remains while nothing moved is the client's.
    """
    narrowing.check_acceptable(call)
    before: _Seen | None = None
    reply: Reply | None = None
    for _ in range(_ATTEMPTS):
        seen = yield from _look(call)
        if reply is not None and seen == before:
            return reply
        if version and (seen is None or version != seen.resource_version):
            raise status.conflict(_target(call)) if seen else status.not_found(_target(call))
        reply = yield from act(seen)
        if reply.code not in _MOVED:
            return reply
        before = seen
    raise status.conflict(_target(call))


def _look(call: Call) -> Generator[UpstreamRequest, Reply, _Seen | None]:
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
            raise status.already_exists(_target(call))
        raise status.not_found(_target(call))
    match filtering.parse_reply(reply):
        case {"metadata": {"uid": str(uid), "resourceVersion": str(version)}, "type": str(kind)}:
            return _Seen(uid, version, kind)
    raise BadGateway("the cluster gave a secret without uid, version or type")


def _existing(call: Call, seen: _Seen | None) -> _Seen:
    if seen is None:
        raise status.not_found(_target(call))
    return seen


def _read_secret(call: Call) -> written.Secret:
    """The secret in the body, checked; it is stamped when it is written.

    CAPM3's update replaces all labels by its own, so a missing stamp is put
    back, never held against the writer.
    """
    request = call.resource_request
    secret = _decode(call)
    if secret.namespace not in {"", request.namespace}:
        raise body.malformed("metadata.namespace", "the namespace of the path")
    if request.name and secret.name not in {"", request.name}:
        raise body.malformed("metadata.name", "the name in the path")
    if (secret.type or DEFAULT_TYPE) not in ALLOWED_TYPES:
        raise _refuse_field(call, "type", f"must be one of {', '.join(ALLOWED_TYPES)}")
    return secret


def _decode(call: Call) -> written.Secret:
    if call.resource_request.patch_type is not PatchType.APPLY:
        return written.read(call.body, narrowing.encoding(call))
    if not call.body.lstrip().startswith(b"{"):
        raise UnsupportedMediaType("send the apply of a secret as JSON, as kubectl does")
    return written.read(call.body, media.JSON)


def _read_patch(call: Call) -> Any:
    """The patch in the body: a list of operations, or an object with a metadata object."""
    if call.resource_request.patch_type is PatchType.JSON:
        operations = body.parse(call.body)
        if not isinstance(operations, list) or not all(isinstance(o, dict) for o in operations):
            raise BadRequest("a JSON patch is a list of operations (RFC 6902)")
        return operations
    patch = body.parse_object(call.body)
    body.section(patch, "metadata", "metadata")
    return patch


_VERSION_POINTER: Final = "/metadata/resourceVersion"


def _version_of(patch: Any) -> str:
    """The resourceVersion that a client's patch insists on, if any."""
    if not isinstance(patch, list):
        return body.text(patch["metadata"], "resourceVersion", "metadata.resourceVersion")
    version: Any = None
    for operation in patch:
        match operation:
            case {"op": "add" | "replace", "path": "/metadata/resourceVersion", "value": version}:
                pass
            case {"path": "/metadata", "value": {"resourceVersion": version}}:
                pass
            case {"path": "", "value": {"metadata": {"resourceVersion": version}}}:
                pass
    return body.text({"value": version}, "value", _VERSION_POINTER)


def _precondition(version: str) -> str:
    """The apiserver, too, reads a `0` in an object as no precondition."""
    return "" if version == "0" else version


def _pinned_patch(patch: Any, seen: _Seen) -> Any:
    if isinstance(patch, list):
        # Last, so that no operation before it can say otherwise; and first, so that
        # a `test` of the client's cannot probe a secret that took this one's place.
        pin = {"path": _VERSION_POINTER, "value": seen.resource_version}
        return [{"op": "test", **pin}, *patch, {"op": "add", **pin}]
    return {**patch, "metadata": {**patch["metadata"], "resourceVersion": seen.resource_version}}


def _judge(call: Call, rehearsed: Reply, seen: _Seen) -> None:
    """Refuse a patch whose outcome is not a tenant secret of the same type."""
    _check_same_type(call, body.text(filtering.parse_reply(rehearsed), "type", "type"), seen)
    if not filtering.is_tenant_secret(rehearsed):
        raise _refuse_field(call, f"metadata.labels[{STAMP}]", "cannot be removed or changed")


def _check_same_type(call: Call, wanted: str, seen: _Seen) -> None:
    if wanted not in {"", seen.type}:
        raise _refuse_field(call, "type", f"cannot change, it is {seen.type}")


def _delete_options(call: Call) -> Object:
    """DeleteOptions from the body or, without one, from the query; the apiserver reads one too."""
    given = {p.key: p.value for p in call.resource_request.parameters}
    for key in ("timeout", "pretty"):
        given.pop(key, None)
    if call.body:
        if given:
            raise BadRequest("give delete options in the body or in the query, not in both")
        return _read_delete_options(call)
    options: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
    for key, value in given.items():
        match key:
            case "dryRun":
                options[key] = [value]
            case "gracePeriodSeconds":
                options[key] = int(value)
            case "orphanDependents":
                options[key] = attributes.is_set(value)
            case _:
                options[key] = value
    return options


def _read_delete_options(call: Call) -> Object:
    if narrowing.encoding(call) == media.JSON:
        return body.parse_object(call.body)
    message = protobuf.decode(call.body, "DeleteOptions", _OPTIONS_VERSIONS)
    return {"kind": "DeleteOptions", "apiVersion": "v1", **protobuf.as_object(message)}


def _target(call: Call) -> Target:
    request = call.resource_request
    return Target(request.resource.group, request.resource.plural, request.name or "")


def _refuse_field(call: Call, field: str, because: str) -> Forbidden:
    cause = Cause("FieldValueForbidden", because, field)
    return status.forbidden(_target(call), f"{field} {because}", cause)
