"""What a rule lets a HostClaim ask for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.bounds import UNBOUNDED, Bounds, breaches, is_image_prefix, is_within

IMAGES = Bounds(images=("https://images.example.com/blue/", "oci://registry.example.com/"))


def fields(bounds: Bounds, spec: Any) -> list[str]:
    return [cause.field for cause in breaches(bounds, {"spec": spec})]


def test_what_is_not_bounded_may_be_anything() -> None:
    assert fields(UNBOUNDED, {"image": {"url": "http://169.254.169.254/"}}) == []


@pytest.mark.parametrize(
    ("labels", "broken"),
    [
        ({"pool": "blue"}, False),
        ({"pool": "blue", "a": "b"}, False),
        ({"pool": "red"}, True),
        ({}, True),
    ],
)
def test_a_required_label_must_be_asked_for(labels: dict[str, str], broken: bool) -> None:  # noqa: FBT001
    bounds = Bounds(required_labels=(("pool", "blue"),))
    found = fields(bounds, {"hostSelector": {"matchLabels": labels}})
    assert found == ["spec.hostSelector.matchLabels[pool]"] * broken


@pytest.mark.parametrize(
    "spec", [{}, {"hostSelector": None}, {"hostSelector": {"matchLabels": []}}, []]
)
def test_a_selector_that_is_missing_asks_for_every_host(spec: Any) -> None:
    bounds = Bounds(required_labels=(("pool", "blue"),), host_namespaces=("pool-a",))
    assert len(fields(bounds, spec)) == 2


@pytest.mark.parametrize(
    ("namespace", "broken"),
    [("pool-a", False), ("lab-1", False), ("lab", True), ("pool-b", True), (None, True), (7, True)],
)
def test_hosts_come_from_the_namespaces_that_are_named(namespace: Any, broken: bool) -> None:  # noqa: FBT001
    bounds = Bounds(host_namespaces=("pool-a", "lab-*"))
    found = fields(bounds, {"hostSelector": {"inNamespace": namespace}})
    assert found == ["spec.hostSelector.inNamespace"] * broken


@pytest.mark.parametrize(
    "url",
    [
        "https://images.example.com/blue/ubuntu.qcow2",
        "https://images.example.com/blue/a/b.raw?version=1",
        "oci://registry.example.com/team/image:tag",
    ],
)
def test_an_image_under_a_prefix_is_taken(url: str) -> None:
    assert fields(IMAGES, {"image": {"url": url}}) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://images.example.com.evil.example/blue/x",
        "https://images.example.com@evil.example/blue/x",
        "https://images.example.com:8443/blue/x",
        "http://images.example.com/blue/x",
        "HTTPS://images.example.com/blue/x",
        "https://images.example.com/blue/../red/x",
        "https://images.example.com/blue/%2e%2e/red/x",
        "https://images.example.com/blue/..%2fred/x",
        "https://images.example.com/blue\\..\\red",
        "https://images.example.com/blue",
        "https://images.example.com/blue/x#https://evil.example",
        "https://images.example.com/blue/x\nHost: evil.example",
        " https://images.example.com/blue/x",
        "file:///etc/passwd",
        "//images.example.com/blue/x",
        "",
    ],
)
@pytest.mark.parametrize("field", ["url", "checksum"])
def test_an_image_from_elsewhere_is_named(url: str, field: str) -> None:
    image = {"url": "https://images.example.com/blue/x", field: url}
    found = fields(IMAGES, {"image": image})
    # An empty checksum is no address.
    assert found == [f"spec.image.{field}"] * bool(url or field == "url")


def test_a_checksum_that_is_a_sum_is_no_address() -> None:
    image = {
        "url": "https://images.example.com/blue/x",
        "checksum": "d41d8cd98f00b204e9800998ecf8427e",
    }
    assert fields(IMAGES, {"image": image}) == []


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("https://images.example.com/", True),
        ("http://10.0.0.1:8080/images/", True),
        ("https://images.example.com", False),
        ("https://images.example.com/blue", False),
        ("https://*.example.com/", False),
        ("https://u@images.example.com/", False),
        ("https://images.example.com/?x/", False),
        ("ftp://images.example.com/", False),
    ],
)
def test_a_prefix_of_images_is_a_url_that_ends_with_a_slash(text: str, good: bool) -> None:  # noqa: FBT001
    assert is_image_prefix(text) is good


ANY_BOUNDS = st.builds(
    Bounds,
    required_labels=st.sampled_from([(), (("a", "1"),), (("a", "1"), ("b", "1")), (("a", "2"),)]),
    host_namespaces=st.sampled_from([(), ("pool-a",), ("pool-*",), ("*",), ("lab", "pool-*")]),
    images=st.sampled_from([(), ("https://a/",), ("https://a/b/", "https://c/"), ("https://b/",)]),
    max_host_claims=st.sampled_from([None, 0, 2, 3]),
)
ANY_SPEC = st.fixed_dictionaries(
    {
        "hostSelector": st.fixed_dictionaries(
            {
                "matchLabels": st.sampled_from([{}, {"a": "1"}, {"a": "2"}, {"a": "1", "b": "1"}]),
                "inNamespace": st.sampled_from(["pool-a", "pool-b", "lab", "other"]),
            }
        ),
        "image": st.sampled_from([{}] + [{"url": f"https://{u}/x"} for u in ("a", "a/b", "b")]),
    }
)


@given(ANY_BOUNDS, ANY_BOUNDS, ANY_SPEC)
def test_what_keeps_bounds_keeps_those_that_they_are_within(
    inner: Bounds, outer: Bounds, spec: Any
) -> None:
    if is_within(inner, outer):
        assert fields(inner, spec) or not fields(outer, spec)
        assert outer.max_host_claims is None or (
            inner.max_host_claims is not None and inner.max_host_claims <= outer.max_host_claims
        )


@given(ANY_BOUNDS)
def test_bounds_are_within_themselves_and_none(bounds: Bounds) -> None:
    assert is_within(bounds, bounds)
    assert is_within(bounds, UNBOUNDED)
    assert is_within(UNBOUNDED, bounds) == (bounds == UNBOUNDED)
