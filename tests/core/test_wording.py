"""What rules say is told in the words of policy files."""

from typing import Any

import pytest

from proxy.core import wording
from proxy.core.attributes import Verb
from proxy.core.bounds import UNBOUNDED, Bounds
from proxy.core.policy.subjects import Subject, SubjectKind

WIDE = Bounds((("rack", "1"), ("size", "small")), ("a", "b-*"), ("https://a/", "oci://b/"), 0)


@pytest.mark.parametrize(
    ("subject", "said", "value"),
    [
        (
            Subject("corp", SubjectKind.GROUP, "/tenants/blue"),
            "corp group /tenants/blue",
            {"issuer": "corp", "group": "/tenants/blue"},
        ),
        (
            Subject("corp", SubjectKind.EVERYONE, ""),
            "corp everyone",
            {"issuer": "corp", "everyone": True},
        ),
    ],
)
def test_a_subject_is_told(subject: Subject, said: str, value: dict[str, Any]) -> None:
    assert (wording.subject(subject), wording.subject_value(subject)) == (said, value)


def test_permissions_are_told_in_the_order_of_the_format() -> None:
    of = {("secrets", Verb.GET), ("hostclaims", Verb.DELETE), ("hostclaims", Verb.GET)}
    assert wording.permissions(of) == "hostclaims: get delete; secrets: get"
    assert wording.verbs_by_resource(of) == {"hostclaims": ["get", "delete"], "secrets": ["get"]}


@pytest.mark.parametrize(
    ("bounds", "said", "value"),
    [
        (UNBOUNDED, "no bounds", {}),
        (
            WIDE,
            (
                "hosts with rack=1 and size=small, hosts in a or b-*,"
                " images under https://a/ or oci://b/, at most 0 claims in the namespace"
            ),
            {
                "hostSelector": {
                    "matchLabels": {"rack": "1", "size": "small"},
                    "inNamespaces": ["a", "b-*"],
                },
                "images": ["https://a/", "oci://b/"],
                "maxHostClaims": 0,
            },
        ),
        (
            Bounds((), ("a",), (), None),
            "hosts in a",
            {"hostSelector": {"inNamespaces": ["a"]}},
        ),
    ],
)
def test_bounds_are_told(bounds: Bounds, said: str, value: dict[str, Any]) -> None:
    assert (wording.bounds(bounds), wording.bounds_value(bounds)) == (said, value)
