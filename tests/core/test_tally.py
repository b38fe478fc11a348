"""What shadow policies would have changed: read back from records, alike ones counted."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core import audit, shadow
from proxy.core.audit import SHADOW_DECISION, SHADOW_REASON, Trail
from proxy.core.entitlement import authorize
from proxy.core.policy import Effect, RuleSet
from proxy.core.tally import Change, Tally, Times
from tests.core.asking import CLAIMS, parse, raw, rule
from tests.identities import make_identity

REASON = "new.yaml:3 new spec.deny[0]"


def event(time: str = "2025-01-01T00:00:00.000000Z", **changed: Any) -> dict[str, Any]:
    return {
        "user": {"username": "corp:alice"},
        "verb": "get",
        "objectRef": {"resource": "hostclaims", "namespace": "blue", "name": "c1"},
        "requestReceivedTimestamp": time,
        "annotations": {SHADOW_DECISION: "forbid", SHADOW_REASON: REASON},
        **changed,
    }


def tallied(*events: Any, most: int = 10) -> Tally:
    tally = Tally(most)
    for each in events:
        tally.add(each)
    return tally


def test_what_the_proxy_records_is_read_back() -> None:
    denial = rule(effect=Effect.DENY)
    rules = RuleSet([rule()], shadow=RuleSet([rule(), denial]))
    trail = Trail("audit-1", raw("GET", CLAIMS), 0.5)
    trail.identity, trail.request = make_identity(), parse("GET", f"{CLAIMS}/a/status")
    trail.decision = authorize(trail.identity, trail.request, rules)
    trail.shadow = shadow.decided(trail.decision, rules)
    ((change, times),) = tallied(audit.event(trail, 1)).changes()
    reason = "a policy denies it explicitly; blue.yaml:8 blue spec.allow[0]"
    assert change == Change("corp:alice", "get", "hostclaims/status", "blue", "forbid", reason)
    assert times == Times(1, "1970-01-01T00:00:00.500000Z", "1970-01-01T00:00:00.500000Z")


def test_alike_requests_are_counted_with_their_first_and_last_time() -> None:
    tally = tallied(event("2025-01-02"), event("2025-01-01"), event("2025-01-03"))
    ((change, times),) = tally.changes()
    assert change == Change("corp:alice", "get", "hostclaims", "blue", "forbid", REASON)
    assert times == Times(3, "2025-01-01", "2025-01-03")


@pytest.mark.parametrize(
    "other",
    [
        {"user": {"username": "corp:bob"}},
        {"verb": "list"},
        {"objectRef": {"resource": "secrets", "namespace": "blue"}},
        {"objectRef": {"resource": "hostclaims", "namespace": "red"}},
        {"annotations": {SHADOW_DECISION: "allow", SHADOW_REASON: REASON}},
        {"annotations": {SHADOW_DECISION: "forbid", SHADOW_REASON: "another"}},
    ],
)
def test_requests_that_differ_are_told_apart(other: dict[str, Any]) -> None:
    assert len([*tallied(event(), event(**other)).changes()]) == 2


def test_the_most_frequent_come_first() -> None:
    tally = tallied(event(verb="get"), event(verb="list"), event(verb="list"), event(verb="a"))
    assert [change.verb for change, _ in tally.changes()] == ["list", "a", "get"]


def test_records_without_a_change_only_count_as_records() -> None:
    tally = tallied(event(annotations={}), event())
    assert (tally.records, tally.changed, len([*tally.changes()])) == (2, 1, 1)


def test_beyond_so_many_kinds_others_are_counted_together() -> None:
    tally = tallied(*(event(verb=str(n % 5)) for n in range(20)), most=2)
    assert [times.count for _, times in tally.changes()] == [4, 4]
    assert (tally.changed, tally.left_out) == (20, 12)


_JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["username", "resource", "namespace", SHADOW_DECISION]), inner
        )
    ),
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*event()]), _JSON))
def test_a_record_may_be_anything(broken: dict[str, Any]) -> None:
    tally = tallied({**event(), **broken}, broken)
    assert tally.records == 2
