"""What a write does to an object, and when it is refused."""

import json
from typing import Any

import pytest

from proxy.demo.cluster.calls import Call, Reply
from proxy.demo.cluster.rbac import User
from proxy.demo.cluster.requests import parse
from tests.demo.cluster.asking import CLAIMS, JSON_PATCH, MERGE, SECRETS, Api, claim, secret

ONE = f"{CLAIMS}/one"
FINALIZED = {"metadata": {"finalizers": ["metal3.io/hostclaim"]}}


def test_a_new_object_gets_what_the_server_gives(api: Api) -> None:
    meta = api.ask("POST", CLAIMS, claim())["metadata"]
    assert (meta["namespace"], meta["generation"]) == ("blue", 1)
    assert meta["creationTimestamp"] == "2030-01-01T12:00:00Z"
    assert {"uid", "resourceVersion"} <= set(meta)


def test_a_generated_name_begins_as_told(api: Api) -> None:
    sent = claim()
    sent["metadata"] = {"generateName": "gen-"}
    assert api.ask("POST", CLAIMS, sent)["metadata"]["name"].startswith("gen-")


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        (claim("Bad_Name"), 422, "a lowercase RFC 1123 subdomain must consist of"),
        (claim(""), 422, "metadata.name: Required value: name or generateName is required"),
        (claim(labels={"a b": "c"}), 422, "metadata.labels: Invalid value"),
        (claim(poweredOn="yes"), 422, "spec.poweredOn in body must be of type boolean"),
        ({**claim(), "kind": "Other"}, 422, "kind: Invalid value"),
        ({**claim(), "apiVersion": "metal3.io/v1"}, 400, "does not match the expected API version"),
        ({**claim(), "kind": ""}, 400, "Object 'Kind' is missing"),
        ({**claim(), "metadata": {"labels": "x"}}, 400, "ObjectMeta.labels"),
        ({**claim(), "metadata": "x"}, 400, "cannot be handled as a HostClaim"),
        (b"{bad", 400, "json parse error"),
        (b"", 400, "unexpected end of JSON input"),
        ([], 400, "cannot unmarshal array"),
    ],
)
def test_a_bad_body_is_refused(api: Api, body: Any, code: int, told: str) -> None:
    found, message = api.refusal("POST", CLAIMS, body)
    assert (found, told in message) == (code, True), message


def test_a_null_counts_as_absent(api: Api) -> None:
    made = api.ask("POST", CLAIMS, claim(failureDomain=None, image=None))
    assert made["spec"] == {"poweredOn": True}


def test_a_patch_that_makes_no_such_object_is_told_whole(api: Api) -> None:
    api.ask("POST", CLAIMS, claim())
    code, message = api.refusal("PATCH", ONE, {"metadata": {"labels": "x"}}, MERGE)
    assert (code, message.startswith(' "" is invalid: patch: Invalid value:')) == (422, True)


def test_a_namespace_must_exist(api: Api) -> None:
    assert api.refusal("POST", CLAIMS.replace("blue", "red"), claim()) == (
        404,
        'namespaces "red" not found',
    )


def test_a_name_is_taken_once(api: Api) -> None:
    api.ask("POST", CLAIMS, claim())
    assert api.refusal("POST", CLAIMS, claim()) == (
        409,
        'hostclaims.metal3.io "one" already exists',
    )


@pytest.mark.parametrize(
    ("validation", "warnings"),
    [("Warn", ['unknown field "spec.nope"']), ("Ignore", []), ("", ['unknown field "spec.nope"'])],
)
def test_an_unknown_field_is_dropped(api: Api, validation: str, warnings: list[str]) -> None:
    call = Call(
        parse("POST", f"{CLAIMS}?fieldValidation={validation}"),
        User("admin", ("system:masters",)),
        body=json.dumps(claim(nope=1)).encode(),
    )
    reply = api.server.answer(call)
    assert isinstance(reply, Reply)
    assert (reply.body["spec"], call.warnings) == ({"poweredOn": True}, warnings)


def test_strictly_an_unknown_or_double_field_is_refused(api: Api) -> None:
    body = (
        b'{"apiVersion":"metal3.io/v1alpha1","kind":"HostClaim","metadata":{"name":"x"},'
        b'"spec":{"poweredOn":true,"poweredOn":false,"nope":1}}'
    )
    code, message = api.refusal("POST", f"{CLAIMS}?fieldValidation=Strict", body)
    assert code == 400
    assert message.endswith(
        'strict decoding error: duplicate field "spec.poweredOn", unknown field "spec.nope"'
    )


def test_a_dry_run_writes_nothing(api: Api) -> None:
    revision = api.server.store.revision
    api.ask("POST", f"{CLAIMS}?dryRun=All", claim())
    assert (api.server.store.revision, api.refusal("GET", ONE)[0]) == (revision, 404)


def test_an_update_of_an_old_version_is_a_conflict(api: Api) -> None:
    old = api.ask("POST", CLAIMS, claim())
    api.ask("PATCH", ONE, {"spec": {"poweredOn": False}}, MERGE)
    code, message = api.refusal("PUT", ONE, old)
    assert (code, "the object has been modified" in message) == (409, True)


def test_a_custom_resource_is_updated_at_a_version_only(api: Api) -> None:
    api.ask("POST", CLAIMS, claim())
    code, message = api.refusal("PUT", ONE, claim())
    assert (code, "must be specified for an update" in message) == (422, True)


def test_a_change_of_the_spec_alone_counts_as_a_generation(api: Api) -> None:
    api.ask("POST", CLAIMS, claim())
    labelled = api.ask("PATCH", ONE, {"metadata": {"labels": {"a": "b"}}}, MERGE)
    changed = api.ask("PATCH", ONE, {"spec": {"poweredOn": False}}, MERGE)
    assert [obj["metadata"]["generation"] for obj in (labelled, changed)] == [1, 2]


def test_a_write_that_changes_nothing_is_no_event(api: Api) -> None:
    before = api.ask("POST", CLAIMS, claim())
    assert api.ask("PATCH", ONE, {"spec": {"poweredOn": True}}, MERGE) == before


def test_status_and_the_rest_are_kept_apart(api: Api) -> None:
    api.ask("POST", CLAIMS, {**claim(), "status": {"poweredOn": True}})
    change = {"spec": {"poweredOn": False}, "status": {"poweredOn": True}}
    assert "status" not in api.ask("PATCH", ONE, change, MERGE)
    after = api.ask("PATCH", f"{ONE}/status", {**change, "spec": {"poweredOn": True}}, MERGE)
    assert (after["spec"], after["status"]) == ({"poweredOn": False}, {"poweredOn": True})


def test_an_object_with_a_finalizer_goes_when_it_is_taken_off(api: Api) -> None:
    api.ask("POST", CLAIMS, claim())
    api.ask("PATCH", ONE, FINALIZED, MERGE)
    marked = api.ask("DELETE", ONE)
    assert marked["metadata"]["deletionTimestamp"] == "2030-01-01T12:00:00Z"
    api.ask("PATCH", ONE, {"metadata": {"finalizers": None}}, MERGE)
    assert api.refusal("GET", ONE) == (404, 'hostclaims.metal3.io "one" not found')


def test_no_finalizer_is_added_to_what_is_going(api: Api) -> None:
    api.ask("POST", CLAIMS, claim())
    api.ask("PATCH", ONE, FINALIZED, MERGE)
    api.ask("DELETE", ONE)
    patch = [{"op": "add", "path": "/metadata/finalizers/-", "value": "x/y"}]
    code, message = api.refusal("PATCH", ONE, patch, JSON_PATCH)
    assert (code, "no new finalizers can be added" in message) == (422, True)


@pytest.mark.parametrize("demanded", [{"uid": "other"}, {"resourceVersion": "1"}])
def test_a_delete_of_another_object_is_a_conflict(api: Api, demanded: dict[str, str]) -> None:
    api.ask("POST", CLAIMS, claim())
    assert api.refusal("DELETE", ONE, {"preconditions": demanded})[0] == 409


def test_a_delete_answers_with_what_is_gone(api: Api) -> None:
    made = api.ask("POST", CLAIMS, claim())
    gone = api.ask("DELETE", ONE)
    assert (gone["status"], gone["details"]["uid"]) == ("Success", made["metadata"]["uid"])


def test_a_collection_is_deleted_by_selector(api: Api) -> None:
    for name, labels in (("a", {"k": "1"}), ("b", {"k": "2"}), ("c", {"k": "1"})):
        api.ask("POST", CLAIMS, claim(name, labels))
    gone = api.ask("DELETE", f"{CLAIMS}?labelSelector=k=1")
    left = api.ask("GET", CLAIMS)
    assert [obj["metadata"]["name"] for obj in gone["items"]] == ["a", "c"]
    assert [obj["metadata"]["name"] for obj in left["items"]] == ["b"]


def test_a_namespace_takes_what_it_holds_along(api: Api) -> None:
    api.ask("POST", SECRETS, secret())
    api.ask("POST", CLAIMS, claim())
    api.ask("PATCH", ONE, FINALIZED, MERGE)
    api.ask("DELETE", "/api/v1/namespaces/blue")
    code, message = api.refusal("POST", SECRETS, secret("new"))
    assert (code, "it is being terminated" in message) == (403, True)
    api.ask("PATCH", ONE, {"metadata": {"finalizers": None}}, MERGE)
    assert api.refusal("GET", "/api/v1/namespaces/blue")[0] == 404


def test_a_secret_is_completed(api: Api) -> None:
    made = api.ask("POST", SECRETS, secret(data={"a": "YQ=="}, stringData={"b": "b"}))
    assert (made["type"], made["data"]) == ("Opaque", {"a": "YQ==", "b": "Yg=="})
    assert "stringData" not in made


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        ({"data": {"a": "!"}}, 400, "illegal base64 data"),
        ({"data": {"a": 1}}, 400, "cannot unmarshal"),
        ({"data": {"a b": ""}}, 422, "a valid config key must consist of"),
        ({"type": "kubernetes.io/service-account-token"}, 422, "Required value"),
        ({"type": "kubernetes.io/tls"}, 422, "data[tls.crt]: Required value"),
    ],
)
def test_a_bad_secret_is_refused(api: Api, content: Any, code: int, told: str) -> None:
    found, message = api.refusal("POST", SECRETS, secret(**content))
    assert (found, told in message) == (code, True), message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"type": "a"}, {"type": "b"}),
        ({"immutable": True, "data": {}}, {"data": {"a": ""}}),
        ({"immutable": True}, {"immutable": False}),
    ],
)
def test_what_is_immutable_in_a_secret_stays(api: Api, first: Any, second: Any) -> None:
    api.ask("POST", SECRETS, secret(**first))
    code, message = api.refusal("PATCH", f"{SECRETS}/one", second, MERGE)
    assert (code, "field is immutable" in message) == (422, True)


@pytest.mark.parametrize("content_type", ["application/strategic-merge-patch+json", "text/plain"])
def test_a_patch_type_that_the_resource_lacks_is_told(api: Api, content_type: str) -> None:
    api.ask("POST", CLAIMS, claim())
    code, message = api.refusal("PATCH", ONE, {}, content_type)
    assert code == 415
    assert message.endswith(
        "accepted media types include: application/json-patch+json, application/merge-patch+json, "
        "application/apply-patch+yaml"
    )


def test_a_new_object_has_no_version_yet(api: Api) -> None:
    sent = {**claim(), "metadata": {"name": "one", "resourceVersion": "1"}}
    code, message = api.refusal("POST", CLAIMS, sent)
    assert (code, message) == (500, "resourceVersion should not be set on objects to be created")
