"""What would have granted it: the rules that came close, and what each of them lacked.

Nothing is decided here. What is granted is asked of the rules themselves, and what
a rule lacks is found by what the reader of rules goes by: whom it concerns, where
it holds, and what it permits.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import takewhile
from typing import Final, assert_never

from proxy.core.attributes import HARDWAREDATA, ResourceRequest, Verb
from proxy.core.entitlement import required_verbs
from proxy.core.identity import Identity
from proxy.core.policy import (
    ROLES,
    ClaimGrant,
    Combination,
    Combine,
    Effect,
    PolicySet,
    Role,
    RuleSet,
)
from proxy.core.policy.rules import covers
from proxy.core.policy.subjects import Entry, Subject, SubjectKind, may_be_claimed

_LISTED: Final = 3


class Thing(IntEnum):
    """What a rule can lack, the least of things first."""

    VERB = 1
    RESOURCE = 2
    DENIED = 3
    """Nothing, but denials take off all that it grants."""
    PATTERN = 4
    """Names: it gives namespaces by a pattern, where they have to be known."""
    CLAIM = 5
    """What the caller's own token does not say."""
    NAMESPACE = 6
    SUBJECT = 7


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing that keeps a rule from granting a request; `message` goes on after "it"."""

    thing: Thing
    message: str
    # How much of the name that would be right is there already.
    likeness: int = 0


@dataclass(frozen=True, slots=True)
class Near:
    """A rule that did not grant a request, and everything that it lacked.

    `rule` is that of a policy file with whom it concerns, or what a claim means.
    """

    rule: Entry | ClaimGrant
    lacks: tuple[Lack, ...]

    @property
    def origin(self) -> str:
        """Where the rule stands."""
        match self.rule:
            case Entry(rule=rule):
                return str(rule.origin)
            case ClaimGrant(issuer=issuer, claim=claim, pattern=pattern):
                return f"{issuer}: claim {claim} {pattern}"
        assert_never(self.rule)

    def closeness(self) -> tuple[int, int, int]:
        """What rules are sorted by: the closest comes first."""
        likeness = sum(lack.likeness for lack in self.lacks)
        return len(self.lacks), sum(lack.thing for lack in self.lacks), -likeness


def nearest(
    identity: Identity,
    request: ResourceRequest,
    policies: PolicySet | None,
    combination: Combination,
) -> tuple[Near, ...]:
    """Every rule that falls short of granting a request that nothing grants, the closest first.

    Where every source has to grant, the rules of those that do not.
    """
    if not _may_be_granted(request):
        return ()
    policies = PolicySet() if policies is None else policies
    of_files = policies.rules_for(identity)
    of_claims = RuleSet(combination.claims.rules_for(identity))
    if combination.how is Combine.ANY:
        of_files = of_claims = combination.of(policies, identity)
    found = (
        *_near_in_files(_Asked.of(identity, request, of_files), policies),
        *_near_in_claims(_Asked.of(identity, request, of_claims), combination.claims),
    )
    return tuple(sorted(found, key=Near.closeness))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request and what of it the rules do not grant."""

    identity: Identity
    plural: str
    missing: frozenset[Verb]
    rules: RuleSet
    # None where any namespace will do, if it is known by name.
    namespace: str | None
    patterns: tuple[str, ...] = ()

    @classmethod
    def of(cls, identity: Identity, request: ResourceRequest, rules: RuleSet) -> "_Asked":
        plural, namespace = request.resource.plural, request.namespace
        if namespace is None or request.resource == HARDWAREDATA:
            granted = rules.where(plural, request.verb)
            short = granted.patterns or not granted.names
            missing = frozenset({request.verb} if short else ())
            return cls(identity, plural, missing, rules, None, granted.patterns)
        missing = frozenset(
            verb
            for verb in required_verbs(request)
            if rules.matching(Effect.ALLOW, plural, verb, namespace) is None
        )
        return cls(identity, plural, missing, rules, namespace)


def _may_be_granted(request: ResourceRequest) -> bool:
    """Whether some rule could grant it at all."""
    if request.subresource and request.verb is not Verb.GET:
        return False
    if request.namespace is None and request.resource == HARDWAREDATA:
        return False
    return request.verb in request.resource.verbs


def _near_in_files(asked: _Asked, policies: PolicySet) -> Iterator[Near]:
    if not asked.missing:
        return
    for entry in policies:
        if entry.rule.effect is Effect.ALLOW and _could_hold(asked, entry):
            lacks = tuple(_lacks(asked, entry))
            # Whatever else were granted, a rule with a pattern would stand in its way.
            if not asked.patterns or _is_in_the_way(asked, entry, lacks):
                yield Near(entry, lacks)


def _is_in_the_way(asked: _Asked, entry: Entry, lacks: tuple[Lack, ...]) -> bool:
    of_pattern = [lack.thing for lack in lacks] == [Thing.PATTERN]
    return of_pattern and not set(asked.patterns).isdisjoint(entry.rule.namespaces)


def _could_hold(asked: _Asked, entry: Entry) -> bool:
    """Whether a token could name the namespace, for a rule that goes by what it names."""
    return not entry.claim or asked.namespace is None or may_be_claimed(asked.namespace)


def _lacks(asked: _Asked, entry: Entry) -> Iterator[Lack]:
    if not entry.concerns(asked.identity):
        yield _of_subject(asked.identity, entry.subjects)
    yield from _of_place(asked, entry)
    yield from _of_permissions(asked, entry.rule.permissions)
    if asked.namespace is None and not asked.patterns:
        yield from _of_denial(asked, entry)


def _of_subject(identity: Identity, subjects: tuple[Subject, ...]) -> Lack:
    ours = [subject for subject in subjects if subject.issuer == identity.issuer]
    likeness = max((_likeness(identity, subject) for subject in ours), default=-1)
    closest = sorted(ours, key=lambda subject: -_likeness(identity, subject))
    if not closest:
        issuers = _few(dict.fromkeys(f"`{subject.issuer}`" for subject in subjects))
        message = f"is for issuer {issuers}; they are of `{identity.issuer}`"
        return Lack(Thing.SUBJECT, message, likeness)
    names = _few(f"{subject.kind} `{subject.value}`" for subject in closest)
    has = _few(dict.fromkeys(_has(identity, subject.kind) for subject in closest))
    return Lack(Thing.SUBJECT, f"names {names}; they {has}", likeness)


def _has(identity: Identity, kind: SubjectKind) -> str:
    """What somebody is, where a rule asks for something else of the same kind."""
    match kind:
        case SubjectKind.GROUP:
            groups = _few(f"`{group}`" for group in identity.groups)
            return f"are in {groups}" if groups else "are in no group"
        case SubjectKind.CLIENT:
            return (
                f"came with client `{identity.client}`"
                if identity.client
                else "came with no client"
            )
        case SubjectKind.SERVICE_ACCOUNT:
            account = identity.service_account
            return f"are service account `{account}`" if account else "are no service account"
        case SubjectKind.USER | SubjectKind.EVERYONE:
            return f"are `{identity.username}`"
    assert_never(kind)


def _likeness(identity: Identity, subject: Subject) -> int:
    match subject.kind:
        case SubjectKind.GROUP:
            names = identity.groups
        case SubjectKind.CLIENT:
            names = (identity.client,)
        case SubjectKind.SERVICE_ACCOUNT:
            names = (identity.service_account,)
        case SubjectKind.USER | SubjectKind.EVERYONE:
            names = (identity.username,)
        case _:
            assert_never(subject.kind)
    return max((_in_common(name, subject.value) for name in names), default=0)


def _of_place(asked: _Asked, entry: Entry) -> Iterator[Lack]:
    within = entry.rule.namespaces
    claimed = asked.identity.claims.get(entry.claim, ()) if entry.claim else ()
    if asked.namespace is None:
        names = entry.rule_for(asked.identity).namespaces
        if not names:
            reach = f" within {_ticked(within)}" if within else ""
            yield Lack(Thing.CLAIM, f"goes by claim `{entry.claim}`, which names nothing{reach}")
        elif patterns := [name for name in names if name.endswith("*")]:
            message = f"gives {_ticked(patterns)}, and here namespaces have to be known by name"
            yield Lack(Thing.PATTERN, message)
        return
    if (within or not entry.claim) and not covers(within, asked.namespace):
        likeness = max(_in_common(name, asked.namespace) for name in within)
        yield Lack(
            Thing.NAMESPACE, f"holds in {_ticked(within)}, not in `{asked.namespace}`", likeness
        )
    if entry.claim and asked.namespace not in claimed:
        lists = f"lists {_ticked(claimed)}" if claimed else "is not there"
        yield Lack(
            Thing.CLAIM,
            f"wants claim `{entry.claim}` to list `{asked.namespace}`, and it {lists}",
        )


def _of_permissions(asked: _Asked, granted: frozenset[tuple[str, Verb]]) -> Iterator[Lack]:
    verbs = {verb for plural, verb in granted if plural == asked.plural}
    if not verbs:
        plurals = _few(sorted({plural for plural, _ in granted}))
        yield Lack(Thing.RESOURCE, f"is about {plurals}, not {asked.plural}")
        verbs = {verb for _, verb in granted}
    if short := asked.missing - verbs:
        grants = ", ".join(verb for verb in Verb if verb in verbs)
        wanted = " and ".join(verb for verb in Verb if verb in short)
        yield Lack(Thing.VERB, f"grants {grants}, not {wanted}")


def _of_denial(asked: _Asked, entry: Entry) -> Iterator[Lack]:
    """Where any namespace will do, a grant that is denied in all of its own is none."""
    [verb] = asked.missing
    names = entry.rule_for(asked.identity).namespaces
    denials = [asked.rules.matching(Effect.DENY, asked.plural, verb, name) for name in names]
    found = [str(denial.origin) for denial in denials if denial is not None]
    if found and len(found) == len(names):
        yield Lack(Thing.DENIED, f"is denied by {_few(dict.fromkeys(found))}")


def _near_in_claims(asked: _Asked, grants: Iterable[ClaimGrant]) -> Iterator[Near]:
    """What values of claims would have granted it; no claim gives a pattern."""
    if not asked.missing or asked.patterns:
        return
    claimable = asked.namespace is None or may_be_claimed(asked.namespace)
    for grant in grants if claimable else ():
        if grant.issuer == asked.identity.issuer:
            yield Near(grant, tuple(_lacks_of_claim(asked, grant)))


def _lacks_of_claim(asked: _Asked, grant: ClaimGrant) -> Iterator[Lack]:
    role = role_for(grant, asked.plural, asked.missing)
    value = value_for(grant, asked.namespace or "{namespace}", role)
    if value not in asked.identity.claims.get(grant.claim, ()):
        yield Lack(Thing.CLAIM, f"wants claim `{grant.claim}` to hold `{value}`")
    if asked.namespace is not None and not covers(grant.within, asked.namespace):
        message = f"holds in {_ticked(grant.within)}, not in `{asked.namespace}`"
        yield Lack(Thing.NAMESPACE, message)
    yield from _of_permissions(asked, ROLES[role])


def role_for(grant: ClaimGrant, plural: str, verbs: frozenset[Verb]) -> Role:
    """The least role that a claim can give and that permits the verbs; or else the most."""
    wanted = {(plural, verb) for verb in verbs}
    fitting = (role for role in Role if wanted <= ROLES[role])
    return grant.role or next(fitting, Role.EDITOR)


def value_for(grant: ClaimGrant, namespace: str, role: Role) -> str:
    """The value of a claim that gives a role in a namespace."""
    return grant.pattern.replace("{namespace}", namespace).replace("{role}", role)


def _in_common(one: str, other: str) -> int:
    """How many characters two names begin with alike."""
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in alike)


def _ticked(names: Collection[str]) -> str:
    return _few(f"`{name}`" for name in names)


def _few(words: Iterable[str]) -> str:
    first, *rest = [*words] or [""]
    listed = [first, *rest[: _LISTED - 1]]
    more = len(rest) + 1 - len(listed)
    return ", ".join(listed) + (f" and {more} more" if more else "")
