"""The stand-ins for Metal3's definitions have Metal3's fields."""

from pathlib import Path
from typing import Any

import pytest

from proxy.demo import crds as stand_ins
from tests.real import crds

UPSTREAM = {found["metadata"]["name"]: found for found in crds.upstream()}
STAND_INS = {found["metadata"]["name"]: found for found in stand_ins.definitions()}

needs_upstream = pytest.mark.skipif(not UPSTREAM, reason="Metal3's definitions are not at hand")


def schema(definition: dict[str, Any]) -> Any:
    return definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]


def without_words(value: Any) -> Any:
    """A schema but for its descriptions; a field of that name is a mapping, not a text."""
    match value:
        case dict():
            return {
                key: without_words(inner)
                for key, inner in value.items()
                if not (key == "description" and isinstance(inner, str))
            }
        case list():
            return [without_words(inner) for inner in value]
        case _:
            return value


def outline(definition: dict[str, Any]) -> Any:
    spec = schema(definition)["spec"]
    return set(spec["properties"]), set(spec.get("required", ()))


def test_there_is_one_for_each_resource() -> None:
    assert set(STAND_INS) == {
        "baremetalhosts.metal3.io",
        "hardwaredata.metal3.io",
        "hostclaims.metal3.io",
        "hostdeploypolicies.metal3.io",
    }


def test_without_upstreams_the_stand_ins_are_loaded(tmp_path: Path) -> None:
    assert crds.definitions(tmp_path / "nowhere") == list(stand_ins.definitions())


@needs_upstream
@pytest.mark.parametrize("name", sorted(STAND_INS))
def test_names_and_outer_fields_are_upstreams(name: str) -> None:
    upstream, stand_in = UPSTREAM[name], STAND_INS[name]
    assert stand_in["spec"]["names"] == upstream["spec"]["names"]
    assert outline(stand_in) == outline(upstream)


@needs_upstream
@pytest.mark.parametrize("name", ["hostclaims.metal3.io", "hostdeploypolicies.metal3.io"])
def test_what_tenants_and_managers_write_is_upstreams_to_the_last_field(name: str) -> None:
    assert without_words(schema(STAND_INS[name])) == without_words(schema(UPSTREAM[name]))
