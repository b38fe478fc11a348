"""A watch tells what changed, from where it was asked to begin."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from proxy.demo.cluster.calls import Stream
from proxy.demo.cluster.watch import Event
from tests.demo.cluster.asking import CLAIMS, MERGE, SECRETS, Api, claim, secret

SECONDS = 5.0
STREAMING = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"


class Watched:
    """A watch, read event by event."""

    def __init__(self, api: Api, query: str, path: str = CLAIMS) -> None:
        stream = api.send("GET", f"{path}?watch=1&{query}")
        assert isinstance(stream, Stream)
        self._stopping = False
        self._api = api
        self.events: AsyncGenerator[Event, None] = stream.watch.events(lambda: self._stopping)

    async def next(self) -> tuple[str, str]:
        """Give the next event's type and object's name."""
        event = await asyncio.wait_for(anext(self.events), SECONDS)
        return event.type, event.obj["metadata"].get("name", "")

    async def rest(self) -> list[str]:
        """Stop, and give the types of what still came."""
        self._stopping = True
        self._api.server.store.nudge()
        return [event.type async for event in self.events]


async def test_a_watch_begins_with_what_is_there(api: Api) -> None:
    api.ask("POST", CLAIMS, claim())
    watched = Watched(api, "")
    assert await watched.next() == ("ADDED", "one")
    api.ask("PATCH", f"{CLAIMS}/one", {"spec": {"poweredOn": False}}, MERGE)
    api.ask("DELETE", f"{CLAIMS}/one")
    assert await watched.next() == ("MODIFIED", "one")
    assert await watched.next() == ("DELETED", "one")
    assert await watched.rest() == []


async def test_a_watch_goes_on_from_a_version(api: Api) -> None:
    version = api.ask("POST", CLAIMS, claim())["metadata"]["resourceVersion"]
    api.ask("POST", CLAIMS, claim("two"))
    watched = Watched(api, f"resourceVersion={version}")
    assert await watched.next() == ("ADDED", "two")
    assert await watched.rest() == []


async def test_other_resources_and_namespaces_are_not_told(api: Api) -> None:
    watched = Watched(api, "")
    api.ask("POST", SECRETS, secret())
    api.ask("POST", CLAIMS, claim())
    assert await watched.next() == ("ADDED", "one")
    assert await watched.rest() == []


async def test_an_object_comes_and_goes_with_its_labels(api: Api) -> None:
    api.ask("POST", CLAIMS, claim())
    watched = Watched(api, "labelSelector=mine")
    for value, told in (("1", "ADDED"), ("2", "MODIFIED"), (None, "DELETED")):
        api.ask("PATCH", f"{CLAIMS}/one", {"metadata": {"labels": {"mine": value}}}, MERGE)
        assert await watched.next() == (told, "one")
    assert await watched.rest() == []


async def test_streaming_lists_say_where_they_end(api: Api) -> None:
    api.ask("POST", CLAIMS, claim())
    watched = Watched(api, STREAMING)
    assert await watched.next() == ("ADDED", "one")
    bookmark = await anext(watched.events)
    assert bookmark.type == "BOOKMARK"
    assert bookmark.obj["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert await watched.rest() == []


async def test_a_watch_says_how_far_it_is_before_it_ends(api: Api) -> None:
    watched = Watched(api, f"{STREAMING}&timeoutSeconds=3")
    assert [event.type async for event in watched.events] == ["BOOKMARK", "BOOKMARK"]


async def test_a_forgotten_version_is_an_error_in_the_stream(api: Api) -> None:
    version = api.ask("POST", CLAIMS, claim())["metadata"]["resourceVersion"]
    api.ask("POST", CLAIMS, claim("two"))
    api.server.store.forget()
    watched = Watched(api, f"resourceVersion={version}")
    event = await anext(watched.events)
    assert (event.type, event.obj["code"], event.obj["reason"]) == ("ERROR", 410, "Expired")
    assert await watched.rest() == []


async def test_a_watch_that_falls_behind_is_told(api: Api) -> None:
    watched = Watched(api, "")
    api.ask("POST", CLAIMS, claim())
    assert await watched.next() == ("ADDED", "one")
    api.ask("DELETE", f"{CLAIMS}/one")
    api.server.store.forget()
    event = await anext(watched.events)
    assert (event.type, event.obj["code"]) == ("ERROR", 410)


@pytest.mark.parametrize(
    "query", ["sendInitialEvents=true", "resourceVersionMatch=Exact&resourceVersion=1"]
)
def test_options_that_make_no_sense_are_refused(api: Api, query: str) -> None:
    assert api.refusal("GET", f"{CLAIMS}?watch=1&{query}")[0] == 422
