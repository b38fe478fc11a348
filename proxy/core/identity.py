"""Who asks: the claims of a verified token, read as an identity.

An identity is (issuer, subject): equal names of two issuers never meet. Only
`identify` makes one, and only out of claims that an issuer signed or has told
of; a token that is in doubt anywhere is refused as a whole.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias, assert_never, final

from proxy.core import claims, serviceaccount
from proxy.core.errors import Unauthenticated

LEEWAY = 30.0
"""How far, in seconds, the issuer's clock and ours may be apart."""

_ISSUER_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class _Seal:
    """Held by this module alone: proof that `identify` made the value."""


_SEAL = _Seal()


@final
@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody, verified.

    `issuer` is the name the configuration gives the issuer; `subject` is the
    token's `sub`. `username`, `groups` and `client` are what the issuer's
    naming yields; `client` is empty where the token names none. `claims` holds
    every claim that is a string or a list of strings, for policies to use; one
    inside an object has its path as name, as `claims.path` reads it.

    `service_account` is `NAMESPACE/NAME` for a service account of a management
    cluster, whose username is `serviceaccount:NAMESPACE:NAME`, and empty for
    everybody else. A service account has no groups, client or claims.

    `issued` and `expires` are in seconds since the epoch: when the token was
    made, and the moment from which it is refused, its `exp` and the leeway.
    `session` is the token's `sid`, the login at the IAM that it belongs to, and
    empty where it names none. `token_id` is the token's `jti`, or a digest of
    it: safe to log.
    """

    seal: InitVar[_Seal]
    issuer: str
    subject: str
    username: str
    groups: tuple[str, ...]
    client: str
    service_account: str
    claims: Mapping[str, tuple[str, ...]]
    issued: float
    expires: float
    session: str
    token_id: str

    def __post_init__(self, seal: _Seal) -> None:
        if seal is not _SEAL:
            raise TypeError("only identity.identify makes an Identity")

    @property
    def display(self) -> str:
        """The name shown to people and written to audit: `ISSUER:USERNAME`."""
        return f"{self.issuer}:{self.username}"


@dataclass(frozen=True, slots=True)
class SignedClaims:
    """The header and claims of a token whose signature holds. Made by `edge.jwks` only."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, slots=True)
class ToldClaims:
    """The header and claims of a token as its issuer tells them. Made by `introspection` only."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcNaming:
    """Which claims of an OIDC provider name somebody.

    The name claim is `sub` unless set, as an issuer never gives a subject to
    somebody else, while names and addresses may be changed or reused.
    `authorized_parties` are the clients whose tokens are taken, by
    `client_claim`; none means any. Claims inside objects are named as
    `claims.path` says.

    Raises:
        ValueError: a claim has no name.
    """

    username_claim: str = "sub"
    groups_claim: str = "groups"
    client_claim: str = "azp"
    authorized_parties: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (self.username_claim, self.groups_claim, self.client_claim):
            claims.path(name)


@dataclass(frozen=True, slots=True)
class ServiceAccountNaming:
    """A management cluster names its service accounts, in claims that are always the same.

    Whoever owns the cluster can sign anything with its keys, so nothing else
    that its tokens say counts: no groups, no client, no claims for policies.
    """


Naming: TypeAlias = OidcNaming | ServiceAccountNaming


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerRules:
    """What a token of one issuer must say, and which of its claims mean what.

    `url` is the `iss` it must carry, byte for byte; one of `audiences` must be
    in its `aud`. `required_claims` maps a claim, named as `claims.path` says,
    to the string it must be or contain. `max_lifetime`, in seconds, bounds
    `exp - iat`.

    Raises:
        ValueError: the rules would let in what they seem to keep out.
    """

    name: str
    url: str
    audiences: tuple[str, ...]
    naming: Naming = OidcNaming()
    required_claims: Mapping[str, str] = field(default_factory=dict)
    max_lifetime: float = 86_400

    def __post_init__(self) -> None:
        # `ISSUER:USERNAME` must never read as one of Kubernetes' own names.
        if not is_issuer_name(self.name):
            raise ValueError("an issuer's name must be a DNS label, and not `system`")
        if not self.url:
            raise ValueError(f"issuer `{self.name}` needs a url")
        if not self.audiences or not all(self.audiences):
            # Without it, a token meant for any other service would be good here.
            raise ValueError(f"issuer `{self.name}` needs an audience")
        if isinstance(self.naming, ServiceAccountNaming) and self.url in self.audiences:
            # Unless told otherwise, every pod of a cluster has a token for that audience, and
            # such a token also opens the cluster to whoever it is shown to.
            raise ValueError(
                f"issuer `{self.name}`: audiences must not hold its url, the one of its apiserver"
            )
        if not 0 < self.max_lifetime < claims.YEAR_10000:
            raise ValueError(f"issuer `{self.name}`: max_lifetime must be above 0 seconds")
        for name in self.required_claims:
            claims.path(name)


def identify(rules: IssuerRules, vouched: SignedClaims | ToldClaims, now: float) -> Identity:
    """Read claims that an issuer vouches for as somebody.

    `now` is in seconds since the epoch.

    Raises:
        Unauthenticated: the token is not an access token of this issuer for
            this proxy at this time, or names somebody that no tenant may be.
    """
    check_token(rules, vouched, now)
    token = _Token(rules, vouched.header, vouched.claims, now)
    if (reason := _has_required_claims(token)) is not None:
        raise Unauthenticated(reason)
    named = _named(token)
    return Identity(
        _SEAL,
        issuer=rules.name,
        subject=named.subject,
        username=named.username,
        groups=named.groups,
        client=named.client,
        service_account=named.service_account,
        claims=MappingProxyType(named.claims),
        issued=token.claims["iat"],
        expires=token.claims["exp"] + LEEWAY,
        session=_session(token.claims.get("sid")),
        token_id=_token_id(token.claims.get("jti"), vouched.digest),
    )


def check_token(rules: IssuerRules, vouched: SignedClaims | ToldClaims, now: float) -> None:
    """Refuse what is no access token of this issuer for this proxy at this time.

    That does not change while a token lives, so who is refused here need not be
    asked about. `now` is in seconds since the epoch.

    Raises:
        Unauthenticated: it is none.
    """
    token = _Token(rules, vouched.header, vouched.claims, now)
    for check in _CHECKS:
        if (reason := check(token)) is not None:
            raise Unauthenticated(reason)


@dataclass(frozen=True, slots=True)
class _Token:
    rules: IssuerRules
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    now: float

    def find(self, name: str) -> Any:
        """The value of a claim, or None."""
        return claims.find(self.claims, name)


# What kind of token it is.


def _is_access_token_by_header(token: _Token) -> str | None:
    """A logout token or security event says what it is in its header (RFC 8725, 3.11)."""
    kind = token.header.get("typ", "JWT")
    # RFC 7515, 4.1.9: any case, and `application/` may be left out.
    plain = kind.lower().removeprefix("application/") if isinstance(kind, str) else ""
    return None if plain in {"jwt", "at+jwt"} else "header `typ` is not that of an access token"


def _has_nothing_critical(token: _Token) -> str | None:
    """An extension we do not know may change what the rest means (RFC 7515, 4.1.11)."""
    return "header `crit` asks for what is not supported" if "crit" in token.header else None


def _is_access_token_by_claim(token: _Token) -> str | None:
    """Keycloak signs refresh, ID, offline and logout tokens too; `typ` tells them apart."""
    if token.claims.get("typ", "Bearer") == "Bearer":
        return None
    return "claim `typ` is not `Bearer`: send the access token"


def _is_no_id_token(token: _Token) -> str | None:
    """An ID token is shown to the client's own pages; it was never meant to open doors."""
    hashes = {"at_hash", "c_hash", "s_hash"} & token.claims.keys()
    return "this is an ID token: send the access token" if hashes else None


def _is_no_event(token: _Token) -> str | None:
    """A logout token names a user and an audience, too (OIDC Back-Channel Logout, 2.4)."""
    return "claim `events` is not that of an access token" if "events" in token.claims else None


def _is_not_bound(token: _Token) -> str | None:
    """A stolen sender-constrained token would be good here: we cannot see the proof.

    DPoP is RFC 9449, certificate-bound tokens are RFC 8705.
    """
    if "cnf" not in token.claims:
        return None
    return "claim `cnf` binds the token to a proof that is not checked here: send a plain one"


# Who it is from and for.


def _is_from_issuer(token: _Token) -> str | None:
    """Keys of one realm must not vouch for the users of another."""
    return None if token.claims.get("iss") == token.rules.url else "claim `iss` is another issuer"


def _is_for_us(token: _Token) -> str | None:
    """Another service that was given a token must not use it here."""
    audience = token.claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if claims.are_strings(named) and not set(token.rules.audiences).isdisjoint(named):
        return None
    return "claim `aud` does not name this proxy"


def _has_required_claims(token: _Token) -> str | None:
    """A user of the realm whom the realm does not send here."""
    for name, wanted in token.rules.required_claims.items():
        found = token.find(name)
        if found != wanted and not (claims.are_strings(found) and wanted in found):
            return f"claim `{name}` does not have the value that is required here"
    return None


def _has_subject(token: _Token) -> str | None:
    """Two tokens without a subject would be the same person."""
    subject = token.claims.get("sub")
    return None if isinstance(subject, str) and subject else "claim `sub` is missing"


# When it is good.


def _is_unexpired(token: _Token) -> str | None:
    """An old token, found in a log or a backup."""
    expires = claims.seconds(token.claims.get("exp"))
    if expires is None:
        return "claim `exp` is missing or not a time"
    return "the token has expired" if expires + LEEWAY <= token.now else None


def _is_issued(token: _Token) -> str | None:
    """A lifetime that is counted from the future has no bound."""
    issued = claims.seconds(token.claims.get("iat"))
    if issued is None:
        return "claim `iat` is missing or not a time"
    return "the token is not valid yet, by claim `iat`" if issued > token.now + LEEWAY else None


def _is_begun(token: _Token) -> str | None:
    """A token made out beforehand."""
    if "nbf" not in token.claims:
        return None
    begins = claims.seconds(token.claims["nbf"])
    if begins is None:
        return "claim `nbf` is not a time"
    return "the token is not valid yet, by claim `nbf`" if begins > token.now + LEEWAY else None


def _is_short_lived(token: _Token) -> str | None:
    """A token that is good for a century is a password that cannot be changed."""
    if 0 < token.claims["exp"] - token.claims["iat"] <= token.rules.max_lifetime:
        return None
    return f"the token is not made for at most {token.rules.max_lifetime:.0f} seconds"


_Check: TypeAlias = Callable[[_Token], str | None]

# INVARIANT: `_is_short_lived` runs after the checks that make its two claims numbers.
_CHECKS: tuple[_Check, ...] = (
    _is_access_token_by_header,
    _has_nothing_critical,
    _is_access_token_by_claim,
    _is_no_id_token,
    _is_no_event,
    _is_not_bound,
    _is_from_issuer,
    _is_for_us,
    _has_subject,
    _is_unexpired,
    _is_issued,
    _is_begun,
    _is_short_lived,
)


# Whom it names.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    subject: str
    username: str
    groups: tuple[str, ...] = ()
    client: str = ""
    service_account: str = ""
    claims: dict[str, tuple[str, ...]] = field(default_factory=dict)


def _named(token: _Token) -> _Named:
    match token.rules.naming:
        case OidcNaming() as naming:
            return _by_mapped_claims(token, naming)
        case ServiceAccountNaming():
            return _as_service_account(token)
        case _:
            assert_never(token.rules.naming)


def _as_service_account(token: _Token) -> _Named:
    account = serviceaccount.read(token.claims)
    return _Named(
        subject=token.claims["sub"],
        # Without `system:`, which is for the service accounts of the cluster behind the proxy.
        username=f"serviceaccount:{account.namespace}:{account.name}",
        service_account=f"{account.namespace}/{account.name}",
    )


def _by_mapped_claims(token: _Token, naming: OidcNaming) -> _Named:
    for check in (_is_from_known_client, _has_verified_email):
        if (reason := check(token, naming)) is not None:
            raise Unauthenticated(reason)
    return _Named(
        subject=_name(token.claims["sub"], "sub"),
        username=_name(token.find(naming.username_claim), naming.username_claim),
        groups=_groups(token, naming.groups_claim),
        client=_client(token, naming.client_claim),
        claims=dict(claims.texts(token.claims)),
    )


def _is_from_known_client(token: _Token, naming: OidcNaming) -> str | None:
    """A token that a less trusted client of the same realm obtained."""
    allowed = naming.authorized_parties
    if not allowed or token.find(naming.client_claim) in allowed:
        return None
    return f"claim `{naming.client_claim}` is not a client that may use this proxy"


def _has_verified_email(token: _Token, naming: OidcNaming) -> str | None:
    """Anybody can claim an address that nobody has checked."""
    if naming.username_claim != "email" or token.claims.get("email_verified", True) is True:
        return None
    return "claim `email_verified` is not true, so `email` is nobody's name"


def _groups(token: _Token, claim: str) -> tuple[str, ...]:
    found = token.find(claim)
    if found is None:
        return ()
    if not isinstance(found, list) or len(found) > claims.MAX_VALUES:
        raise Unauthenticated(
            f"claim `{claim}` is not a list of at most {claims.MAX_VALUES} groups"
        )
    return tuple(dict.fromkeys(_name(group, claim) for group in found))


def _client(token: _Token, claim: str) -> str:
    found = token.find(claim)
    return "" if found is None else _name(found, claim)


def _name(value: Any, claim: str) -> str:
    """A value that names somebody, in policies and in audit records.

    Refused rather than cleaned: what is left of a bad name is somebody else's.
    """
    if not claims.is_text(value) or not value.strip():
        raise Unauthenticated(
            f"claim `{claim}` must hold names of 1 to {claims.MAX_TEXT} printable characters"
        )
    if _is_reserved(value):
        raise Unauthenticated(f"claim `{claim}` holds a name that begins with `system:`")
    return value


def is_issuer_name(text: str) -> bool:
    """Whether the configuration can call an issuer so."""
    return _ISSUER_NAME.fullmatch(text) is not None and text != "system"


def may_name(text: str) -> bool:
    """Whether a token can name a user, a group or a client so."""
    return claims.is_text(text) and text.strip() != "" and not _is_reserved(text)


def _is_reserved(name: str) -> bool:
    """Kubernetes' own users and groups, such as `system:masters`, however they are spelt."""
    return unicodedata.normalize("NFKC", name).strip().casefold().startswith("system:")


def _session(sid: Any) -> str:
    """The login that a token belongs to (OIDC Back-Channel Logout 1.0, 2.1)."""
    return sid if claims.is_text(sid) else ""


def _token_id(jti: Any, digest: str) -> str:
    return jti if claims.is_text(jti) and jti else digest
