"""What is asked: read a request line as a Kubernetes request, and write it back.

A positive grammar: a target is one of the paths below, byte for byte, or it is
refused. Nothing is normalised, so what is authorized and what is sent upstream
cannot differ. Two properties hold it: `parse(render(x)) == x`, and whatever
parses renders to the same bytes.
"""

import re
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from functools import lru_cache
from typing import Final, assert_never
from urllib.parse import quote_plus, unquote_plus

from proxy.core import wire
from proxy.core.errors import BadRequest, Forbidden, MethodNotAllowed, UnsupportedMediaType
from proxy.core.wire import RawRequest


class Verb(StrEnum):
    """The verbs of Kubernetes' authorization, as far as we serve them."""

    GET = "get"
    LIST = "list"
    WATCH = "watch"
    CREATE = "create"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"
    DELETECOLLECTION = "deletecollection"


class PatchType(StrEnum):
    """The media types of a patch (apimachinery, `types/patch.go`)."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"

    @property
    def short(self) -> str:
        """What it is called where no header is written: `apply`."""
        return self.name.lower()


PATCH_TYPES: Final = {kind.short: kind for kind in PatchType}


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """One served resource: a line of the table. There is one of each, so it equals itself alone."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    short_names: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    patch_types: frozenset[PatchType] = frozenset(PatchType)
    verbs: frozenset[Verb] = frozenset(Verb)

    @property
    def list_kind(self) -> str:
        """The kind of a list of them."""
        return f"{self.kind}List"

    @property
    def api_version(self) -> str:
        """The `apiVersion` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        """The path its group version is served under."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def qualified(self) -> str:
        """Its name as kubectl prints it: `hostclaims.metal3.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


HOSTCLAIMS: Final = Resource(
    group="metal3.io",
    version="v1alpha1",
    plural="hostclaims",
    singular="hostclaim",
    kind="HostClaim",
    subresources=("status",),
    # A custom resource has no strategic merge keys; the apiserver answers 415.
    patch_types=frozenset({PatchType.JSON, PatchType.MERGE, PatchType.APPLY}),
)
SECRETS: Final = Resource(
    group="", version="v1", plural="secrets", singular="secret", kind="Secret"
)
HARDWAREDATA: Final = Resource(
    group="metal3.io",
    version="v1alpha1",
    plural="hardwaredata",
    singular="hardwaredata",
    kind="HardwareData",
    short_names=("hd",),
    patch_types=frozenset({PatchType.JSON, PatchType.MERGE, PatchType.APPLY}),
    verbs=frozenset({Verb.GET, Verb.LIST, Verb.WATCH}),
)
SERVED: Final = (HOSTCLAIMS, SECRETS)
"""What there is for every caller."""
OPT_IN: Final = (HARDWAREDATA,)
"""What there is for those alone whom a rule grants it by name."""


class Document(Enum):
    """What discovery consists of; the value is the path."""

    API = "/api"
    APIS = "/apis"
    CORE = "/api/v1"
    GROUP = f"/apis/{HOSTCLAIMS.group}"
    GROUP_VERSION = HOSTCLAIMS.root
    VERSION = "/version"
    OPENAPI_V2 = "/openapi/v2"
    OPENAPI_V3 = "/openapi/v3"
    OPENAPI_V3_CORE = "/openapi/v3/api/v1"
    OPENAPI_V3_GROUP_VERSION = f"/openapi/v3{HOSTCLAIMS.root}"


class Review(Enum):
    """What a caller may ask about itself; the value is the path."""

    ACCESS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    SUBJECT = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One query parameter, its value as the wire had it."""

    key: str
    raw: str

    @classmethod
    def of(cls, key: str, value: str) -> "Parameter":
        """Encode a value as Go's `url.Values.Encode` does."""
        return cls(key, quote_plus(value))

    @property
    def value(self) -> str:
        """The value as Go's `url.ParseQuery` reads it; the grammar made that unambiguous."""
        return unquote_plus(self.raw)


Parameters = tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class ResourceRequest:
    """A verb on a collection (no name) or on one object of a served resource.

    `namespace` is None for a list or watch across all namespaces.
    """

    verb: Verb
    resource: Resource
    namespace: str | None
    name: str | None = None
    subresource: str = ""
    patch_type: PatchType | None = None
    parameters: Parameters = ()


@dataclass(frozen=True, slots=True)
class DiscoveryRequest:
    """A document that describes the API; the same for all who may see the same resources."""

    document: Document
    parameters: Parameters = ()


@dataclass(frozen=True, slots=True)
class ReviewRequest:
    """A question about the caller itself, answered by the proxy."""

    review: Review
    parameters: Parameters = ()


RequestInfo = ResourceRequest | DiscoveryRequest | ReviewRequest

_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
# What may stand in a path at all (RFC 3986 unreserved, and `:` of RBAC names).
# No part of it is `.` or `..`, which readers take for other paths.
_PATH = re.compile(r"(?:/(?!\.\.?(?:/|\Z))[A-Za-z0-9\-._~:@]+)+")
# A query value: unreserved, `+`, harmless delimiters, and whole percent escapes.
_VALUE = re.compile(r"(?:[A-Za-z0-9\-._~+!$'()*,:@/?=]|%[0-9A-Fa-f]{2})*")
_KEY = re.compile(r"[A-Za-z]{1,64}")
_NUMBER = re.compile(r"[0-9]{1,18}")
# Go's EqualFold reads `fal\u017fe` as false; without such letters it cannot differ from us.
_FLAG = re.compile(r"[A-Za-z0-9]*")

# Of how many paths it is remembered what they say, a few kilobytes each. No query is
# among them, which may be long and hold anything; the longest path has 371 characters.
_REMEMBERED: Final = 4096
_LONGEST: Final = 384

_READ = frozenset({"timeout", "pretty"})
_LIST = _READ | {
    "labelSelector",
    "fieldSelector",
    "limit",
    "continue",
    "resourceVersion",
    "resourceVersionMatch",
    "timeoutSeconds",
    "watch",
    "allowWatchBookmarks",
    "sendInitialEvents",
    "includeObject",
}
_WRITE = _READ | {"dryRun", "fieldManager", "fieldValidation"}
_DELETE = _READ | {"dryRun", "gracePeriodSeconds", "propagationPolicy", "orphanDependents"}
ALLOWED_PARAMETERS: Final = {
    Verb.GET: _READ | {"resourceVersion", "includeObject"},
    Verb.LIST: _LIST,
    Verb.WATCH: _LIST,
    Verb.CREATE: _WRITE,
    Verb.UPDATE: _WRITE,
    Verb.PATCH: _WRITE | {"force"},
    Verb.DELETE: _DELETE,
    Verb.DELETECOLLECTION: _DELETE | (_LIST - {"watch", "allowWatchBookmarks", "includeObject"}),
}
_NUMBERS = frozenset({"limit", "timeoutSeconds", "gracePeriodSeconds"})
_FLAGS = frozenset(
    {"watch", "allowWatchBookmarks", "sendInitialEvents", "orphanDependents", "force"}
)
_DISCOVERY = _READ | {"hash"}

_ITEM_VERBS = {
    "GET": Verb.GET,
    "HEAD": Verb.GET,
    "PUT": Verb.UPDATE,
    "PATCH": Verb.PATCH,
    "DELETE": Verb.DELETE,
}
_COLLECTION_VERBS = {
    "GET": Verb.LIST,
    "HEAD": Verb.LIST,
    "POST": Verb.CREATE,
    "DELETE": Verb.DELETECOLLECTION,
}
_BY_PATH: Final = {(r.group, r.version, r.plural): r for r in (*SERVED, *OPT_IN)}
_DOCUMENTS: Final = {document.value: document for document in Document}
_REVIEWS: Final = {review.value: review for review in Review}

NOT_SERVED = (
    "this proxy serves hostclaims (metal3.io/v1alpha1) and their secrets (v1) "
    "in your namespaces, discovery, and self subject reviews"
)


def parse(raw: RawRequest) -> RequestInfo:
    """Read a request line as a Kubernetes request.

    Anything not recognised is refused: what we cannot name we cannot authorize.

    Raises:
        BadRequest: the target is not in the grammar of paths and queries.
        Forbidden: a well-formed path that this proxy does not serve.
        MethodNotAllowed: a served path, but not with this method.
        UnsupportedMediaType: a patch of a type the resource does not have.
    """
    wire.admit(raw)
    forgets = "?" in raw.target or len(raw.target) > _LONGEST
    info = (_parse if forgets else _parse_remembered)(raw.method, raw.target)
    if isinstance(info, ResourceRequest) and info.verb is Verb.PATCH:
        return replace(info, patch_type=_patch_type(raw, info.resource))
    return info


def render(info: RequestInfo) -> str:
    """The request target that parses to `info`, already encoded."""
    match info:
        case DiscoveryRequest(document=document):
            path = document.value
        case ReviewRequest(review=review):
            path = review.value
        case ResourceRequest():
            path = _render_path(info.resource, info.namespace, info.name, info.subresource)
        case _:
            assert_never(info)
    if not info.parameters:
        return path
    return f"{path}?{'&'.join(f'{p.key}={p.raw}' for p in info.parameters)}"


def is_name(text: str) -> bool:
    """Whether `text` names an object: an RFC 1123 subdomain of at most 253 characters."""
    return len(text) <= 253 and _SUBDOMAIN.fullmatch(text) is not None


def is_namespace(text: str) -> bool:
    """Whether `text` names a namespace: an RFC 1123 label of at most 63 characters."""
    return _LABEL.fullmatch(text) is not None


def parameter(info: RequestInfo, key: str) -> str:
    """The value of a query parameter, or the empty string."""
    return next((p.value for p in info.parameters if p.key == key), "")


def is_set(flag: str) -> bool:
    """As `Convert_Slice_string_To_bool` of apimachinery: only these two mean no."""
    return flag.lower() not in {"0", "false"}


def with_parameter(info: ResourceRequest, key: str, value: str) -> ResourceRequest:
    """The same request with one parameter set, in its place if it was there."""
    new = Parameter.of(key, value)
    if any(p.key == key for p in info.parameters):
        replaced = tuple(new if p.key == key else p for p in info.parameters)
        return replace(info, parameters=replaced)
    return replace(info, parameters=(*info.parameters, new))


def _parse(method: str, target: str) -> RequestInfo:
    """What the request line alone says; of a patch, its type is still to be read."""
    path, question, query = target.partition("?")
    if not _PATH.fullmatch(path):
        raise BadRequest("the path is not in canonical form: use plain names and single slashes")
    if question and not query:
        raise BadRequest("the query is empty, leave the `?` out")
    parameters = _parse_query(query)
    if document := _DOCUMENTS.get(path):
        return _parse_document(method, document, parameters)
    if review := _REVIEWS.get(path):
        if method != "POST":
            raise MethodNotAllowed("a review is created with POST")
        return ReviewRequest(review, _allow(parameters, _WRITE))
    return _parse_resource(method, path, parameters)


_parse_remembered: Final = lru_cache(_REMEMBERED)(_parse)


def _parse_query(query: str) -> Parameters:
    if not query:
        return ()
    parameters = tuple(_parse_parameter(pair) for pair in query.split("&"))
    seen: set[str] = set()
    for p in parameters:
        if p.key in seen:
            # Readers differ on which one counts; `watch=1&watch=0` is both.
            raise BadRequest(f"query parameter `{p.key}` must be given once")
        seen.add(p.key)
    return parameters


def _parse_parameter(pair: str) -> Parameter:
    key, _, raw = pair.partition("=")
    if not _KEY.fullmatch(key) or "=" not in pair or not _VALUE.fullmatch(raw):
        raise BadRequest("the query is not in canonical form: use key=value with percent escapes")
    try:
        unquote_plus(raw, errors="strict")
    except UnicodeDecodeError as exc:
        raise BadRequest(f"query parameter `{key}` is not UTF-8") from exc
    return Parameter(key, raw)


def _allow(parameters: Parameters, allowed: frozenset[str]) -> Parameters:
    for p in parameters:
        if p.key not in allowed:
            raise BadRequest(f"query parameter `{p.key}` is not served here")
        if p.key in _NUMBERS and not _NUMBER.fullmatch(p.value):
            raise BadRequest(f"query parameter `{p.key}` must be a number, zero or more")
        if p.key in _FLAGS and not _FLAG.fullmatch(p.value):
            raise BadRequest(f"query parameter `{p.key}` must be true or false")
    return parameters


def _parse_document(method: str, document: Document, parameters: Parameters) -> DiscoveryRequest:
    if method not in {"GET", "HEAD"}:
        raise MethodNotAllowed("discovery is read with GET")
    return DiscoveryRequest(document, _allow(parameters, _DISCOVERY))


def _parse_resource(method: str, path: str, parameters: Parameters) -> ResourceRequest:
    resource, namespace, name, subresource = _parse_path(path)
    verb = _verb(method, name, parameters)
    if subresource and verb is Verb.DELETE:
        raise Forbidden(f"path is not served: {NOT_SERVED}")
    if namespace is None and verb not in {Verb.LIST, Verb.WATCH}:
        raise MethodNotAllowed("name a namespace: only list and watch span them")
    return ResourceRequest(
        verb=verb,
        resource=resource,
        namespace=namespace,
        name=name,
        subresource=subresource,
        parameters=_allow(parameters, ALLOWED_PARAMETERS[verb]),
    )


def _parse_path(path: str) -> tuple[Resource, str | None, str | None, str]:
    match path.split("/")[1:]:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            raise Forbidden(f"path is not served: {NOT_SERVED}")
    namespace: str | None = None
    match rest:
        case ["namespaces", namespace, plural, *item] if len(item) <= 2:
            pass
        case [plural]:
            item = []
        case _:
            raise Forbidden(f"path is not served: {NOT_SERVED}")
    resource = _BY_PATH.get((group, version, plural))
    if resource is None:
        raise Forbidden(f"path is not served: {NOT_SERVED}")
    if namespace is not None and not is_namespace(namespace):
        raise BadRequest("the namespace in the path is not a name of RFC 1123")
    if item and not is_name(item[0]):
        raise BadRequest("the name in the path is not a name of RFC 1123")
    name = item[0] if item else None
    subresource = item[1] if len(item) == 2 else ""
    if subresource not in {"", *resource.subresources}:
        raise Forbidden(f"path is not served: {NOT_SERVED}")
    return resource, namespace, name, subresource


def _verb(method: str, name: str | None, parameters: Parameters) -> Verb:
    verbs = _COLLECTION_VERBS if name is None else _ITEM_VERBS
    verb = verbs.get(method)
    if verb is None:
        raise MethodNotAllowed(f"method is not served here, use one of {', '.join(verbs)}")
    if verb is Verb.LIST and _asks_to_watch(parameters):
        if method == "HEAD":
            raise MethodNotAllowed("a watch is read with GET")
        return Verb.WATCH
    return verb


def _asks_to_watch(parameters: Parameters) -> bool:
    return any(p.key == "watch" and is_set(p.value) for p in parameters)


def _patch_type(raw: RawRequest, resource: Resource) -> PatchType:
    media = raw.value("Content-Type").partition(";")[0].strip().lower()
    for patch_type in resource.patch_types:
        if media == patch_type:
            return patch_type
    served = ", ".join(sorted(resource.patch_types))
    raise UnsupportedMediaType(f"a patch of {resource.plural} has one of the types {served}")


@lru_cache(_REMEMBERED)
def _render_path(
    resource: Resource, namespace: str | None, name: str | None, subresource: str
) -> str:
    parts = [resource.root]
    if namespace is not None:
        parts += ["namespaces", namespace]
    parts.append(resource.plural)
    if name is not None:
        parts.append(name)
    if subresource:
        parts.append(subresource)
    return "/".join(parts)
