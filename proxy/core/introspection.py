"""What an issuer says of its token when it is asked (RFC 7662).

It counts for as much as a signature and is newer: it knows who was disabled,
logged out or taken out of a group since the token was made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.core import claims
from proxy.core.errors import Unauthenticated
from proxy.core.identity import SignedClaims, ToldClaims

# What a token is, whose, and for how long. Nothing of it can change while it
# lives, so what was signed stands, and an answer that differs is of another token.
_AGREED = ("iss", "sub", "jti", "typ", "sid", "iat", "nbf")
# What makes a token something else than an access token that anybody may bear:
# neither the signed claims nor the answer can leave it out.
_TELLING = ("cnf", "events", "at_hash", "c_hash", "s_hash")


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of a token that counts. `size` is that of the answer, in bytes."""

    claims: Mapping[str, Any]
    size: int


def read(document: Any, size: int) -> Told | None:
    """Read an answer; None says that the token does not count (RFC 7662, 2.2).

    Raises:
        ValueError: it is no such answer.
    """
    active = document.get("active") if isinstance(document, Mapping) else None
    if active is False:
        return None
    if active is not True:
        raise ValueError("an answer to introspection has `active`, true or false")
    return Told(document, size)


def alone(unverified_header: Mapping[str, Any], told: Told, digest: str) -> ToldClaims:
    """The claims of a token that only its issuer vouches for.

    The header is whatever the bearer wrote: it can have a token refused that calls
    itself something else than an access token, and can do no more.

    Raises:
        Unauthenticated: the issuer knows it as another kind of token.
    """
    _check_type(told)
    return ToldClaims(unverified_header, told.claims, digest)


def confirmed(signed: SignedClaims, told: Told) -> ToldClaims:
    """The claims of a token that is signed and that its issuer vouches for besides.

    What can change is as it was told: who is in a group by the signed claims alone
    is in it no longer.

    Raises:
        Unauthenticated: the issuer was speaking of another token.
    """
    _check_type(told)
    if told.claims.get("sub") is None:
        raise Unauthenticated("the issuer does not say whose the token is")
    for name in _AGREED:
        _check_same(name, signed.claims.get(name), told)
    # An answer may name the client as `client_id` (RFC 7662, 2.2), and a token as `azp`.
    client = signed.claims.get("azp", signed.claims.get("client_id"))
    for name in ("azp", "client_id"):
        _check_same(name, client, told)
    stands = {n: signed.claims[n] for n in (*_AGREED, *_TELLING, "azp") if n in signed.claims}
    merged = {"aud": signed.claims.get("aud"), **told.claims, **stands}
    merged["exp"] = _sooner(signed.claims.get("exp"), told.claims.get("exp"))
    return ToldClaims(signed.header, merged, signed.digest)


def _check_type(told: Told) -> None:
    """RFC 6749, 7.1: a refresh token has no type, and one for DPoP needs a proof with it."""
    kind = told.claims.get("token_type", "Bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise Unauthenticated("the issuer does not know the token as a bearer token")


def _check_same(name: str, signed: Any, told: Told) -> None:
    """What only one of the two says is no contradiction."""
    found = told.claims.get(name)
    if signed is not None and found is not None and found != signed:
        raise Unauthenticated(f"claim `{name}` is not what the issuer says of the token")


def _sooner(signed: Any, told: Any) -> Any:
    """When a token ends; what is no time is kept, and refused as that."""
    if told is None or claims.seconds(signed) is None:
        return signed
    return told if claims.seconds(told) is None else min(signed, told)
