"""Why may they, or why not: a decision with every rule that made it, and those that nearly did.

The decision is that of `authorize`, and only what it leaves unsaid is looked up.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from proxy.core import shadow
from proxy.core.attributes import (
    HARDWAREDATA,
    HOSTCLAIMS,
    OPT_IN,
    PATCH_TYPES,
    SERVED,
    PatchType,
    Resource,
    ResourceRequest,
    Verb,
    is_name,
    is_namespace,
)
from proxy.core.bounds import BOUNDED, UNBOUNDED, Bounds
from proxy.core.entitlement import Allow, Decision, authorize, required_verbs
from proxy.core.identity import Identity
from proxy.core.nearness import Near, nearest
from proxy.core.policy import Combination, Effect, PolicySet, Rule, RuleSet
from proxy.core.policy.faults import suggestion, ticked
from proxy.core.policy.rules import covers
from proxy.core.shadow import Difference

_SPANNING: Final = (Verb.LIST, Verb.WATCH)
_WRITTEN_BELOW: Final = frozenset({Verb.GET, Verb.UPDATE, Verb.PATCH})


@dataclass(frozen=True, slots=True)
class Bound:
    """How far a HostClaim may go that is written by one rule, for one verb."""

    verb: Verb
    rule: Rule
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision, and what there is to say about it.

    `made_by` are the rules that made it; `overruled` would have granted it, but for
    denials. What is written has to keep one of the `bounds` of each verb, if there are any.
    `near` are rules that did not match, the closest first. `supposed` is what would be
    decided otherwise if rules in shadow counted.
    """

    decision: Decision
    made_by: tuple[Rule, ...]
    overruled: tuple[Rule, ...] = ()
    bounds: tuple[Bound, ...] = ()
    near: tuple[Near, ...] = ()
    supposed: Difference | None = None

    @property
    def allowed(self) -> bool:
        """Whether the request may pass."""
        return isinstance(self.decision, Allow)


def question(
    verb: str,
    resource: str,
    namespace: str | None,
    *,
    name: str | None = None,
    subresource: str = "",
    patch: str = "",
) -> ResourceRequest:
    """The request that somebody asks about, in words as kubectl takes them.

    `namespace` is None for all of them. A name is that of an object, and no rule goes by
    it. `patch` is one of `PATCH_TYPES`; a patch is a merge patch unless it says otherwise.

    Raises:
        ValueError: there is no such request.
    """
    asked = _read_verb(verb)
    about = _read_resource(resource)
    if namespace is None and asked not in _SPANNING:
        raise ValueError(f"name a namespace: only {ticked(_SPANNING, ' and ')} span them")
    if namespace is not None and not is_namespace(namespace):
        raise ValueError(f"`{namespace}` is not the name of a namespace")
    if name is not None and not is_name(name):
        raise ValueError(f"`{name}` is not the name of an object")
    if name is not None and namespace is None:
        raise ValueError(f"`{name}` is in one namespace: name it")
    if subresource and subresource not in about.subresources:
        raise ValueError(f"{about.plural} have no subresource `{subresource}`")
    if subresource and asked not in _WRITTEN_BELOW:
        raise ValueError(f"no `{asked}` is about a subresource")
    return ResourceRequest(asked, about, namespace, name, subresource, _patch(asked, about, patch))


def explain(
    identity: Identity,
    request: ResourceRequest,
    policies: PolicySet | None,
    combination: Combination = Combination(),  # noqa: B008 - it is frozen
) -> Explanation:
    """Decide as the proxy does, and say why.

    Without any policy files, `policies` is None. What an IAM permits besides is not known here.
    """
    rules = combination.of(policies, identity)
    decision = authorize(identity, request, rules)
    supposed = shadow.decided(decision, rules)
    if isinstance(decision, Allow):
        bounds = bounds_of(request, decision, rules)
        return Explanation(decision, decision.rules, bounds=bounds, supposed=supposed)
    if decision.rule is None:
        near = nearest(identity, request, policies, combination)
        return Explanation(decision, (), near=near, supposed=supposed)
    denials = dict.fromkeys((decision.rule, *_matching(rules, Effect.DENY, request)))
    granting = tuple(_matching(rules, Effect.ALLOW, request))
    return Explanation(decision, tuple(denials), granting, supposed=supposed)


def bounds_of(request: ResourceRequest, allow: Allow, rules: RuleSet) -> tuple[Bound, ...]:
    """The bounds that what is written has to keep, for each verb that no rule grants without."""
    if request.resource != HOSTCLAIMS or request.namespace is None:
        return ()
    found: list[Bound] = []
    for verb, bounds in zip(required_verbs(request), allow.bounds, strict=True):
        if verb in BOUNDED and UNBOUNDED not in bounds:
            granting = rules.all_matching(Effect.ALLOW, HOSTCLAIMS.plural, verb, request.namespace)
            pairs = zip(granting, bounds, strict=True)
            found += [Bound(verb, rule, kept) for rule, kept in pairs]
    return tuple(found)


def _matching(rules: RuleSet, effect: Effect, request: ResourceRequest) -> Iterator[Rule]:
    """Every rule that says something to one of the verbs of a request."""
    asked = {(request.resource.plural, verb) for verb in required_verbs(request)}
    # HardwareData is granted where claims are, and read where hosts are.
    anywhere = effect is Effect.ALLOW and request.resource == HARDWAREDATA
    for rule in rules:
        holds = anywhere or covers(rule.namespaces, request.namespace or "*")
        if holds and rule.effect is effect and not asked.isdisjoint(rule.permissions):
            yield rule


def _read_verb(text: str) -> Verb:
    try:
        return Verb(text.lower())
    except ValueError:
        raise ValueError(f"`{text}` is no verb, {suggestion(text, Verb)}") from None


def _read_resource(text: str) -> Resource:
    resources = (*SERVED, *OPT_IN)
    for resource in resources:
        names = (resource.plural, resource.singular, resource.qualified, *resource.short_names)
        if text.lower() in names:
            return resource
    plurals = [resource.plural for resource in resources]
    raise ValueError(f"`{text}` is not served, {suggestion(text, plurals)}")


def _patch(verb: Verb, resource: Resource, text: str) -> PatchType | None:
    if verb is not Verb.PATCH:
        if text:
            raise ValueError(f"a `{verb}` is no patch, and has no type of one")
        return None
    served = {name: patch for name, patch in PATCH_TYPES.items() if patch in resource.patch_types}
    found = served.get(text or "merge")
    if found is None:
        raise ValueError(f"`{text}` is no patch of {resource.plural}, use {ticked(served, ' or ')}")
    return found
