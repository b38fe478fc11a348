"""Whose hardware is it: HardwareData that a tenant's claims have, or could have.

It is read-only and lies in the namespaces of hosts, where the tenant has no rights of
his own. The policy decision named the namespaces of his claims; the cluster says what
is his on their account, and is asked before any HardwareData is:

- every host of a namespace whose HostDeployPolicies admit one of his, and
- every host that one of his claims is bound to, by the status that he cannot write.

Anything else does not exist for him.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from proxy.core import attributes, body, filtering, live, narrowing, status
from proxy.core.attributes import Verb
from proxy.core.body import Object
from proxy.core.conversation import Conversation, Forward, Outcome
from proxy.core.errors import BadRequest, Forbidden
from proxy.core.hostdeploypolicies import Admission
from proxy.core.live import Asking
from proxy.core.narrowing import Call, UpstreamRequest
from proxy.core.wire import Reply

MAX_QUESTIONS: Final = 250
"""How often the apiserver is asked for one request."""

# Where the proxy has no rights, or the definition is missing, there is nothing to go by.
_NOTHING_THERE: Final = frozenset({403, 404})
_POINTERS: Final = ("hardwareData", "bareMetalHost")


def converse(call: Call) -> Conversation:
    """Answer an allowed request on HardwareData.

    Raises, before any HardwareData is asked for: BadRequest, Forbidden,
    NotAcceptable, NotFound, Unavailable.
    """
    conversation = _get(call) if call.resource_request.verb is Verb.GET else _collection(call)
    asked = next(conversation)
    for _ in range(MAX_QUESTIONS):
        reply = yield asked
        try:
            asked = conversation.send(reply)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
    raise _forbidden(call, "you have more claims than are looked through for it")


def _get(call: Call) -> Conversation:
    # First, so that it cannot fail in one case of two that must look alike.
    read = narrowing.read(call)
    if not (yield from _is_admitted(call)):
        bound = yield from _bound(call)
        if call.resource_request.name not in bound:
            raise status.not_found(live.target(call))
    reply = yield read
    if reply.code == 404:
        # Said here in both cases, so that hidden and missing are alike to the byte.
        raise status.not_found(live.target(call))
    return reply


def _collection(call: Call) -> Conversation:
    if (yield from _is_admitted(call)):
        return Forward(narrowing.forward(call))
    pool = call.resource_request.namespace
    unopened = f"no HostDeployPolicy of `{pool}` admits a namespace of yours"
    if call.resource_request.verb is Verb.WATCH:
        raise _forbidden(call, f"{unopened}, so you cannot watch what is there")
    bound = yield from _bound(call)
    if not bound:
        raise _forbidden(call, f"{unopened}, and no claim of yours has a host there")
    return (yield from _list(call, bound))


def _is_admitted(call: Call) -> Asking[bool]:
    """Whether the hosts' namespace is open to one of the tenant's."""
    found = yield from _every(partial(narrowing.deploy_policies, call))
    admissions = [admission for admission in map(Admission.of, found) if admission]
    for namespace in call.allow.namespaces:
        fitting = [admission for admission in admissions if admission.fits_name(namespace)]
        if not all(admission.labels for admission in fitting):
            return True
        if fitting:
            labels = yield from _labels(call, namespace)
            if any(admission.fits_labels(labels) for admission in fitting):
                return True
    return False


def _labels(call: Call, namespace: str) -> Asking[Object]:
    reply = yield narrowing.labels_of(call, namespace)
    if reply.code in _NOTHING_THERE:
        return {}
    if reply.code != 200:
        raise filtering.refusal(reply)
    match filtering.parse_reply(reply):
        case {"metadata": {"labels": dict(labels)}}:
            return labels
    return {}


def _bound(call: Call) -> Asking[frozenset[str]]:
    """The hosts of the namespace that the tenant's claims are bound to."""
    found: set[str] = set()
    for namespace in call.allow.namespaces:
        claims = yield from _every(partial(narrowing.claims_of, call, namespace))
        for claim in claims:
            found.update(_hosts_of(claim, call.resource_request.namespace))
    return frozenset(found)


def _hosts_of(claim: Any, pool: str | None) -> Iterator[str]:
    """A host and its HardwareData have one name."""
    reported = claim.get("status") if isinstance(claim, dict) else None
    for key in _POINTERS:
        match reported.get(key) if isinstance(reported, dict) else None:
            case {"namespace": str(namespace), "name": str(name)} if namespace == pool:
                yield name


def _every(page: Callable[[str], UpstreamRequest]) -> Asking[list[Any]]:
    """All items of a list, page by page."""
    found: list[Any] = []
    token = ""
    while True:
        reply = yield page(token)
        if reply.code in _NOTHING_THERE:
            return found
        if reply.code != 200:
            raise filtering.refusal(reply)
        listed = filtering.parse_reply(reply)
        found += listed.get("items") or ()
        token = body.text(body.section(listed, "metadata", "metadata"), "continue", "continue")
        if not token:
            return found


def _list(call: Call, bound: frozenset[str]) -> Asking[Reply]:
    """The list with what is the tenant's, and no hint of what else there is."""
    request = call.resource_request
    if attributes.parameter(request, "continue"):
        raise BadRequest("query parameter `continue` is not one of this list")
    if attributes.parameter(request, "includeObject") == "None":
        raise BadRequest("query parameter `includeObject` must be Metadata or Object here")
    reply = yield narrowing.whole(call)
    if reply.code != 200:
        return reply
    found = filtering.parse_reply(reply)
    version = body.text(body.section(found, "metadata", "metadata"), "resourceVersion", "metadata")
    key = "rows" if found.get("kind") == "Table" else "items"
    kept = [entry for entry in found.get(key) or () if _name(entry) in bound]
    whole = {**found, "metadata": {"resourceVersion": version}, key: kept}
    return Reply(200, reply.headers, body.render(whole))


def _name(entry: Any) -> str:
    """The name of an object, or of the one in the row of a Table."""
    match entry:
        case {"metadata": {"name": str(name)}} | {"object": {"metadata": {"name": str(name)}}}:
            return name
    return ""


def _forbidden(call: Call, because: str) -> Forbidden:
    return status.forbidden(live.target(call), because)
