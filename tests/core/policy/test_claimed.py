"""What a token grants: values that a pattern fits, in namespaces that a token may name."""

import pytest

from proxy.core.policy import ROLES, ClaimGrant, ClaimGrants, Effect, Role, Rule
from tests.identities import make_identity

PATHS = ClaimGrant("corp", "groups", "/tenants/{namespace}/{role}")


def rules(grant: ClaimGrant, *values: str, issuer: str = "corp") -> list[Rule]:
    identity = make_identity(issuer=issuer, claims={grant.claim: values})
    return list(ClaimGrants([grant]).rules_for(identity))


def granted(grant: ClaimGrant, *values: str) -> dict[tuple[str, ...], Role]:
    roles = {permissions: role for role, permissions in ROLES.items()}
    return {rule.namespaces: roles[rule.permissions] for rule in rules(grant, *values)}


@pytest.mark.parametrize(
    ("pattern", "role", "value", "namespace", "granted_role"),
    [
        ("{namespace}", Role.EDITOR, "blue-dev", "blue-dev", Role.EDITOR),
        ("{namespace}", Role.VIEWER, "blue-dev", "blue-dev", Role.VIEWER),
        ("{namespace}:{role}", None, "blue-dev:viewer", "blue-dev", Role.VIEWER),
        ("{role}-{namespace}", None, "editor-viewer-x", "viewer-x", Role.EDITOR),
        ("{namespace}-{role}", None, "blue-viewer-editor", "blue-viewer", Role.EDITOR),
        ("/t.+/{namespace}/{role}", None, "/t.+/blue/editor", "blue", Role.EDITOR),
        ("/tenants/{namespace}/{role}", None, "/tenants/blue/viewer", "blue", Role.VIEWER),
    ],
)
def test_a_value_that_fits_names_a_namespace_and_a_role(
    pattern: str, role: Role | None, value: str, namespace: str, granted_role: Role
) -> None:
    grant = ClaimGrant("corp", "groups", pattern, role)
    assert granted(grant, value) == {(namespace,): granted_role}


@pytest.mark.parametrize(
    "value",
    [
        "",
        "/tenants/blue",
        "/tenants/blue/admin",
        "/tenants/blue/Editor",
        "/tenants/blue/editor/",
        "/tenants/blue/editor\n",
        "x/tenants/blue/editor",
        "/tenants//editor",
        "/tenants/*/editor",
        "/tenants/blue-*/editor",
        "/tenants/Blue/editor",
        "/tenants/-blue/editor",
        "/tenants/a/b/editor",
        "/tenants/kube-system/editor",
        f"/tenants/{'a' * 64}/editor",
        "/tenants/blue-d\u0435v/editor",
    ],
)
def test_a_value_that_does_not_fit_grants_nothing(value: str) -> None:
    assert rules(PATHS, value) == []


def test_the_rest_of_a_pattern_is_as_it_is_written() -> None:
    assert rules(ClaimGrant("corp", "groups", "/t.+/{namespace}", Role.EDITOR), "/teams/blue") == []


def test_a_grant_goes_no_further_than_it_may() -> None:
    grant = ClaimGrant("corp", "ns", "{namespace}", Role.EDITOR, ("blue-*", "red"))
    values = ("blue-dev", "blue", "red", "red-dev", "green")
    assert list(granted(grant, *values)) == [("blue-dev",), ("red",)]


def test_a_claim_of_another_issuer_or_another_claim_means_nothing() -> None:
    assert rules(PATHS, "/tenants/blue/editor", issuer="lab") == []
    roles = {"resource_access.hostclaim-proxy.roles": ("/tenants/blue/editor",)}
    assert list(ClaimGrants([PATHS]).rules_for(make_identity(claims=roles))) == []


def test_a_claim_may_lie_inside_an_object() -> None:
    claim = "resource_access.hostclaim-proxy.roles"
    grant = ClaimGrant("corp", claim, "{namespace}:{role}")
    assert granted(grant, "blue:editor") == {("blue",): Role.EDITOR}


def test_a_rule_tells_which_value_made_it() -> None:
    (rule,) = rules(PATHS, "/tenants/blue/editor", "/tenants/blue/editor")
    assert rule.effect is Effect.ALLOW
    assert str(rule.origin) == "corp: claim groups /tenants/blue/editor"


def test_claims_of_several_grants_add_up() -> None:
    names = ClaimGrant("corp", "groups", "{namespace}", Role.VIEWER)
    other = ClaimGrant("lab", "groups", "{namespace}", Role.VIEWER)
    grants = ClaimGrants([PATHS, names, other])
    identity = make_identity(claims={"groups": ("red", "/tenants/blue/editor")})
    assert [rule.namespaces for rule in grants.rules_for(identity)] == [("blue",), ("red",)]
    assert [grants.concern(issuer) for issuer in ("corp", "lab", "else")] == [True, True, False]


@pytest.mark.parametrize(
    ("claim", "pattern", "role", "said"),
    [
        ("", "{namespace}", Role.EDITOR, "`` is not the name of a claim"),
        ("a..b", "{namespace}", Role.EDITOR, "`a..b` is not the name of a claim"),
        ("groups", "/tenants", Role.EDITOR, "pattern must have `{namespace}` once"),
        ("groups", "{namespace}{namespace}", Role.EDITOR, "pattern must have `{namespace}` once"),
        ("groups", "{role}{namespace}{role}", None, "must not have `{role}` more than once"),
        ("groups", "{namespace}", None, "give one of `{role}` in the pattern and `role`"),
        ("groups", "{namespace}/{role}", Role.EDITOR, "give one of `{role}` in the pattern"),
        ("groups", "{tenant}/{namespace}", Role.EDITOR, "`{tenant}` is neither"),
        ("groups", "{{namespace}}", Role.EDITOR, "`{` is neither"),
        ("groups", "{namespace}/{}", Role.EDITOR, "`{}` is neither"),
    ],
)
def test_a_pattern_that_could_mean_nothing_or_two_things_is_an_error(
    claim: str, pattern: str, role: Role | None, said: str
) -> None:
    with pytest.raises(ValueError, match=said.replace("{", r"\{")):
        ClaimGrant("corp", claim, pattern, role)
