"""What there is: discovery promises what the grammar serves, and nothing else."""

import json
from typing import Any

import pytest

from proxy.core.attributes import SERVED, Document, Verb
from proxy.core.errors import Unavailable
from proxy.core.policy import RuleSet
from proxy.core.wire import Reply
from tests.core.asking import ALL_OF_BLUE, call, play, reply, rule

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
V2 = AGGREGATED.format("v2")
V2BETA1 = AGGREGATED.format("v2beta1")

SCHEMA = {
    "openapi": "3.0.0",
    "info": {"title": "Kubernetes", "version": "v1.34.0"},
    "paths": {
        "/api/v1/namespaces/{namespace}/secrets/{name}": {"get": {}},
        "/api/v1/namespaces/{namespace}/pods/{name}": {"get": {}},
    },
    "components": {"schemas": {}},
}


WITH_HARDWARE = RuleSet([rule(), rule(("hardwaredata", Verb.LIST), namespaces=("red",))])


def read(
    document: Document, accept: str = "", *replies: Reply, rules: RuleSet = ALL_OF_BLUE
) -> Any:
    headers = (("Accept", accept),) if accept else ()
    played = play(call("GET", document.value, *headers), *replies, rules=rules)
    return json.loads(played.reply.body)


@pytest.mark.parametrize(
    ("document", "group_version", "resources"),
    [
        (Document.CORE, "v1", ["secrets"]),
        (Document.GROUP_VERSION, "metal3.io/v1alpha1", ["hostclaims", "hostclaims/status"]),
    ],
)
def test_a_group_version_has_the_served_resources(
    document: Document, group_version: str, resources: list[str]
) -> None:
    found = read(document)
    assert (found["kind"], found["groupVersion"]) == ("APIResourceList", group_version)
    assert [resource["name"] for resource in found["resources"]] == resources
    assert all(resource["namespaced"] for resource in found["resources"])


def test_a_resource_has_every_verb_and_its_status_only_get() -> None:
    claims, status = read(Document.GROUP_VERSION)["resources"]
    assert claims["verbs"] == sorted(Verb)
    assert status["verbs"] == ["get"]


def test_the_core_group_has_one_version() -> None:
    assert read(Document.API)["versions"] == ["v1"]


def test_there_is_one_group() -> None:
    [group] = read(Document.APIS)["groups"]
    assert group["preferredVersion"] == {
        "groupVersion": "metal3.io/v1alpha1",
        "version": "v1alpha1",
    }
    assert read(Document.GROUP) == {"kind": "APIGroup", "apiVersion": "v1", **group}


@pytest.mark.parametrize("document", [Document.API, Document.APIS])
def test_the_aggregated_form_has_the_same_resources(document: Document) -> None:
    found = read(document, f"{V2},{V2BETA1},application/json")
    resources = [r for item in found["items"] for v in item["versions"] for r in v["resources"]]
    core = document is Document.API
    assert [r["resource"] for r in resources] == [s.plural for s in SERVED if (not s.group) is core]
    assert all(resource["scope"] == "Namespaced" for resource in resources)


def test_the_aggregated_form_names_groups_and_subresources() -> None:
    [group] = read(Document.APIS, V2)["items"]
    assert group["metadata"]["name"] == "metal3.io"
    [claims] = group["versions"][0]["resources"]
    assert [(s["subresource"], s["verbs"]) for s in claims["subresources"]] == [("status", ["get"])]
    assert "name" not in read(Document.API, V2)["items"][0]["metadata"]


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        (V2, "v2"),
        (V2BETA1, "v2beta1"),
        (f"{V2BETA1},{V2}", "v2beta1"),
        ("application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io", "v2"),
        ("application/json; g=apidiscovery.k8s.io; v=v2; as=APIGroupDiscoveryList; q=0.9", "v2"),
    ],
)
def test_the_first_aggregated_version_asked_for_is_given(accept: str, version: str) -> None:
    reply = play(call("GET", "/apis", ("Accept", accept))).reply
    assert json.loads(reply.body)["apiVersion"] == f"apidiscovery.k8s.io/{version}"
    assert reply.header("Content-Type") == AGGREGATED.format(version)
    assert reply.header("Vary") == "Accept"


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        AGGREGATED.format("v3"),
        AGGREGATED.format("v2x"),
        V2.replace("apidiscovery", "discovery"),
        V2.replace("application/json", "application/vnd.kubernetes.protobuf"),
        "application/json;g=apidiscovery.k8s.io,text/a;v=v2,text/a;as=APIGroupDiscoveryList",
    ],
)
def test_what_is_not_asked_for_in_the_aggregated_form_is_classic(accept: str) -> None:
    assert read(Document.APIS, accept)["kind"] == "APIGroupList"


def test_the_version_is_the_apiservers_own() -> None:
    assert read(Document.VERSION, "", reply(200, {"gitVersion": "v1.34.0"})) == {
        "gitVersion": "v1.34.0"
    }


def test_openapi_v2_describes_nothing() -> None:
    found = read(Document.OPENAPI_V2)
    assert (found["swagger"], found["paths"], "definitions" in found) == ("2.0", {}, False)


def test_kubectl_reads_openapi_v2_as_protobuf() -> None:
    asked = ("Accept", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
    answer = play(call("GET", "/openapi/v2", asked)).reply
    assert answer.body == b"\x0a\x032.0"
    # The name that is asked for has an `@`, which Go refuses to read in a media type.
    assert answer.header("Content-Type") == asked[1].replace("@", ".")


def test_a_schema_is_the_apiservers_own_cut_down() -> None:
    found = read(Document.OPENAPI_V3_CORE, "", reply(200, SCHEMA))
    assert list(found["paths"]) == ["/api/v1/namespaces/{namespace}/secrets/{name}"]


def test_the_index_names_each_schema_by_a_hash_of_what_is_served() -> None:
    changed = SCHEMA | {"info": {"version": "v1.35.0"}}
    before = read(Document.OPENAPI_V3, "", reply(200, SCHEMA), reply(200, SCHEMA))["paths"]
    after = read(Document.OPENAPI_V3, "", reply(200, changed), reply(200, SCHEMA))["paths"]
    assert list(before) == ["api/v1", "apis/metal3.io/v1alpha1"]
    assert before["api/v1"] != after["api/v1"]
    assert before["apis/metal3.io/v1alpha1"] == after["apis/metal3.io/v1alpha1"]


def test_a_schema_is_found_where_the_index_says() -> None:
    index = read(Document.OPENAPI_V3, "", reply(200, SCHEMA), reply(200, SCHEMA))
    url = index["paths"]["api/v1"]["serverRelativeURL"]
    assert play(call("GET", url), reply(200, SCHEMA)).reply.code == 200


@pytest.mark.parametrize("document", [Document.VERSION, Document.OPENAPI_V3_CORE])
def test_a_document_that_cannot_be_had_is_unavailable(document: Document) -> None:
    played = play(call("GET", document.value), reply(403, {"message": "no for 10.0.0.1"}))
    assert isinstance(played.refused, Unavailable)
    assert "10.0.0.1" not in played.refused.message


def test_only_the_documents_path_is_asked_upstream() -> None:
    played = play(call("GET", "/version?timeout=1s"), reply(200, {}))
    assert played.lines == ["GET /version"]


def test_hardwaredata_is_there_for_whoever_is_granted_it_anywhere() -> None:
    [*_, found] = read(Document.GROUP_VERSION, rules=WITH_HARDWARE)["resources"]
    assert (found["name"], found["kind"], found["shortNames"]) == (
        "hardwaredata",
        "HardwareData",
        ["hd"],
    )
    assert found["verbs"] == ["get", "list", "watch"]


def test_the_aggregated_form_has_hardwaredata_for_the_same() -> None:
    [group] = read(Document.APIS, V2, rules=WITH_HARDWARE)["items"]
    [claims, found] = group["versions"][0]["resources"]
    assert (claims["resource"], found["resource"]) == ("hostclaims", "hardwaredata")
    assert (found["verbs"], found["shortNames"]) == (["get", "list", "watch"], ["hd"])


@pytest.mark.parametrize(("rules", "shown"), [(ALL_OF_BLUE, False), (WITH_HARDWARE, True)])
def test_the_schema_of_hardwaredata_is_for_the_same(rules: RuleSet, *, shown: bool) -> None:
    path = "/apis/metal3.io/v1alpha1/namespaces/{namespace}/hardwaredata"
    schema = SCHEMA | {"paths": {path: {"get": {}, "post": {}}}}
    found = read(Document.OPENAPI_V3_GROUP_VERSION, "", reply(200, schema), rules=rules)
    assert found["paths"] == ({path: {"get": {}}} if shown else {})
