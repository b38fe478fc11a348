"""Which version a write is about: look at the live object, then act on exactly that one.

What the proxy has judged and what the apiserver stores must be the same, so a
write carries the version that was looked at as a precondition. A client that
set none of its own is not to notice: its write is tried anew.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from proxy.core import body, filtering, narrowing, status
from proxy.core.attributes import PatchType
from proxy.core.body import Object
from proxy.core.errors import BadGateway, BadRequest, Cause, Forbidden, Target
from proxy.core.narrowing import Call, UpstreamRequest
from proxy.core.wire import Reply

T = TypeVar("T")
Asking = Generator[UpstreamRequest, Reply, T]
"""A part of a conversation that ends with a value."""

NO_REVISION: Final = "1"
"""As a precondition: there must be no such object. The first write to etcd makes revision 2."""

# How many fields a refusal names.
_MAX_CAUSES: Final = 20
# How often a write is tried anew while others move the object under it.
_ATTEMPTS = 5
# What the apiserver answers if a pin does not hold: a version, or the `test` of a JSON patch.
_MOVED: Final = frozenset({409, 422})
_VERSION_POINTER: Final = "/metadata/resourceVersion"


@dataclass(frozen=True, slots=True)
class Live:
    """An object as it is stored, at one version; a version is of one object only."""

    uid: str
    resource_version: str
    object: Object = field(compare=False)


Look = Callable[[Call], Asking[Live | None]]
Act = Callable[[Live | None], Asking[Reply]]


def act_on(call: Call, version: str, look: Look, act: Act) -> Asking[Reply]:
    """Look at the live object, then act on exactly that version of it.

    `version` is the client's own precondition, if it has one. Without one, the
    client wants its write whatever others did, so a conflict that is ours is
    tried anew; one that remains while nothing moved is the client's.

    Raises:
        Conflict, NotFound: the client's own precondition does not hold.
    """
    narrowing.check_acceptable(call)
    before: Live | None = None
    reply: Reply | None = None
    for _ in range(_ATTEMPTS):
        live = yield from look(call)
        if reply is not None and live == before:
            return reply
        if version and (live is None or version != live.resource_version):
            raise status.conflict(target(call)) if live else status.not_found(target(call))
        reply = yield from act(live)
        if reply.code not in _MOVED:
            return reply
        before = live
    raise status.conflict(target(call))


def read(reply: Reply) -> Live:
    """A look's answer as the object that it is.

    Raises:
        BadGateway: it is not an object.
    """
    match filtering.parse_reply(reply):
        case {"metadata": {"uid": str(uid), "resourceVersion": str(version)}} as found:
            return Live(uid, version, found)
    raise BadGateway("the cluster gave an object without uid or version")


def existing(call: Call, live: Live | None) -> Live:
    """The live object of a write that does not create.

    Raises:
        NotFound: there is none.
    """
    if live is None:
        raise status.not_found(target(call))
    return live


def precondition(version: str) -> str:
    """The apiserver, too, reads a `0` in an object as no precondition."""
    return "" if version == "0" else version


def read_patch(call: Call) -> Any:
    """The patch in the body: a list of operations, or an object with a metadata object.

    Raises:
        BadRequest: it is neither.
    """
    if call.resource_request.patch_type is PatchType.JSON:
        operations = body.parse(call.body)
        if not isinstance(operations, list) or not all(isinstance(o, dict) for o in operations):
            raise BadRequest("a JSON patch is a list of operations (RFC 6902)")
        return operations
    patch = body.parse_object(call.body)
    body.section(patch, "metadata", "metadata")
    return patch


def version_of(patch: Any) -> str:
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


def pinned(patch: Any, live: Live | None) -> bytes:
    """A patch or an applied object that holds for one version only, or for no object."""
    version = live.resource_version if live else NO_REVISION
    if isinstance(patch, list):
        # Last, so that no operation before it can say otherwise; and first, so that
        # a `test` of the client's cannot probe an object that took this one's place.
        pin = {"path": _VERSION_POINTER, "value": version}
        return body.render([{"op": "test", **pin}, *patch, {"op": "add", **pin}])
    return body.render({**patch, "metadata": {**patch["metadata"], "resourceVersion": version}})


def check_place(call: Call, namespace: str, name: str) -> None:
    """Hold an object that is written to the namespace and the name in the path; empty is either.

    Raises:
        BadRequest: it says another.
    """
    request = call.resource_request
    if namespace not in {"", request.namespace}:
        raise body.malformed("metadata.namespace", "the namespace of the path")
    if request.name and name not in {"", request.name}:
        raise body.malformed("metadata.name", "the name in the path")


def target(call: Call) -> Target:
    """What a refusal of the call is about."""
    request = call.resource_request
    return Target(request.resource.group, request.resource.plural, request.name or "")


def refuse(call: Call, *causes: Cause) -> Forbidden:
    """A refusal that names the fields that are not allowed, up to a number of them."""
    named = causes[:_MAX_CAUSES]
    said = "; ".join(f"{cause.field} {cause.message}" for cause in named)
    more = f"; and {len(causes) - len(named)} more" if len(causes) > len(named) else ""
    return status.forbidden(target(call), said + more, *named)


def forbidden_field(field: str, because: str) -> Cause:
    """A field that the caller may not set so."""
    return Cause("FieldValueForbidden", because, field)
