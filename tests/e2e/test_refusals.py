"""What is refused to somebody we know: nothing goes upstream, one record is written."""

from collections.abc import Iterator

import pytest

from tests.e2e.ledger import Ledger, kept
from tests.e2e.wire import request
from tests.e2e.world import World

METAL3 = "/apis/metal3.io/v1alpha1"
MINE = f"{METAL3}/namespaces/blue-dev"
THEIRS = f"{METAL3}/namespaces/red"
CLAIMS = f"{MINE}/hostclaims"
CORE = "/api/v1/namespaces/blue-dev"

AUTHORIZATION = "Authorization: Bearer TOKEN"
JSON = "Content-Type: application/json"
PATCH = "Content-Type: application/merge-patch+json"


@pytest.fixture(scope="module")
def ledger(world: World) -> Iterator[Ledger]:
    with kept(world, world.proxy) as ledger:
        yield ledger


@pytest.fixture
def blue(world: World) -> str:
    return world.token("blue-capm3")


def asking(method: str, target: str, *lines: str) -> bytes:
    """The bytes of a request of blue's, with an object as body where there must be one."""
    if method not in {"POST", "PUT", "PATCH"}:
        return request(method, target, AUTHORIZATION, *lines)
    media = PATCH if method == "PATCH" else JSON
    return request(method, target, AUTHORIZATION, media, *lines, "Content-Length: 2", body=b"{}")


SOMEBODY_ELSE: dict[str, tuple[str, ...]] = {
    "a user": ("Impersonate-User: admin",),
    "a group": ("Impersonate-Group: system:masters",),
    "a uid": ("Impersonate-Uid: 0",),
    "extras": ("Impersonate-Extra-Scopes: view",),
    "extras with escapes": ("Impersonate-Extra-acme.com%2fproject: x",),
    "lower case": ("impersonate-user: admin",),
    "upper case": ("IMPERSONATE-USER: admin",),
    "an underscore": ("Impersonate_User: admin",),
    "nobody": ("Impersonate-User:",),
    "yourself": ("Impersonate-User: corp:service-account-blue-capm3",),
    "hop by hop": ("Connection: Impersonate-User", "Impersonate-User: admin"),
    "hop by hop, with the credentials": (
        "Connection: close, Impersonate-User, Authorization",
        "Impersonate-User: admin",
    ),
    "a header of tomorrow": ("Impersonate-Anything: x",),
}


@pytest.mark.parametrize("headers", SOMEBODY_ELSE.values(), ids=SOMEBODY_ELSE)
async def test_asking_as_somebody_else_is_refused(
    ledger: Ledger, blue: str, headers: tuple[str, ...]
) -> None:
    answer, record = await ledger.refused(asking("GET", CLAIMS, *headers), code=403, token=blue)
    assert "impersonation" in answer.json["message"]
    assert record["user"]["username"] == "corp:service-account-blue-capm3"


CLAIMED: dict[str, str] = {
    "X-Remote-User": "system:admin",
    "X-Remote-Group": "system:masters",
    "X-Remote-Extra-Scopes": "all",
    "X-Forwarded-User": "red",
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Client-Cert": "Subject=admin",
    "Forwarded": "for=192.0.2.1",
    "X-Client-Cert": "MII",
    "X-SSL-Client-Verify": "SUCCESS",
    "X-HTTP-Method-Override": "DELETE",
    "X-Method-Override": "GET",
    "X-Original-URL": CLAIMS,
    "X-Rewrite-URL": CLAIMS,
    "Connection": "Authorization, X-Remote-User",
    "Audit-ID": "mine",
    "Host": "kubernetes.default.svc",
}


@pytest.mark.parametrize("name", CLAIMED)
async def test_what_a_header_claims_opens_no_other_namespace(
    ledger: Ledger, blue: str, name: str
) -> None:
    said = asking("GET", f"{THEIRS}/hostclaims")
    line = f"{name}: {CLAIMED[name]}\r\n".encode()
    said = said.replace(b"Host: proxy\r\n", line) if name == "Host" else _with(said, line)
    answer, record = await ledger.refused(said, code=403, token=blue)
    assert "your namespaces are blue-dev, blue-prod" in answer.json["message"]
    assert record["sourceIPs"] == ["127.0.0.1"]
    assert record["verb"] == "list"


def _with(said: bytes, line: bytes) -> bytes:
    return said.replace(b"Host: proxy\r\n", b"Host: proxy\r\n" + line)


VERBS = ["GET", "HEAD", "PUT", "PATCH", "DELETE"]
THEIR_THINGS = [
    *((verb, f"{THEIRS}/hostclaims/x") for verb in VERBS),
    *((verb, "/api/v1/namespaces/red/secrets/x") for verb in VERBS),
    *((verb, f"{THEIRS}/hostclaims") for verb in ("GET", "HEAD", "POST", "DELETE")),
    *((verb, "/api/v1/namespaces/red/secrets") for verb in ("GET", "POST", "DELETE")),
    ("GET", f"{THEIRS}/hostclaims?watch=1"),
    ("GET", "/api/v1/namespaces/red/secrets?watch=true&allowWatchBookmarks=true"),
    ("GET", f"{THEIRS}/hostclaims/x/status"),
    ("GET", f"{METAL3}/namespaces/green/hostclaims"),
    ("GET", "/api/v1/namespaces/kube-system/secrets"),
    ("GET", f"{METAL3}/namespaces/nowhere/hostclaims"),
    ("GET", f"{METAL3}/namespaces/blue/hostclaims"),
    ("GET", f"{METAL3}/namespaces/blue-dev2/hostclaims"),
]


@pytest.mark.parametrize(("method", "target"), THEIR_THINGS)
async def test_a_namespace_that_is_not_yours_is_refused(
    ledger: Ledger, blue: str, method: str, target: str
) -> None:
    answer, record = await ledger.refused(asking(method, target), code=403, token=blue)
    assert record["objectRef"]["namespace"] not in {"blue-dev", "blue-prod"}
    if method != "HEAD":
        assert "your namespaces are blue-dev, blue-prod" in answer.json["message"]


NOT_GRANTED = [
    ("blue-capm3", "DELETE", CLAIMS),
    ("blue-capm3", "DELETE", f"{CORE}/secrets"),
    ("blue-capm3", "DELETE", f"{CLAIMS}?labelSelector=a%3Db"),
    ("blue-capm3", "PUT", f"{CLAIMS}/x/status"),
    ("blue-capm3", "PATCH", f"{CLAIMS}/x/status"),
    ("auditor", "POST", CLAIMS),
    ("auditor", "PUT", f"{CLAIMS}/x"),
    ("auditor", "PATCH", f"{CLAIMS}/x"),
    ("auditor", "DELETE", f"{CLAIMS}/x"),
    ("auditor", "DELETE", f"{CLAIMS}/x?dryRun=All"),
    ("auditor", "POST", f"{CLAIMS}?dryRun=All"),
    ("auditor", "GET", f"{CORE}/secrets"),
    ("auditor", "GET", f"{CORE}/secrets/x"),
    ("auditor", "GET", "/api/v1/secrets"),
    ("auditor", "GET", "/api/v1/secrets?watch=1"),
    ("auditor", "GET", "/api/v1/secrets?fieldSelector=metadata.namespace%3Dred"),
]


@pytest.mark.parametrize(("who", "method", "target"), NOT_GRANTED)
async def test_what_no_policy_grants_is_refused(
    world: World, ledger: Ledger, who: str, method: str, target: str
) -> None:
    answer, _ = await ledger.refused(asking(method, target), code=403, token=world.token(who))
    assert answer.json["message"].startswith(("hostclaims", "secrets"))


NOT_SERVED = [
    ("GET", "/healthz"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/logs"),
    ("GET", "/debug/pprof"),
    ("GET", "/swagger.json"),
    ("GET", "/openid/v1/jwks"),
    ("GET", "/.well-known/openid-configuration"),
    ("GET", "/openapi/v3/apis/apps/v1"),
    ("GET", "/apis/apps"),
    ("GET", "/apis/apps/v1"),
    ("GET", "/apis/apps/v1/namespaces/blue-dev/deployments"),
    ("POST", "/apis/batch/v1/namespaces/blue-dev/jobs"),
    ("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/blue-dev/rolebindings"),
    ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
    ("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"),
    ("GET", "/apis/metal3.io/v1beta1/namespaces/blue-dev/hostclaims"),
    ("GET", "/apis/metal3.io/v1/namespaces/blue-dev/hostclaims"),
    ("GET", "/apis/metal3.io.evil/v1alpha1/namespaces/blue-dev/hostclaims"),
    ("GET", "/api/v2/namespaces/blue-dev/secrets"),
    ("GET", "/apis/v1/namespaces/blue-dev/secrets"),
    ("GET", "/api/metal3.io/v1alpha1/namespaces/blue-dev/hostclaims"),
    ("GET", f"{MINE}/secrets"),
    ("GET", f"{CORE}/hostclaims"),
    ("GET", f"{MINE}/HostClaims"),
    ("GET", f"{MINE}/baremetalhosts"),
    ("GET", f"{MINE}/hardwaredata"),
    ("GET", f"{MINE}/hostdeploypolicies"),
    ("GET", f"{MINE}/preprovisioningimages"),
    ("GET", f"{MINE}"),
    ("GET", "/api/v1/namespaces"),
    ("POST", "/api/v1/namespaces"),
    ("GET", CORE),
    ("DELETE", CORE),
    ("GET", f"{CORE}/status"),
    ("GET", f"{CORE}/configmaps"),
    ("GET", f"{CORE}/pods"),
    ("GET", f"{CORE}/pods/x/log"),
    ("POST", f"{CORE}/pods/x/exec"),
    ("GET", f"{CORE}/serviceaccounts"),
    ("POST", f"{CORE}/serviceaccounts/default/token"),
    ("GET", f"{CORE}/services/x/proxy"),
    ("GET", f"{CORE}/services/https:x:443/proxy"),
    ("GET", "/api/v1/nodes"),
    ("GET", "/api/v1/nodes/x/proxy/metrics"),
    ("GET", f"{CLAIMS}/x/scale"),
    ("GET", f"{CLAIMS}/x/finalizers"),
    ("DELETE", f"{CLAIMS}/x/status"),
    ("GET", f"{CLAIMS}/x/status/y"),
    ("GET", f"{CLAIMS}/x/y/z"),
    ("GET", f"{CORE}/secrets/x/status"),
    ("GET", f"{CORE}/secrets/x/anything"),
    ("PUT", f"{CORE}/secrets/x/anything"),
    ("GET", "/api/v1/watch/secrets"),
    ("GET", "/api/v1/watch/namespaces/blue-dev/secrets"),
    ("GET", "/api/v1/watch/namespaces/blue-dev/secrets/x"),
    ("GET", f"{METAL3}/watch/hostclaims"),
    ("GET", f"{METAL3}/watch/namespaces/blue-dev/hostclaims"),
    ("GET", f"{METAL3}/watch/namespaces/blue-dev/hostclaims/x"),
    ("GET", f"/api/v1/proxy{CLAIMS}"),
    ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
    ("POST", "/apis/authorization.k8s.io/v1/namespaces/blue-dev/localsubjectaccessreviews"),
    ("POST", "/apis/authentication.k8s.io/v1/tokenreviews"),
    ("POST", "/apis/authorization.k8s.io/v1beta1/selfsubjectaccessreviews"),
    ("POST", f"{CORE}/bindings"),
]


@pytest.mark.parametrize(("method", "target"), NOT_SERVED)
async def test_what_is_not_served_is_refused_with_what_is(
    ledger: Ledger, blue: str, method: str, target: str
) -> None:
    answer, record = await ledger.refused(asking(method, target), code=403, token=blue)
    assert "hostclaims (metal3.io/v1alpha1) and their secrets (v1)" in answer.json["message"]
    assert record["requestURI"] == target


NO_SUCH_METHOD = [
    ("POST", f"{CLAIMS}/x"),
    ("PUT", CLAIMS),
    ("PATCH", CLAIMS),
    ("POST", f"{CLAIMS}/x/status"),
    ("POST", f"{METAL3}/hostclaims"),
    ("DELETE", "/api/v1/secrets"),
    ("HEAD", f"{CLAIMS}?watch=1"),
    ("POST", "/version"),
    ("DELETE", "/apis"),
    ("PUT", METAL3),
    ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
]


@pytest.mark.parametrize(("method", "target"), NO_SUCH_METHOD)
async def test_a_method_that_a_path_does_not_have_is_refused(
    ledger: Ledger, blue: str, method: str, target: str
) -> None:
    await ledger.refused(asking(method, target), code=405, token=blue)


STRANGE_QUERIES = [
    "watch=1&watch=0",
    "watch=0&watch=1",
    "watch=true&WATCH=false&watch=",
    "limit=1&limit=1",
    "labelSelector=a&labelSelector=b",
    "unknown=1",
    "Limit=1",
    "access_token=x",
    "container=x",
    "follow=true",
    "as=admin",
    "fieldManager=x",
    "dryRun=All",
    "force=true",
    "limit=-1",
    "limit=%2B1",
    "limit=1e3",
    "limit=",
    "limit=9999999999999999999999",
    "timeoutSeconds=-1",
    "timeoutSeconds=1s",
    "watch=ye%20s",
    "watch=fal%C5%BFe",
    "watch",
    "=1",
    "&",
    "watch=1&",
    "&watch=1",
    "watch=1;limit=1",
    "watch=1&&limit=1",
    "labelSelector=%",
    "labelSelector=%zz",
    "labelSelector=%1",
    "labelSelector=%ff",
    "labelSelector=%c0%ae",
    "labelSelector=a|b",
    "labelSelector=<a>",
    'labelSelector="a"',
    "w%61tch=1",
    "watch[]=1",
    "watch=1#fragment",
    "",
]


@pytest.mark.parametrize("query", STRANGE_QUERIES)
async def test_a_query_that_two_readers_could_read_differently_is_refused(
    ledger: Ledger, blue: str, query: str
) -> None:
    await ledger.refused(asking("GET", f"{CLAIMS}?{query}"), code=400, token=blue)


STRANGE_WRITES = [
    ("POST", f"{CLAIMS}?limit=1"),
    ("POST", f"{CLAIMS}?watch=1"),
    ("PUT", f"{CLAIMS}/x?force=true"),
    ("DELETE", f"{CLAIMS}/x?labelSelector=a"),
    ("DELETE", f"{CLAIMS}/x?gracePeriodSeconds=-1"),
    ("DELETE", f"{CLAIMS}/x?dryRun=All&dryRun="),
    ("GET", f"{CLAIMS}/x?watch=1"),
    ("GET", f"{CLAIMS}/x?limit=1"),
    ("GET", "/apis?watch=1"),
    ("GET", "/version?timeout=1s&timeout=1s"),
]


@pytest.mark.parametrize(("method", "target"), STRANGE_WRITES)
async def test_a_parameter_that_a_verb_does_not_have_is_refused(
    ledger: Ledger, blue: str, method: str, target: str
) -> None:
    await ledger.refused(asking(method, target), code=400, token=blue)


async def test_a_continue_token_of_another_namespace_shows_nothing_of_it(world: World) -> None:
    red, blue = world.token("red-capm3"), world.token("blue-capm3")
    for name in ("first", "second"):
        claim = {"metadata": {"name": name}, "spec": {"poweredOn": False}}
        typed = {"apiVersion": "metal3.io/v1alpha1", "kind": "HostClaim", **claim}
        assert world.ask("POST", f"{THEIRS}/hostclaims", token=red, body=typed).code == 201
    page = world.ask("GET", f"{THEIRS}/hostclaims?limit=1", token=red).json
    answer = world.ask(
        "GET", f"{CLAIMS}?limit=9&continue={page['metadata']['continue']}", token=blue
    )
    for name in ("first", "second"):
        assert world.ask("DELETE", f"{THEIRS}/hostclaims/{name}", token=red).code == 200
    assert answer.code in {200, 400, 410}
    assert b"second" not in answer.body
