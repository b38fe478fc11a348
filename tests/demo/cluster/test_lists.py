"""Lists come in pages that belong together."""

import base64
import json
from typing import Any

import pytest

from proxy.demo.cluster.status import ApiError
from tests.demo.cluster.asking import CLAIMS, SECRETS, Api, claim


def names(found: Any) -> list[str]:
    return [item["metadata"]["name"] for item in found["items"]]


@pytest.fixture
def filled(api: Api) -> Api:
    for name in "abcde":
        api.ask("POST", CLAIMS, claim(name, {"k": name}))
    return api


def test_a_list_is_cut_and_continued(filled: Api) -> None:
    first = filled.ask("GET", f"{CLAIMS}?limit=2")
    token = first["metadata"]["continue"]
    second = filled.ask("GET", f"{CLAIMS}?limit=4&continue={token}")
    assert (names(first), first["metadata"]["remainingItemCount"]) == (["a", "b"], 3)
    assert (names(second), second["metadata"]["continue"]) == (["c", "d", "e"], "")


def test_pages_show_one_moment(filled: Api) -> None:
    first = filled.ask("GET", f"{CLAIMS}?limit=2")
    filled.ask("DELETE", f"{CLAIMS}/d")
    filled.ask("POST", CLAIMS, claim("f"))
    second = filled.ask("GET", f"{CLAIMS}?continue={first['metadata']['continue']}")
    assert names(second) == ["c", "d", "e"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_a_selector_leaves_the_rest_uncounted(filled: Api) -> None:
    found = filled.ask("GET", f"{CLAIMS}?limit=1&labelSelector=k")
    assert "remainingItemCount" not in found["metadata"]


def test_a_forgotten_page_is_expired_with_a_new_token(filled: Api) -> None:
    token = filled.ask("GET", f"{CLAIMS}?limit=2")["metadata"]["continue"]
    filled.ask("DELETE", f"{CLAIMS}/d")
    filled.server.store.forget()
    with pytest.raises(ApiError) as refused:
        filled.send("GET", f"{CLAIMS}?continue={token}")
    assert (refused.value.code, refused.value.reason) == (410, "Expired")
    again = refused.value.status()["metadata"]["continue"]
    assert names(filled.ask("GET", f"{CLAIMS}?continue={again}")) == ["c", "e"]


def test_a_token_opens_only_its_collection(filled: Api) -> None:
    token = filled.ask("GET", f"{CLAIMS}?limit=2")["metadata"]["continue"]
    code, message = filled.refusal("GET", f"{SECRETS}?continue={token}")
    assert (code, "continue key is not valid" in message) == (400, True)


@pytest.mark.parametrize(
    "token", ["abc", "!", base64.urlsafe_b64encode(json.dumps({"rv": 1}).encode()).decode()]
)
def test_a_made_up_token_is_refused(api: Api, token: str) -> None:
    code, message = api.refusal("GET", f"{CLAIMS}?continue={token}")
    assert (code, "continue key is not valid" in message) == (400, True)


def test_an_exact_past_is_shown(filled: Api) -> None:
    then = filled.ask("GET", CLAIMS)["metadata"]["resourceVersion"]
    filled.ask("DELETE", f"{CLAIMS}/a")
    query = f"?resourceVersion={then}&resourceVersionMatch=Exact"
    assert names(filled.ask("GET", CLAIMS + query)) == list("abcde")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=x", 400),
        ("resourceVersion=x", 400),
        ("resourceVersion=99999", 504),
        ("resourceVersionMatch=Exact", 422),
        ("resourceVersionMatch=Exact&resourceVersion=0", 422),
        ("resourceVersionMatch=Other&resourceVersion=1", 422),
        ("sendInitialEvents=true", 422),
        ("labelSelector=a b", 400),
        ("fieldSelector=spec.x=1", 400),
    ],
)
def test_options_that_make_no_sense_are_refused(api: Api, query: str, code: int) -> None:
    assert api.refusal("GET", f"{CLAIMS}?{query}")[0] == code


def test_items_of_built_in_lists_leave_out_their_kind(api: Api) -> None:
    found = api.ask("GET", "/api/v1/namespaces")
    assert (found["kind"], "kind" in found["items"][0]) == ("NamespaceList", False)
