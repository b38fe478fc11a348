"""What a token is signed with, and what the issuer publishes about it.

`sign` makes any token at all, sound or hostile; deciding what is fair is not its business.
"""

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm, get_default_algorithms

from proxy.demo.issuer.accounts import Algorithm

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair under the name that tokens call it by."""

    kid: str
    algorithm: Algorithm
    private: PrivateKey = field(repr=False)

    @classmethod
    def generate(cls, algorithm: Algorithm) -> "SigningKey":
        """Make a key that nobody has seen before."""
        return cls(kid=str(uuid4()), algorithm=algorithm, private=_generate(algorithm))

    @property
    def public_pem(self) -> bytes:
        """The public half, as an attacker who confuses algorithms would use it."""
        public = self.private.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def jwk(self) -> dict[str, Any]:
        """The public half as RFC 7517 writes it."""
        return _jwk(self.private) | {"kid": self.kid, "alg": self.algorithm, "use": "sig"}


class KeyRing:
    """The keys of a realm: one signs, all that are published verify."""

    def __init__(self, algorithm: Algorithm) -> None:
        self.signing = SigningKey.generate(algorithm)
        self._published = {self.signing.kid: self.signing}
        # Keycloak publishes an encryption key beside the others; who picks a key by its
        # place in the list, or ignores `use`, picks this one.
        encryption = _jwk(_generate("RS256"))
        self._encryption = encryption | {"kid": str(uuid4()), "alg": "RSA-OAEP", "use": "enc"}

    def rotate(self, *, keep_old: bool) -> str:
        """Sign with a new key from now on; return its kid."""
        if not keep_old:
            self._published.clear()
        self.signing = SigningKey.generate(self.signing.algorithm)
        self._published[self.signing.kid] = self.signing
        return self.signing.kid

    def remove(self, kid: str) -> None:
        """Publish a key no longer.

        Raises:
            KeyError: no such key is published.
        """
        del self._published[kid]

    def published(self, kid: str) -> SigningKey | None:
        """The key of this name, if it is still published."""
        return self._published.get(kid)

    def jwks(self) -> dict[str, Any]:
        """The document behind `jwks_uri`."""
        return {"keys": [self._encryption, *(key.jwk() for key in self._published.values())]}


def sign(claims: Mapping[str, Any], header: Mapping[str, Any], key: SigningKey | bytes) -> str:
    """Make a compact JWS (RFC 7515) of exactly this header and these claims.

    PyJWT refuses to make the tokens that attackers make: HS256 keyed with a PEM, for one.
    """
    signing_input = b".".join(_base64url(_compact(part)) for part in (header, claims))
    signature = _signature(signing_input, str(header.get("alg", "none")), key)
    return b".".join((signing_input, _base64url(signature))).decode()


def _signature(signing_input: bytes, algorithm: str, key: SigningKey | bytes) -> bytes:
    if algorithm.lower() == "none":
        return b""
    if algorithm.startswith("HS"):
        secret = key.public_pem if isinstance(key, SigningKey) else key
        return hmac.new(secret, signing_input, f"sha{algorithm[2:]}").digest()
    if isinstance(key, bytes):
        raise TypeError(f"`{algorithm}` needs a key pair, not a secret")
    return get_default_algorithms()[algorithm].sign(signing_input, key.private)


def _generate(algorithm: Algorithm) -> PrivateKey:
    match algorithm:
        case "RS256":
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())


def _jwk(private: PrivateKey) -> dict[str, Any]:
    if isinstance(private, rsa.RSAPrivateKey):
        jwk = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    else:
        jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    # RFC 7517 4.3: `use` and `key_ops` should not be used together.
    return {name: value for name, value in jwk.items() if name != "key_ops"}


def _compact(part: Mapping[str, Any]) -> bytes:
    return json.dumps(part, separators=(",", ":")).encode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
