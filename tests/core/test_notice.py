"""Which notices of an issuer end something, and what."""

from typing import Any

import pytest

from proxy.core.errors import BadRequest
from proxy.core.identity import LEEWAY
from proxy.core.notice import FRESH, LOGOUT_EVENT, SignedNotice, read_logout, read_push
from proxy.core.revocation import SessionEnded, SubjectEnded, TokensEnded
from tests.core.test_identity import DELETED, NOW

URL = "https://iam.example/realms/metal"
OURS = frozenset({"hostclaim-proxy"})
LOGOUT: dict[str, Any] = {
    "iss": URL,
    "aud": "kubectl",
    "sub": "f3b1",
    "sid": "s-1",
    "typ": "Logout",
    "jti": "1e66",
    "iat": NOW - 1,
    "exp": NOW + 119,
    "events": {LOGOUT_EVENT: {}},
}
PUSH: dict[str, Any] = {
    "id": "af0f-1",
    "expiration": NOW + 30,
    "resource": "kubectl",
    "action": "PUSH_NOT_BEFORE",
    "notBefore": NOW,
}


def signed(usual: dict[str, Any], header: dict[str, Any], **claims: Any) -> SignedNotice:
    said = {name: value for name, value in (usual | claims).items() if value is not DELETED}
    return SignedNotice("corp", URL, header, said)


def logout(typ: object = "logout+jwt", **claims: Any) -> SignedNotice:
    return signed(LOGOUT, {"alg": "RS256", "typ": typ}, **claims)


def push(**claims: Any) -> SignedNotice:
    return signed(PUSH, {"alg": "RS256", "typ": "JWT"}, **claims)


def test_a_logout_token_ends_the_session_for_its_client() -> None:
    kubectl = frozenset({"kubectl"})
    ended = SessionEnded("corp", kubectl, "s-1", "f3b1", NOW - 1)
    assert read_logout(logout(), OURS, NOW) == ended
    nobodys = SessionEnded("corp", kubectl, "s-1", "", NOW - 1)
    for nobody in (DELETED, None):
        assert read_logout(logout(sub=nobody), OURS, NOW) == nobodys


def test_without_a_session_all_of_the_subject_end_that_were_there() -> None:
    ended = SubjectEnded("corp", frozenset({"kubectl"}), "f3b1", NOW - 1)
    assert read_logout(logout(sid=DELETED), OURS, NOW) == ended
    assert read_logout(logout(sid=None), OURS, NOW) == ended


def test_a_logout_token_for_several_clients_ends_what_each_holds() -> None:
    ended = read_logout(logout(aud=["kubectl", "capm3"]), OURS, NOW)
    assert ended.clients == frozenset({"kubectl", "capm3"})


@pytest.mark.parametrize("aud", ["hostclaim-proxy", ["kubectl", "hostclaim-proxy"]])
def test_a_logout_token_for_the_proxy_ends_what_anybody_holds(aud: object) -> None:
    assert read_logout(logout(aud=aud), OURS, NOW).clients is None


@pytest.mark.parametrize("typ", ["logout+jwt", "LOGOUT+JWT", "application/logout+jwt", "JWT"])
def test_a_logout_token_is_known_by_its_header_or_says_nothing_there(typ: str) -> None:
    read_logout(logout(typ), OURS, NOW)
    read_logout(signed(LOGOUT, {"alg": "RS256"}, typ=DELETED), OURS, NOW)


@pytest.mark.parametrize("typ", ["at+jwt", "secevent+jwt", "", None, 7])
def test_another_kind_by_its_header_is_no_logout_token(typ: object) -> None:
    with pytest.raises(BadRequest, match="header `typ`"):
        read_logout(logout(typ), OURS, NOW)


def test_an_extension_that_is_not_known_is_refused() -> None:
    for header in ({"typ": "logout+jwt", "crit": ["x"]}, {"typ": "JWT", "crit": ["x"]}):
        with pytest.raises(BadRequest, match="header `typ`"):
            read_logout(signed(LOGOUT, header), OURS, NOW)
        with pytest.raises(BadRequest, match="header `typ`"):
            read_push(signed(PUSH, header), OURS, NOW)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"typ": "Bearer"}, "`typ`"),
        ({"typ": "ID"}, "`typ`"),
        ({"events": DELETED}, "`events`"),
        ({"events": {}}, "`events`"),
        ({"events": []}, "`events`"),
        ({"events": LOGOUT_EVENT}, "`events`"),
        ({"events": {LOGOUT_EVENT: True}}, "`events`"),
        ({"events": {"https://other": {}}}, "`events`"),
        ({"nonce": "n"}, "`nonce`"),
        ({"nonce": None}, "`nonce`"),
        ({"iss": "https://iam.example/realms/other"}, "`iss`"),
        ({"iss": DELETED}, "`iss`"),
        ({"aud": DELETED}, "`aud`"),
        ({"aud": []}, "`aud`"),
        ({"aud": ""}, "`aud`"),
        ({"aud": [""]}, "`aud`"),
        ({"aud": ["kubectl", 7]}, "`aud`"),
        ({"aud": 7}, "`aud`"),
        ({"jti": DELETED}, "`jti`"),
        ({"jti": ""}, "`jti`"),
        ({"jti": 7}, "`jti`"),
        ({"iat": DELETED}, "`iat` and `exp`"),
        ({"exp": DELETED}, "`iat` and `exp`"),
        ({"iat": "now"}, "`iat` and `exp`"),
        ({"exp": True}, "`iat` and `exp`"),
        ({"iat": NOW - FRESH}, "not of now"),
        ({"iat": NOW + LEEWAY + 1}, "not of now"),
        ({"exp": NOW - LEEWAY}, "not of now"),
        ({"sid": DELETED, "sub": DELETED}, "neither a session nor a subject"),
        ({"sid": ""}, "neither a session nor a subject"),
        ({"sid": 7}, "neither a session nor a subject"),
        ({"sub": ["f3b1"]}, "neither a session nor a subject"),
        ({"sid": DELETED, "sub": ""}, "neither a session nor a subject"),
    ],
)
def test_what_is_not_all_of_a_logout_token_ends_nothing(claims: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        read_logout(logout(**claims), OURS, NOW)


@pytest.mark.parametrize("action", ["PUSH_NOT_BEFORE", "LOGOUT"])
def test_a_push_ends_the_tokens_of_a_client_that_are_older(action: str) -> None:
    ended = TokensEnded("corp", frozenset({"kubectl"}), NOW)
    assert read_push(push(action=action), OURS, NOW) == ended


def test_a_push_to_the_proxys_own_client_ends_the_tokens_of_all() -> None:
    assert read_push(push(resource="hostclaim-proxy"), OURS, NOW).clients is None


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"action": DELETED}, "`action`"),
        ({"action": "TEST_AVAILABILITY"}, "`action`"),
        ({"expiration": DELETED}, "`expiration`"),
        ({"expiration": NOW - LEEWAY}, "`expiration`"),
        ({"expiration": NOW + FRESH}, "`expiration`"),
        ({"expiration": "soon"}, "`expiration`"),
        ({"notBefore": DELETED}, "`notBefore`"),
        ({"notBefore": 0}, "`notBefore`"),
        ({"notBefore": True}, "`notBefore`"),
        ({"notBefore": NOW + LEEWAY + 1}, "`notBefore`"),
        ({"resource": DELETED}, "`resource`"),
        ({"resource": ""}, "`resource`"),
        ({"resource": ["kubectl"]}, "`resource`"),
    ],
)
def test_what_is_not_all_of_a_push_ends_nothing(claims: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        read_push(push(**claims), OURS, NOW)


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "typ", "azp", "iat", "exp"])
def test_a_token_to_which_the_claims_of_a_push_were_added_ends_nothing(claim: str) -> None:
    """Who may write a client's mappers must not be able to end everybody's tokens by it."""
    with pytest.raises(BadRequest, match="whose or what token"):
        read_push(push(**{claim: "hostclaim-proxy"}), OURS, NOW)


def test_neither_is_taken_for_the_other() -> None:
    with pytest.raises(BadRequest):
        read_push(logout(), OURS, NOW)
    with pytest.raises(BadRequest):
        read_logout(push(), OURS, NOW)


def test_an_access_token_ends_nothing() -> None:
    access = {"iss": URL, "aud": "hostclaim-proxy", "sub": "f3b1", "typ": "Bearer", "sid": "s-1"}
    times = {"iat": NOW - 1, "exp": NOW + 100, "jti": "x"}
    token = SignedNotice("corp", URL, {"typ": "JWT"}, access | times)
    for read in (read_logout, read_push):
        with pytest.raises(BadRequest):
            read(token, OURS, NOW)
