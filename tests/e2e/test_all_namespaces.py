"""`kubectl get hostclaims -A` and a watch of all namespaces, with rights in each one alone."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.world import PATIENCE, World, eventually

ALL = "/apis/metal3.io/v1alpha1/hostclaims"
BLUE = ("blue-dev", "blue-prod")


def claim(name: str) -> Any:
    return {
        "apiVersion": "metal3.io/v1alpha1",
        "kind": "HostClaim",
        "metadata": {"name": name},
        "spec": {"poweredOn": True, "hostSelector": {"matchLabels": {"no": "such-host"}}},
    }


def collection(namespace: str) -> str:
    return f"/apis/metal3.io/v1alpha1/namespaces/{namespace}/hostclaims"


@pytest.fixture(scope="module")
def claims(world: World) -> Iterator[set[tuple[str, str]]]:
    """A claim in each tenant namespace; yields those that are blue's."""
    owners = {"blue-dev": "blue-capm3", "blue-prod": "blue-capm3", "red": "red-capm3"}
    for namespace, owner in owners.items():
        made = world.ask(
            "POST", collection(namespace), token=world.token(owner), body=claim("spanned")
        )
        assert made.code == 201, made.body
    yield {(namespace, "spanned") for namespace in BLUE}
    for namespace, owner in owners.items():
        target = f"{collection(namespace)}/spanned"
        world.ask("DELETE", target, token=world.token(owner))


def places(items: Any) -> set[tuple[str, str]]:
    found = ((i["metadata"]["namespace"], i["metadata"]["name"]) for i in items)
    return {place for place in found if place[1].startswith("spanned")}


def test_a_list_shows_the_entitled_namespaces(world: World, claims: set[tuple[str, str]]) -> None:
    found = world.ask("GET", ALL, token=world.token("blue-capm3"))
    assert (found.code, places(found.json["items"])) == (200, claims)


def test_pages_add_up_to_the_list(world: World, claims: set[tuple[str, str]]) -> None:
    token, onward, items = world.token("blue-capm3"), "", []
    for _ in range(20):
        found = world.ask("GET", f"{ALL}?limit=1{onward}", token=token)
        assert found.code == 200, found.body
        items += found.json["items"]
        if "continue" not in found.json["metadata"]:
            break
        onward = f"&continue={found.json['metadata']['continue'].replace('=', '%3D')}"
    assert places(items) == claims
    assert len(items) == len({json.dumps(item["metadata"]) for item in items})


def test_kubectl_gets_all_namespaces(world: World, claims: set[tuple[str, str]]) -> None:
    done = world.kubectl("blue", "get", "hostclaims", "-A", "--no-headers")
    assert done.returncode == 0, done.stderr
    rows = {tuple(line.split()[:2]) for line in done.stdout.splitlines()}
    assert {row for row in rows if row[1] == "spanned"} == claims


class Watching:
    """A watch of all namespaces as client-go holds one."""

    def __init__(self, world: World, query: str) -> None:
        proxy = world.proxy
        self._connection = http.client.HTTPSConnection(
            "127.0.0.1", proxy.port, context=proxy.trust, timeout=PATIENCE
        )
        headers = {"Authorization": f"Bearer {world.token('blue-capm3')}"}
        self._connection.request("GET", f"{ALL}?watch=1&{query}", headers=headers)
        self.response = self._connection.getresponse()

    def next(self) -> Any:
        return json.loads(self.response.readline())

    def close(self) -> None:
        self.response.close()
        self._connection.close()


def test_a_streaming_list_and_what_comes_after_reach_the_client(
    world: World, claims: set[tuple[str, str]]
) -> None:
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    watch = Watching(world, query)
    seen = []
    while (event := watch.next())["type"] != "BOOKMARK":
        seen.append(event["object"])
    assert places(seen) == claims
    assert event["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true"
    for namespace in BLUE:
        made = world.ask(
            "POST",
            collection(namespace),
            token=world.token("blue-capm3"),
            body=claim("spanned-later"),
        )
        assert made.code == 201
        while True:
            event = watch.next()
            metadata = event["object"]["metadata"]
            if event["type"] == "ADDED" and metadata["name"] == "spanned-later":
                break
        assert metadata["namespace"] == namespace
        world.ask(
            "DELETE",
            f"{collection(namespace)}/spanned-later",
            token=world.token("blue-capm3"),
        )
    watch.close()


def test_a_watch_resumes_from_the_last_bookmark(world: World) -> None:
    token = world.token("blue-capm3")
    version = world.ask("GET", ALL, token=token).json["metadata"]["resourceVersion"]
    watch = Watching(world, f"resourceVersion={version}&allowWatchBookmarks=true")
    names = ("spanned-x", "spanned-y")
    for namespace, name in zip(BLUE, names, strict=True):
        world.ask("POST", collection(namespace), token=token, body=claim(name))
    last = version
    seen: set[str] = set()
    while seen != set(names):
        event = watch.next()
        last = event["object"]["metadata"]["resourceVersion"]
        if event["type"] == "ADDED":
            seen.add(event["object"]["metadata"]["name"])
    watch.close()
    for namespace, name in zip(BLUE, names, strict=True):
        world.ask("DELETE", f"{collection(namespace)}/{name}", token=token)
    again = Watching(world, f"resourceVersion={last}&allowWatchBookmarks=true")
    gone: set[str] = set()
    while gone != set(names):
        event = again.next()
        if event["type"] == "DELETED":
            gone.add(event["object"]["metadata"]["name"])
    again.close()


def test_somebody_without_namespaces_is_told_so(world: World) -> None:
    path = world.directory / "policies" / "blue.yaml"
    kept = path.read_text()
    try:
        path.write_text(kept.replace("[blue-dev, blue-prod]", '["blue-*"]'))
        token = world.token("blue-capm3")
        eventually(
            lambda: world.ask("GET", ALL, token=token).code == 403, "the policy to take effect"
        )
        refused = world.ask("GET", ALL, token=token)
        assert "ask for one namespace at a time" in refused.json["message"]
    finally:
        path.write_text(kept)
        eventually(
            lambda: world.ask("GET", ALL, token=token).code == 200, "the policy to be mended"
        )
