"""How is the cluster asked: list, watch and patch of the Kubernetes API.

Every failure is an `ApiError`: nobody beyond this module handles aiohttp's exceptions.
"""

import json
import ssl
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from proxy.demo.hosts.objects import Json, Resource
from proxy.demo.hosts.planning import Patch

_WATCH_SECONDS = 300
_CALL = aiohttp.ClientTimeout(total=30)
# A server that says nothing for longer than it was asked to watch is not there any more.
_WATCH = aiohttp.ClientTimeout(total=None, connect=10, sock_read=_WATCH_SECONDS + 30)
# One event is one line, and an object may be as large as etcd takes, in JSON twice that.
_LONGEST_LINE = 4 * 1024 * 1024


class ApiError(Exception):
    """The cluster did not do what it was asked; status 0 where it gave no answer at all."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Listing:
    """A collection at one moment."""

    version: str
    items: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a watch: `ADDED`, `MODIFIED`, `DELETED` or `BOOKMARK`."""

    type: str
    object: Json

    @property
    def version(self) -> str:
        """Where a watch that has seen this goes on."""
        version: str = self.object["metadata"]["resourceVersion"]
        return version


class Api:
    """A cluster, as seen with somebody's token."""

    def __init__(self, server: str, session: aiohttp.ClientSession) -> None:
        self._server = server
        self._session = session

    @staticmethod
    def session(ca_file: Path, token: str) -> aiohttp.ClientSession:
        """Connections for `Api`, which the caller closes."""
        trust = ssl.create_default_context(cafile=str(ca_file))
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust),
            cookie_jar=aiohttp.DummyCookieJar(),
            # An apiserver names the manager of a field after the User-Agent.
            headers={"Authorization": f"Bearer {token}", "User-Agent": "host-controller"},
            read_bufsize=_LONGEST_LINE,
        )

    async def list(self, resource: Resource) -> Listing:
        """Read a collection over all namespaces."""
        headers = {"Accept": _accept(resource, "List")}
        with _as_api_errors():
            async with self._session.get(
                self._server + resource.path, headers=headers, timeout=_CALL
            ) as response:
                await _expect_success(response)
                found = await response.json()
        return Listing(found["metadata"]["resourceVersion"], tuple(found["items"] or ()))

    async def watch(self, resource: Resource, version: str) -> AsyncGenerator[Event, None]:
        """Follow a collection from a version on, for as long as the server likes.

        Raises:
            ApiError: with status 410, the version is too old to go on from.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        headers = {"Accept": _accept(resource, "")}
        with _as_api_errors():
            async with self._session.get(
                self._server + resource.path, params=query, headers=headers, timeout=_WATCH
            ) as response:
                await _expect_success(response)
                async for line in response.content:
                    yield _event(line)

    async def patch(self, patch: Patch) -> None:
        """Write, unless the object has changed since the patch was thought of (409)."""
        path = patch.target
        if patch.subresource:
            path = f"{path}/{patch.subresource}"
        metadata = {**patch.body.get("metadata", {}), "resourceVersion": patch.version}
        with _as_api_errors():
            async with self._session.patch(
                self._server + path,
                data=json.dumps({**patch.body, "metadata": metadata}),
                headers={"Content-Type": "application/merge-patch+json"},
                timeout=_CALL,
            ) as response:
                await _expect_success(response)


def _accept(resource: Resource, suffix: str) -> str:
    if resource.metadata_only:
        return f"application/json;as=PartialObjectMetadata{suffix};g=meta.k8s.io;v=v1"
    return "application/json"


def _event(line: bytes) -> Event:
    parsed = json.loads(line)
    if parsed["type"] == "ERROR":
        status = parsed["object"]
        raise ApiError(status.get("code", 500), status.get("message", "error in a watch"))
    return Event(parsed["type"], parsed["object"])


async def _expect_success(response: aiohttp.ClientResponse) -> None:
    if response.status >= 300:
        raise ApiError(response.status, f"{response.reason}: {await response.text()}")


@contextmanager
def _as_api_errors() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
        # A ValueError is a line that was cut off, or too long to be one.
        raise ApiError(0, f"no answer to be made sense of: {exc!r}") from exc
