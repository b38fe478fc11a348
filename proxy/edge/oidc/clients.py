"""Who asks for a token: a client, and how it shows that it is the one (RFC 6749, 2.3)."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from proxy.edge.oidc.provider import Endpoints, Provider
from proxy.https import basic

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_LIFETIME = 60
_LEAST_RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key that signs for one algorithm, RS256 or ES256."""

    algorithm: str
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def read(cls, pem: bytes) -> "SigningKey":
        """Read a key from PEM.

        Raises:
            ValueError: it is no key that can sign for either.
        """
        try:
            private = load_pem_private_key(pem, password=None)
        except TypeError as exc:
            raise ValueError("the private key is encrypted, store it without a password") from exc
        except (ValueError, UnsupportedAlgorithm) as exc:
            raise ValueError("there is no private key in PEM") from exc
        if isinstance(private, rsa.RSAPrivateKey) and private.key_size >= _LEAST_RSA_BITS:
            return cls("RS256", private)
        if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name == "secp256r1":
            return cls("ES256", private)
        raise ValueError(
            f"the private key must be RSA of {_LEAST_RSA_BITS} bits or more, or EC on P-256"
        )


@dataclass(frozen=True, slots=True)
class PublicClient:
    """A client that cannot keep a secret: a program on a person's machine."""

    id: str


@dataclass(frozen=True, slots=True)
class SecretClient:
    """A client that shares a secret with the IAM."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyClient:
    """A client whose public key the IAM has (`private_key_jwt`, RFC 7523)."""

    id: str
    key: SigningKey = field(repr=False)


Client: TypeAlias = PublicClient | SecretClient | KeyClient


@dataclass(frozen=True, slots=True)
class Question:
    """What is posted: a form, and the headers that come with it."""

    form: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def authenticated(
    client: Client, form: Mapping[str, str], provider: Provider, endpoints: Endpoints, now: float
) -> Question:
    """The form as this client sends it, with proof of who it is."""
    named = {**form, "client_id": client.id}
    match client:
        case PublicClient():
            return Question(named)
        case SecretClient() if "client_secret_basic" in endpoints.methods:
            return Question(form, {"Authorization": basic(client.id, client.secret)})
        case SecretClient():
            return Question({**named, "client_secret": client.secret})
        case KeyClient():
            proof = {
                "client_assertion_type": _ASSERTION_TYPE,
                "client_assertion": _assertion(client, provider, now),
            }
            return Question(named | proof)
        case _:
            assert_never(client)


def _assertion(client: KeyClient, provider: Provider, now: float) -> str:
    """RFC 7523, 3. Good once, for a minute, and at this IAM alone.

    The audience is the issuer, not the token endpoint as OpenID Connect Core has it:
    an endpoint comes from metadata, and with that of another IAM in it this one could
    take what it is sent there for its own use (draft-ietf-oauth-rfc7523bis).

    No key is named: what the IAM calls it, a PEM file does not say, and a name that the
    IAM does not know is refused, where none has it take the key that fits.
    """
    claims = {
        "iss": client.id,
        "sub": client.id,
        "aud": provider.url,
        "jti": str(uuid.uuid4()),
        "iat": int(now),
        "exp": int(now) + _ASSERTION_LIFETIME,
    }
    return jwt.encode(claims, client.key.private, algorithm=client.key.algorithm)
