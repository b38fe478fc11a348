"""Sets of fields are read and written as managedFields has them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.demo.cluster import fields
from proxy.demo.cluster.metadata import OBJECT_META

STEPS = st.sampled_from(["f:a", "f:b", "f:c", 'k:{"name":"x"}', 'v:"y"'])
SETS = st.frozensets(st.lists(STEPS, min_size=1, max_size=4).map(tuple))


@given(SETS)
def test_a_set_is_read_as_it_was_written(paths: fields.FieldSet) -> None:
    assert fields.read(fields.write(paths)) == paths


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (("f:spec", "f:image", "f:url"), ".spec.image.url"),
        (("f:list", 'k:{"name":"x","port":1}', "f:y"), '.list[name="x",port=1].y'),
        (("f:finalizers", 'v:"a/b"'), '.finalizers[="a/b"]'),
    ],
)
def test_a_path_is_told_as_people_read_it(path: fields.Path, told: str) -> None:
    assert fields.told(path) == told


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        ({"labels": {"a": "b"}}, {("f:labels", "f:a")}),
        ({"labels": {}}, {("f:labels",)}),
        ({"finalizers": ["x/y"]}, {("f:finalizers", 'v:"x/y"')}),
        (
            {"ownerReferences": [{"uid": "1", "name": "n"}]},
            {("f:ownerReferences", 'k:{"uid":"1"}')},
        ),
    ],
)
def test_applying_claims_leaves_and_items(value: Any, paths: set[fields.Path]) -> None:
    assert set(fields.applied(value, OBJECT_META)) == paths


def test_a_list_of_items_is_merged_by_key() -> None:
    live = {"ownerReferences": [{"uid": "1", "name": "a"}], "finalizers": ["x"]}
    config = {"ownerReferences": [{"uid": "2", "name": "b"}], "finalizers": ["y", "x"]}
    merged = fields.merge(live, config, OBJECT_META)
    assert [owner["uid"] for owner in merged["ownerReferences"]] == ["1", "2"]
    assert merged["finalizers"] == ["x", "y"]


def test_an_item_can_be_taken_out() -> None:
    value = {"finalizers": ["x", "y"], "labels": {"a": "b"}}
    assert fields.without(value, OBJECT_META, ("f:finalizers", 'v:"x"')) == {
        "finalizers": ["y"],
        "labels": {"a": "b"},
    }
