"""The ports of the refresher, served from memory."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
import yaml

from proxy.refresher import credentials, order
from proxy.refresher.cluster import ApiError, Change, Listing
from proxy.refresher.credentials import Credentials
from proxy.refresher.errors import RefreshError
from proxy.refresher.keeping import Outcome
from proxy.refresher.renewal import Standing
from proxy.refresher.schedule import Lifetime
from proxy.refresher.tokens import Token
from tests.refresher.clocks import ManualClock

PROXY = "https://proxy.example.com"
ISSUER = "https://iam.example.com/realms/corp"

Object = Mapping[str, Any]


def kubeconfig(token: str = "", server: str = PROXY) -> str:
    """A kubeconfig with one context."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "blue",
            "contexts": [{"name": "blue", "context": {"cluster": "bmh", "user": "blue"}}],
            "clusters": [{"name": "bmh", "cluster": {"server": server}}],
            "users": [{"name": "blue", "user": {"token": token}}],
        }
    )


def secret(name: str, data: Mapping[str, str], **metadata: Any) -> dict[str, Any]:
    """A Secret in the namespace `blue`."""
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "blue", "resourceVersion": "1", **metadata},
        "data": encoded,
    }


def ordered(
    name: str = "one", *, text: str | None = None, source: str = "secret/iam", **annotations: str
) -> dict[str, Any]:
    """A labelled Secret; `annotations` by their names in `order`, such as KEY."""
    return secret(
        name,
        {"value": kubeconfig() if text is None else text},
        labels={order.LABEL: "true"},
        annotations={
            order.FROM: source,
            **{getattr(order, key): value for key, value in annotations.items()},
        },
    )


def iam(**changes: str) -> dict[str, Any]:
    """The Secret with the credentials; a key that is changed to nothing is left out."""
    keys = {"issuer-url": ISSUER, "client-id": "blue-capm3", "client-secret": "s3cret", **changes}
    data = {key: text for key, text in keys.items() if text}
    return secret("iam", data, labels={credentials.LABEL: "true"})


def token_of(holder: Object) -> str:
    """The token in a Secret of one context."""
    text = base64.b64decode(holder["data"]["value"])
    return str(yaml.safe_load(text)["users"][0]["user"]["token"])


def signed(begins: float, seconds: float = 300) -> str:
    """A token that says how long it lives."""
    claims = {"iat": int(begins), "exp": int(begins + seconds)}
    return jwt.encode(claims, "k" * 32, algorithm="HS256")


class FakeSecrets:
    """A cluster's Secrets, all of them in the namespace `blue`."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects = {each["metadata"]["name"]: each for each in objects}
        self.patches: list[tuple[str, Object]] = []
        self.fault: ApiError | None = None
        self.before_patch: Callable[[], None] = lambda: None

    async def secret(self, namespace: str, name: str) -> Object:
        if self.fault is not None:
            raise self.fault
        if namespace != "blue" or name not in self.objects:
            raise ApiError(404, f"cannot get Secret `{name}`: NotFound")
        return self.objects[name]

    async def patch(self, namespace: str, name: str, body: Object) -> None:
        self.before_patch()
        found = await self.secret(namespace, name)
        meta = found["metadata"]
        if body["metadata"]["resourceVersion"] != meta["resourceVersion"]:
            raise ApiError(409, f"cannot patch Secret `{name}`: Conflict")
        self.patches.append((name, body))
        annotations = {**(meta.get("annotations") or {}), **body["metadata"]["annotations"]}
        self.objects[name] = {
            **found,
            "metadata": {
                **meta,
                "resourceVersion": str(int(meta["resourceVersion"]) + 1),
                "annotations": {k: v for k, v in annotations.items() if v is not None},
            },
            "data": {**found["data"], **body.get("data", {})},
        }

    def touch(self, name: str) -> None:
        """Somebody else writes it."""
        meta = self.objects[name]["metadata"]
        meta["resourceVersion"] = str(int(meta["resourceVersion"]) + 1)

    def annotation(self, name: str, key: str) -> str | None:
        found: str | None = order.annotations_of(self.objects[name]).get(key)
        return found


class FakeIssuers:
    """Gives a new token each time, of a lifetime that a test sets."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.seconds = 300.0
        self.fault: RefreshError | None = None
        self.asked: list[Credentials] = []
        self.given: list[str] = []
        self.same: Token | None = None

    async def token(self, credentials: Credentials) -> Token:
        self.asked.append(credentials)
        if self.fault is not None:
            raise self.fault
        now = self._clock.wall()
        made = Token(
            signed(now + len(self.asked) / 1000, self.seconds), Lifetime(now, now + self.seconds)
        )
        made = self.same or Token(f"{made.value}.{len(self.asked)}", made.lifetime)
        self.given.append(made.value)
        return made


@dataclass
class FakeTokenFile:
    """A file of our own."""

    holds: Token

    async def token(self) -> Token:
        return self.holds


@dataclass
class Leading:
    """An office that is held until a test takes it."""

    held: bool = True

    def holds(self) -> bool:
        return self.held


@dataclass
class FakeRenewals:
    """Notes which Secrets are looked at, and does what a test says."""

    clock: ManualClock
    looks: list[str] = field(default_factory=list)
    does: dict[str, Callable[[], Standing]] = field(default_factory=dict)

    async def renew(self, namespace: str, name: str, _: object) -> Standing:
        self.looks.append(f"{namespace}/{name}")
        if name in self.does:
            return self.does[name]()
        return Standing(self.clock.wall() + 1000, self.clock.wall() + 2000)


class FakeCollection:
    """The labelled Secrets of each namespace; a test says what changes, or breaks the watch."""

    def __init__(self, **namespaces: list[dict[str, Any]]) -> None:
        self.there = namespaces
        self.faults: dict[str, ApiError] = {}
        self.watches: dict[str, asyncio.Queue[Change | ApiError | None]] = {}
        self.lists = 0

    async def labelled(self, namespace: str) -> AsyncGenerator[Listing, None]:
        self.lists += 1
        if namespace in self.faults:
            raise self.faults[namespace]
        for secret in self.there[namespace]:
            yield Listing("1", (secret,))

    async def changes(self, namespace: str, _: str) -> AsyncGenerator[Change, None]:
        queue: asyncio.Queue[Change | ApiError | None] = asyncio.Queue()
        self.watches[namespace] = queue
        while (change := await queue.get()) is not None:
            if isinstance(change, ApiError):
                raise change
            yield change


@dataclass
class FakeMeter:
    """Counts."""

    outcomes: list[Outcome] = field(default_factory=list)

    def looked(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
