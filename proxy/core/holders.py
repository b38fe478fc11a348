"""Who may: everybody to whom rules grant a request, and who of them may not after all.

Rules are for single names, so each name is asked about as somebody who has it and
no other; whoever has more may what each of them may, but for what is denied to one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from proxy.core.attributes import HARDWAREDATA, ResourceRequest
from proxy.core.entitlement import Allow, Decision, Deny, authorize
from proxy.core.explanation import Bound, bounds_of
from proxy.core.identity import Identity
from proxy.core.nearness import value_for
from proxy.core.personas import persona, witness
from proxy.core.policy import (
    ROLES,
    ClaimGrant,
    Combination,
    Combine,
    Effect,
    Permission,
    PolicySet,
    Role,
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
SINGLE: Final = frozenset({"sub", "preferred_username", "azp"})
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


def holders(
    request: ResourceRequest, policies: PolicySet | None, combination: Combination
) -> Iterator[Holder | Refused]:
    """Everybody to whom a rule grants a request, in the order of the rules.

    The request needs a single verb; what an IAM permits besides is not known here.
    """
    asking = _Asking(request, policies, combination, _names(policies or ()))
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


def _names(entries: Iterable[Entry]) -> frozenset[str]:
    return frozenset(name for entry in entries for name in entry.rule.namespaces)


def _within(entry: Entry) -> tuple[str, ...]:
    """Where a rule may hold: anywhere, if a claim alone says where."""
    return entry.rule.namespaces or ("*",)


@dataclass(frozen=True, slots=True)
class _Asking:
    request: ResourceRequest
    policies: PolicySet | None
    combination: Combination
    known: frozenset[str]
    """Namespaces that rules tell from others by name: none of them stands for others."""

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
        together = self.policies is not None and self.combination.how is Combine.ALL
        for entry in self.policies or ():
            if entry.rule.effect is Effect.ALLOW and self._is_about(entry.rule.permissions):
                for subject in entry.subjects:
                    if together and self.combination.claims.concern(subject.issuer):
                        yield from self._of_both(entry, subject)
                    else:
                        yield from self._of_entry(entry, subject)
        for grant in () if together else self.combination.claims:
            yield from self._of_claim(grant)

    def _is_about(self, permissions: Collection[Permission]) -> bool:
        return (self.request.resource.plural, self.request.verb) in permissions

    def _of_entry(self, entry: Entry, subject: Subject) -> Iterator[Named]:
        within = _within(entry)
        if entry.claim:
            names = (name for name in self._claimable(within) if covers(within, name))
            yield from (Named(subject, ((entry.claim, name),)) for name in names)
        elif self.namespace is None or covers(within, self.namespace):
            yield Named(subject)

    def _of_claim(self, grant: ClaimGrant) -> Iterator[Named]:
        for _, claims in self._claimed(grant, grant.within):
            yield Named(everyone(grant.issuer), claims)

    def _of_both(self, entry: Entry, subject: Subject) -> Iterator[Named]:
        """Somebody to whom a rule and a claim grant it in the same namespace."""
        within = _within(entry)
        for grant in self.combination.claims:
            for name, claims in self._claimed(grant, (*within, *grant.within)):
                if grant.issuer == subject.issuer and covers(within, name):
                    own = ((entry.claim, name),) if entry.claim else ()
                    yield Named(subject, (*own, *claims))

    def _claimed(self, grant: ClaimGrant, places: Iterable[str]) -> Iterator[tuple[str, Claims]]:
        """Each namespace of some that a claim grants it in, and a value of it that does."""
        for name in self._claimable(places):
            for role in Role if covers(grant.within, name) else ():
                if grant.role in {role, None} and self._is_about(ROLES[role]):
                    yield name, ((grant.claim, value_for(grant, name, role)),)

    def _claimable(self, places: Iterable[str]) -> Iterator[str]:
        """What a claim may name: the namespace, or one for each place where any will do."""
        anywhere = (witness(place, self.known) for place in places)
        names = anywhere if self.namespace is None else (self.namespace,)
        yield from (name for name in names if name is not None and may_be_claimed(name))

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
