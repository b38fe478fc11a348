"""Which secrets are a tenant's: conversations with an apiserver, line by line.

`SECRET_PATH` is there and stamped in FOUND, there and not stamped in HIDDEN,
and not there in MISSING.
"""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.core import status
from proxy.core.attributes import PatchType
from proxy.core.conversation import Forward
from proxy.core.errors import (
    AlreadyExists,
    BadGateway,
    BadRequest,
    Conflict,
    Forbidden,
    NotAcceptable,
    NotFound,
    Unavailable,
    UnsupportedMediaType,
)
from proxy.core.narrowing import STAMP
from proxy.core.wire import Reply
from tests.core.asking import (
    CONFLICT,
    DONE,
    FOUND,
    HIDDEN,
    JSON,
    MISSING,
    PROTOBUF,
    SECRET_PATH,
    SECRETS_PATH,
    Transcript,
    call,
    header,
    play,
    protobuf_reply,
    reply,
    secret,
)

LOOK = f"GET {SECRET_PATH}"
PUT = f"PUT {SECRET_PATH}"
PATCH = f"PATCH {SECRET_PATH}"
REHEARSAL = f"PATCH {SECRET_PATH}?dryRun=All"
DELETE = f"DELETE {SECRET_PATH}"

MOVED = reply(200, secret("6"))
INVALID = reply(422, {"kind": "Status", "code": 422, "message": "from upstream"})
UNSTAMPED = reply(200, secret(stamped=False))
TYPED = reply(200, secret(type="infrastructure.cluster.x-k8s.io/secret"))
TOKEN_TYPE = "kubernetes.io/service-account-token"


def written(**metadata: Any) -> dict[str, Any]:
    """A secret as CAPM3 writes it: its own labels, and no stamp."""
    return {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "user-data"} | metadata}


def get(*replies: Reply, query: str = "", accept: str = "") -> Transcript:
    headers = (("Accept", accept),) if accept else ()
    return play(call("GET", f"{SECRET_PATH}{query}", *headers), *replies)


def create(body: object, *replies: Reply) -> Transcript:
    return play(call("POST", SECRETS_PATH, JSON, body=body), *replies)


def put(body: object, *replies: Reply, query: str = "") -> Transcript:
    return play(call("PUT", f"{SECRET_PATH}{query}", JSON, body=body), *replies)


def patch(kind: PatchType, body: object, *replies: Reply, query: str = "") -> Transcript:
    asked = call("PATCH", f"{SECRET_PATH}{query}", ("Content-Type", kind.value), body=body)
    return play(asked, *replies)


def merge(body: object, *replies: Reply) -> Transcript:
    return patch(PatchType.MERGE, body, *replies)


def delete(*replies: Reply, body: object = b"", query: str = "") -> Transcript:
    return play(call("DELETE", f"{SECRET_PATH}{query}", JSON, body=body), *replies)


def sent_version(played: Transcript) -> Any:
    return played.body(-1)["metadata"]["resourceVersion"]


# Lists, watches, and deletions of many.


@pytest.mark.parametrize(
    ("method", "query"), [("GET", ""), ("GET", "&watch=1"), ("HEAD", ""), ("DELETE", "")]
)
def test_a_list_is_narrowed_by_the_apiserver_and_streams(method: str, query: str) -> None:
    played = play(call(method, f"{SECRETS_PATH}?labelSelector=a{query}"))
    assert isinstance(played.outcome, Forward)
    selector = f"labelSelector={STAMP.replace('/', '%2F')}%3Dtrue%2Ca"
    assert played.lines == [
        f"{'GET' if method == 'HEAD' else method} {SECRETS_PATH}?{selector}{query}"
    ]


# Get.


def test_a_tenant_secret_is_given_as_it_came() -> None:
    played = get(FOUND)
    assert (played.lines, played.outcome) == ([LOOK], FOUND)


def test_a_hidden_secret_and_a_missing_one_look_alike() -> None:
    hidden, missing = get(HIDDEN).refused, get(MISSING).refused
    assert isinstance(hidden, NotFound)
    assert (hidden.message, hidden.target) == (missing.message, missing.target)
    assert hidden.message == 'secrets "user-data" not found'


TYPED_CLIENT = f"{PROTOBUF},application/json"


@pytest.mark.parametrize("accept", [PROTOBUF, TYPED_CLIENT])
def test_a_tenant_secret_is_given_in_protobuf_byte_for_byte(accept: str) -> None:
    found = protobuf_reply()
    played = get(found, accept=accept)
    assert (played.outcome, header(played.sent[0], "Accept")) == (found, accept)


@pytest.mark.parametrize("answer", [HIDDEN, protobuf_reply(stamped=False)])
def test_a_hidden_secret_is_hidden_in_every_encoding(answer: Reply) -> None:
    refused = get(answer, accept=TYPED_CLIENT).refused
    assert status.reply(refused) == status.reply(get(MISSING).refused)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_the_answer_to_a_write_may_come_in_protobuf_too(method: str) -> None:
    body = written() if method == "PUT" else b""
    done = protobuf_reply()
    played = play(call(method, SECRET_PATH, JSON, ("Accept", PROTOBUF), body=body), FOUND, done)
    assert played.outcome == done
    assert [header(sent, "Accept") for sent in played.sent] == ["application/json", PROTOBUF]


@pytest.mark.parametrize("stamped", [True, False])
def test_a_table_is_judged_by_its_rows(*, stamped: bool) -> None:
    table = {"kind": "Table", "rows": [{"cells": ["x"], "object": secret(stamped=stamped)}]}
    played = get(reply(200, table), accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert isinstance(played.outcome, Reply if stamped else NotFound)


def test_a_table_that_hides_its_objects_is_refused_at_once() -> None:
    played = get(query="?includeObject=None")
    assert isinstance(played.refused, BadRequest)
    assert played.sent == []


def test_a_success_of_any_kind_is_judged() -> None:
    assert isinstance(get(Reply(203, HIDDEN.headers, HIDDEN.body)).refused, NotFound)


@pytest.mark.parametrize("code", [403, 429, 500, 503])
def test_an_error_of_the_apiserver_is_passed_on(code: int) -> None:
    error = reply(code, {"kind": "Status", "code": code})
    assert get(error).outcome == error


def test_an_answer_that_cannot_be_read_is_not_passed_on() -> None:
    assert isinstance(get(Reply(200, (), b"k8s\x00secret")).refused, BadGateway)


# Create.


def test_a_created_secret_is_stamped() -> None:
    played = create(written(labels={"app": "x"}))
    assert played.lines == [f"POST {SECRETS_PATH}"]
    assert played.body(0)["metadata"]["labels"] == {"app": "x", STAMP: "true"}


@pytest.mark.parametrize(
    "metadata",
    [None, {}, {"labels": None}, {"labels": {STAMP: "false"}}, {"generateName": "user-data-"}],
)
def test_a_stamp_is_put_on_whatever_is_there(metadata: Any) -> None:
    played = create({"metadata": metadata, "data": {"value": "eA=="}})
    assert played.body(0)["metadata"]["labels"][STAMP] == "true"
    assert played.body(0)["data"] == {"value": "eA=="}


def test_a_created_secret_is_pinned_to_nothing() -> None:
    assert "resourceVersion" not in create(written()).body(0)["metadata"]


@pytest.mark.parametrize("kind", [None, "", "Opaque", "infrastructure.cluster.x-k8s.io/secret"])
def test_types_that_carry_data_are_allowed(kind: str | None) -> None:
    assert create({**written(), "type": kind}).body(0)["type"] == kind


@pytest.mark.parametrize(
    "kind", [TOKEN_TYPE, "bootstrap.kubernetes.io/token", "kubernetes.io/tls", "opaque", "x"]
)
def test_a_type_that_carries_more_than_data_is_refused(kind: str) -> None:
    refused = create({**written(), "type": kind}).refused
    assert isinstance(refused, Forbidden)
    assert refused.causes[0].field == "type"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "ConfigMap"}, "kind"),
        ({"kind": "SecretList", "items": []}, "kind"),
        ({"kind": ["Secret"]}, "kind"),
        ({"apiVersion": "v2"}, "apiVersion"),
        ({"metadata": "x"}, "metadata"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"namespace": "red"}}, "metadata.namespace"),
        ({"metadata": {"namespace": 1}}, "metadata.namespace"),
        ({"metadata": {"name": {}}}, "metadata.name"),
        ({"metadata": {"labels": "x"}}, "metadata.labels"),
        ({"metadata": {"labels": [STAMP]}}, "metadata.labels"),
        ({"metadata": {"resourceVersion": 5}}, "metadata.resourceVersion"),
        ({"type": 1}, "type"),
        ({"type": {"a": 1}}, "type"),
    ],
)
def test_a_field_that_cannot_be_is_refused_by_its_path(body: dict[str, Any], field: str) -> None:
    for played in (create(body), put(body)):
        assert isinstance(played.refused, BadRequest)
        assert (played.refused.causes[0].field, played.sent) == (field, [])


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"kind: Secret", b'{"kind":"Secret","kind":"Pod"}']
)
def test_a_body_that_is_no_secret_is_refused(body: bytes) -> None:
    assert isinstance(create(body).refused, BadRequest)
    assert put(body).sent == []


def test_a_body_of_another_name_is_refused() -> None:
    refused = put(written(name="other")).refused
    assert refused.causes[0].field == "metadata.name"


@pytest.mark.parametrize("media", ["application/cbor", "text/plain"])
def test_a_body_that_cannot_be_looked_into_is_refused(media: str) -> None:
    played = play(call("POST", SECRETS_PATH, ("Content-Type", media), body=b"kind: Secret"))
    assert isinstance(played.refused, UnsupportedMediaType)


# Update.


def test_an_update_is_pinned_to_the_version_that_was_seen() -> None:
    played = put(written(), FOUND, DONE)
    assert (played.lines, played.outcome) == ([LOOK, PUT], DONE)
    assert sent_version(played) == "5"


def test_an_update_that_drops_the_stamp_gets_it_back() -> None:
    # CAPM3 reads, sets labels to its own one, and writes.
    played = put(written(labels={"cluster.x-k8s.io/cluster-name": "c"}), FOUND, DONE)
    assert played.body(1)["metadata"]["labels"] == {
        "cluster.x-k8s.io/cluster-name": "c",
        STAMP: "true",
    }


@pytest.mark.parametrize("live", [HIDDEN, MISSING])
def test_an_update_of_what_is_no_tenant_secret_is_not_found(live: Reply) -> None:
    played = put(written(), live)
    assert isinstance(played.refused, NotFound)
    assert played.refused.message == 'secrets "user-data" not found'
    assert played.lines == [LOOK]


@pytest.mark.parametrize("live", [HIDDEN, MISSING])
def test_a_precondition_does_not_tell_hidden_from_missing(live: Reply) -> None:
    assert isinstance(put(written(resourceVersion="9"), live).refused, NotFound)


def test_an_update_of_an_old_version_is_a_conflict_and_not_sent() -> None:
    played = put(written(resourceVersion="4"), FOUND)
    assert isinstance(played.refused, Conflict)
    assert played.lines == [LOOK]


@pytest.mark.parametrize("version", ["5", "0", "", None])
def test_an_update_of_the_live_version_or_of_any_is_sent(version: str | None) -> None:
    assert sent_version(put(written(resourceVersion=version), FOUND, DONE)) == "5"


def test_an_update_overtaken_by_another_is_tried_anew() -> None:
    played = put(written(), FOUND, CONFLICT, MOVED, DONE)
    assert (played.lines, played.outcome) == ([LOOK, PUT, LOOK, PUT], DONE)
    assert sent_version(played) == "6"


def test_an_update_of_a_version_that_was_overtaken_is_a_conflict() -> None:
    played = put(written(resourceVersion="5"), FOUND, CONFLICT, MOVED)
    assert isinstance(played.refused, Conflict)
    assert played.lines == [LOOK, PUT, LOOK]


def test_an_update_is_judged_again_after_a_conflict() -> None:
    played = put(written(), FOUND, CONFLICT, reply(200, secret("6", stamped=False)))
    assert isinstance(played.refused, NotFound)
    assert played.lines == [LOOK, PUT, LOOK]


def test_a_secret_that_was_replaced_by_a_hidden_one_is_not_written() -> None:
    replaced = reply(200, secret("9", uid="u-2", stamped=False))
    assert isinstance(put(written(), FOUND, CONFLICT, replaced).refused, NotFound)


@pytest.mark.parametrize("refusal", [CONFLICT, INVALID])
def test_a_refusal_that_remains_while_nothing_moved_is_the_clients(refusal: Reply) -> None:
    played = put(written(uid="u-9"), FOUND, refusal, FOUND)
    assert (played.lines, played.outcome) == ([LOOK, PUT, LOOK], refusal)


def test_an_update_overtaken_again_and_again_ends_as_a_conflict() -> None:
    versions = [reply(200, secret(str(number))) for number in range(5, 10)]
    played = put(written(), *(each for live in versions for each in (live, CONFLICT)))
    assert isinstance(played.refused, Conflict)
    assert played.lines == [LOOK, PUT] * 5


@pytest.mark.parametrize("kind", ["", "Opaque"])
def test_an_update_keeps_the_type(kind: str) -> None:
    assert put({**written(), "type": kind}, FOUND, DONE).outcome == DONE


def test_an_update_that_changes_the_type_is_refused() -> None:
    played = put({**written(), "type": "Opaque"}, TYPED)
    assert isinstance(played.refused, Forbidden)
    assert played.lines == [LOOK]


def test_an_update_keeps_its_query() -> None:
    played = put(written(), FOUND, DONE, query="?dryRun=All&fieldManager=capm3")
    assert played.lines[1] == f"{PUT}?dryRun=All&fieldManager=capm3"


# Looks that fail.


@pytest.mark.parametrize("code", [403, 429, 500, 503])
def test_a_look_that_is_refused_writes_nothing_and_tells_nothing(code: int) -> None:
    played = put(written(), reply(code, {"message": "serviceaccount proxy at 10.0.0.1"}))
    assert isinstance(played.refused, Unavailable)
    assert "10.0.0.1" not in played.refused.message
    assert played.lines == [LOOK]


@pytest.mark.parametrize(
    "broken",
    [
        {"metadata": {"labels": {STAMP: "true"}}},
        {"metadata": {"labels": {STAMP: "true"}, "uid": "u", "resourceVersion": 5}, "type": "x"},
        {"metadata": {"labels": {STAMP: "true"}, "uid": "u", "resourceVersion": "5"}},
    ],
)
def test_a_look_at_what_has_no_version_writes_nothing(broken: dict[str, Any]) -> None:
    played = put(written(), reply(200, broken))
    assert isinstance(played.refused, BadGateway)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_write_whose_answer_could_not_be_given_is_not_even_looked_for(method: str) -> None:
    body = written() if method == "PUT" else b""
    played = play(call(method, SECRET_PATH, JSON, ("Accept", "text/html"), body=body))
    assert isinstance(played.refused, NotAcceptable)
    assert played.sent == []


# Patch.

MERGE_TYPES = [PatchType.MERGE, PatchType.STRATEGIC]


@pytest.mark.parametrize("kind", MERGE_TYPES)
def test_a_patch_is_rehearsed_and_written_pinned_to_what_was_seen(kind: PatchType) -> None:
    played = patch(kind, {"data": {"a": None}}, FOUND, FOUND, DONE)
    assert (played.lines, played.outcome) == ([LOOK, REHEARSAL, PATCH], DONE)
    pinned = {"data": {"a": None}, "metadata": {"resourceVersion": "5"}}
    assert [played.body(1), played.body(2)] == [pinned, pinned]
    assert [header(sent, "Content-Type") for sent in played.sent[1:]] == [kind, kind]


def test_a_json_patch_is_pinned_at_both_ends() -> None:
    operation = {"op": "remove", "path": "/data/a"}
    played = patch(PatchType.JSON, [operation], FOUND, FOUND, DONE)
    pin = {"path": "/metadata/resourceVersion", "value": "5"}
    assert played.body(2) == [{"op": "test", **pin}, operation, {"op": "add", **pin}]


@pytest.mark.parametrize("live", [HIDDEN, MISSING])
@pytest.mark.parametrize("kind", [*MERGE_TYPES, PatchType.JSON])
def test_a_patch_of_what_is_no_tenant_secret_is_not_found(kind: PatchType, live: Reply) -> None:
    played = patch(kind, [] if kind is PatchType.JSON else {}, live)
    assert isinstance(played.refused, NotFound)
    assert played.lines == [LOOK]


STAMP_POINTER = f"/metadata/labels/{STAMP.replace('/', '~1')}"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (PatchType.MERGE, {"metadata": {"labels": {STAMP: None}}}),
        (PatchType.MERGE, {"metadata": {"labels": None}}),
        (PatchType.STRATEGIC, {"metadata": {"labels": {"$patch": "delete"}}}),
        (PatchType.STRATEGIC, {"metadata": {"labels": {"$patch": "replace", "a": "b"}}}),
        (PatchType.STRATEGIC, {"metadata": {"$retainKeys": ["name"], "name": "user-data"}}),
        (PatchType.STRATEGIC, {"$patch": "replace", "metadata": {"name": "user-data"}}),
        (PatchType.JSON, [{"op": "remove", "path": STAMP_POINTER}]),
        (PatchType.JSON, [{"op": "replace", "path": STAMP_POINTER, "value": "false"}]),
        (PatchType.JSON, [{"op": "add", "path": "/metadata/labels", "value": {}}]),
        (PatchType.JSON, [{"op": "move", "from": STAMP_POINTER, "path": "/data/x"}]),
        (PatchType.JSON, [{"op": "copy", "from": "/data", "path": "/metadata/labels"}]),
        (PatchType.JSON, [{"op": "replace", "path": "", "value": written()}]),
    ],
)
def test_a_patch_that_would_drop_the_stamp_is_never_written(kind: PatchType, body: Any) -> None:
    played = patch(kind, body, FOUND, UNSTAMPED)
    assert isinstance(played.refused, Forbidden)
    assert played.refused.causes[0].field == f"metadata.labels[{STAMP}]"
    assert played.lines == [LOOK, REHEARSAL]


def test_a_patch_that_would_change_the_type_is_never_written() -> None:
    played = merge({"type": TOKEN_TYPE}, FOUND, reply(200, secret(type=TOKEN_TYPE)))
    assert isinstance(played.refused, Forbidden)
    assert played.refused.causes[0].field == "type"
    assert played.lines == [LOOK, REHEARSAL]


def test_a_patch_that_the_apiserver_refuses_is_answered_by_its_refusal() -> None:
    forbidden = reply(403, {"message": "admission webhook said no"})
    played = merge({}, FOUND, forbidden)
    assert (played.lines, played.outcome) == ([LOOK, REHEARSAL], forbidden)


def test_a_patch_whose_rehearsal_was_overtaken_is_tried_anew() -> None:
    played = merge({}, FOUND, CONFLICT, MOVED, MOVED, DONE)
    assert (played.outcome, sent_version(played)) == (DONE, "6")


def test_a_patch_overtaken_after_its_rehearsal_is_judged_again() -> None:
    unstamped = reply(200, secret("6", stamped=False))
    played = merge({}, FOUND, FOUND, CONFLICT, unstamped)
    assert isinstance(played.refused, NotFound)
    assert played.lines == [LOOK, REHEARSAL, PATCH, LOOK]


def test_a_json_patch_cannot_probe_a_hidden_secret_that_took_the_place() -> None:
    probe = {"op": "test", "path": "/data/password", "value": "aHVudGVyMg=="}
    played = patch(PatchType.JSON, [probe], FOUND, INVALID, HIDDEN)
    assert played.body(1)[0]["path"] == "/metadata/resourceVersion"
    assert isinstance(played.refused, NotFound)


def test_a_json_patch_whose_own_test_fails_is_answered_by_the_apiserver() -> None:
    probe = {"op": "test", "path": "/metadata/labels/app", "value": "y"}
    assert patch(PatchType.JSON, [probe], FOUND, INVALID, FOUND).outcome == INVALID


VERSION = "/metadata/resourceVersion"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (PatchType.MERGE, {"metadata": {"resourceVersion": "4"}}),
        (PatchType.STRATEGIC, {"metadata": {"resourceVersion": "4"}}),
        (PatchType.JSON, [{"op": "replace", "path": VERSION, "value": "4"}]),
        (PatchType.JSON, [{"op": "add", "path": VERSION, "value": "4"}]),
        (PatchType.JSON, [{"op": "add", "path": "/metadata", "value": {"resourceVersion": "4"}}]),
        (
            PatchType.JSON,
            [{"op": "add", "path": "", "value": {"metadata": {"resourceVersion": "4"}}}],
        ),
    ],
)
def test_a_patch_of_an_old_version_is_a_conflict_and_not_sent(kind: PatchType, body: Any) -> None:
    played = patch(kind, body, FOUND)
    assert isinstance(played.refused, Conflict)
    assert played.lines == [LOOK]


@pytest.mark.parametrize(
    "operations",
    [
        [
            {"op": "replace", "path": VERSION, "value": "4"},
            {"op": "add", "path": VERSION, "value": "5"},
        ],
        [{"op": "replace", "path": VERSION, "value": "0"}],
        [{"op": "add", "path": VERSION, "value": None}],
        [{"op": "remove", "path": VERSION}],
        [{"op": "test", "path": VERSION, "value": "4"}],
        [{"op": "copy", "from": "/metadata/uid", "path": VERSION}],
        [{"op": "add", "path": "/metadata/resource~0Version", "value": "4"}],
        [{"op": "add", "path": "/metadata", "value": "x"}],
        [{}],
        [],
    ],
)
def test_whatever_a_json_patch_says_of_the_version_ours_comes_last(operations: list[Any]) -> None:
    played = patch(PatchType.JSON, operations, FOUND, FOUND, DONE)
    assert played.body(2)[-1] == {"op": "add", "path": VERSION, "value": "5"}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (PatchType.JSON, {}),
        (PatchType.JSON, ["x"]),
        (PatchType.JSON, [[]]),
        (PatchType.JSON, [{"op": "add", "path": VERSION, "value": 5}]),
        (PatchType.MERGE, []),
        (PatchType.MERGE, "x"),
        (PatchType.MERGE, {"metadata": []}),
        (PatchType.STRATEGIC, {"metadata": {"resourceVersion": {}}}),
    ],
)
def test_a_patch_that_is_none_is_refused(kind: PatchType, body: Any) -> None:
    played = patch(kind, body)
    assert isinstance(played.refused, BadRequest)
    assert played.sent == []


@pytest.mark.parametrize("metadata", [None, {"resourceVersion": None}])
def test_a_merge_patch_cannot_take_the_pin_out(metadata: Any) -> None:
    played = merge({"metadata": metadata}, FOUND, FOUND, DONE)
    assert sent_version(played) == "5"


def test_a_dry_run_stays_one() -> None:
    played = patch(PatchType.MERGE, {}, FOUND, FOUND, DONE, query="?dryRun=All")
    assert played.lines == [LOOK, REHEARSAL, REHEARSAL]


# Server-side apply.


def apply(body: object, *replies: Reply) -> Transcript:
    return patch(PatchType.APPLY, body, *replies, query="?fieldManager=kubectl&force=true")


def test_an_apply_is_stamped_and_pinned_to_what_was_seen() -> None:
    played = apply(written(), FOUND, DONE)
    assert played.lines == [LOOK, f"{PATCH}?fieldManager=kubectl&force=true"]
    assert sent_version(played) == "5"
    assert played.body(1)["metadata"]["labels"] == {STAMP: "true"}
    assert header(played.sent[1], "Content-Type") == PatchType.APPLY


def test_an_apply_of_what_is_not_there_is_pinned_to_a_version_that_never_was() -> None:
    created = reply(201, {"kind": "Secret"})
    played = apply(written(), MISSING, created)
    assert (sent_version(played), played.outcome) == ("1", created)


def test_an_apply_overtaken_by_a_hidden_secret_does_not_take_it_over() -> None:
    played = apply(written(), MISSING, CONFLICT, HIDDEN)
    assert isinstance(played.refused, AlreadyExists)
    assert len(played.sent) == 3


def test_an_apply_over_a_hidden_secret_is_told_that_the_name_is_taken() -> None:
    played = apply(written(), HIDDEN)
    assert isinstance(played.refused, AlreadyExists)
    assert played.lines == [LOOK]


def test_an_apply_that_conflicts_with_another_manager_is_answered_so() -> None:
    assert apply(written(), FOUND, CONFLICT, FOUND).outcome == CONFLICT


@pytest.mark.parametrize("live", [FOUND, MISSING])
def test_an_apply_of_another_version_is_not_sent(live: Reply) -> None:
    played = apply(written(resourceVersion="4"), live)
    assert isinstance(played.refused, Conflict | NotFound)
    assert played.lines == [LOOK]


@pytest.mark.parametrize("kind", ["infrastructure.cluster.x-k8s.io/secret", TOKEN_TYPE])
def test_an_apply_that_changes_the_type_is_refused(kind: str) -> None:
    replies = [] if kind == TOKEN_TYPE else [FOUND]
    assert isinstance(apply({**written(), "type": kind}, *replies).refused, Forbidden)


@pytest.mark.parametrize("body", [b"", b"[]", {"kind": "Pod"}, {"metadata": {"namespace": "red"}}])
def test_an_apply_of_what_is_no_secret_of_the_namespace_is_refused(body: object) -> None:
    assert isinstance(apply(body).refused, BadRequest)


# Delete.


def test_a_delete_is_pinned_to_uid_and_version() -> None:
    played = delete(FOUND, DONE)
    assert (played.lines, played.outcome) == ([LOOK, DELETE], DONE)
    assert played.body(1) == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "preconditions": {"uid": "u-1", "resourceVersion": "5"},
    }


@pytest.mark.parametrize("live", [HIDDEN, MISSING])
def test_a_delete_of_what_is_no_tenant_secret_is_not_found(live: Reply) -> None:
    played = delete(live)
    assert isinstance(played.refused, NotFound)
    assert played.lines == [LOOK]


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("?dryRun=All", {"dryRun": ["All"]}),
        ("?gracePeriodSeconds=0", {"gracePeriodSeconds": 0}),
        ("?propagationPolicy=Foreground", {"propagationPolicy": "Foreground"}),
        ("?orphanDependents=false", {"orphanDependents": False}),
        ("?orphanDependents=False", {"orphanDependents": False}),
        ("?orphanDependents=0", {"orphanDependents": False}),
        ("?orphanDependents=true", {"orphanDependents": True}),
        ("?timeout=5s&pretty=true", {}),
    ],
)
def test_options_in_the_query_go_into_the_body(query: str, options: dict[str, Any]) -> None:
    played = delete(FOUND, DONE, query=query)
    kept = {k: v for k, v in played.body(1).items() if k not in {"kind", "apiVersion"}}
    assert kept == options | {"preconditions": {"uid": "u-1", "resourceVersion": "5"}}
    assert played.lines[1] == DELETE


def test_options_in_the_body_stay_there() -> None:
    played = delete(FOUND, DONE, body={"propagationPolicy": "Background", "dryRun": ["All"]})
    assert played.body(1) == {
        "propagationPolicy": "Background",
        "dryRun": ["All"],
        "preconditions": {"uid": "u-1", "resourceVersion": "5"},
    }


@pytest.mark.parametrize(
    "preconditions",
    [
        None,
        {},
        {"uid": "u-1"},
        {"resourceVersion": "5"},
        {"uid": None, "resourceVersion": None},
        {"uid": "u-1", "resourceVersion": "5"},
    ],
)
def test_a_delete_whose_preconditions_hold_is_sent(preconditions: Any) -> None:
    assert delete(FOUND, DONE, body={"preconditions": preconditions}).outcome == DONE


@pytest.mark.parametrize(
    "preconditions",
    [
        {"uid": "u-2"},
        {"uid": ""},
        {"resourceVersion": "4"},
        {"resourceVersion": "0"},
        {"resourceVersion": ""},
        {"uid": "u-1", "resourceVersion": "6"},
    ],
)
def test_a_delete_whose_preconditions_fail_is_a_conflict(preconditions: Any) -> None:
    played = delete(FOUND, body={"preconditions": preconditions})
    assert isinstance(played.refused, Conflict)
    assert played.lines == [LOOK]


@pytest.mark.parametrize(
    "body",
    [
        {"preconditions": "x"},
        {"preconditions": {"uid": {}}},
        {"preconditions": {"uid": []}},
        {"preconditions": {"uid": 1}},
        {"preconditions": {"resourceVersion": 5}},
        b"[]",
        b"{",
        b"dryRun: [All]",
    ],
)
def test_delete_options_that_cannot_be_read_are_refused(body: object) -> None:
    played = delete(body=body)
    assert isinstance(played.refused, BadRequest)
    assert played.sent == []


def test_a_delete_overtaken_by_a_write_is_tried_anew() -> None:
    played = delete(FOUND, CONFLICT, MOVED, DONE)
    assert played.body(-1)["preconditions"] == {"uid": "u-1", "resourceVersion": "6"}


def test_a_delete_of_one_uid_does_not_delete_its_successor() -> None:
    successor = reply(200, secret("9", uid="u-2"))
    played = delete(FOUND, CONFLICT, successor, body={"preconditions": {"uid": "u-1"}})
    assert isinstance(played.refused, Conflict)


def test_a_delete_of_what_became_hidden_is_not_sent_again() -> None:
    assert isinstance(delete(FOUND, CONFLICT, HIDDEN).refused, NotFound)


# What is answered must not tell that there is something to tell.


@pytest.mark.parametrize(
    "ask",
    [
        get,
        delete,
        lambda live: put(written(), live),
        lambda live: put(written(resourceVersion="9"), live),
        lambda live: merge({}, live),
        lambda live: patch(PatchType.JSON, [], live),
    ],
)
def test_a_hidden_secret_is_answered_as_if_it_did_not_exist(
    ask: Callable[[Reply], Transcript],
) -> None:
    assert status.reply(ask(HIDDEN).refused) == status.reply(ask(MISSING).refused)


TLS = reply(200, secret(type="kubernetes.io/tls"))


@pytest.mark.parametrize(
    ("method", "content_type", "body", "replies"),
    [
        ("PUT", "application/json", {}, (TLS,)),
        ("PATCH", PatchType.APPLY.value, {}, (TLS,)),
        ("PATCH", PatchType.MERGE.value, {}, (TLS, TLS)),
        ("PATCH", PatchType.JSON.value, [], (TLS, TLS)),
    ],
)
def test_a_secret_of_another_type_that_was_handed_to_tenants_is_not_written(
    method: str, content_type: str, body: Any, replies: tuple[Reply, ...]
) -> None:
    asked = call(method, SECRET_PATH, ("Content-Type", content_type), body=body)
    played = play(asked, *replies)
    assert [cause.field for cause in played.refused.causes] == ["type"]
    writes = [line for line in played.lines if not line.startswith("GET")]
    assert all(line.endswith("dryRun=All") for line in writes)


@pytest.mark.parametrize("code", [400, 406])
@pytest.mark.parametrize("found", [HIDDEN, MISSING])
def test_a_fault_that_shows_only_in_what_is_there_tells_nothing(code: int, found: Reply) -> None:
    played = play(call("GET", SECRET_PATH), reply(code, {"message": "told apart"}), found)
    assert (played.refused.code, played.refused.message) == (404, 'secrets "user-data" not found')


def test_a_fault_in_a_request_for_ones_own_secret_is_told() -> None:
    fault = reply(406, {"message": "not acceptable"})
    assert play(call("GET", SECRET_PATH), fault, FOUND).reply == fault
