"""What is asked: requests as tenants send them, and what is understood of them.

The paths, methods and parameters that there are, in tables. Anything else is refused.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody whose token was verified."""

    issuer: str
    username: str
    groups: tuple[str, ...] = ()
    client: str = ""
    service_account: str = ""
    claims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as a tenant sends it."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    said: bytes = b""
    """What the body says, in JSON; left out, the body is that."""
    spoilt: str = ""
    """What is done to the body on purpose (`tests.oracle.bodies`)."""

    def header(self, name: str) -> str:
        return ",".join(value for key, value in self.headers if key.lower() == name)

    @property
    def content_type(self) -> str:
        return self.header("content-type").partition(";")[0] or "application/json"

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)


LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
NAME = r"(?=[^/]{1,253}(/|$))[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
PATHS = {
    "collection": [
        rf"/apis/metal3\.io/v1alpha1/namespaces/(?P<namespace>{LABEL})/(?P<plural>hostclaims)",
        rf"/api/v1/namespaces/(?P<namespace>{LABEL})/(?P<plural>secrets)",
        rf"/apis/metal3\.io/v1alpha1/namespaces/(?P<namespace>{LABEL})/(?P<plural>hardwaredata)",
    ],
    "all": [
        r"/apis/metal3\.io/v1alpha1/(?P<plural>hostclaims|hardwaredata)",
        "/api/v1/(?P<plural>secrets)",
    ],
}
PATHS["item"] = [rf"{path}/(?P<name>{NAME})" for path in PATHS["collection"]]
PATHS["status"] = [f"{PATHS['item'][0]}/(?P<subresource>status)"]
PATHS["discovery"] = [
    "/api|/apis|/api/v1|/version|/openapi/v2|/openapi/v3",
    r"/apis/metal3\.io(/v1alpha1)?|/openapi/v3/(api/v1|apis/metal3\.io/v1alpha1)",
]
PATHS["review"] = [
    r"/apis/authorization\.k8s\.io/v1/selfsubject(access|rules)reviews",
    r"/apis/authentication\.k8s\.io/v1/selfsubjectreviews",
]
METHODS: dict[str, dict[str, str]] = {
    "collection": {
        "GET": "list",
        "HEAD": "list",
        "POST": "create",
        "DELETE": "deletecollection",
    },
    "all": {"GET": "list", "HEAD": "list"},
    "item": {
        "GET": "get",
        "HEAD": "get",
        "PUT": "update",
        "PATCH": "patch",
        "DELETE": "delete",
    },
    "status": {"GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch"},
    "discovery": {"GET": "discovery", "HEAD": "discovery"},
    "review": {"POST": "review"},
}
_READ = "timeout pretty "
_LIST = (
    "labelSelector fieldSelector limit continue resourceVersion resourceVersionMatch "
    "timeoutSeconds sendInitialEvents "
)
_WRITE = "dryRun fieldManager fieldValidation "
DELETE_OPTIONS = "dryRun gracePeriodSeconds propagationPolicy orphanDependents "
_WATCH = "watch allowWatchBookmarks includeObject "
PARAMETERS = {
    "get": _READ + "resourceVersion includeObject",
    "list": _READ + _LIST + _WATCH,
    "watch": _READ + _LIST + _WATCH,
    "create": _READ + _WRITE,
    "update": _READ + _WRITE,
    "patch": _READ + _WRITE + "force",
    "delete": _READ + DELETE_OPTIONS,
    "deletecollection": _READ + DELETE_OPTIONS + _LIST,
    "discovery": _READ + "hash",
    "review": _READ + _WRITE,
}
PATCHES = {
    "hostclaims": ("json-patch+json", "merge-patch+json", "apply-patch+yaml"),
    "hardwaredata": ("json-patch+json", "merge-patch+json", "apply-patch+yaml"),
    "secrets": (
        "json-patch+json",
        "merge-patch+json",
        "strategic-merge-patch+json",
        "apply-patch+yaml",
    ),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, understood. `namespace` is empty for all of them."""

    verb: str
    plural: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    applies: bool = False


def read(request: Request) -> Asked | frozenset[int]:
    """Understand a request, or say with which codes it can be refused."""
    faults = set(_faults_of_head(request)) | set(_faults_of_query(request))
    path = request.target.partition("?")[0]
    found = [
        (kind, match)
        for kind, patterns in PATHS.items()
        for pattern in patterns
        if (match := re.fullmatch(pattern, path))
    ]
    if not found:
        return frozenset(faults | {400, 403})
    [(kind, match)] = found
    parts = {key: value or "" for key, value in match.groupdict().items()}
    verb = METHODS[kind].get(request.method, "")
    if not verb:
        return frozenset(faults | {403, 405})
    if verb == "list" and any(key == "watch" and _is_yes(value) for key, value in request.query):
        verb = "watch"
        faults |= {405} if request.method == "HEAD" else set()
    patch = request.content_type.removeprefix("application/")
    if verb == "patch" and patch not in PATCHES[parts["plural"]]:
        faults.add(415)
    if any(key not in PARAMETERS[verb].split() for key, _ in request.query):
        faults.add(400)
    applies = verb == "patch" and request.content_type == "application/apply-patch+yaml"
    return frozenset(faults) or Asked(verb, **parts, applies=applies)


def _faults_of_head(request: Request) -> Iterator[int]:
    names = {key.lower().replace("_", "-") for key, _ in request.headers}
    if any(name.startswith("impersonate") for name in names):
        yield 403
    if request.method not in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}:
        yield 405
    if "upgrade" in names or (request.method in {"GET", "HEAD"} and request.body):
        yield 400
    if "content-encoding" in names:
        yield 415


def _faults_of_query(request: Request) -> Iterator[int]:
    _, question, query = request.target.partition("?")
    pairs = query.split("&")
    keys = [pair.partition("=")[0] for pair in pairs]
    canonical = re.compile(r"[A-Za-z]+=([-A-Za-z0-9._~+!$'()*,:@/?=]|%[0-9A-Fa-f]{2})*")
    if question and not all(canonical.fullmatch(pair) for pair in pairs):
        yield 400
    if len(set(keys)) < len(keys):
        yield 400
    for key, value in request.query:
        if key in {"limit", "timeoutSeconds", "gracePeriodSeconds"} and not value.isdigit():
            yield 400


def _is_yes(value: str) -> bool:
    return value.lower() not in {"0", "false"}
