"""What several sources say together: any of them may grant, or all have to.

Either way a denial wins, whichever source it is from.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import reduce
from itertools import chain, product
from typing import assert_never

from proxy.core.bounds import UNBOUNDED, Bounds
from proxy.core.identity import Identity
from proxy.core.policy.claimed import ClaimGrants
from proxy.core.policy.origins import JointOrigin
from proxy.core.policy.rules import Effect, Rule, RuleSet, covering
from proxy.core.policy.subjects import PolicySet


class Combine(StrEnum):
    """How many sources have to grant something."""

    ANY = "any"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Combination:
    """How what several sources say of somebody is put together with the claims of the token."""

    how: Combine = Combine.ANY
    claims: ClaimGrants = field(default_factory=ClaimGrants)

    def of(self, policies: PolicySet | None, identity: Identity) -> RuleSet:
        """What policy files and claims say of an identity; with None, there are no such files.

        Files that say nothing are another thing, where every source has to grant.
        """
        parts = () if policies is None else (policies.rules_for(identity),)
        return self.rules(identity, parts)

    def rules(self, identity: Identity, parts: tuple[RuleSet, ...]) -> RuleSet:
        """What holds for an identity; the parts are those of sources that concern its issuer."""
        if self.claims.concern(identity.issuer):
            parts = (*parts, RuleSet(self.claims.rules_for(identity)))
        return combined(self.how, parts)


def combined(how: Combine, parts: Sequence[RuleSet]) -> RuleSet:
    """What the parts say together. No parts say no.

    What they would say if shadows counted is the same of their shadows; a part
    without one would say what it says.
    """
    rules = _together(how, parts)
    if all(part.shadow is None for part in parts):
        return rules
    supposed = [part if part.shadow is None else part.shadow for part in parts]
    return RuleSet(rules, shadow=_together(how, supposed))


def _together(how: Combine, parts: Sequence[RuleSet]) -> RuleSet:
    match how:
        case Combine.ANY:
            return RuleSet(chain.from_iterable(parts))
        case Combine.ALL:
            return reduce(_meet, parts) if parts else RuleSet()
        case _:
            assert_never(how)


def _meet(first: RuleSet, second: RuleSet) -> RuleSet:
    denials = (rule for rule in chain(first, second) if rule.effect is Effect.DENY)
    return RuleSet(chain(_grants_of_both(first, second), denials))


def _grants_of_both(first: RuleSet, second: RuleSet) -> Iterator[Rule]:
    """Each two grants that meet somewhere, as the grant of what they have in common."""
    for pattern, some, others in _where_both(first.granted(), second.granted()):
        for one, other in product(some, others):
            permissions = one.permissions & other.permissions
            bounds = _bounds_of_both(one.bounds, other.bounds)
            if permissions and bounds is not None:
                origin = JointOrigin(one.origin, other.origin)
                yield Rule(origin, Effect.ALLOW, permissions, (pattern,), bounds)


def _where_both(
    first: Mapping[str, Sequence[Rule]], second: Mapping[str, Sequence[Rule]]
) -> Iterator[tuple[str, Sequence[Rule], Sequence[Rule]]]:
    """Each pattern of one that a pattern of the other covers, with the rules of both.

    Of two patterns that have a namespace in common, one covers the other. So it is
    enough to look up those few that cover each, and no two lists are compared.
    """
    for pattern, some in first.items():
        for wider in covering(pattern):
            if wider in second:
                yield pattern, some, second[wider]
    for pattern, others in second.items():
        for wider in covering(pattern):
            if wider in first and wider != pattern:
                yield pattern, first[wider], others


def _bounds_of_both(one: Bounds, other: Bounds) -> Bounds | None:
    """The bounds that hold where both do.

    Policy files alone set bounds, so one of the two is unbounded. Were there ever
    two, nobody would know that both are kept, and nothing is granted.
    """
    if other in {UNBOUNDED, one}:
        return one
    return other if one == UNBOUNDED else None
