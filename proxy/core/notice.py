"""What an issuer says it has ended: the notices that it signs and sends by itself.

Logout tokens of any OpenID provider, and the actions of Keycloak's admins. Both
are signed with the keys of access tokens, so what each one is has to be beyond
doubt: nothing that was made for another purpose ends anything.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.core import claims
from proxy.core.errors import BadRequest
from proxy.core.identity import LEEWAY
from proxy.core.revocation import Revocation, SessionEnded, SubjectEnded, TokensEnded

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
"""The member of `events` that makes a token a logout token (OIDC Back-Channel Logout 1.0, 2.4)."""

FRESH = 300.0
"""How old a notice may be, in seconds; two minutes is what issuers are told to give one."""


# Any other token that a realm signs has one of these, whatever is added to it by mappers.
_NOT_IN_ACTIONS = frozenset({"iss", "sub", "aud", "typ", "azp", "iat", "exp"})


@dataclass(frozen=True, slots=True)
class SignedNotice:
    """The header and claims of a notice whose signature holds. Made by `edge.jwks` only.

    `issuer` is the name and `url` the url of the issuer whose key signed it.
    """

    issuer: str
    url: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def read_logout(signed: SignedNotice, ours: Collection[str], now: float) -> Revocation:
    """Read a logout token (OIDC Back-Channel Logout 1.0, 2.6).

    It ends what the clients in its audience hold, or all clients, where the
    audience is one of `ours`: the names that the proxy has at the issuer.

    Raises:
        BadRequest: it is no logout token of this issuer, of now.
    """
    for check in _CHECKS:
        if (reason := check(signed, now)) is not None:
            raise BadRequest(reason)
    said = signed.claims
    clients = _clients(_audience(said), ours)
    # Who logs in again has tokens that are newer.
    up_to = said["iat"]
    if (session := said.get("sid")) is not None:
        return SessionEnded(signed.issuer, clients, session, said.get("sub") or "", up_to)
    return SubjectEnded(signed.issuer, clients, said["sub"], up_to)


def read_push(signed: SignedNotice, ours: Collection[str], now: float) -> Revocation:
    """Read an action that Keycloak sends to a client's admin URL.

    `PUSH_NOT_BEFORE` and `LOGOUT` say that tokens made before `notBefore` count no
    longer (Keycloak, representations/adapters/action). It has no `iss` and no `iat`,
    and calls its expiry `expiration`.

    Raises:
        BadRequest: it is no such action, of now.
    """
    said = signed.claims
    if _type(signed.header) != "jwt" or "crit" in signed.header:
        raise BadRequest("header `typ` or `crit` is not that of an action")
    if not _NOT_IN_ACTIONS.isdisjoint(said):
        raise BadRequest("an action has no claim that says whose or what token it is")
    if said.get("action") not in {"PUSH_NOT_BEFORE", "LOGOUT"}:
        raise BadRequest("claim `action` is none that is served here")
    expires = claims.seconds(said.get("expiration"))
    if expires is None or not now - LEEWAY < expires < now + FRESH:
        raise BadRequest("claim `expiration` is not a time soon to come")
    before = claims.seconds(said.get("notBefore"))
    if not before or before > now + LEEWAY:
        # What is to come would keep everybody out until then.
        raise BadRequest("claim `notBefore` is not a time that has come")
    resource = said.get("resource")
    if not claims.is_text(resource) or not resource:
        raise BadRequest("claim `resource` names no client")
    return TokensEnded(signed.issuer, _clients((resource,), ours), before)


def _clients(named: Collection[str], ours: Collection[str]) -> frozenset[str] | None:
    return None if set(named) & set(ours) else frozenset(named)


# What makes a token a logout token. Each returns why it is none.


def _is_typed(signed: SignedNotice, _: float) -> str | None:
    """Older issuers do not say it in the header, and then `events` has to."""
    plain = _type(signed.header) in {"logout+jwt", "jwt"}
    return None if plain and "crit" not in signed.header else "header `typ` is not `logout+jwt`"


def _is_logout_by_claim(signed: SignedNotice, _: float) -> str | None:
    """Keycloak says it here, too."""
    is_logout = signed.claims.get("typ", "Logout") == "Logout"
    return None if is_logout else "claim `typ` is not `Logout`"


def _is_event(signed: SignedNotice, _: float) -> str | None:
    """No other token has it."""
    events = signed.claims.get("events")
    event = events.get(LOGOUT_EVENT) if isinstance(events, Mapping) else None
    return None if isinstance(event, Mapping) else "claim `events` is not that of a logout"


def _is_no_id_token(signed: SignedNotice, _: float) -> str | None:
    """An ID token may be in anybody's hands, and has a nonce."""
    return "claim `nonce` is not that of a logout token" if "nonce" in signed.claims else None


def _is_from_issuer(signed: SignedNotice, _: float) -> str | None:
    """Keys of one realm must not end the sessions of another."""
    return None if signed.claims.get("iss") == signed.url else "claim `iss` is another issuer"


def _has_audience(signed: SignedNotice, _: float) -> str | None:
    """Whose tokens it ends."""
    return None if _audience(signed.claims) else "claim `aud` names nobody"


def _has_id(signed: SignedNotice, _: float) -> str | None:
    """Whoever sends one twice ends the same twice; that it has one is the specification's."""
    jti = signed.claims.get("jti")
    return None if claims.is_text(jti) and jti else "claim `jti` is missing"


def _is_fresh(signed: SignedNotice, now: float) -> str | None:
    """An old one, found in a log, ends a session once more: harmless, and not its business."""
    issued = claims.seconds(signed.claims.get("iat"))
    expires = claims.seconds(signed.claims.get("exp"))
    if issued is None or expires is None:
        return "claims `iat` and `exp` must be times"
    if not now - FRESH < issued <= now + LEEWAY or expires + LEEWAY <= now:
        return "the logout token is not of now"
    return None


def _names_somebody(signed: SignedNotice, _: float) -> str | None:
    """Without either, it is about nobody."""
    named = [signed.claims[name] for name in ("sid", "sub") if signed.claims.get(name) is not None]
    if named and all(claims.is_text(name) and name for name in named):
        return None
    return "claims `sid` and `sub` name neither a session nor a subject"


_CHECKS: tuple[Callable[[SignedNotice, float], str | None], ...] = (
    _is_typed,
    _is_logout_by_claim,
    _is_event,
    _is_no_id_token,
    _is_from_issuer,
    _has_audience,
    _has_id,
    _is_fresh,
    _names_somebody,
)


def _type(header: Mapping[str, Any]) -> str:
    """RFC 7515, 4.1.9: any case, and `application/` may be left out."""
    kind = header.get("typ", "JWT")
    return kind.lower().removeprefix("application/") if isinstance(kind, str) else ""


def _audience(said: Mapping[str, Any]) -> tuple[str, ...]:
    audience = said.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    return tuple(named) if claims.are_strings(named) and all(named) else ()
