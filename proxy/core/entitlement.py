"""May they: decide whether an identity may make a request.

Takes values, returns a value. The only module that can make an `Allow`. A
denial wins over any number of grants, and no match is a denial.
"""

from dataclasses import InitVar, dataclass
from typing import Final, assert_never, final

from proxy.core.attributes import (
    HARDWAREDATA,
    NOT_SERVED,
    DiscoveryRequest,
    PatchType,
    RequestInfo,
    ResourceRequest,
    ReviewRequest,
    Verb,
)
from proxy.core.bounds import Bounds
from proxy.core.identity import Identity
from proxy.core.policy import Effect, Rule, RuleSet

MAX_SPANNED: Final = 100
"""How many namespaces one list or watch spans; each is a connection to the apiserver."""

# How many namespaces a refusal lists; the rest is a number.
_NAMED = 10


class _Seal:
    """Held by this module alone: proof that `authorize` made the value."""


_SEAL = _Seal()


@final
@dataclass(frozen=True, slots=True)
class Allow:
    """A decision to let one request of one identity through, and the rules that made it.

    `namespaces` are those that a list or watch of all namespaces is to span; of
    HardwareData, those whose claims and HostDeployPolicies say what may be read.
    `bounds` has, for each verb that the request needs, the bounds of every rule
    that grants it: what is written must stay within one of them.
    """

    seal: InitVar[_Seal]
    identity: Identity
    request: RequestInfo
    rules: tuple[Rule, ...] = ()
    bounds: tuple[tuple[Bounds, ...], ...] = ()
    namespaces: tuple[str, ...] = ()

    def __post_init__(self, seal: _Seal) -> None:
        if seal is not _SEAL:
            raise TypeError("only entitlement.authorize makes an Allow")

    @property
    def reason(self) -> str:
        """Which rules made it, for the audit record."""
        return "; ".join([str(rule.origin) for rule in self.rules]) or "any authenticated caller"


@dataclass(frozen=True, slots=True)
class Deny:
    """A decision to refuse, in words the caller can act on."""

    identity: Identity
    request: RequestInfo
    reason: str
    rule: Rule | None = None


Decision = Allow | Deny


def deciding(decision: Decision) -> tuple[Rule, ...]:
    """The rules that made it."""
    if isinstance(decision, Allow):
        return decision.rules
    return () if decision.rule is None else (decision.rule,)


def authorize(identity: Identity, request: RequestInfo, rules: RuleSet) -> Decision:
    """Decide. Cannot fail, and does not depend on anything but its arguments."""
    match request:
        case DiscoveryRequest() | ReviewRequest():
            return Allow(_SEAL, identity, request)
        case ResourceRequest():
            return _authorize_resource(identity, request, rules)
    assert_never(request)


def required_verbs(request: ResourceRequest) -> tuple[Verb, ...]:
    """The verbs a request needs, all of them.

    A server-side apply of an object that is not there creates it (KEP-555), so
    an apply needs both.
    """
    if request.patch_type is PatchType.APPLY:
        return (Verb.PATCH, Verb.CREATE)
    return (request.verb,)


def _authorize_resource(identity: Identity, request: ResourceRequest, rules: RuleSet) -> Decision:
    if request.resource == HARDWAREDATA:
        return _authorize_hardware(identity, request, rules)
    if request.namespace is None:
        return _authorize_all(identity, request, rules)
    if request.subresource and request.verb is not Verb.GET:
        reason = f"the {request.subresource} is written by the host's controller alone"
        return Deny(identity, request, reason)
    plural, namespace = request.resource.plural, request.namespace
    why: list[Rule] = []
    bounds: list[tuple[Bounds, ...]] = []
    for verb in required_verbs(request):
        ruling = rules.found((plural, verb, namespace), _rule)
        if not ruling.grants:
            return Deny(identity, request, ruling.refusal, ruling.denial)
        if ruling.grants[0] not in why:
            why.append(ruling.grants[0])
        bounds.append(ruling.bounds)
    return Allow(_SEAL, identity, request, tuple(why), tuple(bounds))


@dataclass(frozen=True, slots=True)
class _Ruling:
    """What rules say to one verb in one namespace. Without grants it is a refusal."""

    grants: tuple[Rule, ...] = ()
    bounds: tuple[Bounds, ...] = ()
    denial: Rule | None = None
    refusal: str = ""


def _rule(rules: RuleSet, asked: tuple[str, Verb, str]) -> _Ruling:
    if denial := rules.matching(Effect.DENY, *asked):
        return _Ruling(denial=denial, refusal="a policy denies it explicitly")
    granting = tuple(rules.all_matching(Effect.ALLOW, *asked))
    if not granting:
        return _Ruling(refusal=_no_grant(asked, rules))
    return _Ruling(granting, tuple(rule.bounds for rule in granting))


def _authorize_hardware(identity: Identity, request: ResourceRequest, rules: RuleSet) -> Decision:
    """HardwareData lies where the hosts are, and is granted where the claims are.

    So the request is let through for those namespaces; which HardwareData is theirs the
    cluster says (`core.hardwaredata`). A denial holds in either place.
    """
    plural = request.resource.plural
    if request.resource not in rules.resources():
        return Deny(identity, request, NOT_SERVED)
    if request.namespace is None:
        return Deny(identity, request, f"{plural} is read in one namespace of hosts at a time")
    if denial := rules.matching(Effect.DENY, plural, request.verb, request.namespace):
        return Deny(identity, request, "a policy denies it explicitly", denial)
    return _authorize_named(
        identity, request, rules, f"have {plural} granted in a few namespaces, by name"
    )


def _authorize_all(identity: Identity, request: ResourceRequest, rules: RuleSet) -> Decision:
    """A list or watch of all namespaces: of those that are granted by name, all of them."""
    if request.verb not in {Verb.LIST, Verb.WATCH}:
        return Deny(identity, request, f"name a namespace; {_yours(rules)}")
    return _authorize_named(identity, request, rules, "ask for one namespace at a time")


def _authorize_named(
    identity: Identity, request: ResourceRequest, rules: RuleSet, instead: str
) -> Decision:
    """A request for all namespaces that are granted, if each of them is by name.

    Which namespaces a pattern covers is not known here, and to leave some out
    unsaid would be a wrong answer. `instead` is what to do where it fails.
    """
    asked = (request.resource.plural, request.verb)
    granted = rules.where(*asked)
    if granted.patterns:
        covering = ", ".join(granted.patterns[:_NAMED])
        reason = f"which namespaces {covering} covers is not known here"
        return Deny(identity, request, f"{reason}, {instead}")
    if not granted.names:
        reason = f"no policy grants you {request.verb} on {asked[0]} anywhere; {_yours(rules)}"
        return Deny(identity, request, reason)
    if len(granted.names) > MAX_SPANNED:
        reason = f"you have more than {MAX_SPANNED} namespaces, {instead}"
        return Deny(identity, request, reason)
    found = (rules.matching(Effect.ALLOW, *asked, name) for name in granted.names)
    why = tuple(dict.fromkeys(rule for rule in found if rule is not None))
    return Allow(_SEAL, identity, request, why, namespaces=granted.names)


def _no_grant(asked: tuple[str, Verb, str], rules: RuleSet) -> str:
    plural, verb, namespace = asked
    here = rules.permissions(namespace)
    if verbs := sorted([granted for resource, granted in here if resource == plural]):
        return f"no policy grants you {verb} on {plural} there, only {', '.join(verbs)}"
    return f"no policy grants you {plural} in this namespace; {_yours(rules)}"


def _yours(rules: RuleSet) -> str:
    namespaces = tuple(rules.namespaces())
    if not namespaces:
        return "no namespace is granted to you"
    more = f" and {len(namespaces) - _NAMED} more" if len(namespaces) > _NAMED else ""
    return f"your namespaces are {', '.join(namespaces[:_NAMED])}{more}"
