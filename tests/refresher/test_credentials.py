"""What a Secret with a client's credentials says, and that it says itself what it is for."""

from typing import Any

import pytest

from proxy.refresher import credentials
from proxy.refresher.credentials import ClientSecret, Credentials, PrivateKey
from proxy.refresher.errors import RefreshError
from tests.refresher.worlds import ISSUER, iam


def test_a_client_is_proved_by_its_secret() -> None:
    assert credentials.read(iam()) == Credentials(ISSUER, "blue-capm3", ClientSecret("s3cret"))


def test_or_by_a_private_key() -> None:
    pem = "-----BEGIN PRIVATE KEY-----\n...\n"
    found = credentials.read(iam(**{"client-secret": "", "private-key": pem}))
    assert found.proof == PrivateKey(pem)


def test_a_newline_at_the_end_is_none_of_it() -> None:
    found = credentials.read(iam(**{"issuer-url": f"{ISSUER}\n", "client-secret": "s3cret\r\n"}))
    assert found == credentials.read(iam())


def test_scopes_can_be_asked_for() -> None:
    assert credentials.read(iam(scope="openid hostclaims\n")).scopes == ("openid", "hostclaims")


def test_what_proves_a_client_is_not_shown() -> None:
    key = iam(**{"client-secret": "", "private-key": "s3cret"})
    assert "s3cret" not in repr(credentials.read(iam())) + repr(credentials.read(key))


@pytest.mark.parametrize("labels", [None, {}, {credentials.LABEL: ""}, {"other": "true"}])
def test_a_secret_that_is_not_meant_for_it_is_not_used(labels: dict[str, str] | None) -> None:
    secret = iam()
    secret["metadata"]["labels"] = labels
    with pytest.raises(RefreshError, match="Secret `iam` must have the label"):
        credentials.read(secret)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"client-secret": ""}, "one of the keys `client-secret` and `private-key`"),
        ({"private-key": "x"}, "one of the keys `client-secret` and `private-key`"),
        ({"issuer-url": ""}, "no key `issuer-url`"),
        ({"client-id": ""}, "no key `client-id`"),
        ({"client-id": "\n"}, "`client-id` must hold one line"),
        ({"client-id": "a\nb"}, "`client-id` must hold one line"),
        ({"client-secret": "a\x00"}, "`client-secret` must hold one line"),
    ],
)
def test_what_is_missing_or_wrong_is_told_by_its_key(changes: dict[str, str], told: str) -> None:
    with pytest.raises(RefreshError) as refused:
        credentials.read(iam(**changes))
    assert told in str(refused.value)
    assert "Secret `iam`" in str(refused.value)


def test_a_secret_without_anything_is_refused() -> None:
    empty: dict[str, Any] = {key: value for key, value in iam().items() if key != "data"}
    with pytest.raises(RefreshError, match="one of the keys"):
        credentials.read(empty)
