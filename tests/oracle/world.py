"""The pipeline over a cluster in memory, with the owner's hands free to act on both sides."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import yaml

from proxy import ports
from proxy.core.identity import Identity
from proxy.core.narrowing import UpstreamRequest
from proxy.core.policy import (
    Combination,
    Document,
    Hits,
    PolicySet,
    Position,
    RuleSet,
    parse,
)
from proxy.core.wire import Fields, Headers, RawRequest, Reply
from proxy.demo import crds
from proxy.demo.cluster import calls
from proxy.demo.cluster.apiserver import Apiserver
from proxy.demo.cluster.codecs import WRITABLE, write_json
from proxy.demo.cluster.status import ApiError
from proxy.demo.cluster.store import Change, Key
from proxy.edge.yamlbody import to_json
from proxy.pipeline import CombinedEntitlements, Limits, Pipeline, Ports, Source
from tests.demo.cluster.asking import NOON, Api
from tests.fakes import FakeAuditLog, FakeAuthenticator, FakeClient, FakeMeter
from tests.identities import make_identity
from tests.oracle.questions import Caller, Object, Request

T = TypeVar("T")

NAMESPACES = ("blue", "blue-dev", "blueberry", "red")
"""Where claims live, and the proxy's service account has rights."""
POOLS = ("pool-a", "blue-dev")
"""Where hosts are, and it may read what is known of them; one has claims, too."""
VAULT = "vault"
"""Where it has no rights."""
HOSTS = ("one", "two")
CLAIMS = (("blue", "one"), ("blue-dev", "two"))
"""The claims that are there from the start."""
GROUPS = {
    "namespaces": "",
    "secrets": "",
    "hostclaims": "metal3.io",
    "hardwaredata": "metal3.io",
    "hostdeploypolicies": "metal3.io",
}
RIGHTS = {
    "secrets": NAMESPACES,
    "hostclaims": NAMESPACES,
    # A namespace that the proxy may look at the labels of, and one that it may not.
    "namespaces": ("blue", "blue-dev", "blueberry"),
    "hardwaredata": POOLS,
    "hostdeploypolicies": POOLS,
}
"""The namespaces in which the proxy has rights, for each resource."""

_WRITE = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
_RULES: dict[str, list[Object]] = {
    "secrets": [{"apiGroups": [""], "resources": ["secrets"], "verbs": _WRITE}],
    "hostclaims": [
        {"apiGroups": ["metal3.io"], "resources": ["hostclaims"], "verbs": _WRITE},
        {"apiGroups": ["metal3.io"], "resources": ["hostclaims/status"], "verbs": ["get"]},
    ],
    "namespaces": [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]}],
    "hardwaredata": [
        {
            "apiGroups": ["metal3.io"],
            "resources": ["hardwaredata"],
            "verbs": ["get", "list", "watch"],
        }
    ],
    "hostdeploypolicies": [
        {"apiGroups": ["metal3.io"], "resources": ["hostdeploypolicies"], "verbs": ["list"]}
    ],
}
_SPINS = 500
"""How many turns of the event loop any answer takes, at the very most."""
_A_WHILE = 1.0
"""Seconds; longer than the proxy puts off to look at watches again."""


@cache
def _installed() -> tuple[Apiserver, str, Object]:
    """A cluster with the service account bound as `deploy/` does, its token, and what is stored."""
    folder = Path(crds.__file__).parent
    texts = [file.read_text() for file in sorted(folder.glob("*.yaml"))]
    definitions = [found for text in texts for found in yaml.safe_load_all(text) if found]
    server = Apiserver(definitions, lambda: NOON)
    owner = Api(server)
    for name in (*dict.fromkeys((*NAMESPACES, *POOLS)), VAULT, "hostclaim-proxy"):
        owner.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    accounts = "/api/v1/namespaces/hostclaim-proxy/serviceaccounts"
    owner.ask("POST", accounts, {"metadata": {"name": "proxy"}})
    account = {"kind": "ServiceAccount", "name": "proxy", "namespace": "hostclaim-proxy"}
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    for plural, namespaces in RIGHTS.items():
        metadata = {"name": plural}
        owner.ask("POST", f"{rbac}/clusterroles", {"metadata": metadata, "rules": _RULES[plural]})
        role = {"kind": "ClusterRole", "apiGroup": "rbac.authorization.k8s.io", **metadata}
        binding = {"metadata": metadata, "roleRef": role, "subjects": [account]}
        for name in namespaces:
            owner.ask("POST", f"{rbac}/namespaces/{name}/rolebindings", binding)
    for namespace in (*POOLS, VAULT):
        for name in HOSTS:
            owner.ask("POST", path_of("hardwaredata", namespace), host(name))
    for namespace, name in CLAIMS:
        kind = {"apiVersion": "metal3.io/v1alpha1", "kind": "HostClaim"}
        claim = {**kind, "metadata": {"name": name}, "spec": {"poweredOn": True}}
        owner.ask("POST", path_of("hostclaims", namespace), claim)
    token: str = owner.ask("POST", f"{accounts}/proxy/token", {"spec": {}})["status"]["token"]
    return server, token, {key: copy(value) for key, value in vars(server.store).items()}


def _fresh() -> tuple[Apiserver, str]:
    """The cluster as it was installed, and the token: there is one, one world after the other."""
    server, token, stored = _installed()
    # Objects are values, so what holds them is all that changes.
    vars(server.store).update({key: copy(value) for key, value in stored.items()})
    return server, token


@dataclass(frozen=True, slots=True)
class _Nowhere:
    """A document that is in no file."""

    def key(self, _: object) -> Position:
        return Position(1, 1)

    def value(self, _: object) -> Position:
        return Position(1, 1)


def compiled(policies: list[Object]) -> PolicySet:
    """Policies as the proxy reads them."""
    found = parse(Document("oracle.yaml", tree, _Nowhere()) for tree in policies)
    assert isinstance(found, PolicySet), found
    return found


class Entitlements:
    """The policies, until they change."""

    def __init__(self) -> None:
        self._policies = PolicySet()
        self._changed: list[Callable[[], None]] = []

    async def rules(self, caller: ports.Caller, *, recheck: bool = False) -> RuleSet:  # noqa: ARG002 - as the port has it
        return self._policies.rules_for(caller.identity)

    def subscribe(self, changed: Callable[[], None]) -> None:
        self._changed.append(changed)

    async def become(self, policies: PolicySet) -> None:
        self._policies = policies
        for changed in self._changed:
            changed()


@dataclass
class _Events:
    """The events of a watch, as they happen."""

    watch: calls.Stream | None
    reply: Reply
    code: int = 200
    headers: Headers = (("Content-Type", "application/json"),)
    length: int | None = None

    def at_once(self) -> bytes | None:
        return self.reply.body if self.watch is None else None

    async def chunks(self) -> AsyncIterator[bytes]:
        if self.watch is None:
            yield self.reply.body
            return
        async with aclosing(self.watch.watch.events(lambda: False)) as events:
            async for event in events:
                shown = event.obj if event.type == "ERROR" else self._shown(event.obj)
                yield write_json({"type": event.type, "object": shown})

    def _shown(self, obj: Object) -> Object:
        assert self.watch is not None
        return self.watch.view.event(obj, first=True)


class InMemory:
    """The apiserver without a socket, as the service account of the proxy."""

    def __init__(self, server: Apiserver, token: str) -> None:
        self._server = server
        self._token = token
        self.sent: list[UpstreamRequest] = []
        self.meanwhile: dict[int, Callable[[], None]] = {}
        """What happens just before the so many-th request of a conversation."""

    def _answer(self, request: UpstreamRequest) -> Reply | calls.Stream:
        if act := self.meanwhile.pop(len(self.sent), None):
            act()
        self.sent.append(request)
        headers = dict(request.headers)
        return answer(
            self._server, self._token, request.method, request.target, headers, request.body
        )

    async def ask(self, request: UpstreamRequest) -> Reply:
        found = self._answer(request)
        assert isinstance(found, Reply), "nobody waits for the end of a watch"
        return found

    @asynccontextmanager
    async def stream(self, request: UpstreamRequest) -> AsyncIterator[_Events]:
        match self._answer(request):
            case Reply() as reply:
                yield _Events(None, reply, reply.code, reply.headers)
            case watch:
                yield _Events(watch, Reply(200, (), b""))


def answer(
    server: Apiserver, token: str, method: str, target: str, headers: dict[str, str], body: bytes
) -> Reply | calls.Stream:
    """What the apiserver answers, as the bytes that it puts on the wire."""
    content_type = headers.get("Content-Type", "")
    try:
        found = Api(server, token).send(method, target, body, content_type, headers)
    except ApiError as refused:
        found = calls.Reply(refused.code, refused.status())
    if isinstance(found, calls.Stream):
        return found
    write = WRITABLE.get(found.media_type, write_json)
    body = found.body.encode() if isinstance(found.body, str) else write(found.body)
    return Reply(found.code, (("Content-Type", found.media_type),), body)


class _Loop(asyncio.SelectorEventLoop):
    """An event loop in which time passes as it is told to."""

    passed = 0.0
    """Seconds."""
    _ready: Any

    def time(self) -> float:
        return self.passed

    async def idle(self) -> None:
        """Wait until nobody has anything to do; nothing here waits for a socket."""
        for _ in range(_SPINS):
            await asyncio.sleep(0)
            if not self._ready:
                return
        raise AssertionError("the event loop does not come to rest")


@dataclass
class Served:
    """A request that was sent, and what has come of it so far."""

    request: Request
    client: FakeClient
    task: "asyncio.Task[None]"
    sent: list[UpstreamRequest] = field(default_factory=list)
    span: tuple[str, ...] = ()
    """The namespaces that it was about, as far as they were granted."""
    read: int = 0
    """How much of the answer was looked at."""

    def fresh(self) -> bytes:
        """What came since it was last asked for."""
        fresh, self.read = self.client.received[self.read :], len(self.client.received)
        return fresh


class World:
    """A cluster, its owner, the proxy in front, and who holds which token."""

    def __init__(self, callers: dict[str, Caller], combination: Combination | None = None) -> None:
        self._loop = _Loop()
        self.server, token = _fresh()
        self.upstream = InMemory(self.server, token)
        self.audit = FakeAuditLog()
        self.entitlements = Entitlements()
        self._ids = count(1)
        self.pipeline = Pipeline(
            Ports(
                authenticator=FakeAuthenticator(**{k: _identity(c) for k, c in callers.items()}),
                entitlements=self._entitled(combination),
                upstream=self.upstream,
                read_yaml=to_json,
                audit_log=self.audit,
                meter=FakeMeter(),
                hits=Hits(PolicySet()),
                clock=lambda: 1.0,
                new_id=lambda: f"audit-{next(self._ids)}",
            ),
            Limits(),
        )

    def _entitled(self, combination: Combination | None) -> ports.Entitlements:
        """The policies by themselves, or with what claims grant as well."""
        if combination is None:
            return self.entitlements
        return CombinedEntitlements(combination, [Source(self.entitlements)], clock=lambda: 1.0)

    # What the owner does.

    def act(self, method: str, plural: str, namespace: str, name: str, body: Any = None) -> None:
        """Do something as the owner; what cannot be done is left."""
        target = path_of(plural, namespace, "" if method == "POST" else name)
        headers = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {}
        payload = b"" if body is None else json.dumps(body).encode()
        answer(self.server, self.server.tokens.admin, method, target, headers, payload)

    # What the reference may look at.

    def find(self, plural: str, namespace: str, name: str) -> Object | None:
        return self.server.store.get(Key(GROUPS[plural], plural, namespace, name))

    def every(self, plural: str, namespace: str = "") -> list[Object]:
        return self.server.store.select((GROUPS[plural], plural), namespace)

    def tell_owner(self, request: Request) -> tuple[int, Any]:
        target = request.target
        if request.method not in {"GET", "HEAD"} and "dryRun=All" not in target:
            target += ("&" if "?" in target else "?") + "dryRun=All"
        method = "GET" if request.method == "HEAD" else request.method
        headers = {key: value for key, value in request.headers if key != "Authorization"}
        token = self.server.tokens.admin
        found = answer(self.server, token, method, target, headers, request.body)
        return (found.code, json.loads(found.body)) if isinstance(found, Reply) else (200, None)

    def lets_proxy(self, plural: str, namespace: str) -> bool:
        return namespace in RIGHTS[plural]

    def since(self, revision: int) -> list[Change]:
        """What was stored after a revision."""
        return self.server.store.since(revision)

    # What a tenant does.

    def become(self, policies: list[Object]) -> None:
        """Have these policies from now on."""
        self._run(self.entitlements.become(compiled(policies)))

    def serve(self, token: str, request: Request) -> Served:
        """Send a request, and wait until it is answered or is a watch that waits itself."""
        return self._run(self._serve(token, request))

    async def _serve(self, token: str, request: Request) -> Served:
        length = ("Content-Length", str(len(request.body)))
        headers = (("Authorization", f"Bearer {token}"), *request.headers)
        if request.body or request.method in {"POST", "PUT", "PATCH"}:
            headers = (*headers, length)
        client = FakeClient(request.body)
        self.upstream.sent = []
        raw = RawRequest(request.method, request.target, Fields(headers), "192.0.2.7")
        task = asyncio.create_task(self.pipeline.serve(raw, client))
        await self._settle()
        self.upstream.meanwhile.clear()
        return Served(request, client, task, self.upstream.sent)

    def settle(self) -> None:
        """Let what is under way go as far as it goes."""
        self._run(self._settle())

    async def _settle(self) -> None:
        """Let what can happen happen, and then what waits for a while before it does."""
        await self._loop.idle()
        self._loop.passed += _A_WHILE
        await self._loop.idle()

    def leave(self, served: Served) -> None:
        """Hang up."""
        served.task.cancel()
        self._run(asyncio.wait([served.task]))

    def close(self) -> None:
        self._loop.close()

    def _run(self, what: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(what)


def path_of(plural: str, namespace: str, name: str = "") -> str:
    """The path of a collection or, with a name, of an object or what is below it."""
    plural, _, subresource = plural.partition("/")
    root = "/apis/metal3.io/v1alpha1" if GROUPS[plural] else "/api/v1"
    path = f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"
    return "/".join(part for part in (path, name, subresource) if part)


def host(name: str) -> Object:
    """What is known of a host; every other has a label."""
    labels = {"app": "x"} if name == HOSTS[0] else {}
    kind = {"apiVersion": "metal3.io/v1alpha1", "kind": "HardwareData"}
    return {**kind, "metadata": {"name": name, "labels": labels}, "spec": {}}


def _identity(caller: Caller) -> Identity:
    return make_identity(
        issuer=caller.issuer,
        subject=caller.username,
        username=caller.username,
        groups=caller.groups,
        client=caller.client,
        service_account=caller.service_account,
        claims=caller.claims,
    )
