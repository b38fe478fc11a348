"""Where a rule is from reads as a place to look at."""

import pytest

from proxy.core.policy.origins import (
    AnyOrigin,
    ClaimOrigin,
    JointOrigin,
    Origin,
    PermissionOrigin,
    places,
)

FILE = Origin("blue.yaml", "blue", "spec.allow[0]", 8)
CLAIM = ClaimOrigin("corp", "groups", "/tenants/blue-dev/editor")
PERMISSION = PermissionOrigin("corp", "blue-dev", "hostclaims:write")


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        (FILE, "blue.yaml:8 blue spec.allow[0]"),
        (CLAIM, "corp: claim groups /tenants/blue-dev/editor"),
        (PERMISSION, "corp: permission blue-dev hostclaims:write"),
        (JointOrigin(FILE, CLAIM), f"{FILE} and {CLAIM}"),
        (JointOrigin(JointOrigin(FILE, CLAIM), PERMISSION), f"{FILE} and {CLAIM} and {PERMISSION}"),
    ],
)
def test_an_origin_reads_as_a_place_to_go_to(origin: AnyOrigin, text: str) -> None:
    assert str(origin) == text


@pytest.mark.parametrize(
    ("origin", "found"),
    [(FILE, [FILE]), (JointOrigin(JointOrigin(CLAIM, FILE), PERMISSION), [FILE]), (CLAIM, [])],
)
def test_places_are_those_in_files(origin: AnyOrigin, found: list[Origin]) -> None:
    assert [*places(origin)] == found
