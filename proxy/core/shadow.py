"""What would have been: decide as if shadow rules counted, and say what would have changed.

Never part of deciding. What comes out are words for the record: no `Allow` that
shadow rules make leaves this module, so none can send anything upstream.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from proxy.core.attributes import ResourceRequest
from proxy.core.entitlement import Allow, Decision, Deny, authorize, required_verbs
from proxy.core.hostclaims import OutOfBounds
from proxy.core.policy import Effect, Permission, Rule, RuleSet, places

# How many namespaces and rules a reason lists; the rest is a number.
_NAMED: Final = 10


class Verdict(StrEnum):
    """A decision, in the word that audit records have for it."""

    ALLOW = "allow"
    FORBID = "forbid"


@dataclass(frozen=True, slots=True)
class Difference:
    """What shadow rules would have changed.

    `policies` are the documents that would have, by their names.
    """

    verdict: Verdict
    reason: str
    policies: tuple[str, ...]


def decided(decision: Decision, rules: RuleSet) -> Difference | None:
    """What would have been decided otherwise; None if shadow rules change nothing.

    `decision` is what `rules` led to. Reasons alone are no difference, and neither is
    which rule it was; the namespaces that a list spans are one.
    """
    request = decision.request
    # Discovery and reviews are for everybody, and tell what counts.
    if rules.shadow is None or not isinstance(request, ResourceRequest):
        return None
    would = authorize(decision.identity, request, rules.shadow)
    match would:
        case Allow():
            if isinstance(decision, Deny):
                by = _of(would.rules, rules, request)
                return _difference(Verdict.ALLOW, would.reason, by)
            if would.namespaces != decision.namespaces:
                return _spans(decision, would, rules, request)
        case Deny():
            if isinstance(decision, Allow):
                by = _of((would.rule,) if would.rule else (), rules, request)
                return _difference(Verdict.FORBID, _because(would.reason, by), by)
        case _:
            assert_never(would)
    return None


def bounded(refused: OutOfBounds, rules: RuleSet) -> Difference | None:
    """What would have been said of a claim that goes further than its grants let it.

    None if the bounds of shadow grants would not have let it, either. What is looked at
    only after its bounds is not known then: secrets, owners, and how many there are.
    """
    if rules.shadow is None:
        return None
    request = refused.call.resource_request
    would = authorize(refused.call.allow.identity, request, rules.shadow)
    if isinstance(would, Deny) or not refused.keeps(would.bounds):
        return None
    granting = _supposed(rules, Effect.ALLOW, request, request.namespace or "")
    by = [rule for rule in dict.fromkeys(granting) if refused.keeps(((rule.bounds,),))]
    return _difference(Verdict.ALLOW, _because("within the bounds", by), by)


def _spans(decision: Allow, would: Allow, rules: RuleSet, request: ResourceRequest) -> Difference:
    """Both let a list of all namespaces through, one with others of them."""
    more = [name for name in would.namespaces if name not in decision.namespaces]
    less = [name for name in decision.namespaces if name not in would.namespaces]
    made = (
        rule
        for effect, names in ((Effect.ALLOW, more), (Effect.DENY, less))
        for name in names
        for rule in _supposed(rules, effect, request, name)
    )
    by = _of(dict.fromkeys(made), rules, request)
    told = (("with", more), ("without", less))
    reason = ", ".join(f"{word} {_listed(names)}" for word, names in told if names)
    return _difference(Verdict.ALLOW, _because(reason, by), by)


def _supposed(
    rules: RuleSet, effect: Effect, request: ResourceRequest, namespace: str
) -> Iterator[Rule]:
    """The rules that do not count and have an effect on what is asked for in a namespace."""
    for asked in _permissions(request):
        found = () if rules.shadow is None else rules.shadow.all_matching(effect, *asked, namespace)
        yield from (rule for rule in found if rule in rules.only_in_shadow)


def _of(made: Iterable[Rule], rules: RuleSet, request: ResourceRequest) -> list[Rule]:
    """Those of the rules behind a decision that do not count.

    Where none of them is behind it, what they take away or add elsewhere is: then it
    is all that are about what was asked for.
    """
    if by := [rule for rule in made if rule in rules.only_in_shadow]:
        return by
    asked = _permissions(request)
    return [
        rule
        for rule in rules.shadow or ()
        if rule in rules.only_in_shadow and not rule.permissions.isdisjoint(asked)
    ]


def _permissions(request: ResourceRequest) -> tuple[Permission, ...]:
    return tuple((request.resource.plural, verb) for verb in required_verbs(request))


def _difference(verdict: Verdict, reason: str, by: Iterable[Rule]) -> Difference:
    named = (place.document for rule in by for place in places(rule.origin))
    return Difference(verdict, reason, tuple(dict.fromkeys(named)))


def _because(reason: str, by: list[Rule]) -> str:
    more = [f"and {len(by) - _NAMED} more"] if len(by) > _NAMED else []
    return "; ".join([reason, *(str(rule.origin) for rule in by[:_NAMED]), *more])


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{' '.join(names[:_NAMED])}{more}"
