"""What should happen: the rules said a second time, naively, to hold the proxy to.

A tenant gets what the cluster's owner would get, with exceptions; this room is
the list of the exceptions. Nothing here is fast, compiled or clever, and
nothing is shared with the code that it judges.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Protocol
from urllib.parse import parse_qsl

from tests.oracle.bodies import JSON_SPOILT, PROTOBUF, PROTOBUF_SPOILT

Object = dict[str, Any]

STAMP = "hostclaim-proxy.metal3.io/tenant-secret"
FINALIZER = "metal3.io/hostclaim"
SECRET_TYPES = ("Opaque", "infrastructure.cluster.x-k8s.io/secret")
REFERENCES = ("userData", "networkData", "metaData")


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


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal, after which the cluster is as it was.

    A request may have several faults, and any of them may be told, so there may be
    several codes. What is refused unheard sends nothing upstream at all; what the
    cluster refuses, for the proxy has no rights there, was sent.
    """

    codes: frozenset[int]
    unheard: bool = False
    by_cluster: bool = False


@dataclass(frozen=True, slots=True)
class Pass:
    """The cluster's answer: its code, what it shows, and what it stores (None: nothing new)."""

    code: int
    shown: Any = None
    stored: Object | None = None


Expected = Refusal | Pass


class Cluster(Protocol):
    """What the judge may look at."""

    def find(self, plural: str, namespace: str, name: str) -> Object | None:
        """An object as it is stored."""
        ...

    def every(self, plural: str, namespace: str) -> list[Object]:
        """All objects of a namespace."""
        ...

    def tell_owner(self, request: Request) -> tuple[int, Any]:
        """What the owner would be answered; a write is only rehearsed."""
        ...

    def lets_proxy(self, plural: str, namespace: str) -> bool:
        """Whether the proxy's service account has rights on a resource in a namespace."""
        ...


# What is asked.

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
_DELETE = "dryRun gracePeriodSeconds propagationPolicy orphanDependents "
_WATCH = "watch allowWatchBookmarks includeObject "
PARAMETERS = {
    "get": _READ + "resourceVersion includeObject",
    "list": _READ + _LIST + _WATCH,
    "watch": _READ + _LIST + _WATCH,
    "create": _READ + _WRITE,
    "update": _READ + _WRITE,
    "patch": _READ + _WRITE + "force",
    "delete": _READ + _DELETE,
    "deletecollection": _READ + _DELETE + _LIST,
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


# May they.

_LOOK = ("get", "list", "watch")
_CHANGE = ("create", "update", "patch", "delete")
ROLES = {
    "viewer": {("hostclaims", verb) for verb in _LOOK},
    "editor": {(plural, verb) for plural in ("hostclaims", "secrets") for verb in _LOOK + _CHANGE},
}


def grants(
    policies: list[Object], caller: Caller, plural: str, verb: str, namespace: str
) -> list[Object]:
    """The grants that a caller has for a verb, none of them if anything denies it."""
    if denies(policies, caller, plural, verb, namespace):
        return []
    return [
        grant
        for grant in _statements(policies, caller, "allow")
        if _names(grant, plural, verb) and _reaches(grant, caller, namespace)
    ]


def denies(policies: list[Object], caller: Caller, plural: str, verb: str, namespace: str) -> bool:
    """Whether anything denies a caller a verb, whoever grants it."""
    return any(
        _names(denial, plural, verb) and _covers(denial["namespaces"], namespace)
        for denial in _statements(policies, caller, "deny")
    )


def span(policies: list[Object], caller: Caller, asked: Asked) -> tuple[str, ...]:
    """The namespaces that a request is about, as far as they are granted.

    Of all namespaces, those that are granted by name. A pattern may cover more
    than anybody here knows of, so with one among them it is none. HardwareData
    is asked for where the hosts are, and granted by name where the claims are.
    """
    if asked.plural == "hardwaredata":
        if not asked.namespace or denies(
            policies, caller, asked.plural, asked.verb, asked.namespace
        ):
            return ()
    elif asked.namespace:
        held = bool(grants(policies, caller, asked.plural, asked.verb, asked.namespace))
        return (asked.namespace,) * held
    named = _named(policies, caller)
    mine = [n for n in named if grants(policies, caller, asked.plural, asked.verb, n)]
    return () if any(name.endswith("*") for name in mine) else tuple(mine)


def _named(policies: list[Object], caller: Caller) -> list[str]:
    """Every name and pattern of namespaces that a grant or the token has."""
    granted = [grant for p in policies for grant in p["spec"].get("allow", ())]
    named = {name for grant in granted for name in grant.get("namespaces", ())}
    return sorted(named | {name for names in caller.claims.values() for name in names})


def _statements(policies: list[Object], caller: Caller, effect: str) -> Iterator[Object]:
    """What the policies that concern a caller allow, or deny."""
    for policy in policies:
        if any(_is(caller, subject) for subject in policy["spec"]["subjects"]):
            yield from policy["spec"].get(effect, ())


def _is(caller: Caller, subject: Object) -> bool:
    if subject["issuer"] != caller.issuer:
        return False
    return (
        subject.get("everyone", False)
        or subject.get("group") in caller.groups
        or subject.get("user") == caller.username
        or subject.get("client", "") == caller.client != ""
        or subject.get("serviceAccount", "") == caller.service_account != ""
    )


def _names(statement: Object, plural: str, verb: str) -> bool:
    """A role says it all; a denial that names no resources or verbs means all of them."""
    if "role" in statement:
        return (plural, verb) in ROLES[statement["role"]]
    return plural in statement.get("resources", (plural,)) and verb in statement.get(
        "verbs", (verb,)
    )


def _covers(patterns: list[str], namespace: str) -> bool:
    return any(
        pattern == namespace or (pattern.endswith("*") and namespace.startswith(pattern[:-1]))
        for pattern in patterns
    )


def _reaches(grant: Object, caller: Caller, namespace: str) -> bool:
    if "namespacesFromClaim" in grant:
        claimed = caller.claims.get(grant["namespacesFromClaim"], ())
        if namespace not in claimed or not re.fullmatch(f"(?!kube-){LABEL}", namespace):
            return False
    return _covers(grant.get("namespaces", ["*"]), namespace)


# What comes of it.


def expect(
    caller: Caller | None, policies: list[Object], cluster: Cluster, request: Request
) -> Expected:
    """What should come of a request."""
    if caller is None:
        return Refusal(frozenset({401}), unheard=True)
    asked = read(request)
    if isinstance(asked, frozenset):
        return Refusal(asked, unheard=True)
    if asked.verb == "discovery":
        return _discovery(caller, policies, request)
    if asked.verb == "review":
        return _review(caller, policies, request)
    spanned = span(policies, caller, asked)
    if asked.plural == "hardwaredata":
        if not spanned:
            return Refusal(frozenset({403}), unheard=True)
        return _Hosts(cluster, request, asked, spanned).expected()
    if not asked.namespace:
        return _all_namespaces(spanned, cluster, request, asked)
    verbs = ("patch", "create") if asked.applies else (asked.verb,)
    granted = [grants(policies, caller, asked.plural, v, asked.namespace) for v in verbs]
    if not all(granted) or (asked.subresource and asked.verb != "get"):
        return Refusal(frozenset({403}), unheard=True)
    return _Judge(cluster, request, asked, granted).expected()


def _review(caller: Caller, policies: list[Object], request: Request) -> Expected:
    if "selfsubjectaccessreviews" not in request.target:
        return Pass(201)
    about = json.loads(request.body)["spec"]["resourceAttributes"]
    asked = Asked(about["verb"], about["resource"], about["namespace"])
    return Pass(201, shown=bool(span(policies, caller, asked)))


def _discovery(caller: Caller, policies: list[Object], request: Request) -> Expected:
    """HardwareData is there for those alone to whom it is granted, anywhere."""
    if request.target.partition("?")[0] != "/apis/metal3.io/v1alpha1":
        return Pass(200)
    found = {"hostclaims", "hostclaims/status"}
    for namespace in _named(policies, caller):
        if any(grants(policies, caller, "hardwaredata", verb, namespace) for verb in _LOOK):
            found.add("hardwaredata")
    return Pass(200, shown=found)


def _all_namespaces(
    spanned: tuple[str, ...], cluster: Cluster, request: Request, asked: Asked
) -> Expected:
    """What each of the namespaces shows by itself, together."""
    if not spanned:
        return Refusal(frozenset({403}), unheard=True)
    query = dict(request.query)
    from_now = query.get("resourceVersion", "0") == "0" and "sendInitialEvents" not in query
    # Of several faults, any may be told.
    faults = {406} if "application/cbor" in request.header("accept") else set()
    if asked.verb == "watch" and from_now:
        faults.add(400)
    if faults:
        return Refusal(frozenset(faults))
    open_to_us = [n for n in spanned if cluster.lets_proxy(asked.plural, n)]
    if not open_to_us:
        return Pass(403)
    if asked.verb == "watch" or "limit" in query:
        return Pass(200)
    names = []
    for namespace in open_to_us:
        target = request.target.replace(
            f"/{asked.plural}", f"/namespaces/{namespace}/{asked.plural}"
        )
        code, shown = cluster.tell_owner(replace(request, target=target))
        if code != 200:
            return Pass(code)
        found = [cluster.find(asked.plural, namespace, name) for name in names_in(shown)]
        names += [f["metadata"]["name"] for f in found if f and _is_theirs(asked.plural, f)]
    return Pass(200, shown=names)


def _is_theirs(plural: str, found: Object) -> bool:
    return plural == "hostclaims" or _is_stamped(found)


def _unless(faults: set[int], answered: Pass) -> Expected:
    """The cluster's answer, unless there are faults; its own refusal may be told before them."""
    if not faults:
        return answered
    return Refusal(frozenset(faults | ({answered.code} if answered.code >= 400 else set())))


# HardwareData: what the tenant's claims have, and what they could have.

MATCHED: dict[str, set[str]] = {
    "^blue": {"blue", "blue-dev", "blueberry"},
    "^blue$": {"blue"},
    "-(dev|a)$": {"blue-dev", "pool-a"},
    "e": {"blue", "blue-dev", "blueberry", "red"},
    "^b[a-l]ue-?": {"blue", "blue-dev", "blueberry"},
    # Go and Python do not read these alike, or not at all: they admit nobody.
    "[[:alpha:]]": set(),
    "^(?!red)": set(),
    r"\Ablue": set(),
    "(blue": set(),
    "(b+)+l": set(),
}
"""The namespaces that a `nameMatches` matches, of those that are here."""


def admits(policy: Object, namespace: str, labels: Object) -> bool:
    """Whether a HostDeployPolicy lets the claims of a namespace have hosts: all it sets agrees."""
    spec = policy.get("spec", {})
    if "hostClaimNamespaces" not in spec:
        return False
    wanted = spec["hostClaimNamespaces"]
    return (
        ("names" not in wanted or namespace in wanted["names"])
        and ("nameMatches" not in wanted or namespace in MATCHED[wanted["nameMatches"]])
        and all(
            label["name"] in labels and label.get("value", "") in {"", labels[label["name"]]}
            for label in wanted.get("hasLabels", ())
        )
    )


@dataclass(frozen=True, slots=True)
class _Hosts:
    """What there is to read where hosts are, for whoever has claims in some namespaces."""

    cluster: Cluster
    request: Request
    asked: Asked
    tenants: tuple[str, ...]

    def is_open(self) -> bool:
        """Whether a HostDeployPolicy here admits one of the namespaces."""
        here = self._every("hostdeploypolicies", self.asked.namespace)
        return any(
            admits(policy, name, self._labels(name)) for policy in here for name in self.tenants
        )

    def _labels(self, namespace: str) -> Object:
        found = self.cluster.find("namespaces", "", namespace)
        if found is None or not self.cluster.lets_proxy("namespaces", namespace):
            return {}
        return dict(found["metadata"].get("labels", {}))

    def bound(self) -> set[str]:
        """The hosts here that claims of the namespaces are bound to."""
        claims = chain.from_iterable(self._every("hostclaims", name) for name in self.tenants)
        statuses = [claim.get("status", {}) for claim in claims]
        hosts = [s[key] for s in statuses for key in ("hardwareData", "bareMetalHost") if key in s]
        return {host["name"] for host in hosts if host["namespace"] == self.asked.namespace}

    def _every(self, plural: str, namespace: str) -> list[Object]:
        """What the proxy can see of a resource."""
        return (
            self.cluster.every(plural, namespace)
            if self.cluster.lets_proxy(plural, namespace)
            else []
        )

    def visible(self) -> set[str]:
        """The names that may be told of at all."""
        here = {
            found["metadata"]["name"]
            for found in self.cluster.every("hardwaredata", self.asked.namespace)
        }
        return here if self.is_open() else here & self.bound()

    def expected(self) -> Expected:
        faults = {406} if "application/cbor" in self.request.header("accept") else set()
        if not self.is_open():
            faults |= set(self._faults_where_closed())
        if not self.cluster.lets_proxy("hardwaredata", self.asked.namespace):
            return Refusal(frozenset(faults | {403, 503}), by_cluster=True)
        if faults:
            return Refusal(frozenset(faults))
        return self._all() if self.is_open() or self.asked.verb == "get" else self._of_bound()

    def _faults_where_closed(self) -> Iterator[int]:
        """There is nothing here but the hosts of one's claims."""
        bound = self.bound()
        match self.asked.verb:
            case "get" if self.asked.name not in bound:
                yield 404
            case "list" if not bound:
                yield 403
            case "watch":
                yield 403
        query = dict(self.request.query)
        if self.asked.verb == "list" and (
            "continue" in query or query.get("includeObject") == "None"
        ):
            yield 400

    def _all(self) -> Pass:
        code, shown = self.cluster.tell_owner(self.request)
        if code != 200 or self.asked.verb == "watch":
            return Pass(code)
        return Pass(
            code, shown=shown if self.asked.verb == "get" else (names_in(shown), shown["metadata"])
        )

    def _of_bound(self) -> Pass:
        """A list of them, which does not tell how many there are besides."""
        path, _, query = self.request.target.partition("?")
        kept = [pair for pair in query.split("&") if pair and not pair.startswith("limit=")]
        request = replace(self.request, target="?".join([path, *["&".join(kept)][: len(kept)]]))
        code, shown = self.cluster.tell_owner(request)
        if code != 200:
            return Pass(code)
        names = [name for name in names_in(shown) if name in self.bound()]
        return Pass(code, shown=(names, {"resourceVersion": shown["metadata"]["resourceVersion"]}))


def hosts_shown(caller: Caller, policies: list[Object], cluster: Cluster, asked: Asked) -> set[str]:
    """The names of HardwareData of the namespace that an answer may tell."""
    spanned = span(policies, caller, asked)
    if asked.plural != "hardwaredata" or not spanned:
        return set()
    return _Hosts(cluster, Request("", ""), asked, spanned).visible()


# HostClaims and secrets of one namespace.


@dataclass(frozen=True, slots=True)
class _Judge:
    """The exceptions from what the owner would get, for one request."""

    cluster: Cluster
    request: Request
    asked: Asked
    granted: list[list[Object]]

    def expected(self) -> Expected:
        """The cluster's answer, if nothing is wrong; else any of what is wrong."""
        faults = set(self._faults_of_form())
        if not self.cluster.lets_proxy(self.asked.plural, self.asked.namespace):
            return Refusal(frozenset(faults | {403, 503}), by_cluster=True)
        if self._is_hidden():
            # To an apply, which would create it, it is in the way.
            return Refusal(frozenset(faults | {409 if self.asked.applies else 404}))
        faults |= set(self._faults_of_state())
        if self._is_whole():
            faults |= set(self._faults_of_content(self.sent()))
        elif self.asked.verb == "patch":
            code, after = self._told(self.request)
            faults |= set(self._faults_of_content(after)) if code < 300 else set()
        return _unless(faults, self._answered())

    def _is_whole(self) -> bool:
        """Whether what is written can be read off the body, and needs not be rehearsed."""
        applies_secret = self.asked.applies and self.asked.plural == "secrets"
        return self.asked.verb in {"create", "update"} or applies_secret

    def _faults_of_form(self) -> Iterator[int]:
        """What is wrong however the cluster looks."""
        verb, media = self.asked.verb, self.request.content_type
        if "application/cbor" in self.request.header("accept"):
            yield 406
        if self.asked.plural == "secrets" and ("includeObject", "None") in self.request.query:
            yield from [400] if verb == "get" else []
        if verb.startswith("delete") and self.request.body:
            # The apiserver would read one of them and leave the other.
            yield from (400 for key, _ in self.request.query if key in _DELETE.split())
        if self.request.body:
            spoilt = PROTOBUF_SPOILT if media == PROTOBUF else JSON_SPOILT
            yield from spoilt[self.request.spoilt][0]
        if self.request.body and verb != "patch" and media not in self._media():
            yield 415
        if verb in {"create", "update"} or self.asked.applies:
            yield from self._faults_of_object(self.sent())

    def _media(self) -> set[str]:
        """What a body may come in. In protobuf, secrets are written, and options of a delete."""
        taken = {"application/json", "application/yaml"}
        if self.asked.verb == "delete" or (
            self.asked.plural == "secrets" and self.asked.verb in {"create", "update"}
        ):
            taken.add(PROTOBUF)
        return taken

    def sent(self) -> Any:
        """What the body says, whatever it was written in."""
        return json.loads(self.request.said or self.request.body)

    def _faults_of_object(self, sent: Object) -> Iterator[int]:
        metadata = sent.get("metadata", {})
        kind, version = ("Secret", "v1")
        if self.asked.plural == "hostclaims":
            kind, version = ("HostClaim", "metal3.io/v1alpha1")
        if (sent.get("kind", kind), sent.get("apiVersion", version)) != (kind, version):
            yield 400
        if metadata.get("namespace") not in {None, "", self.asked.namespace}:
            yield 400
        if self.asked.name and metadata.get("name") not in {None, "", self.asked.name}:
            yield 400
        if self.asked.plural == "secrets" and sent.get("type", "Opaque") not in SECRET_TYPES:
            yield 403

    def _is_hidden(self) -> bool:
        """Secrets that are not stamped are not there."""
        live = self.live
        return self.asked.plural == "secrets" and live is not None and not _is_stamped(live)

    def _faults_of_state(self) -> Iterator[int]:
        """What is wrong with a write as the object is now: that it is not there, or another."""
        verb, live = self.asked.verb, self.live
        if verb not in {"update", "patch"}:
            return
        version = self._version()
        if live is None:
            yield from [404] if version or not self.asked.applies else []
            return
        if version not in {"", "0", live["metadata"]["resourceVersion"]}:
            yield 409
        if self.asked.plural == "secrets" and live["type"] not in SECRET_TYPES:
            yield 403

    def _version(self) -> str:
        """The version that a write insists on, if any."""
        sent = self.sent()
        if not isinstance(sent, list):
            return str(sent.get("metadata", {}).get("resourceVersion", ""))
        pointer = "/metadata/resourceVersion"
        sets = [o for o in sent if o["path"] == pointer and o["op"] in {"add", "replace"}]
        return str(sets[-1]["value"]) if sets else ""

    def _faults_of_content(self, after: Object) -> Iterator[int]:
        """What is wrong with what would be stored."""
        live = self.live
        wrong = [*self._owned(after, live)]
        if self.asked.plural == "secrets":
            wrong.append(live is not None and after.get("type", live["type"]) != live["type"])
            wrong.append(not self._is_whole() and not _is_stamped(after))
        else:
            wrong += [*self._foreign(after), *self._unfinished(after, live)]
            for granted in self.granted:
                wrong.append(not any(self._is_within(g, after, live) for g in granted))
        yield from [403] if any(wrong) else []

    def _answered(self) -> Pass:
        """What the owner gets, of tenant secrets only, and with the stamp on what is written."""
        if self.asked.plural != "secrets":
            return self._as_owner()
        if self.asked.verb == "list":
            return self._stamped_only(self._as_owner())
        return self._as_owner(_stamped(self.sent())) if self._is_whole() else self._as_owner()

    @property
    def live(self) -> Object | None:
        return self.cluster.find(self.asked.plural, self.asked.namespace, self.asked.name)

    def _as_owner(self, sent: Object | None = None) -> Pass:
        """What the owner gets; `sent` is what the tenant's body amounts to, if it is amended."""
        request = self.request
        if sent is not None:
            kept = tuple(h for h in request.headers if h[0].lower() != "content-type")
            media = request.content_type if self.asked.applies else "application/json"
            headers = (*kept, ("Content-Type", media))
            request = replace(request, headers=headers, body=json.dumps(sent).encode())
        code, answer = self._told(request)
        dry = ("dryRun", "All") in request.query
        if code >= 300 or dry:
            return Pass(code)
        if self.asked.verb in {"get", "list"}:
            return Pass(code, shown=answer)
        return Pass(code, stored=None if self.asked.verb.startswith("delete") else answer)

    def _stamped_only(self, owners: Pass) -> Pass:
        if owners.code != 200 or any(key == "limit" for key, _ in self.request.query):
            return Pass(owners.code)
        return Pass(200, [name for name in names_in(owners.shown) if self._is_mine(name)])

    def _is_mine(self, name: str) -> bool:
        found = self.cluster.find("secrets", self.asked.namespace, name)
        return found is not None and _is_stamped(found)

    def _told(self, request: Request) -> tuple[int, Any]:
        """What the owner is told; of a write the object, whatever the client wants to be shown."""
        if self.asked.verb not in {"create", "update", "patch"}:
            return self.cluster.tell_owner(request)
        kept = tuple(h for h in request.headers if h[0].lower() != "accept")
        return self.cluster.tell_owner(replace(request, headers=kept))

    def _foreign(self, claim: Object) -> Iterator[bool]:
        spec = claim.get("spec", {})
        yield bool(spec.get("image", {}).get("ociAuthSecretName"))
        for key in REFERENCES:
            reference = spec.get(key, {})
            yield reference.get("namespace") not in {None, "", self.asked.namespace}
            if "name" in reference:
                found = self.cluster.find("secrets", self.asked.namespace, reference["name"])
                yield found is not None and not _is_stamped(found)

    def _unfinished(self, after: Object, before: Object | None) -> Iterator[bool]:
        now = set(after.get("metadata", {}).get("finalizers", ()))
        then = set((before or {}).get("metadata", {}).get("finalizers", ()))
        yield FINALIZER in then - now
        yield bool(now - then - {FINALIZER})

    def _owned(self, after: Object, before: Object | None) -> Iterator[bool]:
        """Owners that the cluster lacks have their objects deleted."""
        known = (before or {}).get("metadata", {}).get("ownerReferences", ())
        for owner in after.get("metadata", {}).get("ownerReferences", ()):
            if owner not in known:
                found = self.cluster.find("hostclaims", self.asked.namespace, owner["name"])
                here = found is not None and found["metadata"]["uid"] == owner["uid"]
                yield not here or owner["kind"] != "HostClaim"

    def _is_within(self, grant: Object, claim: Object, before: Object | None) -> bool:
        bounds = grant.get("bounds", {})
        spec = claim.get("spec", {})
        selector = spec.get("hostSelector", {})
        wanted = bounds.get("hostSelector", {})
        labels = selector.get("matchLabels", {})
        there = len(self.cluster.every("hostclaims", self.asked.namespace))
        return (
            all(labels.get(key) == value for key, value in wanted.get("matchLabels", {}).items())
            and (
                "inNamespaces" not in wanted
                or _covers(wanted["inNamespaces"], selector.get("inNamespace", ""))
            )
            and _are_images_within(spec.get("image", {}), bounds.get("images"))
            and (before is not None or there < bounds.get("maxHostClaims", there + 1))
        )


def _are_images_within(image: Object, prefixes: list[str] | None) -> bool:
    """Plain addresses under a prefix; a checksum may also be the sum itself."""
    if prefixes is None:
        return True
    addresses = [image[key] for key in ("url", "checksum") if key in image]
    plain = re.compile(r"[a-z0-9:/.-]+|[0-9a-f]*")
    return all(
        plain.fullmatch(address)
        and "/." not in address
        and (any(map(address.startswith, prefixes)) or re.fullmatch("[0-9a-f]*", address))
        for address in addresses
    )


def _stamped(sent: Object) -> Object:
    metadata = sent.get("metadata", {})
    return {
        **sent,
        "metadata": {**metadata, "labels": {**metadata.get("labels", {}), STAMP: "true"}},
    }


def _is_stamped(secret: Object) -> bool:
    return bool(secret["metadata"].get("labels", {}).get(STAMP) == "true")


def names_in(shown: Object) -> list[str]:
    """The names in a list, a Table or a list of metadata."""
    if shown.get("kind") == "Table":
        return [row["object"]["metadata"]["name"] for row in shown["rows"]]
    return [item["metadata"]["name"] for item in shown["items"]]
