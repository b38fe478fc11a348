"""Each verb where it is granted, and none where another is: by policies that name verbs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.e2e.kubectl import claim, fresh
from tests.e2e.ledger import Ledger, kept, record_of
from tests.e2e.serving import AnotherProxy, Settings, another
from tests.e2e.test_refusals_bodies import APPLY, JSON, JSON_PATCH, MERGE
from tests.e2e.wire import request
from tests.e2e.world import Response, World, eventually

METAL3 = "/apis/metal3.io/v1alpha1"
CLAIMS = f"{METAL3}/namespaces/blue-dev/hostclaims"
THEIRS = f"{METAL3}/namespaces/red/hostclaims"
FIELDS = "fieldManager=x&force=true"

EVERY = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]
GRANTED = {
    "blue-capm3": ({"client": "blue-capm3"}, EVERY),
    "red-capm3": ({"client": "red-capm3"}, ["get", "update", "patch"]),
    "auditor": ({"client": "auditor"}, ["list", "watch"]),
    "alice": ({"user": "alice"}, ["get"]),
}


@dataclass(frozen=True)
class Scene:
    """A proxy whose policies grant verbs, and what is refused by it."""

    world: World
    proxy: AnotherProxy
    ledger: Ledger

    def ask(
        self, who: str, method: str, target: str, body: Any = None, media: str = JSON, **more: str
    ) -> Response:
        headers = more | ({} if body is None else {"Content-Type": media})
        token = self.world.token(who)
        answer = self.proxy.ask(method, target, token=token, headers=headers, body=body)
        # So that it is not taken for the record of what comes next.
        record_of(self.proxy, answer.headers["Audit-Id"])
        return answer

    async def refused(self, who: str, method: str, target: str, *lines: str) -> str:
        """A request that is refused unheard; returns what is said to it."""
        body = b"{}" if method in {"POST", "PUT", "PATCH"} else b""
        length = (f"Content-Length: {len(body)}",) if body else ()
        said = request(method, target, "Authorization: Bearer TOKEN", *lines, *length, body=body)
        token = self.world.token(who)
        answer, _ = await self.ledger.refused(said, code=403, token=token)
        return "" if method == "HEAD" else str(answer.json["message"])


@pytest.fixture(scope="module")
def scene(world: World) -> Iterator[Scene]:
    def change(settings: Settings) -> None:
        (path,) = settings["policies"]["paths"]
        for file in (world.directory / path).iterdir():
            file.unlink()
        documents = [_policy(name, *granted) for name, granted in GRANTED.items()]
        (world.directory / path / "verbs.yaml").write_text(yaml.safe_dump_all(documents))

    with another(world, "verbs", change) as proxy, kept(world, proxy) as ledger:
        yield Scene(world, proxy, ledger)


def _policy(name: str, subject: dict[str, str], verbs: list[str]) -> Any:
    rule = {"namespaces": ["blue-dev"], "resources": ["hostclaims"], "verbs": verbs}
    return {
        "apiVersion": "hostclaim-proxy.metal3.io/v1alpha1",
        "kind": "AccessPolicy",
        "metadata": {"name": name},
        "spec": {"subjects": [{"issuer": "corp", **subject}], "allow": [rule]},
    }


@pytest.fixture
def name(scene: Scene) -> Iterator[str]:
    """A claim that is there."""
    name = fresh("verbs")
    assert scene.ask("blue-capm3", "POST", CLAIMS, claim(name)).code == 201
    yield name
    scene.ask("blue-capm3", "DELETE", f"{CLAIMS}/{name}")


def is_gone(scene: Scene, name: str) -> bool:
    return scene.ask("blue-capm3", "GET", f"{CLAIMS}/{name}").code == 404


def test_every_verb_that_is_granted_is_done(scene: Scene) -> None:
    name = fresh("verbs")
    one, patch = f"{CLAIMS}/{name}", {"metadata": {"labels": {"a": "b"}}}

    def ask(method: str, target: str, *body: Any) -> int:
        return scene.ask("blue-capm3", method, target, *body).code

    assert ask("POST", CLAIMS, claim(name)) == 201
    assert [ask(method, one) for method in ("GET", "HEAD")] == [200, 200]
    assert ask("GET", f"{one}/status") == 200
    assert ask("GET", CLAIMS) == 200
    assert ask("GET", f"{CLAIMS}?watch=1&timeoutSeconds=1") == 200
    assert ask("PATCH", one, patch, MERGE) == 200
    operation = {"op": "add", "path": "/metadata/labels/a", "value": "c"}
    assert ask("PATCH", one, [operation], JSON_PATCH) == 200
    assert ask("PATCH", f"{one}?{FIELDS}", claim(name, poweredOn=False), APPLY) == 200

    def is_replaced() -> bool:
        return ask("PUT", one, scene.ask("blue-capm3", "GET", one).json) == 200

    # Its controller may write in between.
    eventually(is_replaced, "an update to be taken")
    assert ask("DELETE", one) == 200
    eventually(lambda: is_gone(scene, name), "the claim to be gone")


def test_a_collection_is_deleted_where_that_is_granted_by_name(scene: Scene) -> None:
    names = [fresh("verbs") for _ in range(2)]
    for name in names:
        labelled = claim(name)
        labelled["metadata"]["labels"] = {"collected": "yes"}
        assert scene.ask("blue-capm3", "POST", CLAIMS, labelled).code == 201
    target = f"{CLAIMS}?labelSelector=collected%3Dyes"
    assert scene.ask("blue-capm3", "DELETE", target).code == 200
    eventually(lambda: all(is_gone(scene, name) for name in names), "the claims to be gone")


HERE_ALONE = [
    ("GET", ""),
    ("GET", "?watch=1"),
    ("GET", "/x"),
    ("HEAD", "/x"),
    ("POST", ""),
    ("PUT", "/x"),
    ("PATCH", "/x"),
    ("DELETE", "/x"),
    ("DELETE", ""),
]


@pytest.mark.parametrize(("method", "rest"), HERE_ALONE)
async def test_no_verb_is_done_in_another_namespace(scene: Scene, method: str, rest: str) -> None:
    media = f"Content-Type: {MERGE if method == 'PATCH' else JSON}"
    await scene.refused("blue-capm3", method, THEIRS + rest, media)


@pytest.mark.parametrize("media", [APPLY, MERGE, JSON_PATCH])
@pytest.mark.parametrize("query", ["", "&dryRun=All"])
async def test_who_may_not_create_applies_nothing(
    scene: Scene, name: str, media: str, query: str
) -> None:
    missing, there = f"{CLAIMS}/{fresh('none')}", f"{CLAIMS}/{name}"
    if media == APPLY:
        for target in (missing, there):
            said = await scene.refused(
                "red-capm3", "PATCH", f"{target}?{FIELDS}{query}", f"Content-Type: {media}"
            )
            assert "no policy grants you create on hostclaims there" in said
        return
    patch: Any = [] if media == JSON_PATCH else {"metadata": {"labels": {"a": "b"}}}
    query = query.replace("&", "?")
    assert scene.ask("red-capm3", "PATCH", missing + query, patch, media).code == 404
    assert scene.ask("red-capm3", "PATCH", there + query, patch, media).code == 200
    assert scene.ask("blue-capm3", "GET", missing).code == 404


NEEDS = [
    ("red-capm3", "POST", "", "create"),
    ("red-capm3", "DELETE", "/x", "delete"),
    ("red-capm3", "DELETE", "", "deletecollection"),
    ("red-capm3", "GET", "", "list"),
    ("auditor", "PUT", "/x", "update"),
    ("auditor", "PATCH", "/x", "patch"),
    ("auditor", "GET", "/x", "get"),
    ("auditor", "HEAD", "/x", "get"),
    ("auditor", "GET", "/x/status", "get"),
    ("alice", "GET", "", "list"),
    ("alice", "HEAD", "", "list"),
    ("alice", "GET", "?watch=1", "watch"),
    ("alice", "GET", "?watch=true&fieldSelector=metadata.name%3Dx", "watch"),
    ("alice", "GET", "?watch=0", "list"),
]


@pytest.mark.parametrize(("who", "method", "rest", "verb"), NEEDS)
async def test_a_request_needs_its_own_verb(
    scene: Scene, who: str, method: str, rest: str, verb: str
) -> None:
    media = f"Content-Type: {MERGE if method == 'PATCH' else JSON}"
    said = await scene.refused(who, method, CLAIMS + rest, media)
    assert method == "HEAD" or f"no policy grants you {verb} on hostclaims" in said
    if method in {"POST", "PUT", "PATCH", "DELETE"}:
        said = await scene.refused(who, method, f"{CLAIMS}{rest}?dryRun=All", media)
        assert f"no policy grants you {verb} on hostclaims" in said


def test_a_head_needs_what_its_get_needs(scene: Scene, name: str) -> None:
    for who, target in (("alice", f"{CLAIMS}/{name}"), ("auditor", CLAIMS)):
        assert [scene.ask(who, method, target).code for method in ("GET", "HEAD")] == [200, 200]


OVERRIDES = ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"]


@pytest.mark.parametrize("header", OVERRIDES)
async def test_another_method_in_a_header_means_nothing(
    scene: Scene, name: str, header: str
) -> None:
    one = f"{CLAIMS}/{name}"
    found = scene.ask("blue-capm3", "GET", one, **{header: "DELETE"})
    assert (found.code, found.json["metadata"]["name"]) == (200, name)
    assert "deletionTimestamp" not in scene.ask("alice", "GET", one).json["metadata"]
    # Nor does it make a forbidden method an allowed one.
    await scene.refused("alice", "DELETE", one, f"{header}: GET")
