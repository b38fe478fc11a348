"""Server-side apply: each manager has what it applied."""

import json
from typing import Any

from tests.demo.cluster.asking import APPLY, CLAIMS, MERGE, Api, claim

ONE = f"{CLAIMS}/one"


def apply(api: Api, manager: str, obj: Any, *, force: bool = False) -> Any:
    query = f"?fieldManager={manager}" + ("&force=true" if force else "")
    return api.ask("PATCH", ONE + query, obj, APPLY)


def at_version(version: str) -> Any:
    return {**claim(), "metadata": {"name": "one", "resourceVersion": version}}


def owners(obj: Any) -> list[tuple[str, str]]:
    entries = obj["metadata"].get("managedFields", [])
    return [(entry["manager"], entry["operation"]) for entry in entries]


def test_applying_what_is_not_there_creates_it(api: Api) -> None:
    made = apply(api, "me", claim(image={"url": "http://x"}))
    assert made["spec"] == {"poweredOn": True, "image": {"url": "http://x"}}
    assert owners(made) == [("me", "Apply")]


def test_a_version_means_nothing_to_what_is_not_there(api: Api) -> None:
    made = apply(api, "me", at_version("1"))
    assert made["metadata"]["resourceVersion"] != "1"


def test_a_version_that_is_not_the_objects_is_a_conflict(api: Api) -> None:
    made = apply(api, "me", claim())
    code, message = api.refusal("PATCH", f"{ONE}?fieldManager=me", at_version("1"), APPLY)
    assert (code, "has been modified" in message) == (409, True)
    assert apply(api, "me", at_version(made["metadata"]["resourceVersion"])) == made


def test_applying_the_same_again_writes_nothing(api: Api) -> None:
    first = apply(api, "me", claim())
    assert apply(api, "me", claim()) == first


def test_a_field_that_is_no_longer_applied_goes(api: Api) -> None:
    apply(api, "me", claim(image={"url": "http://x", "format": "raw"}))
    after = apply(api, "me", claim(image={"url": "http://x"}))
    assert after["spec"]["image"] == {"url": "http://x"}


def test_what_held_only_such_fields_goes_too(api: Api) -> None:
    apply(api, "me", claim(image={"url": "http://x"}))
    assert apply(api, "me", claim())["spec"] == {"poweredOn": True}


def test_a_field_that_another_has_too_stays(api: Api) -> None:
    apply(api, "me", claim(image={"url": "http://x"}))
    apply(api, "you", claim(image={"url": "http://x"}))
    assert apply(api, "me", claim())["spec"]["image"] == {"url": "http://x"}


def test_another_value_than_the_owners_is_a_conflict(api: Api) -> None:
    apply(api, "you", claim(image={"url": "http://x"}))
    code, message = api.refusal(
        "PATCH", f"{ONE}?fieldManager=me", claim(image={"url": "http://y"}), APPLY
    )
    assert code == 409
    assert message == 'Apply failed with 1 conflict: conflict with "you": .spec.image.url'


def test_an_updater_is_told_with_its_version(api: Api) -> None:
    api.ask("POST", CLAIMS, claim(image={"url": "http://x"}))
    _, message = api.refusal(
        "PATCH", f"{ONE}?fieldManager=me", claim(image={"url": "http://y"}), APPLY
    )
    assert message == (
        'Apply failed with 1 conflict: conflict with "test" using metal3.io/v1alpha1: '
        ".spec.image.url"
    )


def test_force_takes_the_field(api: Api) -> None:
    apply(api, "you", claim(image={"url": "http://x"}))
    after = apply(api, "me", claim(image={"url": "http://y"}), force=True)
    assert after["spec"]["image"]["url"] == "http://y"
    assert apply(api, "me", claim())["spec"] == {"poweredOn": True}


def test_an_update_takes_what_it_changes(api: Api) -> None:
    apply(api, "me", claim(image={"url": "http://x"}))
    after = api.ask("PATCH", ONE, {"spec": {"image": {"url": "http://y"}}}, MERGE)
    fields = {entry["manager"]: entry["fieldsV1"] for entry in after["metadata"]["managedFields"]}
    assert fields["test"] == {"f:spec": {"f:image": {"f:url": {}}}}
    assert fields["me"] == {"f:spec": {"f:poweredOn": {}}}


def test_an_unknown_field_is_told_as_upstream_tells_it(api: Api) -> None:
    assert api.refusal("PATCH", f"{ONE}?fieldManager=me", claim(nope=1), APPLY) == (
        500,
        (
            "failed to create typed patch object (/one; metal3.io/v1alpha1, Kind=HostClaim): "
            ".spec.nope: field not declared in schema"
        ),
    )


def test_who_applies_has_a_name(api: Api) -> None:
    code, message = api.refusal("PATCH", ONE, claim(), APPLY)
    assert (code, "fieldManager: Required value" in message) == (422, True)


def test_yaml_is_applied_as_well_as_json(api: Api) -> None:
    body = b"apiVersion: metal3.io/v1alpha1\nkind: HostClaim\nspec: {poweredOn: true}\n"
    made = api.ask("PATCH", f"{ONE}?fieldManager=me", body, APPLY)
    assert made["metadata"]["name"] == "one"


def test_what_kubectl_once_applied_by_itself_is_its_own(api: Api) -> None:
    sent = claim(failureDomain="x")
    told = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(sent)}
    api.ask("POST", CLAIMS, {**sent, "metadata": {"name": "one", "annotations": told}})
    after = apply(api, "kubectl", claim(failureDomain="y"))
    assert after["spec"]["failureDomain"] == "y"
    noted = after["metadata"]["annotations"][next(iter(told))]
    assert json.loads(noted)["spec"]["failureDomain"] == "y"


def test_what_nobody_owned_is_owned_before_the_first_apply(api: Api) -> None:
    api.ask("POST", CLAIMS, claim(failureDomain="x"))
    api.ask("PATCH", ONE, {"metadata": {"managedFields": [{}]}}, MERGE)
    _, message = api.refusal("PATCH", f"{ONE}?fieldManager=me", claim(failureDomain="y"), APPLY)
    assert 'conflict with "before-first-apply"' in message


def test_an_update_may_clear_all_owners(api: Api) -> None:
    api.ask("POST", CLAIMS, claim())
    assert owners(api.ask("PATCH", ONE, {"metadata": {"managedFields": [{}]}}, MERGE)) == []
