"""Who would ask: somebody as an admin or a test describes them, with no token to show.

Never part of serving: what is read here decides what is said about requests,
not requests. It is made into claims and read by the very code that reads
those of tokens, so nobody is supposed whom no token could name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, assert_never

from proxy.core import claims, identity
from proxy.core.identity import Identity, IssuerRules, OidcNaming, ServiceAccountNaming, ToldClaims

_URL: Final = "https://supposed.invalid"
_AUDIENCE: Final = "supposed"

UNNAMED: Final = "somebody "
"""A username that no policy document can write, for whom only something else is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supposed:
    """Somebody of an issuer, by what policies go by.

    `service_account` is NAMESPACE/NAME, and of an issuer of kind `kubernetes`; it goes
    with nothing else. `claims` are named as `claims.path` says.

    Raises:
        ValueError: a service account is something else as well.
    """

    issuer: str
    username: str = ""
    groups: tuple[str, ...] = ()
    client: str = ""
    service_account: str = ""
    claims: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if self.service_account and (self.username or self.groups or self.client or self.claims):
            raise ValueError("a service account has no username, groups, client or claims")


def identify(who: Supposed, rules: IssuerRules | None = None) -> Identity:
    """The identity that somebody's token would yield.

    `rules` are those of the issuer where they are known: then its naming says
    which claims the name, the groups and the client stand in.

    Raises:
        ValueError: a claim is given twice, or inside of another, or cannot be named.
        Unauthenticated: no token of the issuer may name somebody so.
    """
    rules = rules or IssuerRules(
        name=who.issuer, url=_URL, audiences=(_AUDIENCE,), naming=_naming(who)
    )
    told: dict[str, Any] = {"iss": rules.url, "aud": [*rules.audiences], "iat": 0, "exp": 1}
    match rules.naming:
        case ServiceAccountNaming():
            told |= _of_service_account(who)
        case OidcNaming() as naming:
            _add_names(told, who, naming)
            # Which other claims and clients the issuer's tokens must have is not what rules go by.
            rules = replace(rules, naming=replace(naming, authorized_parties=()))
        case _:
            assert_never(rules.naming)
    rules = replace(rules, required_claims={})
    return identity.identify(rules, ToldClaims({}, told, "supposed"), 0)


def exemplify(told: Mapping[str, Any], rules: IssuerRules, now: float) -> Identity:
    """The identity that an example of a token yields, which an issuer made and did not sign.

    `now` is in seconds since the epoch.

    Raises:
        Unauthenticated: such a token would not be taken.
    """
    return identity.identify(rules, ToldClaims({}, told, "example"), now)


def called(identity: Identity) -> str:
    """What somebody is called to an admin, who may have given no username."""
    return f"{identity.issuer}:{identity.username.removesuffix(UNNAMED) or '(no name)'}"


def _naming(who: Supposed) -> OidcNaming | ServiceAccountNaming:
    if who.service_account:
        return ServiceAccountNaming()
    return OidcNaming(username_claim="preferred_username")


def _of_service_account(who: Supposed) -> dict[str, Any]:
    namespace, _, name = who.service_account.partition("/")
    return {
        "sub": f"system:serviceaccount:{namespace}:{name}",
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name}},
    }


def _add_names(told: dict[str, Any], who: Supposed, naming: OidcNaming) -> None:
    if who.service_account:
        raise ValueError(f"issuer `{who.issuer}` is no cluster, and has no service accounts")
    # What holds a single name is no list in any token.
    names = {"sub", naming.username_claim, naming.client_claim}
    for name, values in who.claims.items():
        _put(told, name, values[0] if name in names and len(values) == 1 else [*values])
    if who.groups:
        _put(told, naming.groups_claim, [*who.groups])
    if who.client:
        _put(told, naming.client_claim, who.client)
    if who.username or claims.find(told, naming.username_claim) is None:
        _put(told, naming.username_claim, who.username or UNNAMED)
    told.setdefault("sub", who.username or UNNAMED)


def _put(told: dict[str, Any], name: str, value: Any) -> None:
    *way, last = claims.path(name)
    for key in way:
        inside = told.setdefault(key, {})
        told = inside if isinstance(inside, dict) else {last: inside}
    if last in told:
        raise ValueError(f"claim `{name}` is given twice")
    told[last] = value
