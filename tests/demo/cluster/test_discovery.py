"""Clients find out what is served, and how to say it."""

import json

import pytest

from proxy.demo.cluster.calls import PAGE_NOT_FOUND, Reply
from tests.demo.cluster.asking import CLAIMS, Api

METAL3 = "/apis/metal3.io/v1alpha1"


def aggregated(version: str) -> str:
    return f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"


def test_each_group_and_version_is_listed(api: Api) -> None:
    groups = {group["name"]: group for group in api.ask("GET", "/apis")["groups"]}
    assert api.ask("GET", "/api")["versions"] == ["v1"]
    assert groups["metal3.io"]["preferredVersion"]["groupVersion"] == "metal3.io/v1alpha1"


def test_each_resource_is_listed_with_its_subresources(api: Api) -> None:
    found = {row["name"]: row for row in api.ask("GET", METAL3)["resources"]}
    assert found["hostclaims"]["kind"] == "HostClaim"
    assert "deletecollection" in found["hostclaims"]["verbs"]
    assert found["hostclaims/status"]["verbs"] == ["get", "patch", "update"]


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
def test_discovery_comes_in_one_document(api: Api, version: str) -> None:
    accept = f"{aggregated(version)},application/json"
    reply = api.send("GET", "/apis", headers={"Accept": accept})
    assert isinstance(reply, Reply)
    assert reply.media_type == aggregated(version)
    assert "metal3.io" in [item["metadata"]["name"] for item in reply.body["items"]]


def test_the_classic_form_comes_when_it_is_preferred(api: Api) -> None:
    reply = api.send("GET", "/api", headers={"Accept": f"application/json,{aggregated('v2')}"})
    assert isinstance(reply, Reply)
    assert reply.body["kind"] == "APIVersions"


def test_every_reference_in_openapi_leads_somewhere(api: Api) -> None:
    for path in api.ask("GET", "/openapi/v3")["paths"]:
        document = api.ask("GET", f"/openapi/v3/{path}")
        known = document["components"]["schemas"]
        told = json.dumps(document).split('"#/components/schemas/')[1:]
        assert {text.partition('"')[0] for text in told} <= set(known)


def test_openapi_says_that_writes_can_be_validated(api: Api) -> None:
    document = api.ask("GET", "/openapi/v3/apis/metal3.io/v1alpha1")
    path = CLAIMS.replace("blue", "{namespace}") + "/{name}"
    patch = document["paths"][path]["patch"]
    assert patch["x-kubernetes-group-version-kind"]["kind"] == "HostClaim"
    assert {"dryRun", "fieldValidation"} <= {row["name"] for row in patch["parameters"]}


@pytest.mark.parametrize("target", ["/openapi/v2", "/nope", "/apis/nope.io", f"{METAL3}/nopes"])
def test_what_is_not_served_is_not_found(api: Api, target: str) -> None:
    assert api.send("GET", target) == PAGE_NOT_FOUND


@pytest.mark.parametrize("target", [f"{CLAIMS}/a/scale", "/api/v1/nopes"])
def test_what_a_known_group_lacks_is_not_found(api: Api, target: str) -> None:
    assert api.refusal("GET", target)[0] == 404


@pytest.mark.parametrize(
    ("method", "target", "code"),
    [
        ("PUT", CLAIMS, 400),
        ("POST", "/api/v1/secrets", 405),
        ("DELETE", "/api/v1/namespaces", 405),
        ("HEAD", "/api/v1/namespaces/blue", 405),
        ("POST", "/version", 405),
    ],
)
def test_a_method_that_an_endpoint_lacks_is_refused(
    api: Api, method: str, target: str, code: int
) -> None:
    assert api.refusal(method, target)[0] == code
