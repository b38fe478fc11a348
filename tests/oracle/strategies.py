"""What tenants, owners and administrators may come up with."""

import base64
import json
from typing import Any

from hypothesis import strategies as st

from tests.oracle.bodies import JSON_SPOILT, PROTOBUF, PROTOBUF_SPOILT
from tests.oracle.hosts import MATCHED
from tests.oracle.questions import Caller, Object, Request
from tests.oracle.reference import FINALIZER, STAMP
from tests.oracle.world import CLAIMS, HOSTS, NAMESPACES, POOLS, VAULT, host, path_of

CALLERS = {
    "alice": Caller("corp", "alice", groups=("/tenants/blue",)),
    "bob": Caller("corp", "bob", client="capm3", claims={"spaces": ("red", "blue-*", "blue-dev")}),
    "other-alice": Caller("lab", "alice", groups=("/tenants/blue",)),
    "capm3": Caller("mgmt", "serviceaccount:capm3:manager", service_account="capm3/manager"),
}
NAMES = ("one", "two")
Deed = tuple[str, str, str, str, Object | None]
"""What the owner does: method, resource, namespace, name, body."""
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
ANY = tuple((namespace, name) for namespace in NAMESPACES for name in NAMES)
VERSION, UID = "$VERSION", "$UID"
"""Stand in a body for those of the object that it is about, as it is when the body is sent."""

namespaces = st.sampled_from(NAMESPACES)
names = st.sampled_from(NAMES)
plurals = st.sampled_from(["secrets", "hostclaims"])
pools = st.sampled_from((*POOLS, *POOLS, *POOLS, VAULT))
hosts = st.sampled_from(HOSTS)


def _some(*pieces: Any, most: int = 2) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(pieces), max_size=most)


# Policies.

SUBJECTS: list[Object] = [
    {"issuer": "corp", "group": "/tenants/blue"},
    {"issuer": "corp", "user": "alice"},
    {"issuer": "corp", "everyone": True},
    {"issuer": "corp", "client": "capm3"},
    {"issuer": "lab", "user": "alice"},
    {"issuer": "mgmt", "serviceAccount": "capm3/manager"},
]
PATTERNS = ["*", "blue-*", "blue", "blue-dev", "red", "pool-a", VAULT]
BOUNDS: list[Object] = [
    {"images": ["https://images.example.com/blue/"]},
    {"maxHostClaims": 1},
    {"hostSelector": {"matchLabels": {"pool": "blue"}}},
    {"hostSelector": {"inNamespaces": ["pool-*"]}},
]
ALL: Object = {
    "resources": ["secrets", "hostclaims"],
    "verbs": list(VERBS),
}
READ_HOSTS: Object = {"resources": ["hardwaredata"], "verbs": ["get", "list", "watch"]}

_subjects = st.lists(st.sampled_from(SUBJECTS), min_size=1, max_size=2)
_patterns = st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2)
_statements = st.one_of(
    st.just(ALL),
    st.sampled_from(["viewer", "editor"]).map(lambda role: {"role": role}),
    st.builds(
        lambda plural, verbs: {"resources": [plural], "verbs": verbs},
        plurals,
        st.lists(st.sampled_from(VERBS), min_size=1, max_size=4),
    ),
    st.sampled_from(
        [READ_HOSTS, {**READ_HOSTS, "verbs": ["get"]}, {**READ_HOSTS, "verbs": ["list", "watch"]}]
    ),
)


@st.composite
def _grants(draw: st.DrawFn) -> Object:
    where: Object = {"namespaces": draw(_patterns)}
    if draw(st.integers(0, 5)) == 0:
        where = {"namespacesFromClaim": "spaces"} | (where if draw(st.booleans()) else {})
    bounds = {"bounds": draw(st.sampled_from(BOUNDS))} if draw(st.integers(0, 2)) == 0 else {}
    return {**where, **draw(_statements), **bounds}


_denials = st.builds(
    lambda patterns, what: {"namespaces": patterns, **what},
    _patterns,
    st.one_of(st.just({}), _statements, _statements, _statements),
)


def _policy(number: int, subjects: list[Object], spec: Object) -> Object:
    return {
        "apiVersion": "hostclaim-proxy.metal3.io/v1alpha1",
        "kind": "AccessPolicy",
        "metadata": {"name": f"policy-{number}"},
        "spec": {"subjects": subjects, **spec},
    }


_allowing = st.lists(_grants(), min_size=1, max_size=2).map(lambda grants: {"allow": grants})
# Mostly of something, for where all is denied there is little to find.
_denying = _denials.map(lambda denial: {"deny": [denial]})
_specs = st.one_of(_allowing, _allowing, _denying)
_HERS = {"namespaces": ["blue", "blue-dev"]}
_FULL = _policy(9, SUBJECTS[:2], {"allow": [{**_HERS, **ALL}, {**_HERS, **READ_HOSTS}]})


@st.composite
def policies(draw: st.DrawFn) -> list[Object]:
    """Documents as administrators write them; more often than not, Alice has her namespaces."""
    found = draw(st.lists(st.tuples(_subjects, _specs), max_size=3))
    documents = [_policy(number, *parts) for number, parts in enumerate(found)]
    return documents + ([_FULL] if draw(st.integers(0, 7)) else [])


# Objects.

OWNERS: list[Object] = [
    {"metadata": {"ownerReferences": [owner]}}
    for owner in (
        {"apiVersion": "v1", "kind": "Pod", "name": "one", "uid": UID},
        {"apiVersion": "metal3.io/v1alpha1", "kind": "HostClaim", "name": "one", "uid": "another"},
        {"apiVersion": "metal3.io/v1alpha1", "kind": "HostClaim", "name": "one", "uid": UID},
    )
]
SECRET_PIECES: list[Object] = [
    *OWNERS,
    {"metadata": {"labels": {"app": "x"}}},
    {"metadata": {"labels": {STAMP: "false"}}},
    {"metadata": {"labels": {STAMP: "true"}}},
    {"metadata": {"annotations": {"note": "n"}}},
    {"metadata": {"resourceVersion": VERSION}},
    {"metadata": {"resourceVersion": "999999"}},
    {"metadata": {"namespace": "red"}},
    {"metadata": {"name": "other"}},
    {"type": "infrastructure.cluster.x-k8s.io/secret"},
    {"type": "kubernetes.io/service-account-token"},
    {"data": {"other": "Yg=="}},
    {"kind": "ConfigMap"},
]
CLAIM_PIECES: list[Object] = [
    {"metadata": {"labels": {"app": "x"}}},
    {"metadata": {"resourceVersion": VERSION}},
    {"metadata": {"resourceVersion": "999999"}},
    {"metadata": {"namespace": "red"}},
    {"metadata": {"finalizers": [FINALIZER]}},
    {"metadata": {"finalizers": ["example.com/mine"]}},
    *OWNERS,
    {"spec": {"userData": {"name": "one"}}},
    {"spec": {"networkData": {"name": "two"}}},
    {"spec": {"metaData": {"name": "one", "namespace": "red"}}},
    {"spec": {"userData": {"name": "two", "namespace": "blue"}}},
    {"spec": {"hostSelector": {"matchLabels": {"pool": "blue"}}}},
    {"spec": {"hostSelector": {"inNamespace": "pool-a"}}},
    {"spec": {"image": {"url": "https://images.example.com/blue/a"}}},
    {"spec": {"image": {"url": "https://images.example.com/blue/../red/a"}}},
    {"spec": {"image": {"url": "https://evil.example.com/a", "checksum": "00ff"}}},
    {"spec": {"image": {"url": "https://images.example.com/a", "ociAuthSecretName": "bmc"}}},
    {"status": {"poweredOn": True}},
    {"kind": "BareMetalHost"},
    {"apiVersion": "metal3.io/v1beta1"},
]


def merged(*pieces: Object) -> Object:
    """One object of several; of what they both say, the later counts."""
    found: Object = {}
    for piece in pieces:
        for key, value in piece.items():
            both = isinstance(value, dict) and isinstance(found.get(key), dict)
            found[key] = merged(found[key], value) if both else value
    return found


def whole(plural: str, name: str, pieces: list[Object]) -> Object:
    """An object that can be stored, but for what the pieces do to it."""
    if plural == "secrets":
        return merged({"metadata": {"name": name}, "data": {"key": "YQ=="}}, *pieces)
    base = {"apiVersion": "metal3.io/v1alpha1", "kind": "HostClaim"}
    return merged(base, {"metadata": {"name": name}, "spec": {"poweredOn": True}}, *pieces)


SECRET_CHANGES: list[Object] = [
    {"metadata": {"labels": {STAMP: None}}},
    {"metadata": {"labels": None}},
    {"metadata": {"finalizers": []}},
    {"stringData": {"key": "b"}},
    {"data": None},
]
CLAIM_CHANGES: list[Object] = [
    {"metadata": {"finalizers": None}},
    {"metadata": {"ownerReferences": None}},
    {"spec": {"userData": None}},
    {"spec": {"poweredOn": "yes"}},
    {"spec": {"image": None}},
]
_NO_KIND = [{"kind": "ConfigMap"}, {"kind": "BareMetalHost"}]
STRATEGIC: list[Object] = [
    {"metadata": {"labels": {"$patch": "replace", "app": "y"}}},
    {"data": {"$patch": "delete"}},
    {"metadata": {"$deleteFromPrimitiveList/finalizers": [FINALIZER]}},
]
_STAMP_POINTER = "/metadata/labels/" + STAMP.replace("/", "~1")
OPERATIONS: dict[str, list[Object]] = {
    "secrets": [
        {"op": "remove", "path": _STAMP_POINTER},
        {"op": "replace", "path": "/metadata/labels", "value": {"app": "x"}},
        {"op": "test", "path": "/type", "value": "Opaque"},
        {"op": "test", "path": "/data/key", "value": "YQ=="},
        {"op": "replace", "path": "/type", "value": "kubernetes.io/service-account-token"},
        {"op": "add", "path": "/data", "value": {"new": "Yg=="}},
        {"op": "copy", "from": "/type", "path": "/metadata/annotations"},
        {"op": "test", "path": "/metadata/resourceVersion", "value": VERSION},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "999999"},
        {"op": "move", "from": "/data/key", "path": "/data/moved"},
    ],
    "hostclaims": [
        {"op": "add", "path": "/metadata/finalizers", "value": ["example.com/mine"]},
        {"op": "remove", "path": "/metadata/finalizers"},
        {"op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER},
        {"op": "add", "path": "/spec/userData", "value": {"name": "one"}},
        {"op": "add", "path": "/spec/networkData", "value": {"name": "two", "namespace": "red"}},
        {"op": "add", "path": "/spec/image", "value": {"url": "https://evil.example.com/a"}},
        {"op": "replace", "path": "/spec", "value": {"poweredOn": False}},
        {"op": "test", "path": "/spec/poweredOn", "value": True},
        {"op": "remove", "path": "/spec/poweredOn"},
        {"op": "copy", "from": "/spec/userData", "path": "/spec/metaData"},
    ],
}


# Requests.

ACCEPTS = (
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadata{};v=v1;g=meta.k8s.io",
    "application/vnd.kubernetes.protobuf,application/json",
    "application/cbor",
)
ODD_HEADERS = (
    ("Impersonate-User", "system:admin"),
    ("impersonate_group", "system:masters"),
    ("Upgrade", "websocket"),
    ("Content-Encoding", "gzip"),
    ("Connection", "Authorization"),
    ("X-Remote-User", "admin"),
    ("X-HTTP-Method-Override", "DELETE"),
)
QUERIES: dict[str, tuple[str, ...]] = {
    "get": ("resourceVersion=0", "includeObject=None", "pretty=true"),
    "list": (
        "labelSelector=app%3Dx",
        f"labelSelector=%21{STAMP}",
        f"labelSelector={STAMP}%21%3Dtrue",
        "labelSelector=app+in+%28x%2Cy%29",
        "fieldSelector=metadata.name%3Done",
        "limit=1",
        "resourceVersion=0",
    ),
    "watch": (
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
        f"labelSelector=%21{STAMP}",
        "resourceVersion=0",
    ),
    "write": ("dryRun=All", "fieldValidation=Strict", "fieldManager=somebody"),
    "apply": (
        "fieldManager=somebody",
        "fieldManager=somebody&force=true",
        "fieldManager=somebody&force=true&dryRun=All",
        "force=true",
    ),
    "delete": ("dryRun=All", "propagationPolicy=Foreground", "gracePeriodSeconds=0"),
    "deletecollection": ("labelSelector=app%3Dx", f"labelSelector=%21{STAMP}", "dryRun=All"),
}
HOST_QUERIES = {
    "get": ("pretty=true", "includeObject=None", "resourceVersion=0"),
    "list": (
        "labelSelector=app%3Dx",
        "fieldSelector=metadata.name%3Done",
        "limit=1",
        "limit=1&labelSelector=app",
        "continue=x",
        "includeObject=None",
        "resourceVersion=0",
    ),
    "watch": ("resourceVersion=0", QUERIES["watch"][0], "fieldSelector=metadata.name%3Done"),
}
KINDS = (
    *("create", "create", "get", "list", "update", "update", "merge", "merge", "json", "json"),
    *("strategic", "apply", "apply", "delete", "delete", "deletecollection", "watch", "status"),
)
OPTIONS: tuple[Object, ...] = (
    {"preconditions": {"uid": UID}},
    {"preconditions": {"resourceVersion": VERSION}},
    {"preconditions": {"uid": "another"}},
    {"dryRun": ["All"]},
)
STRANGE = (
    ("GET", "{claims}/../secrets"),
    ("GET", "{claims}//one"),
    ("GET", "{claims}/%6fne"),
    ("GET", "{claims}/one/"),
    ("GET", "{claims};v=1"),
    ("GET", "{claims}?"),
    ("GET", "{claims}?watch=1&watch=0"),
    ("GET", "{claims}?limit=-1"),
    ("GET", "{claims}?bogus=1"),
    ("GET", "{claims}?labelSelector=%zz"),
    ("HEAD", "{claims}?watch=true"),
    ("POST", "{claims}/one"),
    ("PUT", "{claims}"),
    ("PUT", "{claims}/one/status"),
    ("PATCH", "{claims}/one/status"),
    ("DELETE", "{claims}/one/status"),
    ("GET", "{claims}/one/scale"),
    ("GET", "{claims}/One"),
    ("TRACE", "{claims}"),
    ("GET", "http://cluster{claims}"),
    ("GET", "{secrets}/one/status"),
    ("GET", "{secrets}/one?includeObject=None"),
    ("POST", "{secrets}/one/token"),
    ("GET", "/api/v1/namespaces/{namespace}/pods"),
    ("GET", "/api/v1/namespaces/{namespace}"),
    ("GET", "/api/v1/watch/namespaces/{namespace}/secrets"),
    ("GET", "/api/v1/namespaces/{namespace}/secrets/one/../../../kube-system/secrets/x"),
    ("POST", "/api/v1/namespaces/{namespace}/serviceaccounts/default/token"),
    ("GET", "/apis/metal3.io/v1alpha1/namespaces/{namespace}/baremetalhosts"),
    ("GET", "/apis/metal3.io/v1beta1/namespaces/{namespace}/hostclaims"),
    ("GET", "/apis/metal3.io/v1alpha1/namespaces/{namespace}/hostdeploypolicies"),
    ("GET", "/apis/metal3.io/v1alpha1/hardwaredata"),
    ("GET", "{hardware}/one/status"),
    ("POST", "{hardware}"),
    ("PUT", "{hardware}/one"),
    ("PATCH", "{hardware}/one"),
    ("DELETE", "{hardware}/one"),
    ("DELETE", "{hardware}"),
    ("GET", "/apis/apps/v1/namespaces/{namespace}/secrets"),
    ("GET", "/metrics"),
    ("GET", "/api"),
    ("GET", "/apis/metal3.io"),
    ("GET", "/apis/metal3.io/v1alpha1"),
    ("GET", "/apis/metal3.io/v1alpha1"),
)

_MEDIA = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
_WHOLE = {"create", "update"}
_OF_METADATA = {"a field more in its metadata", "not UTF-8"}
_IN_PROTOBUF = {
    ("create", "secrets"),
    ("create", "hostclaims"),
    ("update", "secrets"),
    ("delete", "secrets"),
    ("delete", "hostclaims"),
    ("deletecollection", "secrets"),
}
"""What may be written in protobuf, or, for two of them, may not."""
_METHODS = {"create": "POST", "update": "PUT", "delete": "DELETE", "deletecollection": "DELETE"}


def _patches(plural: str, kind: str) -> st.SearchStrategy[Any]:
    if kind == "json":
        return st.lists(st.sampled_from(OPERATIONS[plural]), min_size=1, max_size=3)
    pieces = [*SECRET_PIECES, *SECRET_CHANGES, *(STRATEGIC if kind == "strategic" else ())]
    if plural == "hostclaims":
        pieces = [*CLAIM_PIECES, *CLAIM_CHANGES]
    allowed = [piece for piece in pieces if piece not in _NO_KIND]
    return st.lists(st.sampled_from(allowed), min_size=1, max_size=2).map(lambda p: merged(*p))


def _bodies(plural: str, kind: str, name: str) -> st.SearchStrategy[Any]:
    if kind in {"merge", "json", "strategic"}:
        return _patches(plural, kind)
    if kind in {"delete", "deletecollection"}:
        return st.one_of(st.none(), st.none(), st.sampled_from(OPTIONS))
    pieces = _some(*(SECRET_PIECES if plural == "secrets" else CLAIM_PIECES))
    if kind == "update" and plural == "hostclaims":
        pieces = pieces.map(lambda p: [{"metadata": {"resourceVersion": VERSION}}, *p])
    if kind == "apply" and plural == "secrets":
        pieces = pieces.map(lambda p: [{"apiVersion": "v1", "kind": "Secret"}, *p])
    return pieces.map(lambda p: whole(plural, name, p))


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """A request as clients send them, mostly."""
    kind, plural = draw(st.sampled_from(KINDS)), draw(plurals)
    # Mostly where something is granted, so that there is something to find.
    namespace = draw(st.sampled_from((*NAMESPACES, *("blue", "blue-dev") * 4, VAULT)))
    name = draw(names)
    collection = kind in {"create", "list", "watch", "deletecollection"}
    target = path_of(plural, namespace, "" if collection else name)
    if kind in {"list", "watch"} and draw(st.integers(0, 3)) == 0:
        target = target.replace(f"/namespaces/{namespace}", "")
    target += "/status" if kind == "status" and plural == "hostclaims" else ""
    headers = [("User-Agent", "test/1")]
    body = None
    if kind not in {"get", "list", "watch", "status"}:
        body = draw(_bodies(plural, kind, name))
        headers.append(("Content-Type", _MEDIA.get(kind, "application/json")))
    oddity = draw(st.integers(0, 19))
    if oddity < 4:
        kept = "List" if kind in {"list", "deletecollection"} else ""
        headers.append(("Accept", ACCEPTS[oddity].format(kept)))
    elif oddity == 4:
        headers.append(draw(st.sampled_from(ODD_HEADERS)))
    elif oddity == 5 and kind in {"create", "update"}:
        headers[1] = ("Content-Type", "application/cbor")
    elif oddity == 6 and kind in {"create", "update"}:
        headers[1] = ("Content-Type", "application/yaml")  # JSON is YAML
    elif oddity in range(7, 14) and (kind, plural) in _IN_PROTOBUF and body is not None:
        headers[1] = ("Content-Type", PROTOBUF)  # as controllers do
    query = _query(draw, kind)
    if body is None:
        return Request(_method(kind), target + query, tuple(headers))
    spoilt = _spoilt(draw, kind, headers[1][1])
    payload = json.dumps(body).encode()
    return Request(_method(kind), target + query, tuple(headers), payload, spoilt=spoilt)


def _spoilt(draw: st.DrawFn, kind: str, media: str) -> str:
    """Something that is done to a body, now and then; to one in protobuf, half the time."""
    if draw(st.integers(0, 1 if media == PROTOBUF else 19)):
        return ""
    ways = PROTOBUF_SPOILT if media == PROTOBUF else JSON_SPOILT
    return draw(st.sampled_from([way for way in ways if kind in _WHOLE or way not in _OF_METADATA]))


@st.composite
def questions_about_hosts(draw: st.DrawFn) -> Request:
    """Somebody reads what is known of hosts."""
    verb = draw(st.sampled_from(("get", "list", "list", "watch")))
    target = path_of("hardwaredata", draw(pools), draw(hosts) if verb == "get" else "")
    headers = [("User-Agent", "test/1")]
    oddity = draw(st.integers(0, 19))
    if oddity < len(ACCEPTS):
        headers.append(("Accept", ACCEPTS[oddity].format("List" if verb == "list" else "")))
    return Request("GET", target + _query(draw, verb, HOST_QUERIES), tuple(headers))


def _method(kind: str) -> str:
    return "PATCH" if kind in _MEDIA else _METHODS.get(kind, "GET")


def _query(draw: st.DrawFn, kind: str, table: dict[str, tuple[str, ...]] = QUERIES) -> str:
    queries = table.get(kind, QUERIES["write" if kind in {*_MEDIA, *_METHODS} else "get"])
    found = draw(st.sampled_from(("", "", *queries) if kind != "apply" else queries))
    if kind == "watch":
        found = f"watch=1&{found}".removesuffix("&")
    return f"?{found}" if found else ""


@st.composite
def strange_requests(draw: st.DrawFn) -> Request:
    """Almost a request that is served."""
    namespace = draw(namespaces)
    method, target = draw(st.sampled_from(STRANGE))
    paths = {plural: path_of(plural, namespace) for plural in ("secrets", "hostclaims")}
    target = target.format(
        claims=paths["hostclaims"],
        secrets=paths["secrets"],
        hardware=path_of("hardwaredata", draw(pools)),
        namespace=namespace,
    )
    headers = (("Content-Type", "application/merge-patch+json"),) if method == "PATCH" else ()
    return Request(method, target, headers, b"{}" if method in {"POST", "PUT", "PATCH"} else b"")


reviews = st.builds(
    lambda plural, verb, namespace: Request(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        (("Content-Type", "application/json"),),
        json.dumps(
            {
                "spec": {
                    "resourceAttributes": {
                        "group": "" if plural == "secrets" else "metal3.io",
                        "resource": plural,
                        "verb": verb,
                        "namespace": namespace,
                    }
                }
            }
        ).encode(),
    ),
    st.sampled_from(["secrets", "hostclaims", "hardwaredata"]),
    st.sampled_from(VERBS),
    st.sampled_from((*NAMESPACES, *POOLS, VAULT)),
)
tokens = st.sampled_from([*["alice"] * 8, "bob", "bob", "other-alice", "capm3", "mallory"])

# What the owner does.


OWNED_PIECES: list[Object] = [
    {"metadata": {"finalizers": [FINALIZER]}},
    {"metadata": {"finalizers": [FINALIZER, "example.com/theirs"]}},
    {"spec": {"userData": {"name": "one"}}},
]


@st.composite
def deeds(draw: st.DrawFn) -> Deed:
    """Something the owner does."""
    where = (draw(st.sampled_from((*NAMESPACES, "blue", "blue-dev", "blue"))), draw(names))
    deed = draw(st.sampled_from(DEEDS))
    if deed == "claim":
        pieces = draw(_some(*OWNED_PIECES, most=1))
        return "POST", "hostclaims", *where, whole("hostclaims", where[1], pieces)
    if deed == "status":
        return "PATCH", "hostclaims", *where, {"spec": {"poweredOn": False}}
    if deed in {"stamp", "unstamp"}:
        label = {STAMP: "true" if deed == "stamp" else None}
        return "PATCH", "secrets", *where, {"metadata": {"labels": label}}
    if deed.startswith("delete"):
        return "DELETE", deed.removeprefix("delete "), *where, None
    labels = {"app": "x"} | ({STAMP: "true"} if deed == "stamped" else {})
    return "POST", "secrets", *where, _private_secret(*where, labels, deed)


def _private_secret(namespace: str, name: str, labels: Object, deed: str) -> Object:
    """A secret of the owner's, whose content nobody else knows."""
    content = base64.b64encode(f"private to {namespace}/{name}".encode()).decode()
    token = deed == "token"
    annotations = {"kubernetes.io/service-account.name": "default"} if token else {}
    return {
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
        "type": "kubernetes.io/service-account-token" if token else "Opaque",
        "data": {"private": content},
    }


DEEDS = (
    *("stamped", "stamped", "unstamped", "unstamped", "token", "stamp", "unstamp", "claim"),
    *("status", "delete secrets", "delete hostclaims"),
)


ADMITTED: list[Object] = [
    {"names": ["blue"]},
    {"names": ["red", "blue-dev"]},
    {"names": []},
    {"hasLabels": [{"name": "team", "value": "blue"}]},
    {"hasLabels": [{"name": "team"}, {"name": "kubernetes.io/metadata.name"}]},
    {"names": ["blue", "red"], "hasLabels": [{"name": "team", "value": "blue"}]},
    {"names": ["blue"], "nameMatches": "^blue$"},
    {"names": ["blue"], "nameMatches": "-(dev|a)$"},
    {},
]
"""What HostDeployPolicies say of the namespaces that they admit."""
admitted = st.one_of(
    st.sampled_from(ADMITTED),
    st.sampled_from(list(MATCHED)).map(lambda pattern: {"nameMatches": pattern}),
)


@st.composite
def host_deeds(draw: st.DrawFn) -> Deed:
    """Something that the owner does about hosts."""
    where = (draw(pools), draw(hosts))
    deed = draw(st.sampled_from(HOST_DEEDS))
    if deed == "bind":
        key = draw(st.sampled_from(["hardwareData", "bareMetalHost"]))
        bound = {"status": {key: {"namespace": where[0], "name": where[1]}}}
        return "PATCH", "hostclaims/status", *draw(st.sampled_from((*CLAIMS, *ANY))), bound
    if deed == "label":
        label = {"team": draw(st.sampled_from(["blue", "red", None]))}
        return "PATCH", "namespaces", "", draw(namespaces), {"metadata": {"labels": label}}
    if deed == "found":
        return "POST", "hardwaredata", *where, host(where[1])
    if deed == "admit":
        spec = {"hostClaimNamespaces": draw(admitted)} if draw(st.integers(0, 9)) else {}
        policy = {"apiVersion": "metal3.io/v1alpha1", "kind": "HostDeployPolicy", "spec": spec}
        return "POST", "hostdeploypolicies", *where, {**policy, "metadata": {"name": where[1]}}
    return "DELETE", deed.removeprefix("delete "), *where, None


HOST_DEEDS = (
    *("bind", "bind", "bind", "bind", "label", "label", "admit", "admit", "found"),
    *("delete hardwaredata", "delete hostdeploypolicies"),
)
