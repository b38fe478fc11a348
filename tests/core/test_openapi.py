"""How it looks: an OpenAPI document cut down to one resource."""

import copy
from typing import Any

from proxy.core import openapi
from proxy.core.attributes import HARDWAREDATA, HOSTCLAIMS

COLLECTION = "/apis/metal3.io/v1alpha1/namespaces/{namespace}/hostclaims"
HARDWARE = "/apis/metal3.io/v1alpha1/namespaces/{namespace}/hardwaredata"
STATUS = f"{COLLECTION}/{{name}}/status"


def reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def kind(name: str, version: str = "v1alpha1") -> dict[str, Any]:
    return {
        "x-kubernetes-group-version-kind": [
            {"group": "metal3.io", "version": version, "kind": name}
        ]
    }


DOCUMENT = {
    "openapi": "3.0.0",
    "info": {"title": "x"},
    "paths": {
        COLLECTION: {"get": {"responses": {"200": reference("List")}}},
        f"{COLLECTION}/{{name}}": {"get": {}, "patch": {"body": reference("Patch")}},
        STATUS: {"get": {}, "put": {"body": reference("StatusWrite")}, "parameters": [1]},
        "/apis/metal3.io/v1alpha1/hostclaims": {"get": {}},
        HARDWARE: {"get": reference("Data"), "post": reference("Orphan")},
    },
    "components": {
        "schemas": {
            "List": kind("HostClaimList")
            | {"items": [reference("Claim"), {"a": reference("Meta")}]},
            "Claim": kind("HostClaim") | {"spec": reference("Spec"), "again": reference("Claim")},
            "OldClaim": kind("HostClaim", "v1alpha0"),
            "Spec": {"type": "object"},
            "Meta": {"type": "object"},
            "Patch": {},
            "StatusWrite": {},
            "Data": kind("HardwareData"),
            "Orphan": {"$ref": "elsewhere"},
        },
        "securitySchemes": {"BearerToken": {}},
    },
}


def test_only_the_paths_that_are_served_are_kept() -> None:
    pruned = openapi.prune(DOCUMENT, HOSTCLAIMS)
    assert list(pruned["paths"]) == [COLLECTION, f"{COLLECTION}/{{name}}", STATUS]


def test_a_status_keeps_its_get_alone() -> None:
    assert openapi.prune(DOCUMENT, HOSTCLAIMS)["paths"][STATUS] == {"get": {}, "parameters": [1]}


def test_only_the_schemas_that_are_referred_to_are_kept() -> None:
    schemas = openapi.prune(DOCUMENT, HOSTCLAIMS)["components"]["schemas"]
    assert list(schemas) == ["Claim", "List", "Meta", "Patch", "Spec"]


def test_a_kind_is_kept_even_if_no_path_refers_to_it() -> None:
    schemas = openapi.prune(DOCUMENT | {"paths": {}}, HOSTCLAIMS)["components"]["schemas"]
    assert list(schemas) == ["Claim", "List", "Meta", "Spec"]


def test_the_document_that_is_given_stays_as_it_is() -> None:
    given = copy.deepcopy(DOCUMENT)
    openapi.prune(given, HOSTCLAIMS)
    assert given == DOCUMENT


def test_a_reference_to_nothing_is_left_alone() -> None:
    document = {"components": {"schemas": {"Claim": kind("HostClaim") | reference("Gone")}}}
    assert list(openapi.prune(document, HOSTCLAIMS)["components"]["schemas"]) == ["Claim"]


def test_an_empty_document_stays_one() -> None:
    assert openapi.prune({}, HOSTCLAIMS) == {
        "openapi": "3.0.0",
        "info": {},
        "paths": {},
        "components": {"schemas": {}},
    }


def test_what_is_only_read_has_no_writes_and_comes_with_the_rest_of_its_group() -> None:
    pruned = openapi.prune(DOCUMENT, HOSTCLAIMS, HARDWAREDATA)
    assert pruned["paths"][HARDWARE] == {"get": reference("Data")}
    assert list(pruned["components"]["schemas"]) == [
        "Claim",
        "Data",
        "List",
        "Meta",
        "Patch",
        "Spec",
    ]
