"""Several sources: none grants more for being combined, and a denial wins in any of them."""

from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.attributes import Verb
from proxy.core.bounds import UNBOUNDED, Bounds
from proxy.core.policy import (
    ROLES,
    Combine,
    Effect,
    Origin,
    Permission,
    Role,
    Rule,
    RuleSet,
    combined,
)
from proxy.core.policy.origins import ClaimOrigin, PermissionOrigin
from proxy.core.policy.rules import covers

CLAIMS = "hostclaims"
EDITOR, VIEWER = ROLES[Role.EDITOR], ROLES[Role.VIEWER]
FEW = Bounds(max_host_claims=3)
FEWER = Bounds(max_host_claims=2)


def rule(
    *namespaces: str,
    permissions: frozenset[Permission] = EDITOR,
    effect: Effect = Effect.ALLOW,
    bounds: Bounds = UNBOUNDED,
) -> Rule:
    origin = Origin("blue.yaml", "blue", f"spec.{effect}[0]", 8)
    return Rule(origin, effect, permissions, namespaces, bounds)


def met(*parts: Sequence[Rule]) -> RuleSet:
    return combined(Combine.ALL, [RuleSet(part) for part in parts])


def joined(*parts: Sequence[Rule]) -> RuleSet:
    return combined(Combine.ANY, [RuleSet(part) for part in parts])


@pytest.mark.parametrize("how", Combine)
def test_no_sources_grant_nothing(how: Combine) -> None:
    assert combined(how, []).namespaces() == ()


@pytest.mark.parametrize("how", Combine)
def test_a_source_alone_says_what_it_says(how: Combine) -> None:
    found = combined(how, [RuleSet([rule("blue", bounds=FEW)])])
    assert found.permissions("blue") == EDITOR


def test_any_source_may_grant() -> None:
    found = joined([rule("blue")], [rule("red-*", permissions=VIEWER)], [])
    assert found.namespaces() == ("blue", "red-*")
    assert (found.permissions("blue"), found.permissions("red-1")) == (EDITOR, VIEWER)


def test_where_all_must_agree_one_that_grants_nothing_is_enough_to_refuse() -> None:
    assert met([rule("*")], []).namespaces() == ()
    assert met([], [rule("*")]).namespaces() == ()


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (["blue"], ["blue"], ("blue",)),
        (["blue-*"], ["blue-dev"], ("blue-dev",)),
        (["*"], ["blue-dev", "red"], ("blue-dev", "red")),
        (["blue-*"], ["blue-dev-*"], ("blue-dev-*",)),
        (["blue-*"], ["blue-*"], ("blue-*",)),
        (["blue-*"], ["blue", "blueberry", "red-dev"], ()),
        (["blue-a-*"], ["blue-b-*"], ()),
        (["blue"], ["blue-dev"], ()),
    ],
)
def test_all_agree_on_the_narrower_of_two_patterns(
    one: list[str], other: list[str], both: tuple[str, ...]
) -> None:
    assert met([rule(*one)], [rule(*other)]).namespaces() == both
    assert met([rule(*other)], [rule(*one)]).namespaces() == both


def test_all_agree_on_the_permissions_that_each_grants() -> None:
    some = frozenset({(CLAIMS, Verb.GET), (CLAIMS, Verb.CREATE)})
    assert met([rule("blue", permissions=VIEWER)], [rule("blue", permissions=some)]).permissions(
        "blue"
    ) == {(CLAIMS, Verb.GET)}
    assert (
        met(
            [rule("blue", permissions=VIEWER)],
            [rule("blue", permissions=frozenset({(CLAIMS, Verb.CREATE)}))],
        ).namespaces()
        == ()
    )


@pytest.mark.parametrize("how", Combine)
@pytest.mark.parametrize("denying", [0, 1])
def test_a_denial_of_any_source_wins(how: Combine, denying: int) -> None:
    parts = [[rule("blue")], [rule("blue")]]
    parts[denying].append(rule("blue", permissions=VIEWER, effect=Effect.DENY))
    found = combined(how, [RuleSet(part) for part in parts])
    assert found.permissions("blue") == EDITOR - VIEWER
    assert found.matching(Effect.DENY, CLAIMS, Verb.GET, "blue") is not None


def bounds_of(rules: RuleSet) -> set[Bounds]:
    asked = (CLAIMS, Verb.CREATE, "blue")
    return {found.bounds for found in rules.all_matching(Effect.ALLOW, *asked)}


def test_bounds_are_kept_where_another_source_agrees() -> None:
    assert bounds_of(met([rule("blue", bounds=FEW)], [rule("*")])) == {FEW}
    assert bounds_of(met([rule("*")], [rule("blue", bounds=FEW)])) == {FEW}
    assert bounds_of(met([rule("blue", bounds=FEW)], [rule("blue", bounds=FEW)])) == {FEW}
    assert bounds_of(met([rule("blue", bounds=FEW)], [rule("blue", bounds=FEWER)])) == set()


def test_a_rule_of_several_sources_names_them_all() -> None:
    claim = Rule(ClaimOrigin("corp", "groups", "blue"), Effect.ALLOW, EDITOR, ("blue",))
    scope = PermissionOrigin("corp", "blue", "hostclaims:read")
    permitted = Rule(scope, Effect.ALLOW, VIEWER, ("blue",))
    found = met([rule("blue-*", "*")], [claim], [permitted])
    granting = found.matching(Effect.ALLOW, CLAIMS, Verb.GET, "blue")
    assert granting is not None
    assert str(granting.origin) == (
        "blue.yaml:8 blue spec.allow[0] and corp: claim groups blue"
        " and corp: permission blue hostclaims:read"
    )


def test_two_long_lists_meet_in_a_rule_for_each_name_and_no_more() -> None:
    names = [f"blue-{number}" for number in range(10_000)]
    ours = [rule(name) for name in names]
    found = met([rule(*names), rule("blue-*")], [*ours, rule("*", permissions=VIEWER)])
    assert len(found.namespaces()) == 10_001
    assert len(list(found)) <= 4 * len(names) + 2


LABELS = ["blue", "blue-a", "blue-a-b", "red", "red-a", "green"]
PATTERNS = ["blue", "blue-a", "blue-*", "blue-a-*", "red", "red-*", "*"]
PERMISSIONS = [(plural, verb) for plural in (CLAIMS, "secrets") for verb in list(Verb)[:3]]


def rules_with(bounds: Sequence[Bounds]) -> st.SearchStrategy[list[Rule]]:
    return st.lists(
        st.builds(
            lambda names, permissions, effect, bounds: rule(
                *names, permissions=frozenset(permissions), effect=effect, bounds=bounds
            ),
            st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3),
            st.lists(st.sampled_from(PERMISSIONS), min_size=1, max_size=4),
            st.sampled_from([Effect.ALLOW, Effect.ALLOW, Effect.DENY]),
            st.sampled_from(bounds),
        ),
        max_size=4,
    )


FREE = rules_with([UNBOUNDED])
PARTS = st.lists(FREE, min_size=1, max_size=3)


def says(rules: Sequence[Rule], effect: Effect, permission: Permission, namespace: str) -> bool:
    return any(
        found.effect is effect
        and permission in found.permissions
        and covers(found.namespaces, namespace)
        for found in rules
    )


def allowed(rules: RuleSet, permission: Permission, namespace: str) -> bool:
    """As `entitlement.authorize` asks: a denial first."""
    asked = (*permission, namespace)
    if rules.matching(Effect.DENY, *asked) is not None:
        return False
    return rules.matching(Effect.ALLOW, *asked) is not None


@given(parts=PARTS, how=st.sampled_from(Combine))
def test_a_combination_grants_what_any_or_all_grant_and_none_denies(
    parts: list[list[Rule]], how: Combine
) -> None:
    found = combined(how, [RuleSet(part) for part in parts])
    enough = any if how is Combine.ANY else all
    for permission, namespace in product(PERMISSIONS, LABELS):
        granted = enough(says(part, Effect.ALLOW, permission, namespace) for part in parts)
        denied = any(says(part, Effect.DENY, permission, namespace) for part in parts)
        expected = granted and not denied
        assert allowed(found, permission, namespace) == expected
        assert (permission in found.permissions(namespace)) == expected
        if expected:
            assert covers(found.namespaces(), namespace)


@given(files=rules_with([UNBOUNDED, FEW, FEWER]), others=st.lists(FREE, min_size=1, max_size=2))
def test_what_all_agree_on_goes_no_further_than_the_bounds_of_one(
    files: list[Rule], others: list[list[Rule]]
) -> None:
    alone, found = RuleSet(files), met(files, *others)
    for (plural, verb), namespace in product(PERMISSIONS, LABELS):
        asked = (Effect.ALLOW, plural, verb, namespace)
        tight = {granting.bounds for granting in alone.all_matching(*asked)}
        assert {granting.bounds for granting in found.all_matching(*asked)} <= tight
