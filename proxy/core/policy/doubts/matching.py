"""What can never match: whom no token can name, namespaces that no claim can, and vain denials."""

from collections.abc import Iterable, Iterator
from typing import Final

from proxy.core import claims
from proxy.core.attributes import HARDWAREDATA
from proxy.core.identity import OidcNaming, ServiceAccountNaming, is_issuer_name, may_name
from proxy.core.policy.codes import Code
from proxy.core.policy.doubts.doubt import Doubt, Kinds, all_rules, of_rule, of_subject
from proxy.core.policy.doubts.doubt import subjects as all_subjects
from proxy.core.policy.doubts.known import Known
from proxy.core.policy.faults import Fault
from proxy.core.policy.located import shown
from proxy.core.policy.rules import Effect, Permission, covering
from proxy.core.policy.subjects import Entry, PolicySet, Subject, SubjectKind, may_be_claimed

_ACCOUNT: Final = "serviceaccount:"
"""What the usernames of service accounts begin with."""

_UNCLAIMED: Final = "kube-"


def subjects(policies: PolicySet, known: Known) -> Iterator[Doubt]:
    """Each subject that is nobody."""
    for entry, number, subject in all_subjects(policies):
        if (found := _nobody(subject, known)) is not None:
            field, message, hint = found
            fault = Fault(message, hint, Code.NEVER_MATCHES)
            yield of_subject(entry, number, field, fault)


def rules(policies: PolicySet, known: Known) -> Iterator[tuple[int, Doubt]]:
    """Each rule that somebody could be concerned by and that still never matches, by its number."""
    denials: list[tuple[int, Entry]] = []
    kinds = Kinds()
    for number, entry in enumerate(policies):
        if entry.claim and (doubt := _never_claimed(entry, known, kinds)) is not None:
            yield number, doubt
        elif entry.rule.effect is Effect.DENY and _could_be_vain(kinds.issuers(entry), known):
            denials.append((number, entry))
    # A denial that takes what only a shadow grants is there for when that counts.
    granted = _Granted(all_rules(policies) if denials else (), kinds)
    for number, entry in denials:
        if not any(granted.meets(issuer, entry) for issuer in kinds.issuers(entry)):
            message = "takes nothing away, since no policy grants any of it"
            fault = Fault(message, "check namespaces and verbs", Code.NEVER_MATCHES)
            yield number, of_rule(entry, fault)


def _nobody(subject: Subject, known: Known) -> tuple[str, str, str] | None:
    """The field that names nobody, what is wrong with it, and what would be right."""
    # Where issuers are known, this one is not, and that is told.
    if known.issuers is None and not is_issuer_name(subject.issuer):
        message = f"no issuer can be called {shown(subject.issuer)}"
        return "issuer", message, "write its name in the configuration, a DNS label"
    field, value = subject.kind.value, subject.value
    named_in_claims = subject.kind in {SubjectKind.GROUP, SubjectKind.USER, SubjectKind.CLIENT}
    if named_in_claims and not may_name(value):
        hint = f"names have at most {claims.MAX_TEXT} characters and do not begin with `system:`"
        return field, f"no token can name {shown(value)}", hint
    known_rules = known.rules(subject.issuer)
    if known_rules is None:
        return None
    issuer = f"issuer `{subject.issuer}`"
    match known_rules.naming, subject.kind:
        case ServiceAccountNaming(), SubjectKind.GROUP | SubjectKind.CLIENT:
            message = f"{issuer} is a cluster, whose service accounts have no {field}"
            return field, message, "write `serviceAccount: NAMESPACE/NAME`"
        case ServiceAccountNaming(), SubjectKind.USER if not value.startswith(_ACCOUNT):
            message = f"{issuer} is a cluster, and has no user {shown(value)}"
            return field, message, "write `serviceAccount: NAMESPACE/NAME`"
        case OidcNaming(), SubjectKind.SERVICE_ACCOUNT:
            message = f"{issuer} is no cluster, and has no service accounts"
            return field, message, "name the issuer of kind `kubernetes`"
        case OidcNaming(authorized_parties=(_, *_) as parties), SubjectKind.CLIENT if (
            value not in parties
        ):
            message = f"tokens of client {shown(value)} are refused"
            return field, message, f"add it to `authorizedParties` of {issuer}"
    return None


def _never_claimed(entry: Entry, known: Known, kinds: Kinds) -> Doubt | None:
    if all(_has_no_claims(issuer, kind, known) for issuer, kind in kinds.of(entry)):
        message = "service accounts have no claims"
        fault = Fault(message, "give `namespaces` alone", Code.NEVER_MATCHES)
        return of_rule(entry, fault, "namespacesFromClaim")
    bounds = entry.rule.namespaces
    if bounds and not any(map(_may_be_claimed, bounds)):
        message = f"a claim gives no namespace that begins with `{_UNCLAIMED}`"
        fault = Fault(message, "name others", Code.NEVER_MATCHES)
        return of_rule(entry, fault, "namespaces")
    return None


def _has_no_claims(issuer: str, kind: SubjectKind, known: Known) -> bool:
    found = known.rules(issuer)
    is_cluster = found is not None and isinstance(found.naming, ServiceAccountNaming)
    return is_cluster or kind is SubjectKind.SERVICE_ACCOUNT


def _may_be_claimed(pattern: str) -> bool:
    """Whether a claim may name any namespace that a name or a pattern covers."""
    return may_be_claimed(pattern.replace("*", "x"))


class _Granted:
    """What is granted to anybody of an issuer, by where that is."""

    def __init__(self, entries: Iterable[Entry], kinds: Kinds) -> None:
        self._nothing: frozenset[Permission] = frozenset()
        self._at: dict[tuple[str, str], frozenset[Permission]] = {}
        self._within: dict[tuple[str, str], frozenset[Permission]] = {}
        for entry in entries:
            if entry.rule.effect is Effect.ALLOW:
                for issuer in kinds.issuers(entry):
                    self._add(issuer, entry)

    def _add(self, issuer: str, entry: Entry) -> None:
        permissions = entry.rule.permissions
        for pattern in entry.rule.namespaces or ("*",):
            here = (issuer, pattern)
            self._at[here] = self._at.get(here, self._nothing) | permissions
            for wider in covering(pattern):
                there = (issuer, wider)
                self._within[there] = self._within.get(there, self._nothing) | permissions

    def meets(self, issuer: str, entry: Entry) -> bool:
        """Whether anything that a denial is about is granted where it holds."""
        permissions = entry.rule.permissions
        # Hardware is granted where claims are and read where hosts are, which no grant names.
        hardware = {asked for asked in permissions if asked[0] == HARDWAREDATA.plural}
        if not hardware.isdisjoint(self._within.get((issuer, "*"), self._nothing)):
            return True
        return any(
            not permissions.isdisjoint(found)
            for pattern in entry.rule.namespaces
            for found in (
                self._within.get((issuer, pattern), self._nothing),
                *(self._at.get((issuer, wider), self._nothing) for wider in covering(pattern)),
            )
        )


def _could_be_vain(issuers: frozenset[str], known: Known) -> bool:
    """Whether policies are all that grants anything to whom a denial concerns."""
    elsewhere = known.granted_elsewhere
    return elsewhere is not None and elsewhere.isdisjoint(issuers)
