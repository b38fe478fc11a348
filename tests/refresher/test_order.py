"""What a labelled Secret asks for."""

import base64
from typing import Any

import pytest

from proxy.refresher import order
from proxy.refresher.errors import RefreshError
from proxy.refresher.order import FromSecret, FromTokenFile, Order
from tests.refresher.worlds import kubeconfig, ordered


def with_data(data: dict[str, str], **annotations: str) -> dict[str, Any]:
    return {**ordered(**annotations), "data": data}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_an_order_names_a_secret_with_credentials() -> None:
    assert order.read(ordered()) == Order(FromSecret("iam"), "value", None, kubeconfig())


def test_an_order_can_ask_for_our_own_token() -> None:
    assert order.read(ordered(source="token-file")).source == FromTokenFile()


def test_the_kubeconfig_lies_where_cluster_api_has_it_or_by_its_name() -> None:
    for key in ("value", "kubeconfig"):
        found = order.read(with_data({key: encoded("text"), "other": "QQ=="}))
        assert (found.key, found.kubeconfig) == (key, "text")


def test_another_key_and_another_context_can_be_named() -> None:
    asked = with_data({"value": "QQ==", "my.conf": encoded("text")}, KEY="my.conf", CONTEXT="red")
    assert order.read(asked) == Order(FromSecret("iam"), "my.conf", "red", "text")


def test_the_kubeconfig_is_not_shown() -> None:
    assert "proxy.example.com" not in repr(order.read(ordered()))


def test_our_own_notes_make_no_other_order() -> None:
    assert order.read(ordered(ERROR="x", EXPIRES_AT="y", REFRESHED_AT="z")) == order.read(ordered())


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        ({**ordered(), "immutable": True}, "`immutable` is set"),
        (ordered(source=""), "must be `secret/NAME` or `token-file`"),
        (ordered(source="iam"), "must be `secret/NAME`"),
        (ordered(source="secret/"), "must be `secret/NAME`"),
        (ordered(source="secret/../red/iam"), "must be `secret/NAME`"),
        (ordered(source="secret/red/iam"), "must be `secret/NAME`"),
        (ordered(source="secret/iam?x"), "must be `secret/NAME`"),
        ({**ordered(), "metadata": {"name": "one"}}, "must be `secret/NAME`"),
        (with_data({}), "must say which key, unless it is one of `value` or `kubeconfig`"),
        (with_data({"value": "QQ==", "kubeconfig": "QQ=="}), "must say which key"),
        ({key: value for key, value in ordered().items() if key != "data"}, "which key"),
        (ordered(KEY="other"), "has no key `other`"),
        (ordered(KEY="a\nb"), "has no key `a?b`"),
        (with_data({"value": "//8="}), "`value` of the Secret holds no text"),
        (with_data({"value": "!"}), "`value` of the Secret holds no text"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(secret: dict[str, Any], told: str) -> None:
    with pytest.raises(RefreshError) as refused:
        order.read(secret)
    assert told in str(refused.value)
