"""Which keys of a key set are used, and for what."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.edge.jwks.keys import ALGORITHMS, KeySet, KeySetError, read_keys
from tests.edge.jwks.issuers import SigningKey

RSA = SigningKey.generate("r1", "RS256")
EC = SigningKey.generate("e1", "ES256")


def read(*keys: Any, algorithms: tuple[str, ...] = ("RS256", "ES256")) -> KeySet:
    return read_keys({"keys": list(keys)}, algorithms)


def names(keys: KeySet) -> list[tuple[str | None, str]]:
    return [(key.kid, key.algorithm) for key in keys.keys]


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_every_algorithm_finds_its_key(algorithm: str) -> None:
    key = SigningKey.generate("k1", algorithm)
    assert names(read(key.jwk(), algorithms=(algorithm,))) == [("k1", algorithm)]


def test_a_keys_own_algorithm_binds_it() -> None:
    keys = read(RSA.jwk(alg="PS256"), EC.jwk(), algorithms=("RS256", "PS256", "ES256"))
    assert keys.find("r1", "RS256") is None
    assert keys.find("r1", "PS256") is not None


def test_a_key_that_names_no_algorithm_serves_those_that_fit_it() -> None:
    keys = read(RSA.jwk(alg=None), EC.jwk(alg=None), algorithms=("RS256", "PS512", "ES256"))
    assert names(keys) == [("r1", "RS256"), ("r1", "PS512"), ("e1", "ES256")]


def weak_rsa(bits: int, exponent: int = 65537) -> dict[str, Any]:
    numbers = rsa.RSAPublicNumbers(exponent, 2 ** (bits - 1) + 1)
    public = {"n": numbers.n, "e": numbers.e}
    return {"kty": "RSA", "kid": "w"} | {
        name: base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))
        .decode()
        .rstrip("=")
        for name, value in public.items()
    }


@pytest.mark.parametrize(
    "unusable",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "s"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "s", "alg": "HS256"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "s", "alg": "RS256"},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
        EC.jwk(use="enc"),
        EC.jwk(use=7),
        EC.jwk(key_ops=["sign"]),
        EC.jwk(key_ops=[]),
        EC.jwk(key_ops="verify"),
        EC.jwk(kid=7),
        EC.jwk(alg="ES384"),
        EC.jwk(alg="HS256"),
        EC.jwk(crv="P-384"),
        EC.jwk(crv="P-256", x="AA"),
        EC.jwk(y=EC.jwk()["x"]),
        EC.jwk(x=None),
        EC.jwk(x=7),
        EC.jwk(x="é"),
        EC.jwk(d="AA"),
        RSA.jwk(alg="RS512"),
        RSA.jwk(n=""),
        RSA.jwk(e="AA"),
        RSA.jwk(kty="EC"),
        RSA.jwk(kty=["RSA"]),
        weak_rsa(1024),
        weak_rsa(2047),
        weak_rsa(8193),
        weak_rsa(2048, 2**32 + 1),
        "key",
        None,
        [],
        {},
    ],
)
def test_a_key_that_is_not_plainly_for_verifying_is_left_out(unusable: Any) -> None:
    good = SigningKey.generate("good")
    assert names(read(unusable, good.jwk())) == [("good", "ES256")]


@pytest.mark.parametrize("use", [{"use": None}, {"key_ops": ["verify"]}, {"use": "sig"}])
def test_a_key_for_verifying_is_used(use: dict[str, Any]) -> None:
    assert names(read(EC.jwk(**use))) == [("e1", "ES256")]


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "keys",
        {},
        {"keys": None},
        {"keys": {}},
        {"keys": []},
        {"keys": [EC.jwk(use="enc")]},
        {"keys": [EC.jwk()] * 101},
    ],
)
def test_a_key_set_without_usable_keys_is_refused(document: Any) -> None:
    with pytest.raises(KeySetError):
        read_keys(document, ("ES256",))


def test_the_same_key_twice_is_one() -> None:
    assert names(read(EC.jwk(), EC.jwk(use=None))) == [("e1", "ES256")]


def test_two_keys_of_one_name_are_no_ones() -> None:
    keys = read(EC.jwk(), SigningKey.generate("e1").jwk(), RSA.jwk(kid="e1"))
    assert keys.find("e1", "ES256") is None
    assert keys.find("e1", "RS256") is not None


def test_a_token_may_leave_out_the_key_where_there_is_no_choice() -> None:
    keys = read(EC.jwk(), RSA.jwk(), SigningKey.generate("r2", "RS256").jwk())
    assert keys.find(None, "ES256") is not None
    assert keys.find(None, "RS256") is None


def test_a_key_without_a_name_is_no_named_key() -> None:
    keys = read(EC.jwk(kid=None))
    assert keys.find("e1", "ES256") is None
    assert keys.find(None, "ES256") is not None


def test_key_sets_are_equal_when_they_verify_the_same_tokens() -> None:
    assert read(EC.jwk(), RSA.jwk()) == read(EC.jwk(use=None), RSA.jwk(x5c=["x"]))
    assert read(EC.jwk()) != read(EC.jwk(kid="e2"))
    assert read(EC.jwk()) != read(SigningKey.generate("e1").jwk())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
MEMBERS = st.sampled_from(["kty", "kid", "use", "key_ops", "alg", "crv", "x", "y", "n", "e", "d"])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([EC, RSA]), st.dictionaries(MEMBERS, JSON, min_size=1))
def test_whatever_a_key_holds_it_is_read_or_left_out(
    key: SigningKey, members: dict[str, Any]
) -> None:
    good = SigningKey("good", EC.algorithm, EC.private)
    keys = read(key.jwk() | members, good.jwk(), algorithms=tuple(ALGORITHMS))
    assert ("good", "ES256") in names(keys)
