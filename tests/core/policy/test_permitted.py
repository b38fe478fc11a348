"""What an IAM permits: exact names, known scopes, and nothing else."""

from typing import Any

import pytest

from proxy.core.attributes import OPT_IN, SERVED, Verb
from proxy.core.policy import ROLES, Effect, Role, Rule, RuleSet
from proxy.core.policy.permitted import SCOPES, rules


def permission(name: str, *scopes: Any) -> dict[str, Any]:
    return {"rsid": "1abc", "rsname": name, "scopes": list(scopes)}


def read(*permissions: object) -> list[Rule]:
    return list(rules("corp", permissions))


def test_a_scope_of_a_namespace_grants_a_class_of_verbs_there() -> None:
    found = RuleSet(read(permission("blue-dev", "hostclaims:read", "secrets:write")))
    assert found.namespaces() == ("blue-dev",)
    assert found.permissions("blue-dev") == SCOPES["hostclaims:read"] | SCOPES["secrets:write"]


def test_reading_and_writing_is_what_an_editor_does() -> None:
    scopes = ("hostclaims:read", "hostclaims:write", "secrets:read", "secrets:write")
    assert RuleSet(read(permission("blue", *scopes))).permissions("blue") == ROLES[Role.EDITOR]


def test_the_scopes_name_each_verb_of_each_resource_once() -> None:
    every = [(r.plural, verb) for r in (*SERVED, *OPT_IN) for verb in r.verbs]
    scoped = [permission for permissions in SCOPES.values() for permission in permissions]
    assert sorted(scoped) == sorted(every)


def test_deleting_collections_has_a_scope_of_its_own() -> None:
    for scope, permissions in SCOPES.items():
        verbs = {verb for _, verb in permissions}
        assert (Verb.DELETECOLLECTION in verbs) == scope.endswith(":deletecollection")


def test_a_rule_tells_which_scope_made_it() -> None:
    (rule,) = read(permission("blue-dev", "hostclaims:write"))
    assert rule.effect is Effect.ALLOW
    assert str(rule.origin) == "corp: permission blue-dev hostclaims:write"


@pytest.mark.parametrize(
    "found",
    [
        {"rsid": "1abc", "rsname": "blue"},
        permission("blue"),
        permission("blue", "hostclaims", "hostclaims:*", "hostclaims:READ", "*", "", None, 7, []),
        permission("blue-*", "hostclaims:read"),
        permission("*", "hostclaims:read"),
        permission("Blue", "hostclaims:read"),
        permission("Default Resource", "hostclaims:read"),
        permission("kube-system", "hostclaims:read"),
        {"rsname": ["blue"], "scopes": ["hostclaims:read"]},
        {"rsname": "blue", "scopes": "hostclaims:read"},
        {"rsname": "blue", "scopes": {"hostclaims:read": True}},
        {"name": "blue", "scopes": ["hostclaims:read"]},
        {"rsid": "blue", "scopes": ["hostclaims:read"]},
        {},
    ],
)
def test_what_is_no_namespace_with_known_scopes_grants_nothing(found: dict[str, Any]) -> None:
    assert read(found) == []


@pytest.mark.parametrize("found", ["blue", 7, None, ["blue"], True])
def test_what_is_no_permission_at_all_is_an_error(found: object) -> None:
    with pytest.raises(ValueError, match="not a permission"):
        read(permission("blue", "hostclaims:read"), found)
