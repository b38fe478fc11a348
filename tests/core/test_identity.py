"""What the claims of a verified token are worth."""

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.core.claims import MAX_TEXT, MAX_VALUES
from proxy.core.errors import Unauthenticated
from proxy.core.identity import (
    LEEWAY,
    Identity,
    IssuerRules,
    OidcNaming,
    SignedClaims,
    identify,
)

NOW = 1_800_000_000.0
HEADER = {"alg": "RS256", "kid": "k1", "typ": "JWT"}
CLAIMS: dict[str, Any] = {
    "iss": "https://iam.example/realms/metal",
    "aud": ["hostclaim-proxy", "account"],
    "sub": "f3b1",
    "azp": "kubectl",
    "typ": "Bearer",
    "jti": "onrtac:1f",
    "iat": NOW - 60,
    "exp": NOW + 240,
    "preferred_username": "alice",
    "email": "alice@blue.example",
    "groups": ["/tenants/blue", "/tenants/blue/admins"],
    "realm_access": {"roles": ["leaser", "offline_access"]},
}
DELETED = object()


def rules(**overrides: Any) -> IssuerRules:
    usual = {"name": "corp", "url": CLAIMS["iss"], "audiences": ("hostclaim-proxy",)}
    return IssuerRules(**usual | overrides)


def naming(**claims: Any) -> IssuerRules:
    """The usual rules, but for what names somebody."""
    return rules(naming=OidcNaming(**claims))


def read(
    issuer: IssuerRules | None = None, *, header: Mapping[str, Any] = HEADER, **claims: Any
) -> Identity:
    """Identify by the usual claims, but for some."""
    merged = {name: value for name, value in (CLAIMS | claims).items() if value is not DELETED}
    return identify(issuer or rules(), SignedClaims(header, merged, "d1"), NOW)


def test_a_good_token_yields_its_mapped_claims() -> None:
    alice = read(naming(username_claim="preferred_username"))
    assert (alice.issuer, alice.subject, alice.username) == ("corp", "f3b1", "alice")
    assert alice.groups == ("/tenants/blue", "/tenants/blue/admins")
    assert (alice.client, alice.service_account) == ("kubectl", "")
    assert (alice.expires, alice.token_id) == (NOW + 240 + LEEWAY, "onrtac:1f")
    assert alice.display == "corp:alice"


def test_the_name_is_the_subject_unless_set() -> None:
    assert read().username == "f3b1"


def test_an_identity_knows_when_and_in_which_login_its_token_was_made() -> None:
    alice = read(sid="s-1")
    assert (alice.issued, alice.session) == (NOW - 60, "s-1")


@pytest.mark.parametrize("sid", [None, 7, ["s-1"], "s" * 2000])
def test_what_cannot_be_the_id_of_a_login_is_none(sid: object) -> None:
    assert read(sid=sid).session == ""


def test_equal_subjects_of_two_issuers_are_two_people() -> None:
    assert read(rules(name="corp")) != read(rules(name="other"))


def test_only_identify_makes_an_identity() -> None:
    alice = read()
    fields = {name: getattr(alice, name) for name in Identity.__slots__}
    with pytest.raises(TypeError, match="only identity"):
        Identity(seal=None, **fields)  # type: ignore[arg-type] # the point of the test


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "logout+jwt"},
        {"typ": "secevent+jwt"},
        {"typ": "dpop+jwt"},
        {"typ": "application/"},
        {"typ": ""},
        {"typ": None},
        {"typ": ["JWT"]},
        {"typ": "JWT", "crit": ["b64"]},
        {"typ": "JWT", "crit": []},
        {"crit": None},
    ],
)
def test_a_header_that_is_not_of_an_access_token_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated, match="header `"):
        read(header=header)


@pytest.mark.parametrize(
    "typ", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT", DELETED]
)
def test_a_header_type_of_an_access_token_passes_in_any_spelling(typ: object) -> None:
    header = {"alg": "RS256"} if typ is DELETED else {"alg": "RS256", "typ": typ}
    assert read(header=header).subject == "f3b1"


NO_TIMES = [DELETED, None, "1800000000", True, math.nan, math.inf, -1, 10**4000, []]
REFUSED: list[tuple[str, str, list[Any]]] = [
    ("typ", "`typ`", ["Refresh", "ID", "Offline", "Logout", "DPoP", "bearer", "", 1, None]),
    ("at_hash", "ID token", ["x", None]),
    ("c_hash", "ID token", ["x"]),
    ("events", "`events`", [{"http://schemas.openid.net/event/backchannel-logout": {}}, None]),
    ("cnf", "`cnf`", [{"jkt": "x"}, {"x5t#S256": "x"}, None]),
    ("iss", "`iss`", [DELETED, None, "", CLAIMS["iss"] + "/", CLAIMS["iss"].upper(), 7]),
    ("iss", "`iss`", [[CLAIMS["iss"]]]),
    ("aud", "`aud`", [DELETED, None, "", [], "account", "hostclaim-proxy-2", "hostclaim-proxy "]),
    ("aud", "`aud`", [["account"], ["hostclaim-proxy", 7], {"hostclaim-proxy": 1}]),
    ("sub", "`sub` is missing", [DELETED, None, "", 7, ["f3b1"]]),
    ("exp", "`exp` is missing or not a time", NO_TIMES),
    ("exp", "expired", [NOW - LEEWAY, NOW - 3600, 0]),
    ("exp", "86400 seconds", [NOW + 100 * 365 * 86_400, NOW - 60 + 86_401, 253_402_300_799]),
    ("iat", "`iat` is missing or not a time", NO_TIMES),
    ("iat", "not valid yet", [NOW + LEEWAY + 1]),
    ("iat", "86400 seconds", [0, NOW - 86_400]),
    ("nbf", "`nbf` is not a time", NO_TIMES[1:]),
    ("nbf", "not valid yet", [NOW + LEEWAY + 1]),
]


@pytest.mark.parametrize(("claim", "why", "values"), REFUSED)
def test_a_claim_that_breaks_its_rule_is_refused(claim: str, why: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(Unauthenticated, match=why):
            read(**{claim: value})


@pytest.mark.parametrize(
    ("claim", "values"),
    [
        ("typ", [DELETED]),
        ("aud", ["hostclaim-proxy", ["hostclaim-proxy"], ["x", "hostclaim-proxy"]]),
        ("exp", [NOW - LEEWAY + 1, NOW - 60 + 86_400, NOW + 0.5]),
        ("iat", [NOW + LEEWAY, NOW - 60.5]),
        ("nbf", [DELETED, 0, NOW, NOW + LEEWAY]),
    ],
)
def test_a_claim_just_inside_its_rule_passes(claim: str, values: list[Any]) -> None:
    for value in values:
        assert read(**{claim: value}).subject == "f3b1"


def test_a_token_issued_after_it_expires_is_refused() -> None:
    with pytest.raises(Unauthenticated, match="86400 seconds"):
        read(iat=NOW + 10, exp=NOW + 10)


def test_the_longest_lifetime_is_the_issuers_own() -> None:
    with pytest.raises(Unauthenticated, match="200 seconds"):
        read(rules(max_lifetime=200))


@pytest.mark.parametrize("azp", ["grafana", "kubectl2", "", DELETED, None, ["kubectl"]])
def test_a_token_of_another_client_is_refused_where_clients_are_listed(azp: object) -> None:
    with pytest.raises(Unauthenticated, match="claim `azp` is not a client"):
        read(naming(authorized_parties=("kubectl", "capm3")), azp=azp)


def test_a_token_of_a_listed_client_passes() -> None:
    assert read(naming(authorized_parties=("capm3", "kubectl"))).client == "kubectl"
    assert read(azp=DELETED).client == ""


@pytest.mark.parametrize(
    ("name", "wanted", "passes"),
    [
        ("tier", "gold", True),
        ("tier", "silver", False),
        ("realm_access.roles", "leaser", True),
        ("realm_access.roles", "lease", False),
        ("realm_access", "leaser", False),
        ("realm_access.roles.leaser", "leaser", False),
        (r"acme\.io/site", "gold", True),
        ("acme.io/site", "gold", False),
        ("paid", "true", False),
        ("nowhere", "", False),
    ],
)
def test_a_required_claim_is_the_string_or_contains_it(
    name: str, wanted: str, *, passes: bool
) -> None:
    held: dict[str, Any] = {"tier": "gold", "acme.io/site": "gold", "paid": True}
    if passes:
        assert read(rules(required_claims={name: wanted}), **held).subject == "f3b1"
        return
    with pytest.raises(Unauthenticated, match="required here"):
        read(rules(required_claims={name: wanted}), **held)


@pytest.mark.parametrize(
    "name",
    [
        "system:admin",
        "system:serviceaccount:kube-system:deployer",
        "System:Masters",
        " system:masters",
        "\u017fystem:masters",
        "\uff53ystem:masters",
        "system\uff1amasters",
    ],
)
@pytest.mark.parametrize("claim", ["preferred_username", "sub", "azp", "groups"])
def test_a_name_of_kubernetes_own_is_refused_with_its_whole_token(claim: str, name: str) -> None:
    value: Any = ["/tenants/blue", name] if claim == "groups" else name
    with pytest.raises(Unauthenticated, match=f"`{claim}` holds a name that begins with `system:`"):
        read(naming(username_claim="preferred_username"), **{claim: value})


@pytest.mark.parametrize(
    "name",
    ["a\nb", "a\x00", "\x1b[2J", "a\u202eb", "\u200bsystem:x", "\ud800", "x" * (MAX_TEXT + 1), " "],
)
@pytest.mark.parametrize("claim", ["preferred_username", "sub", "azp", "groups"])
def test_a_name_that_cannot_be_written_down_is_refused(claim: str, name: str) -> None:
    value: Any = ["/tenants/blue", name] if claim == "groups" else name
    with pytest.raises(Unauthenticated, match="printable"):
        read(naming(username_claim="preferred_username"), **{claim: value})


@pytest.mark.parametrize("name", [DELETED, None, "", 7, ["alice"], {"a": "b"}])
def test_a_token_without_its_name_claim_is_refused(name: object) -> None:
    with pytest.raises(Unauthenticated, match="claim `preferred_username`"):
        read(naming(username_claim="preferred_username"), preferred_username=name)


@pytest.mark.parametrize(
    "groups",
    ["/tenants/blue", {"a": "b"}, 7, ["a", 7], [["a"]], [""], [str(n) for n in range(1_001)]],
)
def test_groups_that_are_not_a_list_of_names_are_refused(groups: object) -> None:
    with pytest.raises(Unauthenticated, match="claim `groups`"):
        read(groups=groups)


def test_as_many_groups_as_are_read_are_read_each_once() -> None:
    many = [f"g{number}" for number in range(MAX_VALUES - 1)]
    assert read(groups=[*many, "g0"]).groups == tuple(many)


@pytest.mark.parametrize("groups", [DELETED, None, []])
def test_a_token_may_have_no_groups(groups: object) -> None:
    assert read(groups=groups).groups == ()


def test_groups_may_lie_inside_another_claim() -> None:
    assert read(naming(groups_claim="realm_access.roles")).groups == ("leaser", "offline_access")


@pytest.mark.parametrize(("verified", "passes"), [(True, True), (DELETED, True), (False, False)])
def test_an_unverified_address_is_nobodys_name(verified: object, *, passes: bool) -> None:
    by_email = naming(username_claim="email")
    if passes:
        assert read(by_email, email_verified=verified).username == "alice@blue.example"
        return
    with pytest.raises(Unauthenticated, match="email_verified"):
        read(by_email, email_verified=verified)


def test_claims_keep_strings_and_lists_of_strings_by_their_path() -> None:
    held: dict[str, Any] = {"site.a": "oslo", "deep": {"x.y": ["1", "2"]}, "n": 7, "flags": [True]}
    claims = read(**held).claims
    assert claims["email"] == ("alice@blue.example",)
    assert claims["realm_access.roles"] == ("leaser", "offline_access")
    assert claims[r"site\.a"] == ("oslo",)
    assert claims[r"deep.x\.y"] == ("1", "2")
    assert not {"n", "flags", "exp", "deep"} & claims.keys()


def test_claims_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        read().claims["groups"] = ()  # type: ignore[index] # the point of the test


@pytest.mark.parametrize(
    "value", ["a\nb", "x" * (MAX_TEXT + 1), ["fine", "\x00"], ["x"] * (MAX_VALUES + 1)]
)
def test_a_claim_that_cannot_be_written_down_is_left_out(value: object) -> None:
    assert "site" not in read(site=value).claims


def test_a_claim_whose_path_could_be_anothers_is_left_out() -> None:
    forged: dict[str, Any] = {"a\\": {"b": "mine"}}
    assert read(**forged).claims.keys() == read().claims.keys()


def test_claims_in_claims_are_read_to_a_bounded_depth() -> None:
    nested: Any = "x"
    for _ in range(500):
        nested = {"k": nested}
    assert not any(name.startswith("k") for name in read(k=nested).claims)


@pytest.mark.parametrize("jti", [DELETED, None, "", 7, "a\nb", "x" * (MAX_TEXT + 1)])
def test_a_token_without_a_sane_id_is_known_by_its_digest(jti: object) -> None:
    assert read(jti=jti).token_id == "d1"


@pytest.mark.parametrize(
    "broken",
    [
        {"name": ""},
        {"name": "system"},
        {"name": "Corp"},
        {"name": "corp:x"},
        {"name": "x" * 64},
        {"url": ""},
        {"audiences": ()},
        {"audiences": ("",)},
        {"max_lifetime": 0},
        {"max_lifetime": math.nan},
        {"max_lifetime": math.inf},
        {"required_claims": {"": "x"}},
    ],
)
def test_rules_that_would_let_anybody_in_are_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"issuer|claim"):
        rules(**broken)


@pytest.mark.parametrize(
    "broken",
    [{"username_claim": ""}, {"groups_claim": "a..b"}, {"client_claim": ".azp"}],
)
def test_a_claim_that_names_somebody_has_a_name(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not the name of a claim"):
        OidcNaming(**broken)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*CLAIMS, "nbf", "cnf", "x"]), JSON))
def test_whatever_the_claims_are_the_end_is_an_identity_or_a_401(claims: dict[str, Any]) -> None:
    with suppress(Unauthenticated):
        somebody = read(**claims)
        named = (somebody.subject, somebody.username, somebody.client, *somebody.groups)
        assert all(name.isprintable() for name in named)
