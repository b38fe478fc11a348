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

from proxy.demo.cluster import protobuf

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

    Of several faults any may be named, so there may be several codes. What is
    refused unheard sends nothing upstream at all; what the cluster refuses, for
    the proxy has no rights there, was sent.
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

    def lets_proxy_into(self, namespace: str) -> bool:
        """Whether the proxy's service account has rights in a namespace."""
        ...


# What is asked.

LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
NAME = r"(?=[^/]{1,253}(/|$))[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
PATHS = {
    "collection": [
        rf"/apis/metal3\.io/v1alpha1/namespaces/(?P<namespace>{LABEL})/(?P<plural>hostclaims)",
        rf"/api/v1/namespaces/(?P<namespace>{LABEL})/(?P<plural>secrets)",
    ],
    "all": [r"/apis/metal3\.io/v1alpha1/(?P<plural>hostclaims)", "/api/v1/(?P<plural>secrets)"],
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
    "editor": {(plural, verb) for plural in PATCHES for verb in _LOOK + _CHANGE},
}


def grants(
    policies: list[Object], caller: Caller, plural: str, verb: str, namespace: str
) -> list[Object]:
    """The grants that a caller has for a verb, none of them if anything denies it."""
    mine = [p["spec"] for p in policies if any(_is(caller, s) for s in p["spec"]["subjects"])]
    for denial in chain.from_iterable(spec.get("deny", ()) for spec in mine):
        if _names(denial, plural, verb) and _covers(denial["namespaces"], namespace):
            return []
    return [
        grant
        for grant in chain.from_iterable(spec.get("allow", ()) for spec in mine)
        if _names(grant, plural, verb) and _reaches(grant, caller, namespace)
    ]


def span(policies: list[Object], caller: Caller, asked: Asked) -> tuple[str, ...]:
    """The namespaces that a request is about, as far as they are granted.

    Of all namespaces, those that are granted by name. A pattern may cover more
    than anybody here knows of, so with one among them it is none.
    """
    if asked.namespace:
        held = bool(grants(policies, caller, asked.plural, asked.verb, asked.namespace))
        return (asked.namespace,) * held
    granted = [grant for p in policies for grant in p["spec"].get("allow", ())]
    named = {name for grant in granted for name in grant.get("namespaces", ())}
    named |= {name for names in caller.claims.values() for name in names}
    mine = [n for n in sorted(named) if grants(policies, caller, asked.plural, asked.verb, n)]
    return () if any(name.endswith("*") for name in mine) else tuple(mine)


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
        return Pass(200)
    if asked.verb == "review":
        return _review(caller, policies, request)
    if not asked.namespace:
        return _all_namespaces(span(policies, caller, asked), cluster, request, asked)
    verbs = ("patch", "create") if asked.applies else (asked.verb,)
    granted = [grants(policies, caller, asked.plural, v, asked.namespace) for v in verbs]
    if not all(granted) or (asked.subresource and asked.verb != "get"):
        return Refusal(frozenset({403}), unheard=True)
    judge = _Judge(cluster, request, asked, granted)
    faults = frozenset(judge.faults_of_body())
    if not cluster.lets_proxy_into(asked.namespace):
        return Refusal(faults | {403, 503}, by_cluster=True)
    judged = judge.secret() if asked.plural == "secrets" else judge.claim()
    if faults:
        return Refusal(faults | (judged.codes if isinstance(judged, Refusal) else frozenset()))
    return judged


def _review(caller: Caller, policies: list[Object], request: Request) -> Expected:
    if "selfsubjectaccessreviews" not in request.target:
        return Pass(201)
    asked = json.loads(request.body)["spec"]["resourceAttributes"]
    plural, verb, namespace = asked["resource"], asked["verb"], asked["namespace"]
    return Pass(201, shown=bool(grants(policies, caller, plural, verb, namespace)))


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
    open_to_us = [namespace for namespace in spanned if cluster.lets_proxy_into(namespace)]
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


@dataclass(frozen=True, slots=True)
class _Judge:
    """The exceptions from what the owner would get, for one request."""

    cluster: Cluster
    request: Request
    asked: Asked
    granted: list[list[Object]]

    def faults_of_body(self) -> Iterator[int]:
        """What is wrong however the cluster looks."""
        if "application/cbor" in self.request.header("accept"):
            yield 406
        if self.asked.verb.startswith("delete") and self.request.body:
            # The apiserver would read one of them and leave the other.
            yield from (400 for key, _ in self.request.query if key in _DELETE.split())
        if self.asked.verb in {"create", "update"} or (
            self.request.body and self.asked.verb in {"delete", "deletecollection"}
        ):
            taken = {"application/json", "application/yaml"}
            if self.asked.plural == "secrets" and self.asked.verb != "deletecollection":
                taken.add(protobuf.MEDIA_TYPE)
            if self.request.content_type not in taken:
                yield 415
                return
        if self.asked.verb in {"create", "update"} or self.asked.applies:
            yield from self._faults_of_object(self.sent())

    def sent(self) -> Any:
        """The body, whatever it was written in."""
        if self.request.content_type == protobuf.MEDIA_TYPE:
            return protobuf.decode(self.request.body)
        return json.loads(self.request.body)

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

    # Secrets: only stamped ones are there, and what is written is stamped.

    def secret(self) -> Expected:
        verb, live = self.asked.verb, self.live
        match verb:
            case "list":
                return self._stamped_only(self._as_owner())
            case "watch" | "deletecollection":
                return self._as_owner()
            case "create":
                return self._stored(None)
        if self.asked.applies:
            return self._applied_secret(live)
        if verb == "get" and ("includeObject", "None") in self.request.query:
            return Refusal(frozenset({400}))
        if live is None or not _is_stamped(live):
            return Refusal(frozenset({404}))
        match verb:
            case "update":
                return self._replaced_secret(live)
            case "patch":
                return self._patched_secret(live)
        return self._as_owner()

    def _stamped_only(self, owners: Pass) -> Pass:
        if owners.code != 200 or any(key == "limit" for key, _ in self.request.query):
            return Pass(owners.code)
        return Pass(200, [name for name in names_in(owners.shown) if self._is_mine(name)])

    def _is_mine(self, name: str) -> bool:
        found = self.cluster.find("secrets", self.asked.namespace, name)
        return found is not None and _is_stamped(found)

    def _applied_secret(self, live: Object | None) -> Expected:
        version = self.sent().get("metadata", {}).get("resourceVersion")
        if live is None:
            return Refusal(frozenset({404})) if version else self._stored(None)
        return self._replaced_secret(live) if _is_stamped(live) else Refusal(frozenset({409}))

    def _replaced_secret(self, live: Object) -> Expected:
        if self._is_stale(live):
            return Refusal(frozenset({409}))
        if self.sent().get("type", live["type"]) != live["type"]:
            return Refusal(frozenset({403}))
        return self._stored(live)

    def _stored(self, live: Object | None) -> Expected:
        """A whole secret of the tenant's, which gets the stamp whatever it says."""
        if any(self._owned(self.sent(), live)):
            return Refusal(frozenset({403}))
        return self._as_owner(_stamped(self.sent()))

    def _is_stale(self, live: Object) -> bool:
        version = self.sent().get("metadata", {}).get("resourceVersion", "0")
        return version not in {"0", live["metadata"]["resourceVersion"]}

    def _patched_secret(self, live: Object) -> Expected:
        code, after = self._told(self.request)
        kept = code < 300 and after["type"] == live["type"] and _is_stamped(after)
        if code < 300 and (not kept or any(self._owned(after, live))):
            return Refusal(frozenset({403}))
        return self._as_owner()

    def _told(self, request: Request) -> tuple[int, Any]:
        """What the owner is told; of a write the object, whatever the client wants to be shown."""
        if self.asked.verb not in {"create", "update", "patch"}:
            return self.cluster.tell_owner(request)
        kept = tuple(h for h in request.headers if h[0].lower() != "accept")
        return self.cluster.tell_owner(replace(request, headers=kept))

    # HostClaims: what they refer to is the tenant's, what they ask for within bounds.

    def claim(self) -> Expected:
        verb, live = self.asked.verb, self.live
        if verb not in {"create", "update", "patch"}:
            return self._as_owner()
        if verb == "create":
            return self._judged(self.sent(), None)
        if self.asked.applies and live is None:
            if self.sent().get("metadata", {}).get("resourceVersion"):
                return Refusal(frozenset({404}))
        elif live is None:
            return Refusal(frozenset({404}))
        if verb == "update":
            stale = live is not None and self._is_stale(live)
            return Refusal(frozenset({409})) if stale else self._judged(self.sent(), live)
        code, after = self._told(self.request)
        return self._judged(after, live) if code < 300 else Pass(code)

    def _judged(self, after: Object, before: Object | None) -> Expected:
        wrong = (self._foreign(after), self._unfinished(after, before), self._owned(after, before))
        if any(chain(*wrong)):
            return Refusal(frozenset({403}))
        needed = [
            [g for g in grants if self._is_within(g, after, before)] for grants in self.granted
        ]
        return self._as_owner() if all(needed) else Refusal(frozenset({403}))

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
