"""What an issuer's word is worth, alone and beside a signature."""

from typing import Any

import pytest

from proxy.core import introspection
from proxy.core.errors import Unauthenticated
from proxy.core.identity import LEEWAY, Identity, SignedClaims, identify
from proxy.core.introspection import Told
from tests.core.test_identity import CLAIMS, DELETED, HEADER, NOW, naming, rules

ANSWER: dict[str, Any] = CLAIMS | {
    "active": True,
    "client_id": "kubectl",
    "token_type": "Bearer",
    "username": "alice",
}
RULES = naming(username_claim="preferred_username")


def without_deleted(claims: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if value is not DELETED}


def told(**claims: Any) -> Told:
    """What Keycloak tells of Alice's token, but for some."""
    return Told(without_deleted(ANSWER | claims), 500)


def signed(**claims: Any) -> SignedClaims:
    return SignedClaims(HEADER, without_deleted(CLAIMS | claims), "d1")


def confirmed(of_token: SignedClaims, answer: Told) -> Identity:
    return identify(RULES, introspection.confirmed(of_token, answer), NOW)


def test_an_answer_says_that_a_token_counts() -> None:
    assert introspection.read(ANSWER, 500) == told()


@pytest.mark.parametrize("answer", [{"active": False}, ANSWER | {"active": False}])
def test_of_a_token_that_does_not_count_nothing_is_read(answer: object) -> None:
    assert introspection.read(answer, 20) is None


@pytest.mark.parametrize(
    "answer",
    [None, [], "active", {}, CLAIMS, {"active": "true"}, {"active": 1}, {"active": 0}, [True]],
)
def test_what_does_not_say_whether_a_token_counts_is_no_answer(answer: object) -> None:
    with pytest.raises(ValueError, match="active"):
        introspection.read(answer, 20)


def test_what_is_told_alone_makes_an_identity() -> None:
    alice = identify(RULES, introspection.alone(HEADER, told(), "d1"), NOW)
    assert (alice.subject, alice.username, alice.client) == ("f3b1", "alice", "kubectl")
    assert (alice.groups, alice.token_id) == (tuple(CLAIMS["groups"]), CLAIMS["jti"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://iam.example/realms/other"},
        {"iss": DELETED},
        {"aud": "account"},
        {"aud": DELETED},
        {"typ": "Refresh"},
        {"typ": "ID"},
        {"typ": "Offline"},
        {"token_type": "Refresh"},
        {"token_type": "DPoP"},
        {"token_type": "N_A"},
        {"token_type": None},
        {"sub": DELETED},
        {"exp": DELETED},
        {"exp": NOW - LEEWAY},
        {"iat": DELETED},
        {"nbf": NOW + LEEWAY + 1},
        {"cnf": {"jkt": "x"}},
        {"events": {}},
        {"preferred_username": "system:admin"},
        {"groups": ["system:masters"]},
    ],
)
def test_what_is_told_alone_passes_every_check_of_a_token(wrong: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        identify(RULES, introspection.alone(HEADER, told(**wrong), "d1"), NOW)


def test_a_token_that_calls_itself_a_logout_token_is_none_whatever_is_told() -> None:
    with pytest.raises(Unauthenticated, match="header `typ`"):
        identify(RULES, introspection.alone({"typ": "logout+jwt"}, told(), "d1"), NOW)


def test_who_has_lost_a_group_since_the_token_was_signed_is_not_in_it() -> None:
    assert confirmed(signed(), told(groups=["/tenants/blue"])).groups == ("/tenants/blue",)
    assert confirmed(signed(), told(groups=DELETED)).groups == ()


def test_who_has_joined_a_group_since_the_token_was_signed_is_in_it() -> None:
    assert confirmed(signed(groups=DELETED), told(groups=["/new"])).groups == ("/new",)


def test_roles_and_other_claims_are_those_that_were_told() -> None:
    alice = confirmed(signed(team=["a"]), told(realm_access={"roles": ["viewer"]}))
    assert alice.claims["realm_access.roles"] == ("viewer",)
    assert "team" not in alice.claims


def test_a_claim_that_is_required_has_to_be_told() -> None:
    strict = rules(required_claims={"email": CLAIMS["email"]})
    identify(strict, introspection.confirmed(signed(email=DELETED), told()), NOW)
    with pytest.raises(Unauthenticated, match="`email`"):
        identify(strict, introspection.confirmed(signed(), told(email=DELETED)), NOW)


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", "https://iam.example/realms/other"),
        ("sub", "a9c2"),
        ("jti", "another"),
        ("typ", "Refresh"),
        ("sid", "s-2"),
        ("iat", NOW - 61),
        ("nbf", NOW - 61),
        ("azp", "grafana"),
        ("client_id", "grafana"),
        ("sub", ["f3b1"]),
    ],
)
def test_an_answer_that_contradicts_the_token_is_of_another(claim: str, value: object) -> None:
    login: dict[str, Any] = {"sid": "s-1", "nbf": NOW - 60}
    assert confirmed(signed(**login), told(**login)).session == "s-1"
    with pytest.raises(Unauthenticated, match=rf"`{claim}` is not what the issuer says"):
        confirmed(signed(**login), told(**login | {claim: value}))


@pytest.mark.parametrize("nobody", [DELETED, None])
def test_an_answer_that_does_not_say_whose_the_token_is_confirms_nothing(nobody: object) -> None:
    with pytest.raises(Unauthenticated, match="does not say whose"):
        confirmed(signed(), told(sub=nobody))


def test_what_an_answer_leaves_out_of_the_token_is_as_it_was_signed() -> None:
    least = Told({"active": True, "sub": CLAIMS["sub"], "preferred_username": "alice"}, 60)
    alice = confirmed(signed(sid="s-1"), least)
    assert (alice.client, alice.session, alice.token_id) == ("kubectl", "s-1", CLAIMS["jti"])
    assert (alice.expires, alice.groups) == (CLAIMS["exp"] + LEEWAY, ())


def test_a_token_that_names_its_client_otherwise_is_compared_by_that() -> None:
    token = signed(azp=DELETED, client_id="kubectl")
    assert confirmed(token, told(azp=DELETED)).client == ""
    with pytest.raises(Unauthenticated, match="`azp`"):
        confirmed(token, told(azp="grafana"))


def test_a_client_that_only_the_issuer_names_is_the_one() -> None:
    assert confirmed(signed(azp=DELETED), told()).client == "kubectl"


def test_a_token_for_us_that_is_so_no_longer_is_refused() -> None:
    with pytest.raises(Unauthenticated, match="`aud`"):
        confirmed(signed(), told(aud=["account"]))


@pytest.mark.parametrize(
    ("of_token", "of_answer", "expires"),
    [
        (NOW + 240, NOW + 240, NOW + 240),
        (NOW + 240, NOW + 10, NOW + 10),
        (NOW + 10, NOW + 240, NOW + 10),
        (NOW + 10, DELETED, NOW + 10),
    ],
)
def test_a_token_ends_when_the_first_of_both_says(
    of_token: object, of_answer: object, expires: float
) -> None:
    alice = confirmed(signed(exp=of_token), told(exp=of_answer))
    assert alice.expires == expires + LEEWAY


@pytest.mark.parametrize("weird", ["soon", True, [NOW], float("nan")])
def test_a_time_that_is_none_is_refused_whoever_tells_it(weird: object) -> None:
    for token, answer in ((signed(exp=weird), told()), (signed(), told(exp=weird))):
        with pytest.raises(Unauthenticated, match="`exp`"):
            confirmed(token, answer)


@pytest.mark.parametrize(
    "telling", [{"cnf": {"jkt": "x"}}, {"events": {}}, {"at_hash": "x"}, {"s_hash": "x"}]
)
def test_what_makes_a_token_another_kind_counts_wherever_it_is_told(
    telling: dict[str, Any],
) -> None:
    for token, answer in ((signed(**telling), told()), (signed(), told(**telling))):
        with pytest.raises(Unauthenticated):
            confirmed(token, answer)


def test_a_refresh_token_that_is_signed_without_a_type_is_known_by_the_issuer() -> None:
    with pytest.raises(Unauthenticated, match="bearer"):
        confirmed(signed(typ=DELETED), told(typ=DELETED, token_type="Refresh"))
    with pytest.raises(Unauthenticated, match="`typ`"):
        confirmed(signed(typ=DELETED), told(typ="Refresh"))
