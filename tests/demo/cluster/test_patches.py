"""Patches do what their RFCs and Kubernetes say."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.demo.cluster import patches
from proxy.demo.cluster.builtin import SECRETS
from proxy.demo.cluster.status import ApiError
from tests.demo.cluster.asking import JSON_PATCH, MERGE, STRATEGIC

JSON_VALUES = st.recursive(
    st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_is_rfc_7386(target: Any, patch: Any, result: Any) -> None:
    assert patches.merge(target, patch) == result


@given(st.dictionaries(st.text(), JSON_VALUES), st.dictionaries(st.text(), JSON_VALUES))
def test_a_merge_patch_applied_twice_changes_nothing_more(
    target: dict[str, Any], patch: dict[str, Any]
) -> None:
    once = patches.merge(target, patch)
    assert patches.merge(once, patch) == once


def test_a_json_patch_is_rfc_6902() -> None:
    operations = [
        {"op": "test", "path": "/a", "value": 1},
        {"op": "replace", "path": "/a", "value": 2},
        {"op": "add", "path": "/b", "value": [3]},
    ]
    assert patches.patcher(SECRETS, JSON_PATCH, operations)({"a": 1}) == {"a": 2, "b": [3]}


def test_a_json_patch_that_does_not_fit_changes_nothing() -> None:
    before = {"a": {"b": 1}}
    operations = [
        {"op": "replace", "path": "/a/b", "value": 2},
        {"op": "remove", "path": "/missing"},
    ]
    with pytest.raises(ApiError) as refused:
        patches.patcher(SECRETS, JSON_PATCH, operations)(before)
    assert (refused.value.code, before) == (422, {"a": {"b": 1}})


@pytest.mark.parametrize(
    ("patch", "finalizers"),
    [
        ({"finalizers": ["c"]}, ["c", "a", "b"]),
        ({"$deleteFromPrimitiveList/finalizers": ["a"]}, ["b"]),
        ({"$setElementOrder/finalizers": ["b", "a"]}, ["b", "a"]),
        ({"finalizers": None}, None),
    ],
)
def test_a_strategic_patch_merges_a_list_of_names(patch: Any, finalizers: Any) -> None:
    before = {"metadata": {"finalizers": ["a", "b"]}}
    after = patches.patcher(SECRETS, STRATEGIC, {"metadata": patch})(before)
    assert after["metadata"].get("finalizers") == finalizers


@pytest.mark.parametrize(
    ("owners", "uids"),
    [
        ([{"uid": "2", "name": "new"}], ["1", "2"]),
        ([{"uid": "1", "$patch": "delete"}], []),
        ([{"$patch": "replace"}, {"uid": "9"}], ["9"]),
    ],
)
def test_a_strategic_patch_merges_a_keyed_list(owners: Any, uids: list[str]) -> None:
    before = {"metadata": {"ownerReferences": [{"uid": "1", "name": "old"}]}}
    patch = {"metadata": {"ownerReferences": owners}}
    after = patches.patcher(SECRETS, STRATEGIC, patch)(before)
    assert [owner["uid"] for owner in after["metadata"]["ownerReferences"]] == uids


def test_a_strategic_patch_can_replace_a_map() -> None:
    patch = {"data": {"$patch": "replace", "b": "2"}}
    assert patches.patcher(SECRETS, STRATEGIC, patch)({"data": {"a": "1"}}) == {"data": {"b": "2"}}


@pytest.mark.parametrize("content_type", [MERGE, STRATEGIC, JSON_PATCH])
def test_what_is_no_patch_is_refused(content_type: str) -> None:
    with pytest.raises(ApiError, match="error decoding patch"):
        patches.patcher(SECRETS, content_type, "text")({})
