"""Lists and watches of all namespaces, put together from those of one each."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from proxy.core import spanning
from proxy.core.conversation import Merge
from proxy.core.errors import BadGateway, BadRequest, Expired, NotAcceptable
from proxy.core.narrowing import STAMP, Call, in_namespace
from proxy.core.policy import RuleSet
from proxy.core.spanning import INITIAL_EVENTS_END, Weave
from proxy.core.wire import Reply
from tests.core.asking import Transcript, call, play, reply, rule

ALL = "/apis/metal3.io/v1alpha1/hostclaims"
NAMESPACES = ("a", "b", "c")
THREE = RuleSet([rule(namespaces=NAMESPACES)])
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
UNBOUND = reply(403, {"kind": "Status", "code": 403})


def asked(query: str = "", *headers: tuple[str, str], target: str = ALL) -> Call:
    return call("GET", target + query, *headers, rules=THREE)


def page(*names: str, version: str = "9", token: str = "", more: int = 0) -> Reply:
    metadata: dict[str, Any] = {"resourceVersion": version}
    metadata |= {"continue": token, "remainingItemCount": more} if token else {}
    items = [{"metadata": {"name": name}} for name in names]
    return reply(200, {"kind": "HostClaimList", "metadata": metadata, "items": items})


def names(played: Transcript) -> list[str]:
    return [item["metadata"]["name"] for item in json.loads(played.reply.body)["items"]]


def metadata(played: Transcript) -> Any:
    return json.loads(played.reply.body)["metadata"]


def queries(played: Transcript) -> list[tuple[str, dict[str, str]]]:
    """Each question's namespace, and its parameters."""
    found = []
    for request in played.sent:
        parts = urlsplit(request.target)
        query = {key: value for key, (value,) in parse_qs(parts.query).items()}
        found.append((parts.path.split("/")[5], query))
    return found


def test_a_list_has_what_is_in_each_namespace() -> None:
    played = play(asked(), page("x"), page(), page("y", "z"), rules=THREE)
    assert names(played) == ["x", "y", "z"]
    assert [namespace for namespace, _ in queries(played)] == ["a", "b", "c"]


def test_a_list_is_of_one_moment() -> None:
    played = play(asked(), page(version="7"), page(version="7"), page(version="7"), rules=THREE)
    exact = {"resourceVersion": "7", "resourceVersionMatch": "Exact"}
    assert [query for _, query in queries(played)] == [{}, exact, exact]
    assert metadata(played) == {"resourceVersion": "7"}


def test_the_client_says_of_which_moment() -> None:
    played = play(asked("?resourceVersion=0"), page(), page(), page(), rules=THREE)
    assert queries(played)[0][1] == {"resourceVersion": "0"}


def test_selectors_go_along() -> None:
    played = play(asked("?labelSelector=x%3Dy"), page(), page(), page(), rules=THREE)
    assert all(query["labelSelector"] == "x=y" for _, query in queries(played))


def test_secrets_are_narrowed_in_each_namespace() -> None:
    secrets = asked("?labelSelector=x", target="/api/v1/secrets")
    played = play(secrets, page(), page(), page(), rules=THREE)
    targets = [request.target for request in played.sent]
    assert all(f"labelSelector={STAMP.replace('/', '%2F')}%3Dtrue%2Cx" in t for t in targets)


def test_pages_go_on_where_the_last_one_ended() -> None:
    first = play(asked("?limit=2"), page("x"), page("y", token="t1", more=5), rules=THREE)
    assert (names(first), "remainingItemCount" in metadata(first)) == (["x", "y"], False)
    assert [query.get("limit") for _, query in queries(first)] == ["2", "1"]
    onward = asked(f"?limit=2&continue={metadata(first)['continue']}")
    second = play(onward, page("z"), page("w"), rules=THREE)
    assert queries(second)[0] == ("b", {"limit": "2", "continue": "t1"})
    assert queries(second)[1][1]["resourceVersion"] == "9"
    assert (names(second), "continue" in metadata(second)) == (["z", "w"], False)


def test_a_page_that_is_full_at_the_end_of_a_namespace_goes_on_in_the_next() -> None:
    first = play(asked("?limit=1"), page("x"), rules=THREE)
    onward = asked(f"?limit=1&continue={metadata(first)['continue']}")
    assert queries(play(onward, page("y"), rules=THREE))[0][0] == "b"


CRAFTED = [
    base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode().replace("=", "%3D")
    for cursor in (["a", "\ud800", ""], ["a", "", "\ud800"], ["a", "-1", ""], ["a", "9" * 20, ""])
]


@pytest.mark.parametrize("token", ["x", "e30=", "WyJhIl0=", "%C3%BF", "W1tb" * 20_000, *CRAFTED])
def test_a_continue_that_is_not_ours_is_refused(token: str) -> None:
    played = play(asked(f"?continue={token}"), rules=THREE)
    assert isinstance(played.refused, BadRequest)


def test_a_continue_leads_into_no_namespace_of_others() -> None:
    first = play(asked("?limit=1"), page("x"), rules=THREE)
    target = f"{ALL}?limit=1&continue={metadata(first)['continue']}"
    fewer = RuleSet([rule(namespaces=("a", "c"))])
    played = play(call("GET", target, rules=fewer), rules=fewer)
    assert (type(played.refused), played.sent) == (Expired, [])


def test_a_namespace_that_the_proxy_is_not_bound_in_shows_nothing() -> None:
    played = play(asked(), UNBOUND, page("y"), page("z"), rules=THREE)
    assert names(played) == ["y", "z"]


def test_bound_in_none_of_them_is_said() -> None:
    assert play(asked(), UNBOUND, UNBOUND, UNBOUND, rules=THREE).reply == UNBOUND


def test_what_else_the_apiserver_says_ends_the_list() -> None:
    gone = reply(410, {"kind": "Status", "code": 410})
    assert play(asked(), page(), gone, rules=THREE).reply == gone


def test_the_rows_of_tables_are_put_together() -> None:
    def table(*rows: str) -> Reply:
        cells = [{"cells": [row]} for row in rows]
        found = {"kind": "Table", "metadata": {"resourceVersion": "9"}, "rows": cells}
        return reply(200, {**found, "columnDefinitions": [{"name": "Name"}]})

    played = play(asked("", ("Accept", TABLE)), table("x"), table(), table("y"), rules=THREE)
    found = json.loads(played.reply.body)
    assert [row["cells"] for row in found["rows"]] == [["x"], ["y"]]
    assert found["columnDefinitions"] == [{"name": "Name"}]


def test_what_cannot_be_put_together_is_not_acceptable() -> None:
    played = play(asked("", ("Accept", "application/yaml")), rules=THREE)
    assert isinstance(played.refused, NotAcceptable)


def test_a_list_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spanning, "_MAX_LIST", 10)
    assert isinstance(play(asked(), page("x"), rules=THREE).refused, BadGateway)


def test_no_namespace_is_asked_that_was_not_allowed() -> None:
    with pytest.raises(TypeError, match="not allowed"):
        in_namespace(asked(), "d", ())


def watch(query: str, *headers: tuple[str, str]) -> Merge:
    outcome = play(asked(f"?watch=1&{query}", *headers), rules=THREE).outcome
    assert isinstance(outcome, Merge), outcome
    return outcome


def test_a_watch_is_one_of_each_namespace_from_the_same_moment() -> None:
    requests = watch("resourceVersion=7&timeoutSeconds=60").requests
    assert [namespace for namespace, _ in requests] == ["a", "b", "c"]
    assert all(request.streams for _, request in requests)
    assert all("resourceVersion=7" in request.target for _, request in requests)


@pytest.mark.parametrize(
    "query", ["a=1", "resourceVersion=", "resourceVersion=0", f"resourceVersion={'9' * 5000}"]
)
def test_a_watch_from_nowhere_is_refused(query: str) -> None:
    query = "" if query == "a=1" else query
    played = play(asked(f"?watch=1&{query}".rstrip("&")), rules=THREE)
    assert isinstance(played.refused, BadRequest)


def event(revision: int, kind: str = "ADDED") -> bytes:
    found = {
        "kind": "HostClaim",
        "apiVersion": "metal3.io/v1alpha1",
        "metadata": {"resourceVersion": str(revision)},
    }
    return json.dumps({"type": kind, "object": found}).encode() + b"\n"


def bookmark(revision: int, *, ends: bool = False) -> bytes:
    annotations = {"annotations": {INITIAL_EVENTS_END: "true"}} if ends else {}
    found = {"kind": "HostClaim", "metadata": {"resourceVersion": str(revision), **annotations}}
    return json.dumps({"type": "BOOKMARK", "object": found}).encode() + b"\n"


def weave(*, initial: bool = False, bookmarks: bool = True) -> Weave:
    return Weave(("a", "b"), 10, initial=initial, bookmarks=bookmarks)


def said(out: bytes) -> list[tuple[str, str]]:
    """Each event's type and revision, as a client sees it."""
    events = [json.loads(line) for line in out.splitlines()]
    return [(e["type"], e["object"]["metadata"]["resourceVersion"]) for e in events]


def test_behind_an_event_stands_from_where_nothing_was_missed() -> None:
    woven = weave()
    assert said(woven.feed("a", event(20))) == [("ADDED", "20"), ("BOOKMARK", "10")]
    assert said(woven.feed("b", event(15))) == [("ADDED", "15")]
    assert said(woven.feed("b", event(30))) == [("ADDED", "30"), ("BOOKMARK", "20")]


def test_an_event_is_passed_on_byte_by_byte() -> None:
    odd = b'{ "type":"ADDED", "object": {"metadata":{"resourceVersion":"20"}} }\n'
    assert weave(bookmarks=False).feed("a", odd) == odd


def test_bookmarks_move_on_as_far_as_all_namespaces_have() -> None:
    woven = weave()
    assert woven.feed("a", bookmark(40)) == b""
    assert said(woven.feed("b", bookmark(30))) == [("BOOKMARK", "30")]
    assert woven.feed("b", bookmark(30)) == b""


def test_who_asked_for_no_bookmarks_gets_none() -> None:
    woven = weave(bookmarks=False)
    assert said(woven.feed("a", event(20))) == [("ADDED", "20")]
    assert woven.feed("b", bookmark(30)) == b""


def test_a_beginning_ends_once_and_when_all_have_ended() -> None:
    woven = weave(initial=True)
    assert said(woven.feed("a", event(5) + bookmark(20, ends=True))) == [("ADDED", "5")]
    assert said(woven.feed("a", event(25))) == [("ADDED", "25")]
    ended = woven.feed("b", event(3) + bookmark(22, ends=True))
    assert said(ended) == [("ADDED", "3"), ("BOOKMARK", "22")]
    assert (
        INITIAL_EVENTS_END
        in json.loads(ended.splitlines()[-1])["object"]["metadata"]["annotations"]
    )


def test_events_that_come_in_pieces_are_whole_when_they_go() -> None:
    woven, line = weave(bookmarks=False), event(20)
    assert woven.feed("a", line[:9]) == b""
    assert woven.feed("b", event(15)) == event(15)
    assert woven.feed("a", line[9:] + line[:4]) == line


def test_an_error_is_passed_on_as_it_is() -> None:
    gone = b'{"type":"ERROR","object":{"kind":"Status","code":410}}\n'
    assert weave().feed("a", gone) == gone


def test_tables_are_told_apart_and_get_no_bookmarks_of_ours() -> None:
    row = {"object": {"metadata": {"resourceVersion": "20"}}}
    line = (
        json.dumps({"type": "ADDED", "object": {"kind": "Table", "rows": [row]}}).encode() + b"\n"
    )
    assert weave().feed("a", line) == line


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"{\n",
        b"[]\n",
        b"{}\n",
        b'{"type":"ADDED","object":[]}\n',
        b'{"type":"ADDED","object":{"metadata":{"resourceVersion":"x"}}}\n',
        b'{"type":"ADDED","object":{}}\n',
        b"[" * 100_000 + b"\n",
    ],
)
def test_what_is_no_event_ends_the_watch(line: bytes) -> None:
    with pytest.raises(BadGateway):
        weave().feed("a", line)


def test_an_event_without_end_ends_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spanning, "_MAX_LIST", 10)
    with pytest.raises(BadGateway):
        weave().feed("a", b"x" * 11)
