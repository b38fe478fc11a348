"""Tokens are kept apart wherever they might differ."""

from dataclasses import replace

import pytest

from proxy.execplugin.ways import Account, ByDeviceCode, ByKey, BySecret

BLUE = Account("https://iam.example.com", "blue", BySecret("s3cret"), ("a", "b"))


@pytest.mark.parametrize(
    "other",
    [
        replace(BLUE, issuer_url="https://iam.example.com/"),
        replace(BLUE, client_id="red"),
        replace(BLUE, way=BySecret("another")),
        replace(BLUE, way=ByKey(b"s3cret")),
        replace(BLUE, way=ByKey(b"another")),
        replace(BLUE, way=ByDeviceCode()),
        replace(BLUE, scopes=("a",)),
        replace(BLUE, scopes=("a b",)),
        replace(BLUE, scopes=()),
    ],
)
def test_what_another_account_has_is_not_found(other: Account) -> None:
    assert other.digest != BLUE.digest


def test_another_key_does_not_find_what_the_first_one_got() -> None:
    first, second = (replace(BLUE, way=ByKey(pem)) for pem in (b"first", b"second"))
    assert first.digest != second.digest


def test_scopes_are_the_same_in_any_order() -> None:
    assert replace(BLUE, scopes=("b", "a", "b")).digest == BLUE.digest


def test_no_secret_shows() -> None:
    for account in (BLUE, replace(BLUE, way=ByKey(b"s3cret"))):
        assert "s3cret" not in repr(account) + account.digest


@pytest.mark.parametrize(("way", "needs"), [(ByDeviceCode(), True), (BySecret("s"), False)])
def test_only_a_device_code_needs_a_person(way: ByDeviceCode | BySecret, *, needs: bool) -> None:
    assert replace(BLUE, way=way).needs_person is needs
