"""HostClaims judged as they would be stored, with the apiserver played line by line."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.core.attributes import PatchType
from proxy.core.bounds import Bounds
from proxy.core.conversation import Forward
from proxy.core.errors import BadRequest, Conflict, Forbidden, NotFound, UnsupportedMediaType
from proxy.core.narrowing import STAMP
from proxy.core.policy import RuleSet
from tests.core.asking import (
    CLAIMS,
    CONFLICT,
    DONE,
    JSON,
    MISSING,
    SECRETS_PATH,
    Transcript,
    call,
    header,
    play,
    reply,
    rule,
)

ONE = f"{CLAIMS}/c1"
FINALIZER = "metal3.io/hostclaim"
MERGE = ("Content-Type", PatchType.MERGE.value)
JSON_PATCH = ("Content-Type", PatchType.JSON.value)
APPLY = ("Content-Type", PatchType.APPLY.value)


def claim(*, version: Any = "", metadata: Any = None, **spec: Any) -> Any:
    """A claim as somebody writes it; with a version, as the apiserver stores it."""
    stored = {"uid": "u-1", "resourceVersion": version} if version else {}
    return {
        "apiVersion": "metal3.io/v1alpha1",
        "kind": "HostClaim",
        "metadata": {"name": "c1", **stored, **(metadata or {})},
        "spec": {"poweredOn": True, **spec},
    }


def metadata_of(*, stamped: bool, uid: str = "s-1") -> Any:
    labels = {STAMP: "true"} if stamped else {}
    metadata = {"labels": labels, "uid": uid, "resourceVersion": "3"}
    return reply(200, {"kind": "PartialObjectMetadata", "metadata": metadata})


LIVE = reply(200, claim(version="5"))
OURS = metadata_of(stamped=True)
FOREIGN = metadata_of(stamped=False)


def create(body: Any, *replies: Any, rules: RuleSet | None = None) -> Transcript:
    return with_rules("POST", CLAIMS, JSON, body, *replies, rules=rules)


def update(body: Any, *replies: Any) -> Transcript:
    return with_rules("PUT", ONE, JSON, body, *replies)


def merge(body: Any, *replies: Any) -> Transcript:
    return with_rules("PATCH", ONE, MERGE, body, *replies)


def with_rules(
    method: str,
    target: str,
    content_type: tuple[str, str],
    body: Any,
    *replies: Any,
    rules: RuleSet | None = None,
) -> Transcript:
    rules = rules or RuleSet([rule()])
    return play(call(method, target, content_type, body=body, rules=rules), *replies, rules=rules)


def causes(played: Transcript) -> list[str]:
    assert isinstance(played.refused, Forbidden), played.refused
    return [cause.field for cause in played.refused.causes]


def test_a_claim_without_references_is_created_at_once() -> None:
    played = create(claim())
    assert isinstance(played.outcome, Forward)
    assert played.lines == [f"POST {CLAIMS}"]
    assert played.body(0) == claim()


def test_an_update_is_of_the_claim_that_was_looked_at() -> None:
    played = update(claim(version="5"), LIVE, DONE)
    assert played.lines == [f"GET {ONE}", f"PUT {ONE}"]
    assert played.body(1)["metadata"]["resourceVersion"] == "5"


def test_an_update_without_a_version_is_the_apiservers_to_refuse() -> None:
    invalid = reply(422, {"message": "metadata.resourceVersion: must be specified for an update"})
    played = update(claim(), LIVE, invalid, LIVE)
    assert played.reply == invalid
    assert "resourceVersion" not in played.body(1)["metadata"]


def test_an_update_of_an_older_version_writes_nothing() -> None:
    played = update(claim(version="4"), LIVE)
    assert isinstance(played.refused, Conflict)
    assert played.lines == [f"GET {ONE}"]


@pytest.mark.parametrize("write", [update, merge])
def test_a_write_of_a_claim_that_is_not_there_writes_nothing(
    write: Callable[..., Transcript],
) -> None:
    played = write(claim(), MISSING)
    assert isinstance(played.refused, NotFound)
    assert len(played.sent) == 1


def test_a_patch_is_rehearsed_and_pinned_to_what_was_looked_at() -> None:
    patch = {"spec": {"poweredOn": False}}
    played = merge(patch, LIVE, reply(200, claim(version="5", poweredOn=False)), DONE)
    assert played.lines == [f"GET {ONE}", f"PATCH {ONE}?dryRun=All", f"PATCH {ONE}"]
    assert played.body(1) == played.body(2) == {**patch, "metadata": {"resourceVersion": "5"}}


def test_a_patch_that_the_apiserver_finds_invalid_gets_its_words() -> None:
    invalid = reply(400, {"message": "spec.poweredOn: must be a boolean"})
    assert merge({"spec": {"poweredOn": 7}}, LIVE, invalid).reply == invalid


def test_a_patch_is_tried_anew_when_the_claim_moves() -> None:
    moved = reply(200, claim(version="6"))
    played = merge({}, LIVE, LIVE, CONFLICT, moved, moved, DONE)
    assert played.reply == DONE
    assert played.body(-1)["metadata"]["resourceVersion"] == "6"


def test_an_apply_of_a_claim_that_is_not_there_may_only_create() -> None:
    played = with_rules("PATCH", ONE, APPLY, claim(), MISSING, reply(201, claim(version="9")), DONE)
    assert played.body(1)["metadata"]["resourceVersion"] == "1"
    assert played.reply == DONE


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "Secret"},
        {"apiVersion": "metal3.io/v1beta1"},
        {"metadata": {"name": "c2"}},
        {"metadata": {"name": "c1", "namespace": "red"}},
    ],
)
def test_an_apply_of_what_the_path_does_not_say_asks_nothing(changes: Any) -> None:
    played = with_rules("PATCH", ONE, APPLY, {**claim(), **changes})
    assert isinstance(played.refused, BadRequest)


def test_an_apply_is_judged_with_what_others_own() -> None:
    merged = reply(200, claim(version="5", userData={"name": "x", "namespace": "red"}))
    played = with_rules("PATCH", ONE, APPLY, claim(), LIVE, merged)
    assert causes(played) == ["spec.userData.namespace"]


REFERENCES = ["userData", "networkData", "metaData"]


@pytest.mark.parametrize("key", REFERENCES)
@pytest.mark.parametrize("namespace", ["", "blue", None])
def test_a_reference_to_a_tenants_secret_here_is_taken(key: str, namespace: Any) -> None:
    played = create(claim(**{key: {"name": "user-data", "namespace": namespace}}), OURS)
    assert played.lines == [f"GET {SECRETS_PATH}/user-data", f"POST {CLAIMS}"]


def test_no_data_is_read_to_judge_a_reference() -> None:
    played = create(claim(userData={"name": "user-data"}), OURS)
    assert "as=PartialObjectMetadata" in header(played.sent[0], "Accept")


@pytest.mark.parametrize("key", REFERENCES)
def test_a_reference_to_a_secret_that_is_not_there_yet_is_taken(key: str) -> None:
    assert create(claim(**{key: {"name": "later"}}), MISSING).lines[-1] == f"POST {CLAIMS}"


@pytest.mark.parametrize("key", REFERENCES)
@pytest.mark.parametrize(
    ("reference", "field"),
    [
        ({"name": "x", "namespace": "red"}, "namespace"),
        ({"namespace": "kube-system"}, "namespace"),
        ({"name": "x", "namespace": ["blue"]}, "namespace"),
        ({"name": "../secrets/x"}, "name"),
        ({"name": "x?watch=1"}, "name"),
        ({"name": ""}, "name"),
        ({"name": 7}, "name"),
    ],
)
def test_a_reference_that_leads_elsewhere_is_refused_unasked(
    key: str, reference: Any, field: str
) -> None:
    played = create(claim(**{key: reference}))
    assert (causes(played), played.sent) == ([f"spec.{key}.{field}"], [])


@pytest.mark.parametrize("key", REFERENCES)
def test_a_reference_to_a_secret_that_is_not_a_tenants_is_refused(key: str) -> None:
    played = create(claim(**{key: {"name": "bmc-credentials"}}), FOREIGN)
    assert causes(played) == [f"spec.{key}.name"]
    assert played.lines == [f"GET {SECRETS_PATH}/bmc-credentials"]


POINTING = reply(200, claim(version="5", userData={"name": "bmc-credentials"}))


@pytest.mark.parametrize("content_type", [MERGE, JSON_PATCH, APPLY])
def test_a_patch_that_comes_to_point_at_one_is_never_written(content_type: tuple[str, str]) -> None:
    body: Any = [] if content_type == JSON_PATCH else {"metadata": {}}
    played = with_rules("PATCH", ONE, content_type, body, LIVE, POINTING, FOREIGN)
    assert causes(played) == ["spec.userData.name"]
    assert [line for line in played.lines if line == f"PATCH {ONE}"] == []


def test_an_update_that_points_at_one_is_never_written() -> None:
    pointing = claim(version="5", userData={"name": "bmc-credentials"})
    played = update(pointing, LIVE, FOREIGN)
    assert causes(played) == ["spec.userData.name"]
    assert not any(line.startswith("PUT") for line in played.lines)


def test_a_secret_that_cannot_be_looked_at_is_no_tenants_secret() -> None:
    played = create(claim(userData={"name": "x"}), reply(403, {"kind": "Status"}))
    assert played.lines == [f"GET {SECRETS_PATH}/x"]
    assert played.refused.code == 503


def test_every_field_that_is_not_allowed_is_named_at_once() -> None:
    played = create(
        claim(
            metadata={"finalizers": ["example.com/hold"]},
            userData={"name": "x", "namespace": "red"},
            image={"url": "oci://x/y", "ociAuthSecretName": "pull-secret"},
        )
    )
    assert causes(played) == [
        "metadata.finalizers",
        "spec.userData.namespace",
        "spec.image.ociAuthSecretName",
    ]
    assert all(field in played.refused.message for field in causes(played))


HELD = reply(200, claim(version="5", metadata={"finalizers": [FINALIZER]}))


def test_the_finalizer_of_metal3_cannot_be_removed() -> None:
    played = update(claim(version="5"), HELD)
    assert causes(played) == ["metadata.finalizers"]


def test_a_finalizer_that_is_there_may_stay() -> None:
    foreign = {"finalizers": [FINALIZER, "example.com/hold"]}
    held = reply(200, claim(version="5", metadata=foreign))
    played = update(claim(version="5", metadata=foreign), held, DONE)
    assert played.reply == DONE


def test_a_finalizer_of_somebody_else_cannot_be_added() -> None:
    foreign = {"finalizers": [FINALIZER, "example.com/hold"]}
    played = update(claim(version="5", metadata=foreign), HELD)
    assert causes(played) == ["metadata.finalizers"]


OWNER = {"apiVersion": "metal3.io/v1alpha1", "kind": "HostClaim", "name": "c0", "uid": "s-1"}


def test_a_claim_may_be_owned_by_a_claim_of_the_namespace() -> None:
    played = create(claim(metadata={"ownerReferences": [OWNER]}), OURS)
    assert played.lines == [f"GET {CLAIMS}/c0", f"POST {CLAIMS}"]


@pytest.mark.parametrize(
    "owner",
    [
        {**OWNER, "kind": "Metal3Machine"},
        {**OWNER, "apiVersion": "v1"},
        {**OWNER, "name": "../x"},
        {**OWNER, "name": None},
        {},
        "c0",
    ],
)
def test_an_owner_that_is_no_claim_is_refused_unasked(owner: Any) -> None:
    played = create(claim(metadata={"ownerReferences": [owner]}))
    assert (causes(played), played.sent) == (["metadata.ownerReferences[0]"], [])
    assert "is deleted" in played.refused.message


@pytest.mark.parametrize("found", [MISSING, metadata_of(stamped=True, uid="other")])
def test_an_owner_that_is_not_here_is_refused(found: Any) -> None:
    played = create(claim(metadata={"ownerReferences": [OWNER]}), found)
    assert causes(played) == ["metadata.ownerReferences[0]"]


def test_an_owner_that_is_there_already_is_not_asked_for_again() -> None:
    owned = {"ownerReferences": [{**OWNER, "kind": "Other"}]}
    live = reply(200, claim(version="5", metadata=owned))
    assert update(claim(version="5", metadata=owned), live, DONE).reply == DONE


def bounded(*alternatives: Bounds) -> RuleSet:
    return RuleSet(
        [
            type(first)(
                first.origin, first.effect, first.permissions, first.namespaces, bounds=bounds
            )
            for number, bounds in enumerate(alternatives)
            for first in [rule(line=number + 1)]
        ]
    )


BLUE_HOSTS = Bounds(required_labels=(("pool", "blue"),))
POOL_A = Bounds(host_namespaces=("pool-a",))


def test_a_claim_beyond_the_bounds_is_refused_with_the_field() -> None:
    played = create(claim(), rules=bounded(BLUE_HOSTS))
    assert causes(played) == ["spec.hostSelector.matchLabels[pool]"]


def test_a_claim_within_one_of_several_bounds_is_taken() -> None:
    played = create(
        claim(hostSelector={"inNamespace": "pool-a"}), rules=bounded(BLUE_HOSTS, POOL_A)
    )
    assert isinstance(played.outcome, Forward)


def test_a_patch_cannot_leave_the_bounds() -> None:
    rules = bounded(POOL_A)
    stored = reply(200, claim(version="5", hostSelector={"inNamespace": "pool-b"}))
    played = with_rules("PATCH", ONE, MERGE, {}, LIVE, stored, rules=rules)
    assert causes(played) == ["spec.hostSelector.inNamespace"]


def listing(items: int, more: int) -> Any:
    metadata = {"remainingItemCount": more} if more else {}
    return reply(200, {"metadata": metadata, "items": [{}] * items})


@pytest.mark.parametrize(
    ("items", "more", "taken"), [(0, 0, True), (1, 1, True), (1, 2, False), (1, 7, False)]
)
def test_claims_are_counted_before_one_is_added(items: int, more: int, taken: bool) -> None:  # noqa: FBT001
    played = create(claim(), listing(items, more), rules=bounded(Bounds(max_host_claims=3)))
    assert played.lines[0] == f"GET {CLAIMS}?limit=1"
    assert isinstance(played.outcome, Forward) is taken


def test_the_widest_number_of_several_rules_counts() -> None:
    rules = bounded(Bounds(max_host_claims=1), Bounds(max_host_claims=3))
    assert isinstance(create(claim(), listing(1, 1), rules=rules).outcome, Forward)


def test_a_rule_without_a_number_needs_no_count() -> None:
    rules = bounded(Bounds(max_host_claims=1), BLUE_HOSTS)
    body = claim(hostSelector={"matchLabels": {"pool": "blue"}})
    assert create(body, rules=rules).lines == [f"POST {CLAIMS}"]


def test_a_claim_that_is_there_is_not_counted_again() -> None:
    rules = bounded(Bounds(max_host_claims=0))
    played = with_rules("PUT", ONE, JSON, claim(version="5"), LIVE, DONE, rules=rules)
    assert played.reply == DONE


def test_a_count_that_fails_adds_nothing() -> None:
    played = create(claim(), reply(500, {}), rules=bounded(Bounds(max_host_claims=3)))
    assert played.refused.code == 503


@pytest.mark.parametrize(
    "body",
    [
        {**claim(), "kind": "Secret"},
        {**claim(), "apiVersion": "metal3.io/v1"},
        claim(metadata={"namespace": "red"}),
        claim(metadata={"name": 7}),
        {"metadata": []},
        [claim()],
    ],
)
def test_a_body_that_is_another_object_is_refused(body: Any) -> None:
    played = create(body)
    assert isinstance(played.refused, BadRequest)
    assert played.sent == []


def test_an_update_of_another_name_is_refused() -> None:
    assert isinstance(update(claim(metadata={"name": "c2"})).refused, BadRequest)


def test_a_claim_in_protobuf_is_refused() -> None:
    protobuf = ("Content-Type", "application/vnd.kubernetes.protobuf")
    played = with_rules("POST", CLAIMS, protobuf, b"k8s\0")
    assert isinstance(played.refused, UnsupportedMediaType)


def test_an_upstream_that_cannot_be_looked_at_stops_the_write() -> None:
    assert update(claim(version="5"), reply(500, {})).refused.code == 503


def test_a_refusal_of_very_many_fields_names_some_of_them() -> None:
    played = create(claim(metadata={"finalizers": [f"x{n}" for n in range(100_000 - 20)]}))
    assert len(played.refused.causes) == 20
    assert played.refused.message.endswith("; and 99960 more")
