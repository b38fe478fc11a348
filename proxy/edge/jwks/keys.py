"""Which keys an issuer signs with: its JSON Web Key Set (RFC 7517), read strictly.

A key that is not plainly for verifying with an algorithm we were told to take
is left out. The key decides on the algorithm, never the token.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

# Algorithm -> the type and curve of its keys (RFC 7518, 3.1; RFC 8037, 3.1). Asymmetric
# ones only: an `HS256` token could be made with the public key as its secret.
_FITTING: Mapping[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
ALGORITHMS = frozenset(_FITTING)
"""Every signature algorithm that can be configured."""

_PUBLIC_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_RSA_BITS = range(2048, 8192 + 1)
_MAX_RSA_EXPONENT = 2**32
_MAX_KEYS = 100


class KeySetError(Exception):
    """No keys can be had from a document. The message completes `issuer X: ...`."""


@dataclass(frozen=True, slots=True)
class Key:
    """One public key, for one algorithm.

    Two are equal when they verify the same tokens.
    """

    kid: str | None
    algorithm: str
    material: tuple[str, ...]
    jwk: jwt.PyJWK = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of an issuer at one time. Never empty."""

    keys: tuple[Key, ...]

    def find(self, kid: str | None, algorithm: str) -> Key | None:
        """The one key that a token means; None also where it could mean two.

        A token that names no key is taken only where there is no choice.
        """
        fitting = [
            key for key in self.keys if key.algorithm == algorithm and kid in {None, key.kid}
        ]
        return fitting[0] if len(fitting) == 1 else None


def read_keys(document: Any, algorithms: Iterable[str]) -> KeySet:
    """Read a JWK Set, leaving out the keys that are not for `algorithms`.

    Raises:
        KeySetError: it is no JWK Set, or holds no usable key.
    """
    entries = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(entries, list):
        raise KeySetError("its key set cannot be read")
    if len(entries) > _MAX_KEYS:
        # Each costs time in which nobody else is served.
        raise KeySetError(f"its key set holds more than {_MAX_KEYS} keys")
    wanted = tuple(algorithms)
    keys = tuple(dict.fromkeys(key for entry in entries for key in _read_key(entry, wanted)))
    if not keys:
        raise KeySetError("its key set holds no usable key")
    return KeySet(keys)


def _read_key(entry: Any, wanted: tuple[str, ...]) -> Iterator[Key]:
    if not isinstance(entry, Mapping) or not _is_for_verifying(entry):
        return
    kid = entry.get("kid")
    if kid is not None and not isinstance(kid, str):
        return
    for algorithm in wanted:
        public = _public_part(entry, algorithm)
        jwk = _load(public, algorithm) if public is not None else None
        if public is not None and jwk is not None:
            yield Key(kid, algorithm, tuple(public.values()), jwk)


def _is_for_verifying(entry: Mapping[str, Any]) -> bool:
    """What the key is for (RFC 7517, 4.2 and 4.3).

    A private key that lies in the open signs for whoever has found it.
    """
    operations = entry.get("key_ops", ["verify"])
    return (
        entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and "d" not in entry
    )


def _public_part(entry: Mapping[str, Any], algorithm: str) -> dict[str, str] | None:
    """The members that make the key, if it is one for this algorithm.

    A key's own `alg` binds it: one made for PS256 must not verify RS256.
    """
    kty, crv = _FITTING[algorithm]
    if entry.get("kty") != kty or entry.get("alg", algorithm) != algorithm:
        return None
    if crv is not None and entry.get("crv") != crv:
        return None
    members = {name: entry.get(name) for name in ("kty", *_PUBLIC_MEMBERS[kty])}
    public = {name: value for name, value in members.items() if isinstance(value, str)}
    return public if public.keys() == members.keys() else None


def _load(public: dict[str, str], algorithm: str) -> jwt.PyJWK | None:
    try:
        jwk = jwt.PyJWK(public, algorithm=algorithm)
    except (jwt.PyJWTError, ValueError):
        return None
    return jwk if public["kty"] != "RSA" or _is_sound_rsa(jwk) else None


def _is_sound_rsa(jwk: jwt.PyJWK) -> bool:
    """Neither weak enough to break (RFC 7518, 3.3) nor large enough to stop us."""
    numbers = jwk.key.public_numbers()
    return jwk.key.key_size in _RSA_BITS and numbers.e <= _MAX_RSA_EXPONENT
