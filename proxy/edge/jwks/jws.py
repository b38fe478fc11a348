"""Is it signed: one bearer token, from the header to claims that an issuer vouches for.

What is read before the signature holds is called unverified, and serves only
to choose the key that must have made it.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt

from proxy.core.errors import Unauthenticated
from proxy.core.identity import SignedClaims
from proxy.core.notice import SignedNotice
from proxy.core.wire import Fields, RawRequest
from proxy.edge.jwks.config import IssuerConfig
from proxy.edge.jwks.keys import KeySet

if TYPE_CHECKING:
    from jwt.types import Options

MAX_TOKEN = 16 * 1024
"""The longest token that is read, in characters; Keycloak's grow with the user's roles."""

# A JWS in its compact form (RFC 7515, 7.1), without padding. Five parts would be encrypted.
_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")

_OPTIONS: "Options" = {
    # Off, everything below is off as well.
    "verify_signature": True,
    # A key too short can be broken, and then signs for everybody.
    "enforce_minimum_key_length": True,
    # PyJWT checks a claim only if it is there: without these, a token that leaves out
    # `exp` is good for ever, and one without `aud` is good everywhere.
    "require": ["exp", "iat", "iss", "aud", "sub"],
    # A token of another issuer, or for another service.
    "verify_iss": True,
    "verify_aud": True,
    # Keycloak puts several audiences in a token, so one that fits is enough.
    "strict_aud": False,
    # A subject or id that is no string, and would compare as something else.
    "verify_sub": True,
    "verify_jti": True,
    # PyJWT reads a clock of its own here, and takes "1" and true for a time.
    # `identify` judges all three, always, by the one clock the proxy has.
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}

_SIGNATURE_ALONE: "Options" = {
    "verify_signature": True,
    "enforce_minimum_key_length": True,
    # A notice is for clients of the issuer and says when it was made in words of its
    # own; `notice` judges all of it.
    "require": [],
    "verify_iss": False,
    "verify_aud": False,
    "strict_aud": False,
    "verify_sub": False,
    "verify_jti": False,
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


class UnknownKeyError(Unauthenticated):
    """None of the keys at hand is the one that the token names."""


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """What a token says of itself. Anybody can write that."""

    unverified_header: Mapping[str, Any]
    unverified_issuer: str
    unverified_algorithm: str
    unverified_kid: str | None
    text: str = field(repr=False)


def bearer(raw: RawRequest) -> str:
    """What a request carries as its token (RFC 6750, 2.1; no other place counts).

    Whether it is one by its form, `compact` tells.

    Raises:
        Unauthenticated: there is none, or more than one, or it is too long.
    """
    return raw.fields.derived(_bearer)


def _bearer(fields: Fields) -> str:
    match fields.values("authorization"):
        case ():
            raise Unauthenticated("no credentials, send `Authorization: Bearer TOKEN`")
        case (value,):
            pass
        case _:
            # Readers that disagree on which one counts make two people of one caller.
            raise Unauthenticated("header `Authorization` must be sent once")
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("only bearer tokens are taken, send `Authorization: Bearer TOKEN`")
    return _bounded(token.strip(" "))


def compact(text: str) -> str:
    """The same text, which is a token by its form.

    Raises:
        Unauthenticated: it is none.
    """
    if not _JWS.fullmatch(_bounded(text)):
        raise Unauthenticated("the token is not a signed JWT")
    return text


def _bounded(text: str) -> str:
    if len(text) > MAX_TOKEN:
        raise Unauthenticated(f"the token has more than {MAX_TOKEN} characters")
    return text


def bearer_digest(raw: RawRequest) -> str:
    """The digest of what a request carries as its token.

    Raises:
        Unauthenticated: as `bearer`.
    """
    return raw.fields.derived(_bearer_digest)


def _bearer_digest(fields: Fields) -> str:
    return digest(fields.derived(_bearer))


def digest(token: str) -> str:
    """What a token is remembered and logged by; no two texts share one, tokens or not."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def read(token: str) -> UnverifiedToken:
    """Read whom a token claims to be from, and which key it names.

    Raises:
        Unauthenticated: it does not say so in a way that we understand.
    """
    issuer = _json_object(token.split(".")[1], "payload").get("iss")
    if not isinstance(issuer, str):
        raise Unauthenticated("claim `iss` is missing")
    return read_from(issuer, token)


def read_from(issuer: str, token: str) -> UnverifiedToken:
    """Read which key a token names, as if it were from this issuer.

    Raises:
        Unauthenticated: it does not say so in a way that we understand.
    """
    unverified_header = _json_object(token.split(".", maxsplit=1)[0], "header")
    algorithm = unverified_header.get("alg")
    kid = unverified_header.get("kid")
    if not isinstance(algorithm, str):
        raise Unauthenticated("header `alg` is missing")
    if not isinstance(kid, str | None):
        raise Unauthenticated("header `kid` is not a string")
    return UnverifiedToken(unverified_header, issuer, algorithm, kid, token)


def verify(token: UnverifiedToken, config: IssuerConfig, keys: KeySet) -> SignedClaims:
    """Check that one of an issuer's keys signed a token.

    Raises:
        UnknownKeyError: the key may be one that we have not seen yet.
        Unauthenticated: the signature, the issuer or the audience is wrong.
    """
    try:
        header, claims = _decode(token, config, keys, _OPTIONS)
    except jwt.MissingRequiredClaimError as exc:
        raise Unauthenticated(f"claim `{exc.claim}` is missing") from exc
    except jwt.InvalidAudienceError as exc:
        raise Unauthenticated("claim `aud` does not name this proxy") from exc
    except jwt.PyJWTError as exc:  # its own words may quote the token
        raise Unauthenticated("the token is malformed") from exc
    return SignedClaims(header, claims, digest(token.text))


def verify_notice(token: UnverifiedToken, config: IssuerConfig, keys: KeySet) -> SignedNotice:
    """Check that one of an issuer's keys signed a notice, and nothing else: `notice` does that.

    Raises:
        UnknownKeyError: the key may be one that we have not seen yet.
        Unauthenticated: the signature is wrong.
    """
    try:
        header, claims = _decode(token, config, keys, _SIGNATURE_ALONE)
    except jwt.PyJWTError as exc:  # its own words may quote the token
        raise Unauthenticated("the token is malformed") from exc
    return SignedNotice(config.name, config.rules.url, header, claims)


def _decode(
    token: UnverifiedToken, config: IssuerConfig, keys: KeySet, options: "Options"
) -> tuple[dict[str, Any], dict[str, Any]]:
    if token.unverified_algorithm not in config.algorithms:
        allowed = ", ".join(config.algorithms)
        raise Unauthenticated(f"header `alg` is not one of {allowed}")
    key = keys.find(token.unverified_kid, token.unverified_algorithm)
    if key is None:
        raise UnknownKeyError(f"the token is signed by no key of issuer `{config.name}`")
    try:
        signed = jwt.decode_complete(
            token.text,
            key=key.jwk,
            algorithms=[key.algorithm],  # the key's, so that the token has no say in it
            options=options,
            audience=config.rules.audiences,
            issuer=config.rules.url,
        )
    except jwt.InvalidSignatureError as exc:
        reason = f"the token's signature is not that of issuer `{config.name}`"
        if token.unverified_kid is None:  # a new key would look like the one it replaced
            raise UnknownKeyError(reason) from exc
        raise Unauthenticated(reason) from exc
    return signed["header"], signed["payload"]


def _json_object(segment: str, part: str) -> dict[str, Any]:
    try:
        value = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (ValueError, RecursionError) as exc:
        raise Unauthenticated(f"the token's {part} cannot be read") from exc
    if not isinstance(value, dict):
        raise Unauthenticated(f"the token's {part} is not an object")
    return value
