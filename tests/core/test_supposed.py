"""Somebody who is described is read as a token would be."""

from typing import Any

import pytest

from proxy.core.errors import Unauthenticated
from proxy.core.identity import IssuerRules, OidcNaming, ServiceAccountNaming
from proxy.core.policy.model import Subject
from proxy.core.supposed import UNNAMED, Supposed, called, exemplify, identify

CORP = IssuerRules(
    name="corp",
    url="https://iam.example/realms/corp",
    audiences=("hostclaim-proxy",),
    naming=OidcNaming(
        username_claim="email", groups_claim="realm_access.roles", authorized_parties=("kubectl",)
    ),
    required_claims={"tenant": "yes"},
)
CLUSTER = IssuerRules(
    name="green", url="https://green.example", audiences=("p",), naming=ServiceAccountNaming()
)


def test_what_policies_go_by_is_as_described() -> None:
    found = identify(
        Supposed(
            issuer="corp",
            username="alice",
            groups=("/tenants/blue",),
            client="capm3",
            claims={"lab.teams": ("lab-1", "lab-2")},
        )
    )
    assert (found.issuer, found.username, found.groups, found.client) == (
        "corp",
        "alice",
        ("/tenants/blue",),
        "capm3",
    )
    assert found.claims["lab.teams"] == ("lab-1", "lab-2")
    assert found.claims["groups"] == ("/tenants/blue",)


def test_the_issuers_naming_says_where_names_stand() -> None:
    found = identify(Supposed(issuer="corp", username="a@b.example", groups=("leaser",)), CORP)
    assert (found.username, found.groups) == ("a@b.example", ("leaser",))
    assert found.claims["realm_access.roles"] == ("leaser",)
    assert found.claims["iss"] == (CORP.url,)


@pytest.mark.parametrize(
    ("rules", "claim", "username"),
    [(None, "sub", UNNAMED), (None, "preferred_username", "f3b1"), (CORP, "email", "f3b1")],
)
def test_a_name_may_be_given_by_its_claim(rules: Any, claim: str, username: str) -> None:
    found = identify(Supposed(issuer="corp", claims={claim: ("f3b1",)}), rules)
    assert (found.username, found.claims[claim]) == (username, ("f3b1",))


@pytest.mark.parametrize("rules", [None, CLUSTER])
def test_a_service_account_is_one(rules: IssuerRules | None) -> None:
    found = identify(Supposed(issuer="green", service_account="capm3/manager"), rules)
    assert (found.service_account, found.username) == (
        "capm3/manager",
        "serviceaccount:capm3:manager",
    )
    assert (found.groups, found.client, dict(found.claims)) == ((), "", {})


def test_who_has_no_name_has_one_that_no_policy_can_write() -> None:
    assert identify(Supposed(issuer="corp")).username == UNNAMED
    with pytest.raises(ValueError, match="is in no token"):
        Subject.model_validate({"issuer": "corp", "user": UNNAMED})


@pytest.mark.parametrize(
    ("who", "rules", "reason"),
    [
        ({"groups": ("system:masters",)}, None, "begins with `system:`"),
        ({"username": "system:admin"}, None, "begins with `system:`"),
        ({"username": "a\nb"}, None, "printable"),
        ({"username": "alice"}, CLUSTER, "claim `sub` is not"),
        ({"claims": {"typ": ("Refresh",)}}, None, "claim `typ`"),
        ({"service_account": "a/b/c"}, CLUSTER, "claim `sub` is not"),
    ],
)
def test_nobody_is_supposed_whom_no_token_could_name(
    who: dict[str, Any], rules: IssuerRules | None, reason: str
) -> None:
    name = rules.name if rules else "corp"
    with pytest.raises(Unauthenticated, match=reason):
        identify(Supposed(issuer=name, **who), rules)


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        ({"groups": ("a",), "claims": {"groups": ("b",)}}, "claim `groups` is given twice"),
        ({"claims": {"iss": ("x",)}}, "claim `iss` is given twice"),
        ({"claims": {"a": ("x",), "a.b": ("y",)}}, "claim `a.b` is given twice"),
        ({"claims": {"a.b": ("x",), "a": ("y",)}}, "claim `a` is given twice"),
        ({"claims": {"a..b": ("x",)}}, "not the name of a claim"),
    ],
)
def test_claims_that_contradict_are_told(who: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        identify(Supposed(issuer="corp", **who))


def test_a_service_account_is_nothing_else() -> None:
    with pytest.raises(ValueError, match="a service account has no username"):
        Supposed(issuer="green", service_account="a/b", groups=("x",))


def test_a_provider_has_no_service_accounts() -> None:
    with pytest.raises(ValueError, match="is no cluster"):
        identify(Supposed(issuer="corp", service_account="a/b"), CORP)


@pytest.mark.parametrize(
    ("who", "name"),
    [
        (Supposed(issuer="corp", username="alice"), "corp:alice"),
        (Supposed(issuer="corp", groups=("/a",)), "corp:(no name)"),
    ],
)
def test_somebody_is_called_by_a_name_if_there_is_one(who: Supposed, name: str) -> None:
    assert called(identify(who)) == name


def test_an_example_of_a_token_is_read_as_a_token() -> None:
    told = {"iss": CORP.url, "aud": "hostclaim-proxy", "sub": "f3b1", "iat": 100, "exp": 400}
    told |= {"email": "a@example", "realm_access": {"roles": ["/a"]}, "azp": "kubectl"}
    found = exemplify(told | {"tenant": "yes"}, CORP, 200)
    assert (found.username, found.groups, found.client) == ("a@example", ("/a",), "kubectl")
    with pytest.raises(Unauthenticated, match="expired"):
        exemplify(told | {"tenant": "yes"}, CORP, 500)
    with pytest.raises(Unauthenticated, match="claim `tenant`"):
        exemplify(told, CORP, 200)
