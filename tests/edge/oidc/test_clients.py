"""A client shows that it has a key, without showing the key."""

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from proxy.edge.oidc import KeyClient, SigningKey
from tests.edge.jwks.issuers import NOW, PrivateKey
from tests.edge.oidc.iams import Iam


def pem(key: PrivateKey, encryption: KeySerializationEncryption | None = None) -> bytes:
    how = encryption or NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK = 1024
EC = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(("algorithm", "private"), [("RS256", RSA), ("ES256", EC)])
async def test_a_key_signs_who_asks_whom(
    iam: Iam, algorithm: str, private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
) -> None:
    client = KeyClient("blue", SigningKey.read(pem(private)))
    await iam.login(client, clock=lambda: NOW).client_credentials()
    form = iam.forms[0]
    assert form["client_assertion_type"].endswith(":jwt-bearer")
    claims = jwt.decode(
        form["client_assertion"],
        private.public_key(),
        algorithms=[algorithm],
        audience=iam.issuer.url,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert (claims["iss"], claims["sub"], form["client_id"]) == ("blue", "blue", "blue")
    assert (claims["iat"], claims["exp"]) == (NOW, NOW + 60)


async def test_each_assertion_is_another_one(iam: Iam) -> None:
    login = iam.login(KeyClient("blue", SigningKey.read(pem(EC))))
    await login.client_credentials()
    await login.client_credentials()
    read = [
        jwt.decode(f["client_assertion"], options={"verify_signature": False}) for f in iam.forms
    ]
    assert read[0]["jti"] != read[1]["jti"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "no private key in PEM"),
        (b"s3cret", "no private key in PEM"),
        (
            EC.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "no private key in PEM",
        ),
        (pem(EC, BestAvailableEncryption(b"password")), "encrypted"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "RSA of 2048 bits"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "EC on P-256"),
        (pem(rsa.generate_private_key(65537, WEAK)), "RSA of 2048 bits"),
    ],
)
def test_what_cannot_sign_is_no_key(text: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        SigningKey.read(text)
    assert "s3cret" not in str(caught.value)


def test_a_key_does_not_show_in_what_is_printed_for_debugging() -> None:
    assert "PrivateKey" not in repr(KeyClient("blue", SigningKey.read(pem(EC))))
