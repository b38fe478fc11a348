"""In which form: whatever a client asks for, it is of the right kind and shows its own alone."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.e2e.kubectl import STAMP, Kubectl, claim, fresh, made, secret
from tests.e2e.test_encodings import PROTOBUF
from tests.e2e.wire import connected, request
from tests.e2e.world import Response, World

METAL3 = "/apis/metal3.io/v1alpha1"
CLAIMS = f"{METAL3}/namespaces/blue-dev/hostclaims"
SECRETS = "/api/v1/namespaces/blue-dev/secrets"
AS = "g=meta.k8s.io;v=v1"
TABLE = f"application/json;as=Table;{AS}"
METADATA = f"application/json;as=PartialObjectMetadata;{AS}"
METADATA_LIST = f"application/json;as=PartialObjectMetadataList;{AS}"


@pytest.fixture(scope="module")
def names(world: World) -> Iterator[dict[str, str]]:
    """A claim and a secret of blue's, and a claim of red's and a secret of nobody's beside them."""
    blue, red = Kubectl(world, "blue", "blue-dev"), Kubectl(world, "red", "red")
    admin = Kubectl(world, "admin", "blue-dev")
    with (
        made(blue, claim(fresh("forms-mine"))) as mine,
        made(blue, secret(fresh("forms-mine"))) as secret_of_mine,
        made(red, claim(fresh("forms-theirs"))) as theirs,
        made(admin, secret(fresh("forms-hidden"), "not-for-tenants")) as hidden,
    ):
        yield {
            CLAIMS: mine,
            SECRETS: secret_of_mine,
            "theirs": theirs,
            "hidden": hidden,
        }


@pytest.fixture
def blue(world: World) -> str:
    return world.token("blue-capm3")


def ask(world: World, token: str, target: str, accept: str) -> Response:
    found = world.ask("GET", target, token=token, headers={"Accept": accept})
    assert found.code == 200, found.body
    return found


def shown(found: Any) -> set[str]:
    """The names in a list of any form."""
    entries = found.get("items") or [row["object"] for row in found.get("rows") or []]
    return {entry["metadata"]["name"] for entry in entries}


LISTED = {
    "JSON": ("application/json", {CLAIMS: "HostClaimList", SECRETS: "SecretList"}),
    "YAML": ("application/yaml", {CLAIMS: "HostClaimList", SECRETS: "SecretList"}),
    "a Table": (TABLE, dict.fromkeys((CLAIMS, SECRETS), "Table")),
    "metadata": (METADATA_LIST, dict.fromkeys((CLAIMS, SECRETS), "PartialObjectMetadataList")),
    "a Table if there is one": (
        f"{TABLE},application/json",
        dict.fromkeys((CLAIMS, SECRETS), "Table"),
    ),
    "a beta of a Table, else JSON": (
        "application/json;as=Table;v=v1alpha1;g=meta.k8s.io,application/json",
        {CLAIMS: "HostClaimList", SECRETS: "SecretList"},
    ),
    "anything": ("*/*", {CLAIMS: "HostClaimList", SECRETS: "SecretList"}),
}


@pytest.mark.parametrize("form", LISTED)
@pytest.mark.parametrize("target", [CLAIMS, SECRETS])
def test_a_list_is_of_the_kind_that_was_asked_for(
    world: World, blue: str, names: dict[str, str], target: str, form: str
) -> None:
    accept, kinds = LISTED[form]
    body = ask(world, blue, target, accept).body
    found = yaml.safe_load(body) if form == "YAML" else json.loads(body)
    assert found["kind"] == kinds[target]
    assert names[target] in shown(found)
    assert names["hidden"] not in shown(found)
    assert b"not-for-tenants" not in body


ONE = {
    "JSON": ("application/json", {CLAIMS: "HostClaim", SECRETS: "Secret"}),
    "a Table": (TABLE, dict.fromkeys((CLAIMS, SECRETS), "Table")),
    "metadata": (METADATA, dict.fromkeys((CLAIMS, SECRETS), "PartialObjectMetadata")),
}


@pytest.mark.parametrize("form", ONE)
@pytest.mark.parametrize("target", [CLAIMS, SECRETS])
def test_a_get_is_of_the_kind_that_was_asked_for(
    world: World, blue: str, names: dict[str, str], target: str, form: str
) -> None:
    accept, kinds = ONE[form]
    found = ask(world, blue, f"{target}/{names[target]}", accept).json
    assert found["kind"] == kinds[target]
    assert names[target] in (shown(found) or {found["metadata"]["name"]})
    hidden = world.ask(
        "GET", f"{SECRETS}/{names['hidden']}", token=blue, headers={"Accept": accept}
    )
    assert (hidden.code, hidden.json["kind"]) == (404, "Status")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "HostClaimList"),
        (TABLE, "Table"),
        (METADATA_LIST, "PartialObjectMetadataList"),
    ],
)
def test_a_list_of_all_namespaces_is_of_the_kind_that_was_asked_for(
    world: World, blue: str, names: dict[str, str], accept: str, kind: str
) -> None:
    found = ask(world, blue, f"{METAL3}/hostclaims", accept).json
    assert found["kind"] == kind
    assert names[CLAIMS] in shown(found)
    assert names["theirs"] not in shown(found)


WATCHED = dict(ONE.values())


async def watched(world: World, token: str, target: str, accept: str) -> bytes:
    """All that a watch says, until the apiserver ends it."""
    proxy = world.proxy
    said = request("GET", target, f"Authorization: Bearer {token}", f"Accept: {accept}")
    async with connected(proxy.port, proxy.trust) as connection:
        await connection.say(said)
        answer = await connection.answer()
    assert answer.code == 200, answer.body
    return answer.body


@pytest.mark.parametrize("target", [CLAIMS, SECRETS])
async def test_a_watch_is_of_the_kind_that_was_asked_for(
    world: World, blue: str, names: dict[str, str], target: str
) -> None:
    watch = f"{target}?watch=1&timeoutSeconds=1"
    bodies = await asyncio.gather(*(watched(world, blue, watch, accept) for accept in WATCHED))
    for body, kinds in zip(bodies, WATCHED.values(), strict=True):
        found = [json.loads(line)["object"] for line in body.splitlines()]
        assert {each["kind"] for each in found} == {kinds[target]}
        seen = set[str]().union(*(shown(each) or {each["metadata"]["name"]} for each in found))
        assert names[target] in seen
        assert names["hidden"] not in seen


# What could show a hidden secret, were it not for the selector of the proxy.
TRICKS = [
    "",
    "?fieldSelector=metadata.name%3DHIDDEN",
    "?fieldSelector=metadata.name%3DHIDDEN%2Ctype%3DOpaque",
    f"?labelSelector=%21{STAMP.replace('/', '%2F')}",
    f"?labelSelector={STAMP.replace('/', '%2F')}%21%3Dtrue",
    f"?labelSelector={STAMP.replace('/', '%2F')}+notin+%28true%29",
    f"?labelSelector={STAMP.replace('/', '%2F')}%3Dfalse",
    f"?labelSelector={STAMP.replace('/', '%2F')}+in+%28true%2Cfalse%29",
    "?labelSelector=a%21%3Db",
    "?labelSelector=%21a",
    "?limit=500",
    "?resourceVersion=0",
]
FORMS = {
    "JSON": "application/json",
    "YAML": "application/yaml",
    "a Table": TABLE,
    "metadata": METADATA_LIST,
    "protobuf": f"{PROTOBUF},application/json",
    "metadata in protobuf": f"{PROTOBUF};as=PartialObjectMetadataList;{AS},{METADATA_LIST}",
}


@pytest.mark.parametrize("query", TRICKS)
@pytest.mark.parametrize("form", FORMS)
def test_a_hidden_secret_is_in_no_list_of_any_form(
    world: World, blue: str, names: dict[str, str], query: str, form: str
) -> None:
    query = query.replace("HIDDEN", names["hidden"])
    found = ask(world, blue, SECRETS + query, FORMS[form])
    assert names["hidden"].encode() not in found.body
    assert found.body.startswith(b"k8s\0") is (world.real and "protobuf" in form)
    if query in {"", "?limit=500", "?resourceVersion=0"}:
        assert names[SECRETS].encode() in found.body


async def test_a_hidden_secret_is_in_no_watch_of_any_form(
    world: World, blue: str, names: dict[str, str]
) -> None:
    asked = [
        (f"{SECRETS}{query or '?'}&watch=1&timeoutSeconds=1".replace("?&", "?"), accept)
        for query in (trick.replace("HIDDEN", names["hidden"]) for trick in TRICKS)
        for form, accept in FORMS.items()
        if form != "YAML" and "limit" not in query
    ]
    bodies = await asyncio.gather(*(watched(world, blue, *each) for each in asked))
    assert [each for each, body in zip(asked, bodies, strict=True) if hidden_in(body, names)] == []
    assert names[SECRETS].encode() in bodies[0]


def hidden_in(body: bytes, names: dict[str, str]) -> bool:
    return names["hidden"].encode() in body


# What there is.

AGGREGATED = "application/json;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList;v="
CLASSIC = {
    "/api/v1": {"secrets"},
    METAL3: {"hostclaims", "hostclaims/status"},
}


@pytest.mark.parametrize("path", CLASSIC)
def test_classic_discovery_shows_what_is_served_and_nothing_else(
    world: World, blue: str, path: str
) -> None:
    found = world.ask("GET", path, token=blue).json
    assert found["kind"] == "APIResourceList"
    assert {each["name"] for each in found["resources"]} == CLASSIC[path]


def test_classic_discovery_has_one_group_and_one_version_of_each(world: World, blue: str) -> None:
    assert world.ask("GET", "/api", token=blue).json["versions"] == ["v1"]
    groups = world.ask("GET", "/apis", token=blue).json["groups"]
    (group,) = groups
    assert (group["name"], len(group["versions"])) == ("metal3.io", 1)
    assert world.ask("GET", "/apis/metal3.io", token=blue).json["name"] == "metal3.io"


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
def test_aggregated_discovery_shows_the_same(world: World, blue: str, version: str) -> None:
    seen = set()
    for root in ("/api", "/apis"):
        found = ask(world, blue, root, f"{AGGREGATED}{version},application/json").json
        assert found["apiVersion"] == f"apidiscovery.k8s.io/{version}"
        for group in found["items"]:
            (served,) = group["versions"]
            for each in served["resources"]:
                subresources = [sub["subresource"] for sub in each.get("subresources", [])]
                seen |= {each["resource"], *(f"{each['resource']}/{sub}" for sub in subresources)}
    assert seen == {"secrets", "hostclaims", "hostclaims/status"}


def test_openapi_v3_describes_what_is_served_and_nothing_else(world: World, blue: str) -> None:
    paths = world.ask("GET", "/openapi/v3", token=blue).json["paths"]
    assert set(paths) == {"api/v1", "apis/metal3.io/v1alpha1"}
    for entry in paths.values():
        document = world.ask("GET", entry["serverRelativeURL"], token=blue).json
        kinds = {
            kind["kind"]
            for schema in document["components"]["schemas"].values()
            for kind in schema.get("x-kubernetes-group-version-kind", ())
        }
        assert kinds & {"Secret", "HostClaim"}
        assert not kinds & {"Pod", "ServiceAccount", "BareMetalHost", "HostDeployPolicy"}


def test_openapi_v2_is_one_that_describes_nothing(world: World, blue: str) -> None:
    found = world.ask("GET", "/openapi/v2", token=blue).json
    assert (found["swagger"], found["paths"]) == ("2.0", {})
