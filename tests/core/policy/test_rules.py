"""What is granted where: patterns match by whole words, denials stand apart."""

from dataclasses import replace

import pytest

from proxy.core.attributes import Verb
from proxy.core.bounds import UNBOUNDED, Bounds
from proxy.core.policy import ROLES, Effect, Origin, Permission, Role, Rule, RuleSet

CLAIMS = "hostclaims"
EDITOR = ROLES[Role.EDITOR]
VIEWER = ROLES[Role.VIEWER]


def rule(
    *namespaces: str,
    effect: Effect = Effect.ALLOW,
    permissions: frozenset[Permission] = EDITOR,
    number: int = 0,
) -> Rule:
    origin = Origin("blue.yaml", "blue", f"spec.{effect}[{number}]", 8 + number)
    return Rule(origin, effect, permissions, namespaces)


def test_a_viewer_reads_hostclaims_and_no_secrets() -> None:
    assert {(CLAIMS, Verb.GET), (CLAIMS, Verb.LIST), (CLAIMS, Verb.WATCH)} == VIEWER


def test_an_editor_does_everything_but_delete_collections() -> None:
    verbs = set(Verb) - {Verb.DELETECOLLECTION}
    assert {(plural, verb) for plural in (CLAIMS, "secrets") for verb in verbs} == EDITOR


def test_no_rules_match_nothing() -> None:
    rules = RuleSet()
    assert rules.matching(Effect.ALLOW, CLAIMS, Verb.GET, "blue") is None
    assert rules.permissions("blue") == frozenset()
    assert rules.namespaces() == ()


@pytest.mark.parametrize(
    ("pattern", "namespace", "matches"),
    [
        ("blue", "blue", True),
        ("blue", "blue-dev", False),
        ("blue-*", "blue-dev", True),
        ("blue-*", "blue-dev-1", True),
        ("blue-*", "blue", False),
        ("blue-*", "blueberry", False),
        ("blue-*", "dark-blue-dev", False),
        ("blue-dev-*", "blue-dev", False),
        ("*", "blue", True),
        ("*", "blue-dev", True),
    ],
)
def test_a_pattern_matches_by_whole_words(pattern: str, namespace: str, *, matches: bool) -> None:
    found = RuleSet([rule(pattern)]).matching(Effect.ALLOW, CLAIMS, Verb.GET, namespace)
    assert (found is not None) == matches


def test_the_closest_pattern_is_the_rule_that_is_named() -> None:
    exact, prefix, any_ = rule("blue-dev"), rule("blue-*"), rule("*")
    rules = RuleSet([any_, prefix, exact])
    assert rules.matching(Effect.ALLOW, CLAIMS, Verb.GET, "blue-dev") is exact
    assert rules.matching(Effect.ALLOW, CLAIMS, Verb.GET, "blue-prod") is prefix
    assert rules.matching(Effect.ALLOW, CLAIMS, Verb.GET, "red") is any_


def test_the_first_of_equal_rules_is_the_one_that_is_named() -> None:
    first, second = rule("blue", number=0), rule("blue", number=1)
    assert RuleSet([first, second]).matching(Effect.ALLOW, CLAIMS, Verb.GET, "blue") is first


def test_rules_for_one_namespace_add_up() -> None:
    viewer, editor = rule("blue", permissions=VIEWER), rule("blue", number=1)
    rules = RuleSet([viewer, editor])
    assert rules.matching(Effect.ALLOW, CLAIMS, Verb.GET, "blue") is viewer
    assert rules.matching(Effect.ALLOW, CLAIMS, Verb.DELETE, "blue") is editor


def test_a_denial_is_found_apart_from_grants() -> None:
    grant, denial = rule("blue"), rule("blue", effect=Effect.DENY, permissions=VIEWER)
    rules = RuleSet([grant, denial])
    assert rules.matching(Effect.DENY, CLAIMS, Verb.GET, "blue") is denial
    assert rules.matching(Effect.ALLOW, CLAIMS, Verb.GET, "blue") is grant
    assert rules.permissions("blue") == EDITOR - VIEWER


def test_namespaces_leave_out_what_a_denial_empties() -> None:
    rules = RuleSet(
        [rule("green-*", "red-*", "red-dev-*", "blue"), rule("red-*", "blue", effect=Effect.DENY)]
    )
    assert rules.namespaces() == ("green-*",)


def test_namespaces_keep_a_pattern_that_a_denial_only_touches() -> None:
    rules = RuleSet([rule("red-*"), rule("red-prod", effect=Effect.DENY)])
    assert rules.namespaces() == ("red-*",)


def test_where_something_is_allowed_is_found_out_once() -> None:
    rules = RuleSet([rule("blue", "red-*"), rule("green", permissions=VIEWER)])
    reach = rules.where("secrets", Verb.LIST)
    assert (reach.names, reach.patterns) == (("blue",), ("red-*",))
    assert rules.where("secrets", Verb.LIST) is reach
    assert rules.where(CLAIMS, Verb.LIST).names == ("blue", "green")
    assert rules.where(CLAIMS, Verb.CREATE).names == ("blue",)


FEW = Bounds(max_host_claims=3)


def bounded(*namespaces: str, bounds: Bounds = FEW, number: int = 1) -> Rule:
    return replace(rule(*namespaces, number=number), bounds=bounds)


def bounds_of(rules: RuleSet, namespace: str = "blue-dev") -> list[Bounds]:
    asked = (CLAIMS, Verb.CREATE, namespace)
    return [found.bounds for found in rules.all_matching(Effect.ALLOW, *asked)]


def test_rules_of_different_bounds_all_count() -> None:
    rules = RuleSet([bounded("blue-dev"), rule("blue-dev")])
    assert bounds_of(rules) == [FEW, UNBOUNDED]


def test_a_rule_that_goes_no_further_adds_nothing() -> None:
    twice = [bounded("blue-dev", number=number) for number in range(3)]
    assert bounds_of(RuleSet(twice)) == [FEW]
    assert bounds_of(RuleSet([rule("blue-dev"), *twice])) == [UNBOUNDED]


def test_rules_of_many_bounds_are_not_compared_with_each_other() -> None:
    looked_at: list[object] = []

    class Noted(Bounds):
        def __hash__(self) -> int:
            looked_at.append(self)
            return super().__hash__()

    many = [Noted(max_host_claims=number) for number in range(100)]
    rules = RuleSet(bounded("blue-dev", bounds=bounds, number=0) for bounds in many)
    assert bounds_of(rules) == many
    assert len(looked_at) < 500


def test_bounds_of_wider_patterns_count_too() -> None:
    rules = RuleSet([bounded("blue-*"), rule("blue-dev"), bounded("*", bounds=Bounds())])
    assert bounds_of(rules) == [UNBOUNDED, FEW, UNBOUNDED]
    assert bounds_of(rules, "red") == [UNBOUNDED]


def test_the_size_of_a_set_is_that_of_all_that_was_given() -> None:
    assert (RuleSet().size(), RuleSet([rule(), rule()]).size()) == (0, 2)
    assert RuleSet([rule("blue", "green", "red"), rule("blue")]).size() == 4


def test_what_is_found_in_rules_is_kept_and_no_more_than_a_few() -> None:
    rules, sought = RuleSet([rule("blue")]), []

    def find(_: RuleSet, asked: tuple[str, Verb, str]) -> str:
        sought.append(asked)
        return asked[2]

    names = ["blue", "blue", *(f"red-{number}" for number in range(40)), "blue"]
    assert [rules.found((CLAIMS, Verb.GET, name), find) for name in names] == names
    assert len(sought) == len(names) - 1
    assert len(rules._found) < 40
