"""What would have been decided: a recorded request decided anew, by other policies.

Reads what `audit` wrote, and decides with `entitlement.authorize`. What a record does
not tell is tried both ways, and where they differ nothing is guessed: it is not known.
A record may be anything by the time that it is read, so nothing here fails.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, assert_never

from proxy.core import attributes, supposed, untold
from proxy.core.attributes import (
    HOSTCLAIMS,
    PatchType,
    RequestInfo,
    ResourceRequest,
    Verb,
)
from proxy.core.audit import PATCH_TYPE
from proxy.core.bounds import BOUNDED, UNBOUNDED
from proxy.core.entitlement import Allow, Decision, Deny, authorize
from proxy.core.errors import Refused, Unauthenticated
from proxy.core.identity import Identity, IssuerRules, OidcNaming, ServiceAccountNaming
from proxy.core.narrowing import METHODS
from proxy.core.policy import Combination, Combine, PolicySet
from proxy.core.review import ISSUER, SERVICE_ACCOUNT
from proxy.core.shadow import Verdict
from proxy.core.supposed import Supposed
from proxy.core.untold import Claims, Untold
from proxy.core.wire import Fields, RawRequest

_CLIENT: Final = "hostclaim-proxy.metal3.io/client"
_FORBIDDEN: Final = 403
_UNKNOWN: Final = OidcNaming(
    username_claim="username ", groups_claim="groups ", client_claim="client "
)
_REMEMBERED: Final = 10_000
# Characters; somebody may be in a thousand groups, and whoever asks chooses for what.
_BRIEF: Final = 8192
# Of a text in a record; as long as the longest that is recorded.
_LONGEST: Final = 2048


class Outcome(StrEnum):
    """What would have become of a request, beside what did."""

    SAME = "same"
    REFUSED = "refused"
    PASSED = "passed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Request:
    """Who asked for what, as far as deciding goes by it; `namespace` is empty for all of them."""

    issuer: str
    username: str
    groups: tuple[str, ...]
    client: str
    service_account: str
    request: ResourceRequest

    @property
    def user(self) -> str:
        """Somebody as records call them."""
        return f"{self.issuer}:{self.username}"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request, what was decided, why, and when it came in."""

    asked: Request
    verdict: Verdict
    reason: str
    time: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is decided now; None if that cannot be known, and why either way.

    What is `conditional` is allowed as long as the HostClaim, which no record has, keeps bounds.
    """

    verdict: Verdict | None
    reason: str
    conditional: bool = False


def read(event: Mapping[str, Any]) -> Recorded | str:
    """Read a record; or say why there is nothing in it that could be decided anew."""
    match event:
        case {
            "user": {"username": str(user), "extra": {**extra}},
            "objectRef": {**_about},
            "verb": str(verb),
            "requestURI": str(target),
            "annotations": {"authorization.k8s.io/decision": str(decision), **annotations},
            "responseStatus": {"code": int(code)},
        } if extra.get(ISSUER):
            pass
        case _:
            return "no request for objects of somebody who is known"
    if decision not in {*Verdict}:
        return "no decision of this proxy"
    verdict = Verdict(decision)
    if verdict is Verdict.FORBID and code != _FORBIDDEN:
        return "refused before anything was decided"
    issuer = _first(extra.get(ISSUER))
    request = _request(verb, target, annotations.get(PATCH_TYPE))
    if request is None or not user.startswith(f"{issuer}:"):
        return "no request that this proxy records"
    asked = Request(
        issuer,
        user.removeprefix(f"{issuer}:"),
        tuple(_texts(event["user"].get("groups"))),
        _first(extra.get(_CLIENT)),
        _first(extra.get(SERVICE_ACCOUNT)),
        request,
    )
    reason = _first([annotations.get("authorization.k8s.io/reason")])
    return Recorded(asked, verdict, reason, _first([event.get("requestReceivedTimestamp")]))


def outcome(recorded: Recorded, answer: Answer) -> Outcome:
    """What an answer means beside what was decided."""
    if answer.verdict is None:
        return Outcome.UNKNOWN
    if answer.verdict is recorded.verdict:
        return Outcome.SAME
    return Outcome.PASSED if answer.verdict is Verdict.ALLOW else Outcome.REFUSED


@dataclass(slots=True)
class Replay:
    """Policies by which requests are decided anew.

    `issuers` are what is known of issuers, if anything is; callers of `asked` are entitled
    by what the IAM permits them, too.
    """

    policies: PolicySet
    combination: Combination
    issuers: Mapping[str, IssuerRules]
    asked: frozenset[str]
    _known: dict[Request, Answer] = field(default_factory=dict)
    _untold: Untold = field(init=False)

    def __post_init__(self) -> None:
        self._untold = Untold(self.policies, self.combination.claims)

    def decide(self, request: Request) -> Answer:
        """Decide a request, as it would be decided by these policies."""
        if (known := self._known.get(request)) is None:
            known = self._decide(request)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            if sum(map(len, (request.username, *request.groups))) <= _BRIEF:
                self._known[request] = known
        return known

    def _decide(self, asked: Request) -> Answer:
        issuer = self.issuers.get(asked.issuer)
        if self.issuers and issuer is None:
            return Answer(None, "the configuration does not have the issuer")
        if issuer is None and not asked.service_account and _account(asked.username):
            return Answer(None, "whether it was a service account is not recorded")
        without = _identity(asked, issuer, {})
        if without is None:
            return Answer(None, "no token of the issuer names somebody so")
        if asked.request.verb is Verb.PATCH and asked.request.patch_type is None:
            return self._either(asked, issuer, without)
        return self._answer(asked, issuer, without)

    def _either(self, asked: Request, issuer: IssuerRules | None, without: Identity) -> Answer:
        """The answer to a patch of which the record does not say whether it was an apply."""
        kinds = (PatchType.MERGE, PatchType.APPLY)
        plain, apply = (
            self._answer(
                replace(asked, request=replace(asked.request, patch_type=kind)), issuer, without
            )
            for kind in kinds
        )
        if plain.verdict is apply.verdict:
            return plain
        return Answer(None, "the type of the patch is not recorded")

    def _answer(self, asked: Request, issuer: IssuerRules | None, without: Identity) -> Answer:
        """The answer with what the record tells, if claims and the IAM cannot change it."""
        decision = self._authorize(without, asked.request)
        if isinstance(decision, Deny) and decision.rule is not None:
            return _told(decision)
        if asked.issuer in self.asked and self._may_permit(decision, asked.request):
            return Answer(None, "what the IAM permits is not recorded")
        made_up = self._untold.granting if isinstance(decision, Deny) else self._untold.crowding
        for claims in made_up(without, asked.request):
            listing = _identity(asked, issuer, self._unnamed(asked, claims))
            if listing is None or type(self._authorize(listing, asked.request)) is not type(
                decision
            ):
                return Answer(None, "claims of the token are not recorded")
        return _told(decision)

    def _may_permit(self, decision: Decision, request: ResourceRequest) -> bool:
        """Whether what the IAM permits could have led to another decision."""
        if isinstance(decision, Deny) or self.combination.how is Combine.ALL:
            return True
        # A pattern that it permits takes away what goes by names alone.
        return untold.spans(request)

    def _authorize(self, who: Identity, request: ResourceRequest) -> Decision:
        parts = (self.policies.rules_for(who),)
        return authorize(who, request, self.combination.rules(who, parts))

    def _unnamed(self, asked: Request, claims: Claims) -> Claims:
        """Claims without those that the record tells, by whichever name it is a claim."""
        named = _naming(self.issuers.get(asked.issuer))
        return {claim: values for claim, values in claims.items() if claim not in named}


def _identity(
    asked: Request, rules: IssuerRules | None, claims: Mapping[str, tuple[str, ...]]
) -> Identity | None:
    """Who asked, as a token with these claims would have it; None if none could."""
    account = asked.service_account or _account(asked.username)
    is_account = isinstance(rules.naming, ServiceAccountNaming) if rules else bool(account)
    who: dict[str, Any] = (
        {"service_account": account}
        if is_account
        else {
            "username": asked.username,
            "groups": asked.groups,
            "client": asked.client,
            "claims": claims,
        }
    )
    if rules is None and not is_account:
        # No claim is taken for what names somebody: which one does is not known.
        rules = IssuerRules(
            name=asked.issuer, url="https://replay.invalid", audiences=("replay",), naming=_UNKNOWN
        )
    try:
        return supposed.identify(Supposed(issuer=asked.issuer, **who), rules)
    except (ValueError, Unauthenticated):
        return None


def _account(username: str) -> str:
    match username.split(":"):
        case ["serviceaccount", namespace, name]:
            return f"{namespace}/{name}"
    return ""


def _naming(rules: IssuerRules | None) -> frozenset[str]:
    """The claims that the naming of an issuer reads."""
    if rules is None or isinstance(rules.naming, ServiceAccountNaming):
        return frozenset()
    naming = rules.naming
    return frozenset({naming.username_claim, naming.groups_claim, naming.client_claim})


def _told(decision: Decision) -> Answer:
    match decision:
        case Allow(reason=reason, bounds=bounds):
            bounded = any(UNBOUNDED not in alternatives for alternatives in bounds)
            return Answer(Verdict.ALLOW, reason, bounded and _writes_claims(decision.request))
        case Deny(reason=reason, rule=rule):
            return Answer(Verdict.FORBID, f"{reason}; {rule.origin}" if rule else reason)
        case _:
            assert_never(decision)


def _writes_claims(request: RequestInfo) -> bool:
    return (
        isinstance(request, ResourceRequest)
        and request.resource is HOSTCLAIMS
        and request.verb in BOUNDED
    )


def _request(verb: str, target: str, patch_type: object) -> ResourceRequest | None:
    """The request that a record is of. Its query decides nothing but that it is a watch."""
    if verb not in METHODS:
        return None
    path = target.partition("?")[0] + ("?watch=true" if verb == Verb.WATCH else "")
    known = patch_type if isinstance(patch_type, str) else PatchType.MERGE.value
    fields = Fields((("Content-Type", known), ("Content-Length", "0")))
    try:
        found = attributes.parse(RawRequest(METHODS[Verb(verb)], path, fields))
    except Refused:
        return None
    if not isinstance(found, ResourceRequest) or found.verb != verb:
        return None
    told = found.patch_type if isinstance(patch_type, str) else None
    return replace(found, patch_type=told, parameters=())


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, list):
        yield from (one for one in value if isinstance(one, str))


def _first(value: object) -> str:
    return next(_texts(value), "")[:_LONGEST]
