"""The demo grants its proxy what the manifests grant, so that it tells no prettier story."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from proxy.demo import provision
from tests.deploy.rendered import objects


def what_is_said(manifests: Iterable[Mapping[str, Any]], kind: str) -> list[Any]:
    """The rules or bindings of a kind, whatever they are called."""
    return sorted(
        (
            (
                one["metadata"].get("namespace"),
                one.get("rules"),
                one.get("subjects"),
                one.get("roleRef"),
            )
            for one in manifests
            if one["kind"] == kind
        ),
        key=repr,
    )


@pytest.mark.parametrize("kind", ["ServiceAccount", "ClusterRole", "RoleBinding"])
def test_the_demos_rights_are_the_manifests(kind: str) -> None:
    assert what_is_said(provision.rights(), kind) == what_is_said(objects("example"), kind)


def test_the_demo_grants_by_nothing_else() -> None:
    kinds = {manifest["kind"] for manifest in provision.rights()}
    assert kinds == {"ServiceAccount", "ClusterRole", "RoleBinding"}
