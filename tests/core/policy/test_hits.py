"""How often a rule decided: kept as it moves, and no longer as it says something else."""

from typing import Any

import pytest

from proxy.core.policy import Hits, PolicySet
from proxy.core.policy.origins import ClaimOrigin, JointOrigin, Origin
from proxy.core.policy.rules import Effect, Rule
from proxy.core.policy.subjects import Entry, Subject, SubjectKind

BLUE = (Subject("corp", SubjectKind.GROUP, "blue"),)
GREEN = (Subject("corp", SubjectKind.GROUP, "green"),)


def entry(document: str, *namespaces: str, line: int = 1, number: int = 0, **other: Any) -> Entry:
    origin = Origin(other.pop("file", "a.yaml"), document, f"spec.allow[{number}]", line)
    subjects, claim = other.pop("subjects", BLUE), other.pop("claim", "")
    return Entry(subjects, Rule(origin, Effect.ALLOW, frozenset(), namespaces, **other), claim)


def hit(hits: Hits, *entries: Entry, times: int = 1) -> Hits:
    for _ in range(times):
        hits.count(entry.rule for entry in entries)
    return hits


def test_each_decision_counts_for_every_rule_that_made_it() -> None:
    one, two, three = entry("one"), entry("two"), entry("three")
    hits = Hits(PolicySet([one, two, three]))
    hit(hits, one, two)
    hit(hits, two)
    assert hits.counts() == (1, 2, 0)


def test_both_rules_that_grant_together_count_and_what_a_token_grants_does_not() -> None:
    one, two = entry("one"), entry("two")
    hits = Hits(PolicySet([one, two]))
    claim = ClaimOrigin("corp", "groups", "blue")
    origin = JointOrigin(JointOrigin(one.rule.origin, claim), two.rule.origin)
    hits.count([Rule(origin, Effect.ALLOW, frozenset(), ())])
    assert hits.counts() == (1, 1)


def test_a_decision_counts_once_however_many_namespaces_it_spans() -> None:
    one = entry("one", "*")
    hits = Hits(PolicySet([one]))
    claims = [ClaimOrigin("corp", "groups", name) for name in ("blue", "red")]
    joint = [JointOrigin(one.rule.origin, claim) for claim in claims]
    hits.count([Rule(origin, Effect.ALLOW, frozenset(), ()) for origin in joint])
    assert hits.counts() == (1,)


def test_a_rule_that_is_in_force_no_longer_counts_nothing() -> None:
    hits = hit(Hits(PolicySet([entry("one")])), entry("gone"))
    assert hits.counts() == (0,)


def after(before: Entry, *entries: Entry) -> tuple[int, ...]:
    """The counts of what is in force next, when a rule before it had decided three times."""
    hits = hit(Hits(PolicySet([before])), before, times=3)
    hits.following(PolicySet(entries))()
    return tuple(hits.counts())


@pytest.mark.parametrize(
    "moved",
    [
        entry("blue", "blue-*"),
        entry("blue", "blue-*", line=9),
        entry("blue", "blue-*", number=1),
        entry("blue", "blue-*", file="b.yaml"),
    ],
)
def test_a_rule_that_moves_keeps_its_count(moved: Entry) -> None:
    assert after(entry("blue", "blue-*"), entry("red"), moved) == (0, 3)


@pytest.mark.parametrize(
    "other",
    [
        entry("azure", "blue-*"),
        entry("blue", "*"),
        entry("blue", "blue-*", subjects=GREEN),
        entry("blue", "blue-*", claim="namespaces"),
    ],
)
def test_a_rule_that_says_something_else_begins_at_zero(other: Entry) -> None:
    assert after(entry("blue", "blue-*"), other) == (0,)


def test_rules_that_say_the_same_keep_their_order() -> None:
    first, second = entry("blue", number=0), entry("blue", number=1)
    hits = hit(Hits(PolicySet([first, second])), first)
    added = entry("blue", number=2)
    hits.following(PolicySet([first, second, added]))()
    assert hits.counts() == (1, 0, 0)


def test_what_decides_while_the_next_rules_are_looked_at_is_not_lost() -> None:
    rule = entry("blue")
    hits = Hits(PolicySet([rule]))
    follow = hits.following(PolicySet([entry("blue", line=7)]))
    hit(hits, rule)
    follow()
    hit(hits, entry("blue", line=7))
    assert hits.counts() == (2,)


def test_there_may_be_a_pause_after_each_rule_that_is_looked_at() -> None:
    paused: list[None] = []
    hits = Hits(PolicySet([entry("one"), entry("two")]))
    hits.following(PolicySet([entry("one")]), lambda: paused.append(None))
    assert len(paused) == 3


def test_rules_of_iams_have_no_document_and_are_found_again() -> None:
    origin = ClaimOrigin("corp", "groups", "blue")
    policies = PolicySet([Entry(BLUE, Rule(origin, Effect.ALLOW, frozenset(), ()))])
    hits = Hits(policies)
    hits.following(policies)()
    assert hits.counts() == (0,)
