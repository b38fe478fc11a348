"""Who may: everybody to whom rules grant a request, and who of them may not after all.

Rules are for single names, so each name is asked about as somebody who has it and
no other; whoever has more may what each of them may, but for what is denied to one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Final, TypeAlias

from proxy.core.attributes import HARDWAREDATA, ResourceRequest
from proxy.core.entitlement import Allow, Decision, Deny, authorize
from proxy.core.explanation import Bound, bounds_of
from proxy.core.identity import Identity
from proxy.core.nearness import role_for, value_for
from proxy.core.personas import persona, witness
from proxy.core.policy import (
    ROLES,
    ClaimGrant,
    Combination,
    Combine,
    Effect,
    PolicySet,
    Rule,
    RuleSet,
)
from proxy.core.policy.rules import covers
from proxy.core.policy.subjects import Entry, Subject, SubjectKind, may_be_claimed

Claims: TypeAlias = tuple[tuple[str, str], ...]
"""Claims by name, and a value that each has to have."""

# What a persona is called by is in claims of these names.
_CALLED_BY: Final[Mapping[str, SubjectKind]] = MappingProxyType(
    {
        "groups": SubjectKind.GROUP,
        "preferred_username": SubjectKind.USER,
        "azp": SubjectKind.CLIENT,
    }
)
SINGLE: Final = frozenset({"preferred_username", "azp"})
"""Claims that can hold one value alone, for they are somebody's name."""


@dataclass(frozen=True, slots=True)
class Named:
    """Whoever a subject fits, if their token has these claims."""

    subject: Subject
    claims: Claims = ()


@dataclass(frozen=True, slots=True)
class Unless:
    """Who may not, for being somebody else as well."""

    subject: Subject
    reason: str
    rule: Rule | None


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who may, by which rules, within which bounds.

    `namespaces` are those that a list of all of them spans.
    """

    who: Named
    rules: tuple[Rule, ...]
    bounds: tuple[Bound, ...]
    namespaces: tuple[str, ...]
    unless: tuple[Unless, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Somebody who is granted it, and who may not all the same."""

    who: Named
    reason: str
    rule: Rule | None


def everyone(issuer: str) -> Subject:
    """Everyone of an issuer."""
    return Subject(issuer, SubjectKind.EVERYONE, "")


def identity_of(who: Named, *also: Subject) -> Identity | None:
    """Somebody who is called so, and by these names as well; None where nobody can be."""
    values: dict[str, tuple[str, ...]] = {}
    subjects = [who.subject, *also]
    for name, value in who.claims:
        if kind := _CALLED_BY.get(name):
            subjects.append(Subject(who.subject.issuer, kind, value))
        else:
            values[name] = (*values.get(name, ()), value)
    return persona(subjects, values)


def combined(
    combination: Combination, of_files: Sequence[Named] | None, of_claims: Sequence[Named]
) -> Iterator[Named]:
    """Whom sources name, each of them by itself; or all that there are for an issuer, together.

    Without any policy files, there are none of theirs.
    """
    if of_files is None or combination.how is Combine.ANY:
        yield from (*(of_files or ()), *of_claims)
        return
    for who in of_files:
        if not combination.claims.concern(who.subject.issuer):
            yield who
    for who, others in product(of_files, of_claims):
        if who.subject.issuer == others.subject.issuer:
            yield Named(who.subject, (*who.claims, *others.claims))


def holders(
    request: ResourceRequest, policies: PolicySet | None, combination: Combination
) -> Iterator[Holder | Refused]:
    """Everybody to whom a rule grants a request, in the order of the rules.

    The request needs a single verb; what an IAM permits besides is not known here.
    """
    asking = _Asking(request, policies, combination)
    adverse = tuple(dict.fromkeys(asking.adverse()))
    for who in dict.fromkeys(asking.granted()):
        if (found := asking.decide(who)) is None:
            continue
        decision, rules = found
        if isinstance(decision, Allow):
            bounds = bounds_of(request, decision, rules)
            unless = tuple(asking.exceptions(who, adverse))
            yield Holder(who, decision.rules, bounds, decision.namespaces, unless)
        else:
            yield Refused(who, decision.reason, decision.rule)


@dataclass(frozen=True, slots=True)
class _Asking:
    request: ResourceRequest
    policies: PolicySet | None
    combination: Combination

    @property
    def namespace(self) -> str | None:
        """The namespace in which it has to be granted; None where any will do."""
        anywhere = self.request.resource == HARDWAREDATA
        return None if anywhere else self.request.namespace

    def decide(self, who: Named, *also: Subject) -> tuple[Decision, RuleSet] | None:
        """What somebody is told, by which rules; None where nobody can be."""
        identity = identity_of(who, *also)
        if identity is None:
            return None
        rules = self.combination.of(self.policies, identity)
        return authorize(identity, self.request, rules), rules

    def granted(self) -> Iterator[Named]:
        """Whom sources grant it: any of them, or all that there are for an issuer."""
        of_files = None
        if self.policies is not None:
            of_files = [who for entry in self.policies for who in self._of_entry(entry)]
        of_claims = [who for grant in self.combination.claims for who in self._of_claim(grant)]
        return combined(self.combination, of_files, of_claims)

    def _of_entry(self, entry: Entry) -> Iterator[Named]:
        rule = entry.rule
        permission = (self.request.resource.plural, self.request.verb)
        if rule.effect is Effect.DENY or permission not in rule.permissions:
            return
        within = rule.namespaces if rule.namespaces or not entry.claim else ("*",)
        if self.namespace is not None and not covers(within, self.namespace):
            return
        claims: Claims = ()
        if entry.claim:
            name = self.namespace or witness(within[0], ())
            if name is None or not may_be_claimed(name):
                return
            claims = ((entry.claim, name),)
        yield from (Named(subject, claims) for subject in entry.subjects)

    def _of_claim(self, grant: ClaimGrant) -> Iterator[Named]:
        verb, plural = self.request.verb, self.request.resource.plural
        role = role_for(grant, plural, frozenset({verb}))
        name = self.namespace or witness(grant.within[0], ())
        if name is None or not may_be_claimed(name) or not covers(grant.within, name):
            return
        if (plural, verb) in ROLES[role]:
            yield Named(everyone(grant.issuer), ((grant.claim, value_for(grant, name, role)),))

    def adverse(self) -> Iterator[Subject]:
        """Everybody to whom a rule might take it away."""
        permission = (self.request.resource.plural, self.request.verb)
        anywhere = self.namespace is None
        for entry in self.policies or ():
            names = entry.rule.namespaces
            if permission not in entry.rule.permissions:
                continue
            if entry.rule.effect is Effect.DENY:
                if anywhere or covers(names, self.namespace or "*"):
                    yield from entry.subjects
            elif anywhere and any(name.endswith("*") for name in names):
                # Where namespaces have to be known by name, a pattern more is a refusal.
                yield from entry.subjects

    def exceptions(self, who: Named, adverse: Iterable[Subject]) -> Iterator[Unless]:
        """Who of them may not, for what else they are."""
        for subject in adverse:
            if subject.issuer != who.subject.issuer or subject == who.subject:
                continue
            found = self.decide(who, subject)
            if found is not None and isinstance(found[0], Deny):
                yield Unless(subject, found[0].reason, found[0].rule)
