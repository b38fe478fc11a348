"""Does it do what it promises: the story played against the running demo, step by step.

Each step says what it does, what should come, and what came. It speaks HTTP as a client
library would, so it needs nothing but Python.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import yaml

from proxy.demo import files
from proxy.demo.hosts import BMC_PASSWORD

_PATIENCE: Final = 30.0
"""Seconds within which whatever is waited for must come."""

_NAMESPACES: Final = "/apis/metal3.io/v1alpha1/namespaces"
_BLUE: Final = f"{_NAMESPACES}/blue-dev/hostclaims"
_RED: Final = f"{_NAMESPACES}/red/hostclaims"
_SECRETS: Final = "/api/v1/namespaces/blue-dev/secrets"
_WHO_AM_I: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

CLAIM: Final[dict[str, Any]] = {
    "apiVersion": "metal3.io/v1alpha1",
    "kind": "HostClaim",
    "metadata": {"name": "node-0"},
    "spec": {
        "poweredOn": True,
        "hostSelector": {"matchLabels": {"size": "large"}},
        "userData": {"name": "node-0-user-data"},
    },
}
USER_DATA: Final = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "node-0-user-data"},
    "stringData": {"value": "#cloud-config"},
}
_FOREIGN: Final = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "not-the-tenants"},
    "stringData": {"password": BMC_PASSWORD},
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    code: int
    body: Any

    @property
    def text(self) -> str:
        """The answer in a line: the code, and the message of a Status."""
        if isinstance(self.body, dict) and self.body.get("kind") == "Status":
            return f"{self.code} {self.body.get('message', '')}"
        return str(self.code)


class Caller:
    """Somebody with a kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        """Read whom to call and as whom."""
        config = yaml.safe_load(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        self._user = config["users"][0]["user"]
        self._server = cluster["server"]
        self._trust = ssl.create_default_context(cafile=cluster["certificate-authority"])

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self._trust))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request."""
        async with self._session.request(
            method, self._server + path, json=body, headers=self._headers(headers)
        ) as response:
            return Answer(response.status, json.loads(await response.text()))

    @asynccontextmanager
    async def watch(self, path: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Open a watch from now on; its events end when the server ends it."""
        url = f"{self._server}{path}?watch=1"
        patience = aiohttp.ClientTimeout(total=_PATIENCE)
        async with self._session.get(url, headers=self._headers(), timeout=patience) as response:
            yield (json.loads(line) async for line in response.content)

    def _headers(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token()}", **(more or {})}

    def _token(self) -> str:
        if "token" in self._user:
            return str(self._user["token"])
        return Path(self._user["tokenFile"]).read_text().strip()


@dataclass(frozen=True, slots=True)
class Scene:
    """Who is there, and where their files are."""

    directory: Path
    blue: Caller
    auditor: Caller
    admin: Caller


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done; `act` says in words what came."""

    title: str
    expected: str
    act: Callable[[Scene], Awaitable[str]]


async def play(directory: Path, say: Callable[[str], object]) -> bool:
    """Play the story; returns whether each step came out as expected."""
    names = ("blue", "auditor", "admin")
    async with AsyncExitStack() as stack:
        callers = [
            await stack.enter_async_context(Caller(directory / f"{name}.kubeconfig"))
            for name in names
        ]
        scene = Scene(directory, *callers)
        passed = [await _play(step, scene, say) for step in STEPS]
    say(f"\n{sum(passed)} of {len(passed)} steps came out as expected")
    return all(passed)


async def _play(step: Step, scene: Scene, say: Callable[[str], object]) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE):
            came = await step.act(scene)
    except (TimeoutError, aiohttp.ClientError, KeyError) as exc:
        came = f"nothing of the kind ({exc!r})"
    good = came.startswith(step.expected)
    say(f"\n{'ok ' if good else 'NOT OK '} {step.title}")
    say(f"    expected  {step.expected}")
    say(f"    came      {came}")
    return good


async def _who_am_i(scene: Scene) -> str:
    answer = await scene.blue.ask("POST", _WHO_AM_I, {})
    return str(answer.body["status"]["userInfo"]["username"])


async def _create_secret(scene: Scene) -> str:
    answer = await scene.blue.ask("POST", _SECRETS, USER_DATA)
    return f"{answer.text} {json.dumps(answer.body['metadata'].get('labels'))}"


async def _claim_and_wait(scene: Scene) -> str:
    async with scene.blue.watch(_BLUE) as events:
        created = await scene.blue.ask("POST", _BLUE, CLAIM)
        if created.code != 201:
            return created.text
        async for event in events:
            host = event["object"].get("status", {}).get("bareMetalHost")
            if host:
                return f"bound to {host['namespace']}/{host['name']}"
    return "the watch ended first"


async def _delete_and_wait(scene: Scene) -> str:
    async with scene.blue.watch(_BLUE) as events:
        await scene.blue.ask("DELETE", f"{_BLUE}/node-0")
        async for event in events:
            if event["type"] == "DELETED":
                return "released and gone"
    return "the watch ended first"


async def _see_foreign_secret(scene: Scene) -> str:
    await scene.admin.ask("POST", _SECRETS, _FOREIGN)
    one = await scene.blue.ask("GET", f"{_SECRETS}/not-the-tenants")
    every = await scene.blue.ask("GET", _SECRETS)
    names = [item["metadata"]["name"] for item in every.body["items"]]
    return f"{one.text}; listed: {', '.join(names)}"


async def _point_at_foreign_secret(scene: Scene) -> str:
    spec = {**CLAIM["spec"], "userData": {"name": "not-the-tenants"}}
    answer = await scene.blue.ask("PUT", f"{_BLUE}/node-0", await _changed(scene, spec))
    return answer.text


async def _changed(scene: Scene, spec: Mapping[str, Any]) -> dict[str, Any]:
    claim = await scene.blue.ask("GET", f"{_BLUE}/node-0")
    return {**claim.body, "spec": spec}


async def _lose_the_namespace(scene: Scene) -> str:
    """The policy is edited while a watch is open."""
    policy = scene.directory / "policies" / "blue.yaml"
    kept = policy.read_text()
    async with scene.blue.watch(_BLUE) as events:
        files.write(policy, kept.replace("[blue-dev, blue-prod]", "[blue-prod]"))
        async for _ in events:
            pass
    after = await scene.blue.ask("GET", _BLUE)
    files.write(policy, kept)
    while (await scene.blue.ask("GET", _BLUE)).code != 200:  # noqa: ASYNC110 - it is the proxy's event
        await asyncio.sleep(0.1)
    return f"the watch ended, then {after.code}, and 200 once it was mended"


async def _count_records(scene: Scene) -> str:
    records = [json.loads(line) for line in (scene.directory / "audit.jsonl").open()]
    decisions = {r["annotations"]["authorization.k8s.io/decision"] for r in records}
    return f"{' and '.join(sorted(decisions))} ({len(records)} records)"


def _asking(
    caller: str,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Callable[[Scene], Awaitable[str]]:
    async def act(scene: Scene) -> str:
        who: Caller = getattr(scene, caller)
        return (await who.ask(method, path, body, headers)).text

    return act


STEPS: Final = (
    Step("blue asks who it is", "corp:service-account-blue-capm3", _who_am_i),
    Step(
        "blue creates a secret with user data, and it is stamped as a tenant's",
        '201 {"hostclaim-proxy.metal3.io/tenant-secret": "true"}',
        _create_secret,
    ),
    Step(
        "blue claims a large host and watches until it is bound",
        "bound to pool-a/a-large",
        _claim_and_wait,
    ),
    Step("blue looks at red's claims", "403", _asking("blue", "GET", _RED)),
    Step("blue creates a claim in red's namespace", "403", _asking("blue", "POST", _RED, CLAIM)),
    Step(
        "blue reads the BMC credentials of the pool",
        "403",
        _asking("blue", "GET", "/api/v1/namespaces/pool-a/secrets/a-large-1-bmc"),
    ),
    Step(
        "blue looks for a secret in its own namespace that is not a tenant's",
        '404 secrets "not-the-tenants" not found; listed: node-0-user-data',
        _see_foreign_secret,
    ),
    Step(
        "blue points its claim at that secret, to have it handed to a host",
        "403",
        _point_at_foreign_secret,
    ),
    Step(
        "blue makes its claim look bound",
        "403",
        _asking("blue", "PUT", f"{_BLUE}/node-0/status", CLAIM),
    ),
    Step(
        "blue asks as the admin",
        "403",
        _asking("blue", "GET", _BLUE, headers={"Impersonate-User": "admin"}),
    ),
    Step("blue asks for pods", "403", _asking("blue", "GET", "/api/v1/namespaces/blue-dev/pods")),
    Step("the auditor lists blue's claims", "200", _asking("auditor", "GET", _BLUE)),
    Step("the auditor deletes one", "403", _asking("auditor", "DELETE", f"{_BLUE}/node-0")),
    Step("the auditor lists blue's secrets", "403", _asking("auditor", "GET", _SECRETS)),
    Step(
        "the admin takes blue-dev out of the policy while blue watches, then mends it",
        "the watch ended, then 403, and 200 once it was mended",
        _lose_the_namespace,
    ),
    Step("blue deletes its claim and watches it go", "released and gone", _delete_and_wait),
    Step("every one of these requests was recorded", "allow and forbid", _count_records),
)
