"""What claims are called."""

import pytest

from proxy.core import claims


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("groups", ("groups",)),
        ("realm_access.roles", ("realm_access", "roles")),
        (r"kubernetes\.io.namespace", ("kubernetes.io", "namespace")),
    ],
)
def test_a_claim_is_named_by_its_path(name: str, path: tuple[str, ...]) -> None:
    assert claims.path(name) == path


@pytest.mark.parametrize("name", ["", ".", "a.", ".a", "a..b"])
def test_a_name_without_a_key_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a claim"):
        claims.path(name)


@pytest.mark.parametrize("name", ["nowhere", "text.deeper", "nothing", "nothing.deeper"])
def test_what_is_not_there_is_nothing(name: str) -> None:
    assert claims.find({"text": "deeper", "nothing": None}, name) is None
