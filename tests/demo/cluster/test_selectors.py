"""Label and field selectors mean what Kubernetes says they mean."""

import pytest

from proxy.demo.cluster.builtin import SECRETS
from proxy.demo.cluster.selectors import Selector, parse_fields, parse_labels
from proxy.demo.cluster.status import ApiError

LABELS = {"app": "web", "tier": "2", "prefix.io/key": "v"}


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app!=web", False),
        ("missing!=web", True),
        ("app in (web, db)", True),
        ("app notin (web)", False),
        ("missing notin (web)", True),
        ("app", True),
        ("!app", False),
        ("!missing,app=web", True),
        ("tier>1", True),
        ("tier<2", False),
        ("app>1", False),
        ("prefix.io/key=v", True),
        ("app=", False),
        ("missing in ()", False),
    ],
)
def test_a_label_selector_means_these_labels(selector: str, *, fits: bool) -> None:
    found = Selector(labels=parse_labels(selector))
    assert found.fits({"metadata": {"labels": LABELS}}) is fits


@pytest.mark.parametrize(
    ("selector", "told"),
    [
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("a=1,", "found '', expected: identifier after ','"),
        (",", "found ',', expected: !, identifier, or 'end of string'"),
        ("a in (1", "unable to parse requirement: found '', expected: ',' or ')'"),
    ],
)
def test_what_is_no_label_selector_is_refused(selector: str, told: str) -> None:
    with pytest.raises(ApiError) as refused:
        parse_labels(selector)
    assert (refused.value.code, refused.value.message) == (400, told)


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ("metadata.name=one", True),
        ("metadata.name!=one", False),
        ("metadata.namespace=blue,type==Opaque", True),
        ("type=other", False),
    ],
)
def test_a_field_selector_means_these_fields(selector: str, *, fits: bool) -> None:
    found = Selector(fields=parse_fields(selector, SECRETS))
    obj = {"metadata": {"name": "one", "namespace": "blue"}, "type": "Opaque"}
    assert found.fits(obj) is fits


def test_a_field_that_is_not_selectable_is_refused() -> None:
    with pytest.raises(ApiError, match="field label not supported: data"):
        parse_fields("data=x", SECRETS)
