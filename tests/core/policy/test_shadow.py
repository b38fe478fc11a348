"""Documents that are only recorded: they are kept apart, and no source decides by them."""

from itertools import product
from typing import Any

import pytest

from proxy.core.attributes import Verb
from proxy.core.policy import Combine, Effect, PolicySet, RuleSet, combined, places
from tests.core.asking import rule
from tests.core.policy.documents import policies, policy
from tests.identities import make_identity

ALICE = make_identity()
VIEWER = {"namespaces": ["blue"], "role": "viewer"}
EDITOR = {"namespaces": ["blue"], "role": "editor"}
OF_RED = {"namespaces": ["red"], "role": "viewer"}


def shadow(name: str = "shadow", **spec: Any) -> dict[str, Any]:
    return policy(name, enforcement="shadow", **spec)


def shadowed(found: PolicySet) -> RuleSet:
    rules = found.rules_for(ALICE).shadow
    assert rules is not None
    return rules


@pytest.mark.parametrize("spec", [{}, {"enforcement": "enforce"}])
def test_a_document_counts_unless_it_says_otherwise(spec: dict[str, Any]) -> None:
    found = policies(policy(allow=[VIEWER], **spec))
    assert (len(found), found.shadows()) == (1, ())
    assert found.rules_for(ALICE).namespaces() == ("blue",)
    assert found.rules_for(ALICE).shadow is None


def test_a_shadow_grant_grants_nothing() -> None:
    found = policies(policy(allow=[VIEWER]), shadow(allow=[EDITOR, OF_RED]))
    rules = found.rules_for(ALICE)
    assert rules.namespaces() == ("blue",)
    assert not rules.matching(Effect.ALLOW, "hostclaims", Verb.CREATE, "blue")
    assert shadowed(found).namespaces() == ("blue", "red")


def test_a_shadow_denial_denies_nothing() -> None:
    found = policies(policy(allow=[VIEWER]), shadow(deny=[{"namespaces": ["*"]}]))
    assert found.rules_for(ALICE).namespaces() == ("blue",)
    assert shadowed(found).namespaces() == ()


def test_shadow_rules_are_none_of_those_that_count() -> None:
    found = policies(shadow(allow=[VIEWER], deny=[OF_RED]), policy(allow=[EDITOR]))
    assert [entry.rule.origin.line for entry in found] == [4]  # type: ignore[union-attr]
    assert [entry.rule.effect for entry in found.shadows()] == [Effect.ALLOW, Effect.DENY]
    assert len(found) == 1


def test_who_is_not_concerned_by_a_shadow_has_none() -> None:
    red = [{"issuer": "corp", "group": "/tenants/red"}]
    found = policies(policy(allow=[VIEWER]), shadow(subjects=red, allow=[OF_RED]))
    assert found.rules_for(ALICE).shadow is None


def test_a_shadow_has_the_namespaces_that_a_token_claims() -> None:
    grant = {"namespacesFromClaim": "ns", "role": "viewer"}
    found = policies(shadow(allow=[grant]))
    rules = found.rules_for(make_identity(claims={"ns": ("red",)}))
    assert rules.namespaces() == ()
    assert rules.shadow is not None
    assert rules.shadow.namespaces() == ("red",)


def test_what_a_shadow_adds_is_told_from_what_counts() -> None:
    found = policies(policy(allow=[VIEWER]), shadow(allow=[EDITOR]))
    (only,) = found.rules_for(ALICE).only_in_shadow
    assert [place.document for place in places(only.origin)] == ["shadow"]
    assert shadowed(found).only_in_shadow == frozenset()


def test_what_is_remembered_of_a_shadow_takes_room() -> None:
    assert policies(policy(allow=[VIEWER]), shadow(allow=[EDITOR])).rules_for(ALICE).size() == 3


GRANT = RuleSet([rule()])
OF_BOTH = RuleSet([rule(namespaces=("blue", "red"))])
GRANTING = RuleSet([], shadow=RuleSet([rule(line=9)]))
DENYING = RuleSet([rule()], shadow=RuleSet([rule(), rule(effect=Effect.DENY, line=9)]))


@pytest.mark.parametrize("how", Combine)
def test_sources_without_shadows_have_none_together(how: Combine) -> None:
    assert combined(how, [GRANT, OF_BOTH]).shadow is None
    assert combined(how, []).shadow is None


@pytest.mark.parametrize(
    ("how", "parts", "counts", "would"),
    [
        (Combine.ANY, [GRANTING], (), ("blue",)),
        (Combine.ALL, [GRANTING], (), ("blue",)),
        (Combine.ALL, [GRANTING, OF_BOTH], (), ("blue",)),
        (Combine.ALL, [OF_BOTH, GRANTING], (), ("blue",)),
        (Combine.ALL, [GRANTING, RuleSet()], (), ()),
        (Combine.ANY, [RuleSet(), GRANTING], (), ("blue",)),
        (Combine.ANY, [DENYING, OF_BOTH], ("blue", "red"), ("red",)),
        (Combine.ALL, [DENYING, OF_BOTH], ("blue",), ()),
        (Combine.ANY, [DENYING, GRANTING], ("blue",), ()),
    ],
)
def test_shadows_are_combined_as_the_rules_are(
    how: Combine, parts: list[RuleSet], counts: tuple[str, ...], would: tuple[str, ...]
) -> None:
    rules = combined(how, parts)
    assert rules.namespaces() == counts
    assert rules.shadow is not None
    assert rules.shadow.namespaces() == would


@pytest.mark.parametrize(
    ("how", "one", "other"), [*product(Combine, (GRANTING, DENYING), (GRANT, OF_BOTH, GRANTING))]
)
def test_what_counts_is_what_would_without_shadows(
    how: Combine, one: RuleSet, other: RuleSet
) -> None:
    bare = combined(how, [RuleSet(one), RuleSet(other)])
    assert [*combined(how, [one, other])] == [*bare]
