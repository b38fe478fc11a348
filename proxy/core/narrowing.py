"""What goes upstream: the request that an `Allow` entitles to, and not a byte more.

The only module that can make an `UpstreamRequest`, and only from a `Call`,
which carries an `Allow`. The path is rendered from what was authorized,
headers are built from a short list, the client's credentials do not exist
here; the edge adds the proxy's own, last.
"""

import re
from dataclasses import InitVar, dataclass, replace
from typing import Final, final

from proxy.core import attributes, media
from proxy.core.attributes import (
    HARDWAREDATA,
    HOSTCLAIMS,
    SECRETS,
    Document,
    Parameter,
    PatchType,
    Resource,
    ResourceRequest,
    Verb,
)
from proxy.core.entitlement import Allow
from proxy.core.wire import Fields, Headers, RawRequest

STAMP: Final = "hostclaim-proxy.metal3.io/tenant-secret"
"""The label that makes a secret a tenant's; only the proxy and the cluster's owner set it."""
STAMPED: Final = "true"

PAGING: Final = frozenset({"limit", "continue", "resourceVersion", "resourceVersionMatch"})
"""The parameters that say from where a collection is read."""

# What is passed on unread can be asked in; the apiserver says 406 to the rest.
_READABLE = frozenset({media.JSON, media.YAML, media.PROTOBUF})
# What we can judge a secret in, and what we can write and take apart.
_JUDGED = frozenset({media.JSON, media.PROTOBUF})
_INSPECTABLE = frozenset({media.JSON})
# What a body can come in; YAML is JSON by the time that it is looked into.
_WRITTEN_JSON = frozenset({media.JSON, media.YAML})
_WRITTEN = _WRITTEN_JSON | {media.PROTOBUF}

_METADATA = f"{media.JSON};as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
_METADATA_LIST = f"{media.JSON};as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"

# What is asked about, and never served.
_DEPLOY_POLICIES: Final = Resource(
    group="metal3.io",
    version="v1alpha1",
    plural="hostdeploypolicies",
    singular="hostdeploypolicy",
    kind="HostDeployPolicy",
)
_NAMESPACES: Final = Resource(
    group="", version="v1", plural="namespaces", singular="namespace", kind="Namespace"
)
_PAGE = "500"

_USER_AGENT = re.compile(r"[\x20-\x7e]{1,256}")


class _Seal:
    """Held by this module alone: proof that a function of it made the value."""


_SEAL = _Seal()


@dataclass(frozen=True, slots=True)
class Call:
    """An allowed request with its body and what the client said of their form.

    INVARIANT: a body that came as YAML is JSON here, whatever the header says.
    """

    allow: Allow
    raw: RawRequest
    audit_id: str
    body: bytes = b""

    @property
    def resource_request(self) -> ResourceRequest:
        """The allowed request, known to be one for a resource."""
        request = self.allow.request
        if not isinstance(request, ResourceRequest):
            raise TypeError("this call is not about a resource")
        return request


@final
@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """One request to the apiserver, complete but for the proxy's own credentials.

    `target` is already encoded. `streams` says that the answer may never end.
    """

    seal: InitVar[_Seal]
    method: str
    target: str
    headers: Headers
    body: bytes = b""
    streams: bool = False

    def __post_init__(self, seal: _Seal) -> None:
        if seal is not _SEAL:
            raise TypeError("only core.narrowing makes an UpstreamRequest")


def forward(call: Call) -> UpstreamRequest:
    """The request as it was allowed, its body as it came.

    Raises:
        NotAcceptable, UnsupportedMediaType: an encoding that is not served.
    """
    return _pass(call, call.resource_request)


def tenant_secrets(call: Call) -> UpstreamRequest:
    """A list, watch or deletecollection of secrets, narrowed to tenant secrets.

    The apiserver does the narrowing, so nothing unfit reaches the proxy and
    any encoding streams. The stamp comes first: requirements of a selector
    are and-ed and read from the left, so nothing that follows can loosen it.
    (Put last, it could be cut off: to the apiserver's lexer a NUL is the end.)
    """
    return _pass(call, _stamped_only(call.resource_request))


def in_namespace(call: Call, namespace: str, paging: tuple[Parameter, ...]) -> UpstreamRequest:
    """A list or watch of all namespaces, in one that was allowed, from where `paging` says."""
    if namespace not in call.allow.namespaces:
        raise TypeError("this namespace was not allowed")
    asked = call.resource_request
    kept = tuple(p for p in asked.parameters if p.key not in PAGING)
    request = replace(asked, namespace=namespace, parameters=(*kept, *paging))
    if request.resource == SECRETS:
        request = _stamped_only(request)
    return _request(call, request, _accept(call, _INSPECTABLE))


def read(call: Call) -> UpstreamRequest:
    """A get by name, in an encoding in which the answer can be judged."""
    return _request(call, call.resource_request, _accept(call, _JUDGED))


def look(call: Call) -> UpstreamRequest:
    """A get of the object that a write is about, as plain JSON."""
    request = replace(call.resource_request, verb=Verb.GET, patch_type=None, parameters=())
    return _request(call, request, media.JSON)


def look_at(call: Call, resource: Resource, name: str) -> UpstreamRequest:
    """A get of what a write refers to in its own namespace: metadata only, never data."""
    request = ResourceRequest(Verb.GET, resource, call.resource_request.namespace, name)
    return _request(call, request, _METADATA)


def count(call: Call) -> UpstreamRequest:
    """A list of the collection that a create is for, made to tell how many there are."""
    asked = call.resource_request
    limit = (Parameter.of("limit", "1"),)
    request = ResourceRequest(Verb.LIST, asked.resource, asked.namespace, parameters=limit)
    return _request(call, request, _METADATA_LIST)


def claims_of(call: Call, namespace: str, token: str) -> UpstreamRequest:
    """A page of the claims of a namespace that a read of HardwareData was allowed for."""
    _check_hardware(call, namespace)
    return _page(call, HOSTCLAIMS, namespace, token)


def labels_of(call: Call, namespace: str) -> UpstreamRequest:
    """A get of the metadata of a namespace that a read of HardwareData was allowed for."""
    _check_hardware(call, namespace)
    return _request(call, ResourceRequest(Verb.GET, _NAMESPACES, None, namespace), _METADATA)


def deploy_policies(call: Call, token: str) -> UpstreamRequest:
    """A page of the HostDeployPolicies beside the HardwareData that is to be read."""
    _check_hardware(call)
    return _page(call, _DEPLOY_POLICIES, call.resource_request.namespace, token)


def whole(call: Call) -> UpstreamRequest:
    """The list, not in pages: where one goes on names an object, be it the caller's or not."""
    request = call.resource_request
    kept = tuple(p for p in request.parameters if p.key not in {"limit", "continue"})
    return _request(call, replace(request, parameters=kept), _accept(call, _INSPECTABLE))


def rehearse(call: Call, body: bytes) -> UpstreamRequest:
    """The write with `dryRun=All`, answered as plain JSON: what it would store."""
    request = attributes.with_parameter(call.resource_request, "dryRun", "All")
    return _request(call, request, media.JSON, _type_of_inspected(call), body)


def write(call: Call, body: bytes) -> UpstreamRequest:
    """The write, with the body as the proxy has judged and amended it."""
    request = call.resource_request
    accept = _accept(call, _READABLE)
    return _request(call, request, accept, _type_of_inspected(call), body)


def delete(call: Call, options: bytes) -> UpstreamRequest:
    """The delete with its options in the body, where the apiserver looks first.

    It ignores delete options in the query once there is a body, so they are
    taken out: what is not there cannot mislead.
    """
    request = replace(call.resource_request, parameters=())
    return _request(call, request, _accept(call, _READABLE), media.JSON, options)


def document(call: Call, wanted: Document) -> UpstreamRequest:
    """One of the apiserver's own descriptions of itself, as JSON."""
    headers = _headers(call, media.JSON)
    return UpstreamRequest(_SEAL, "GET", wanted.value, headers)


def comes_as_yaml(call: Call) -> bool:
    """Whether the client sent its body as YAML, which an apply always is."""
    request = call.allow.request
    if isinstance(request, ResourceRequest) and request.patch_type is not None:
        return request.patch_type is PatchType.APPLY
    return media.plain(call.raw.value("Content-Type")) == media.YAML


def encoding(call: Call) -> str:
    """The encoding of a body that is looked into: JSON or protobuf.

    Raises:
        UnsupportedMediaType: it is not one that can be.
    """
    return _content_type(call, _WRITTEN)


def check_json(call: Call) -> None:
    """Refuse a body in another encoding than JSON.

    Raises:
        UnsupportedMediaType: it is.
    """
    _content_type(call, _WRITTEN_JSON)


def check_acceptable(call: Call) -> None:
    """Refuse a write whose answer could not be given, before anything is sent.

    Raises:
        NotAcceptable: none of the client's types is served.
    """
    _accept(call, _READABLE)


def check_json_acceptable(call: Call) -> None:
    """Refuse a request that we answer ourselves, if the client does not take JSON.

    Raises:
        NotAcceptable: it does not.
    """
    _accept(call, _INSPECTABLE)


def _check_hardware(call: Call, *namespaces: str) -> None:
    if call.resource_request.resource != HARDWAREDATA:
        raise TypeError("this is asked for HardwareData alone")
    if not set(namespaces).issubset(call.allow.namespaces):
        raise TypeError("this namespace was not allowed")


def _page(call: Call, resource: Resource, namespace: str | None, token: str) -> UpstreamRequest:
    asked = {"limit": _PAGE} | ({"continue": token} if token else {})
    parameters = tuple(Parameter.of(key, value) for key, value in asked.items())
    request = ResourceRequest(Verb.LIST, resource, namespace, parameters=parameters)
    return _request(call, request, media.JSON)


METHODS: Final = {
    Verb.GET: "GET",
    Verb.LIST: "GET",
    Verb.WATCH: "GET",
    Verb.CREATE: "POST",
    Verb.UPDATE: "PUT",
    Verb.PATCH: "PATCH",
    Verb.DELETE: "DELETE",
    Verb.DELETECOLLECTION: "DELETE",
}
"""How each verb is sent."""


def _stamped_only(request: ResourceRequest) -> ResourceRequest:
    asked = attributes.parameter(request, "labelSelector")
    selector = f"{STAMP}={STAMPED}" + (f",{asked}" if asked else "")
    return attributes.with_parameter(request, "labelSelector", selector)


def _pass(call: Call, request: ResourceRequest) -> UpstreamRequest:
    """Let body and answer through unread, so the answer may come compressed."""
    headers = _headers(call, _accept(call, _READABLE))
    if call.body:
        sent_as = request.patch_type or _content_type(call, _WRITTEN_JSON)
        headers = (*headers, ("Content-Type", sent_as))
    return _build(request, headers + call.raw.fields.derived(_encodings), call.body)


def _request(
    call: Call, request: ResourceRequest, accept: str, content_type: str = "", body: bytes = b""
) -> UpstreamRequest:
    headers = _headers(call, accept)
    if content_type:
        headers = (*headers, ("Content-Type", content_type))
    return _build(request, headers, body)


def _build(request: ResourceRequest, headers: Headers, body: bytes) -> UpstreamRequest:
    target = attributes.render(request)
    streams = request.verb is Verb.WATCH
    return UpstreamRequest(_SEAL, METHODS[request.verb], target, headers, body, streams)


def _headers(call: Call, accept: str) -> Headers:
    agents = call.raw.fields.derived(_agents)
    return (("Accept", accept), ("Audit-ID", call.audit_id), *agents)


def _agents(fields: Fields) -> Headers:
    agent = " ".join(fields.values("user-agent"))
    return (("User-Agent", agent),) if _USER_AGENT.fullmatch(agent) else ()


def _encodings(fields: Fields) -> Headers:
    asked = ",".join(fields.values("accept-encoding"))
    return (("Accept-Encoding", "gzip"),) if media.takes_gzip(asked) else ()


def _accept(call: Call, served: frozenset[str]) -> str:
    return media.accept(",".join(call.raw.values("accept")), served)


def _type_of_inspected(call: Call) -> str:
    return call.resource_request.patch_type or encoding(call)


def _content_type(call: Call, served: frozenset[str]) -> str:
    written = media.content_type(call.raw.value("Content-Type"), served)
    return media.JSON if written == media.YAML else written
