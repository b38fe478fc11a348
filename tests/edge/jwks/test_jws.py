"""What of one token is believed, and when."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.core.errors import Unauthenticated
from proxy.core.identity import IssuerRules
from proxy.core.wire import Fields, Headers, RawRequest
from proxy.edge.jwks import IssuerConfig, jws
from proxy.edge.jwks.keys import read_keys
from tests.edge.jwks.issuers import NOW, SigningKey, asking

KEY = SigningKey.generate("k1")
CONFIG = IssuerConfig(
    rules=IssuerRules(name="corp", url="https://iam", audiences=("hostclaim-proxy",)),
    algorithms=("ES256",),
)
ES256 = jwt.get_algorithm_by_name("ES256")
KEYS = read_keys({"keys": [KEY.jwk()]}, CONFIG.algorithms)
CLAIMS: dict[str, Any] = {
    "iss": "https://iam",
    "aud": "hostclaim-proxy",
    "sub": "alice",
    "iat": int(NOW),
    "exp": int(NOW) + 300,
}


def segment(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def forged(header: Any, claims: Any, signature: bytes = b"x" * 64) -> str:
    return ".".join(map(segment, (header, claims, signature)))


def check(token: str) -> Mapping[str, Any]:
    return jws.verify(jws.read(jws.compact(jws.bearer(asking(token)))), CONFIG, KEYS).claims


def test_a_signed_token_yields_its_header_and_claims() -> None:
    token = KEY.sign(CLAIMS)
    signed = jws.verify(jws.read(token), CONFIG, KEYS)
    assert signed.claims == CLAIMS
    assert signed.header == {"alg": "ES256", "kid": "k1", "typ": "JWT"}
    assert signed.digest == jws.digest(token)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer "])
def test_the_scheme_is_bearer_in_any_case(scheme: str) -> None:
    token = KEY.sign(CLAIMS)
    assert jws.bearer(asking(token, scheme)) == token


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ((), "send `Authorization: Bearer TOKEN`"),
        (("",), "only bearer tokens"),
        (("Basic YWxpY2U6c2VjcmV0",), "only bearer tokens"),
        (("Negotiate abc",), "only bearer tokens"),
        (("a.b.c",), "only bearer tokens"),
        (("Bearer",), "not a signed JWT"),
        (("Bearer\ta.b.c",), "only bearer tokens"),
        (("Bearer a.b.c, Bearer d.e.f",), "not a signed JWT"),
        (("Bearer a.b.c d.e.f",), "not a signed JWT"),
        (("Bearer opaque",), "not a signed JWT"),
        (("Bearer a.b",), "not a signed JWT"),
        (("Bearer a.b.c.d.e",), "not a signed JWT"),
        (("Bearer a.b.c=",), "not a signed JWT"),
        (("Bearer a..c",), "not a signed JWT"),
        (("Bearer a.b.",), "not a signed JWT"),
        (("Bearer a.b.é",), "not a signed JWT"),
        (("Bearer a.b.c\n",), "not a signed JWT"),
        (("Bearer a.b." + "c" * jws.MAX_TOKEN,), "more than 16384 characters"),
        (("Bearer a.b.c", "Bearer a.b.c"), "must be sent once"),
        (("Bearer a.b.c", "Basic x"), "must be sent once"),
    ],
)
def test_anything_but_one_bearer_token_is_refused(values: tuple[str, ...], why: str) -> None:
    headers = tuple(("aUTHORIZATION", value) for value in values)
    with pytest.raises(Unauthenticated, match=why):
        jws.compact(jws.bearer(RawRequest("GET", "/version", Fields(headers))))


@pytest.mark.parametrize("headers", [(), (("Authorization", "Bearer " + "x" * 16_385),)])
def test_nothing_is_done_with_what_is_too_long_or_not_there(headers: Headers) -> None:
    with pytest.raises(Unauthenticated):
        jws.bearer(RawRequest("GET", "/version", Fields(headers)))


@pytest.mark.parametrize("text", ["a.b.é", "a.b.\ud800", ""])
def test_whatever_was_sent_has_a_digest_of_its_own(text: str) -> None:
    assert len({jws.digest(each) for each in (text, text + "?", "a.b.c", "a.b.\udfff")}) == 4


@pytest.mark.parametrize(
    "raw",
    [
        RawRequest("GET", "/version?access_token=a.b.c"),
        RawRequest(
            "GET", "/", Fields((("Sec-WebSocket-Protocol", "base64url.bearer.k8s.io.YS5iLmM"),))
        ),
        RawRequest("GET", "/", Fields((("Cookie", "token=a.b.c"),))),
        RawRequest("GET", "/", Fields((("Proxy-Authorization", "Bearer a.b.c"),))),
        RawRequest("GET", "/", Fields((("X-Forwarded-Access-Token", "a.b.c"),))),
    ],
)
def test_a_token_in_any_other_place_counts_for_nothing(raw: RawRequest) -> None:
    with pytest.raises(Unauthenticated, match="no credentials"):
        jws.bearer(raw)


@pytest.mark.parametrize(
    "token",
    [
        "a.b.c",
        forged(b"{", CLAIMS),
        forged(b"\xff\xfe", CLAIMS),
        forged([], CLAIMS),
        forged("ES256", CLAIMS),
        forged(None, CLAIMS),
        forged({"kid": "k1"}, CLAIMS),
        forged({"alg": None, "kid": "k1"}, CLAIMS),
        forged({"alg": ["ES256"], "kid": "k1"}, CLAIMS),
        forged({"alg": "ES256", "kid": 7}, CLAIMS),
        forged({"alg": "ES256", "kid": ["k1"]}, CLAIMS),
        forged({"alg": "ES256", "kid": "k1"}, b"not json"),
        forged({"alg": "ES256", "kid": "k1"}, [CLAIMS]),
        forged({"alg": "ES256", "kid": "k1"}, {}),
        forged({"alg": "ES256", "kid": "k1"}, {"iss": ["https://iam"]}),
        forged({"alg": "ES256", "kid": "k1"}, b"[" * 8_000),
        forged(b'{"a":' * 1_800, CLAIMS),
        forged({"alg": "ES256", "kid": "k1"}, b'{"exp":' + b"1" * 8_000 + b"}"),
    ],
)
def test_a_token_that_cannot_be_read_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated):
        check(token)


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "RS256", "ES384", "es256", ""])
def test_an_algorithm_that_is_not_the_issuers_is_refused(algorithm: str) -> None:
    with pytest.raises(Unauthenticated, match="`alg` is not one of ES256"):
        check(forged({"alg": algorithm, "kid": "k1"}, CLAIMS))


def test_a_changed_token_is_refused() -> None:
    header, _, signature = KEY.sign(CLAIMS).split(".")
    with pytest.raises(Unauthenticated, match="signature is not that of issuer `corp`"):
        check(f"{header}.{segment(CLAIMS | {'sub': 'mallory'})}.{signature}")


def test_a_key_that_the_token_brings_is_not_used() -> None:
    mallory = SigningKey("k1", "ES256", SigningKey.generate("k1").private)
    brought = {"jwk": mallory.jwk(), "jku": "https://evil/keys", "x5u": "https://evil/x"}
    with pytest.raises(Unauthenticated, match="signature"):
        check(mallory.sign(CLAIMS, **brought))


@pytest.mark.parametrize(
    ("claim", "value", "why"),
    [
        ("aud", "other", "`aud`"),
        ("aud", 7, "`aud`"),
        ("sub", 7, "malformed"),
        ("jti", 7, "malformed"),
        *((claim, None, f"claim `{claim}` is missing") for claim in ("exp", "iat", "aud", "sub")),
    ],
)
def test_a_signed_claim_of_the_wrong_kind_is_refused(claim: str, value: Any, why: str) -> None:
    with pytest.raises(Unauthenticated, match=why):
        check(KEY.sign(CLAIMS | {claim: value}))


def test_a_token_of_another_issuer_with_the_same_key_is_refused() -> None:
    text = KEY.sign(CLAIMS | {"iss": "https://other"})
    with pytest.raises(Unauthenticated, match="malformed"):
        jws.verify(jws.UnverifiedToken({}, "https://iam", "ES256", "k1", text), CONFIG, KEYS)


def test_a_critical_extension_is_refused() -> None:
    with pytest.raises(Unauthenticated, match="malformed"):
        check(KEY.sign(CLAIMS, crit=["exp"], exp=1))


def test_a_token_need_not_name_its_key_where_there_is_one() -> None:
    assert check(KEY.sign(CLAIMS, kid=None)) == CLAIMS


@pytest.mark.parametrize("kid", ["k2", "", None])
def test_a_token_of_a_key_not_seen_yet_is_told_apart(kid: str | None) -> None:
    with pytest.raises(jws.UnknownKeyError):
        check(SigningKey.generate("k2").sign(CLAIMS, kid=kid))


def test_no_refusal_repeats_what_the_token_says() -> None:
    secret = "s3cr3t"
    for token in (
        KEY.sign(CLAIMS | {"aud": secret}),
        KEY.sign(CLAIMS | {"iss": secret}),
        KEY.sign(CLAIMS, crit=[secret], **{secret: 1}),
        KEY.sign(CLAIMS, kid=secret),
        forged({"alg": secret}, CLAIMS),
    ):
        with pytest.raises(Unauthenticated) as refused:
            check(token)
        assert secret not in refused.value.message
        assert token not in repr(jws.read(token))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
HEADERS = st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "zip"]), JSON)
USUAL = {"alg": "ES256", "kid": "k1"}


@SLOW
@given(HEADERS.map(lambda odd: USUAL | odd), JSON | st.just(CLAIMS), st.binary(min_size=1))
def test_whatever_is_unsigned_is_a_401(header: Any, claims: Any, signature: bytes) -> None:
    with pytest.raises(Unauthenticated):
        check(forged(header, claims, signature))


@SLOW
@given(st.text(st.characters(max_codepoint=0x17F)) | st.from_regex(r"[\w.=-]+"))
def test_whatever_is_no_token_is_a_401(text: str) -> None:
    with pytest.raises(Unauthenticated):
        check(text)


@SLOW
@given(st.dictionaries(st.sampled_from([*CLAIMS, "nbf", "jti"]), JSON), HEADERS)
def test_whatever_is_signed_is_read_or_a_401(odd: dict[str, Any], header: dict[str, Any]) -> None:
    head, body = segment(USUAL | header), segment(CLAIMS | odd)
    signature = segment(ES256.sign(f"{head}.{body}".encode(), KEY.private))
    try:
        claims = check(f"{head}.{body}.{signature}")
    except Unauthenticated:
        return
    assert claims["iss"] == "https://iam"
