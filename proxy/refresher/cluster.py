"""The management cluster: Secrets and the lease, through kubernetes_asyncio.

Objects come and go as the JSON that they are on the wire: its models would drop
what they do not know, and leave the digits of a MicroTime out, and at level `debug` it logs what
it reads into them. Of a Secret only what is patched is ever sent.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from kubernetes_asyncio.client import ApiClient, Configuration, CoordinationV1Api, CoreV1Api
from kubernetes_asyncio.client.exceptions import ApiException, OpenApiException
from kubernetes_asyncio.config import load_incluster_config, load_kube_config

from proxy.refresher import lease
from proxy.refresher.election import LeaseError
from proxy.refresher.lease import Record
from proxy.refresher.order import LABEL

WATCH_SECONDS: Final = 300
"""After that long a watch is begun anew, from a list."""

ANSWER_SECONDS: Final = 10
"""How long the apiserver has for anything but a watch."""

PAGE: Final = 10
"""Secrets in one answer to a list. Each may have a mebibyte, and whoever can make some many."""

_SELECTOR: Final = f"{LABEL}=true"


class ConfigError(Exception):
    """How to reach the cluster cannot be read, or is not safe."""


class ApiError(Exception):
    """The cluster did not do what it was asked; `status` is 0 if it gave no answer.

    The message says what was asked, and the reason of the `Status` that came.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Listing:
    """Some of the labelled Secrets of a namespace, and the moment at which it has them all."""

    version: str
    items: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A labelled Secret that came, changed, or (`gone`) is there or labelled no more."""

    gone: bool
    secret: Mapping[str, Any]


async def connect(kubeconfig: Path | None, context: str | None) -> ApiClient:
    """Open a connection, as the pod's own service account without a `kubeconfig`.

    Credentials that rotate are read again by the client itself.

    Raises:
        ConfigError: there are no credentials, or they would have us trust anybody.
    """
    configuration = Configuration()
    try:
        if kubeconfig is None:
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call] # kubernetes_asyncio
        else:
            await load_kube_config(
                config_file=str(kubeconfig),
                context=context,
                client_configuration=configuration,
                persist_config=False,
            )
    except Exception as exc:  # noqa: BLE001 - see below
        # The loaders raise whatever a broken file makes them raise, and may quote it.
        raise ConfigError(
            f"the credentials for the cluster cannot be loaded: {type(exc).__name__}"
        ) from None
    if not (configuration.host or "").startswith("https://") or not configuration.verify_ssl:
        raise ConfigError("the cluster must be at an https:// address, and its CA be given")
    # There is a watch for each namespace, and the lease must not wait for one to end.
    configuration.connection_pool_maxsize = 0
    return ApiClient(configuration)


class Cluster:
    """Secrets of a cluster, as `renewal` and `following` need them."""

    def __init__(self, client: ApiClient) -> None:
        # Its types know of no answers as they came, though its code does.
        self._core: Any = CoreV1Api(client)

    async def labelled(self, namespace: str) -> AsyncGenerator[Listing, None]:
        """List the Secrets of a namespace that ask for fresh tokens, a few at a time."""
        more: dict[str, Any] = {}
        while True:
            asked = self._core.list_namespaced_secret(
                namespace,
                label_selector=_SELECTOR,
                limit=PAGE,
                **more,
                _preload_content=False,
                _request_timeout=ANSWER_SECONDS,
            )
            found = await _answer(asked, f"list the Secrets of `{namespace}`")
            yield Listing(found["metadata"]["resourceVersion"], tuple(found["items"] or ()))
            if not found["metadata"].get("continue"):
                return
            more = {"_continue": found["metadata"]["continue"]}

    async def changes(self, namespace: str, version: str) -> AsyncGenerator[Change, None]:
        """Follow them from a version on, until the apiserver ends it."""
        asked = self._core.list_namespaced_secret(
            namespace,
            label_selector=_SELECTOR,
            watch=True,
            resource_version=version,
            timeout_seconds=WATCH_SECONDS,
            _preload_content=False,
            # A server that says nothing for longer than that is not there any more.
            _request_timeout=aiohttp.ClientTimeout(
                total=None, connect=ANSWER_SECONDS, sock_read=WATCH_SECONDS + ANSWER_SECONDS
            ),
        )
        what = f"watch the Secrets of `{namespace}`"
        async with _asking(asked, what) as response:
            async for line in response.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise ApiError(event["object"].get("code") or 0, _why(event["object"], what))
                yield Change(event["type"] == "DELETED", event["object"])

    async def secret(self, namespace: str, name: str) -> Mapping[str, Any]:
        """Get one Secret."""
        asked = self._core.read_namespaced_secret(
            name, namespace, _preload_content=False, _request_timeout=ANSWER_SECONDS
        )
        return await _answer(asked, f"get Secret `{name}`")

    async def patch(self, namespace: str, name: str, body: Mapping[str, Any]) -> None:
        """Change what a JSON merge patch (RFC 7386) says of a Secret."""
        asked = self._core.patch_namespaced_secret(
            name,
            namespace,
            dict(body),
            _content_type="application/merge-patch+json",
            _preload_content=False,
            _request_timeout=ANSWER_SECONDS,
        )
        await _answer(asked, f"patch Secret `{name}`")


class ClusterLease:
    """One Lease: the port `Leases`."""

    def __init__(self, client: ApiClient, namespace: str, name: str, seconds: float) -> None:
        """`seconds` are what each request may take."""
        self._api: Any = CoordinationV1Api(client)
        self._namespace = namespace
        self._name = name
        self._how = {"_preload_content": False, "_request_timeout": seconds}

    async def read(self) -> Record | None:
        """As the port says."""
        asked = self._api.read_namespaced_lease(self._name, self._namespace, **self._how)
        try:
            return lease.read(await _answer(asked, "get it"))
        except ApiError as exc:
            if exc.status == 404:
                return None
            raise LeaseError(str(exc)) from exc

    async def write(self, spec: Mapping[str, Any], version: str | None) -> Record:
        """As the port says."""
        metadata = {"name": self._name, "namespace": self._namespace}
        if version is not None:
            metadata["resourceVersion"] = version
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": dict(spec),
        }
        if version is None:
            asked = self._api.create_namespaced_lease(self._namespace, body, **self._how)
        else:
            asked = self._api.replace_namespaced_lease(
                self._name, self._namespace, body, **self._how
            )
        try:
            return lease.read(await _answer(asked, "write it"))
        except ApiError as exc:
            raise LeaseError(str(exc)) from exc


async def _answer(asked: Awaitable[Any], what: str) -> dict[str, Any]:
    async with _asking(asked, what) as response:
        found: dict[str, Any] = json.loads(await response.read())
        return found


@asynccontextmanager
async def _asking(asked: Awaitable[Any], what: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """An answer that is a success; whatever else comes is an ApiError."""
    response: aiohttp.ClientResponse | None = None
    try:
        response = await asked
        if response.status >= 300:
            raise ApiError(response.status, _why(await _status_of(response), what))
        yield response
    except (aiohttp.ClientError, OpenApiException, ApiException, TimeoutError) as exc:
        raise ApiError(0, f"cannot {what}: no answer ({type(exc).__name__})") from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ApiError(0, f"cannot {what}: the answer cannot be read") from exc
    finally:
        if response is not None:
            response.close()


async def _status_of(response: aiohttp.ClientResponse) -> Mapping[str, Any]:
    try:
        found = json.loads(await response.read())
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"reason": f"HTTP status {response.status}"}


def _why(status: Mapping[str, Any], what: str) -> str:
    """The reason alone: the message of a Status may quote what was sent."""
    return f"cannot {what}: {status.get('reason') or status.get('code') or 'error'}"
