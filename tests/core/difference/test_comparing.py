"""The whole room against decisions: each that differs is told, and what is told is so."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.attributes import (
    HARDWAREDATA,
    HOSTCLAIMS,
    OPT_IN,
    SECRETS,
    SERVED,
    ResourceRequest,
    Verb,
)
from proxy.core.bounds import is_within
from proxy.core.difference import Change, Finding, compare
from proxy.core.entitlement import Allow, authorize
from proxy.core.identity import Identity
from proxy.core.policy import Permission, PolicySet, RuleSet
from proxy.core.policy.rules import covers
from proxy.core.policy.subjects import Subject, SubjectKind, may_be_claimed
from tests.core.policy.documents import policies, policy
from tests.core.policy.test_indexes import DENIALS, GRANTS, LABELS, PATTERNS, PLACES, some
from tests.identities import make_identity

RESOURCES = {resource.plural: resource for resource in (*SERVED, *OPT_IN)}
ALICE = make_identity()
ASKED = [*product((HOSTCLAIMS.plural, SECRETS.plural), Verb)]
READS = (Verb.GET, Verb.LIST, Verb.WATCH)
HARDWARE = [*product((HARDWAREDATA.plural,), READS)]
LISTS = [*product((HOSTCLAIMS.plural, SECRETS.plural), (Verb.LIST, Verb.WATCH))]
READING = st.fixed_dictionaries(
    {"resources": st.just(["hardwaredata"]), "verbs": some([str(verb) for verb in READS])}
)
BOUNDS = st.sampled_from(
    [
        {},
        {"maxHostClaims": 2},
        {"maxHostClaims": 3},
        {"images": ["https://a.example/"]},
        {"images": ["https://a.example/b/"], "maxHostClaims": 2},
        {"hostSelector": {"inNamespaces": ["pool-a"]}},
        {"hostSelector": {"inNamespaces": ["pool-*"], "matchLabels": {"size": "l"}}},
    ]
)
SUBJECTS = st.sampled_from(
    [
        {"issuer": "corp", **who}
        for who in (
            {"group": "/blue"},
            {"group": "/red"},
            {"user": "alice"},
            {"user": "serviceaccount:ns:sa"},
            {"client": "capm3"},
            {"serviceAccount": "ns/sa"},
            {"everyone": True},
        )
    ]
)
READ = st.builds(dict[str, Any].__or__, PLACES, READING)
HIDDEN = st.builds(
    dict[str, Any].__or__, st.fixed_dictionaries({"namespaces": some(PATTERNS)}), READING
)
ALLOWED = st.one_of(GRANTS, READ)
DENIED = st.one_of(DENIALS, HIDDEN)
BOUNDED = st.builds(lambda grant, bounds: grant | {"bounds": bounds}, GRANTS, BOUNDS)
SPECS = st.one_of(
    st.fixed_dictionaries(
        {
            "subjects": st.lists(SUBJECTS, min_size=1, max_size=2),
            "allow": st.lists(st.one_of(ALLOWED, BOUNDED), min_size=1, max_size=2),
        },
        optional={"deny": st.lists(DENIED, min_size=1, max_size=2)},
    ),
    st.fixed_dictionaries(
        {
            "subjects": st.lists(SUBJECTS, min_size=1, max_size=2),
            "deny": st.lists(DENIED, min_size=1, max_size=2),
        }
    ),
)
PEOPLE = st.builds(
    dict[str, Any],
    username=st.sampled_from(["alice", "bob"]),
    groups=st.lists(st.sampled_from(["/blue", "/red"]), unique=True).map(tuple),
    client=st.sampled_from(["", "capm3"]),
    claims=st.dictionaries(
        st.sampled_from(["one", "two"]), some([*LABELS, "*", "blue-*"]).map(tuple)
    ),
)
SERVICE_ACCOUNT = {"username": "serviceaccount:ns:sa", "groups": (), "service_account": "ns/sa"}
IDENTITIES = st.one_of(PEOPLE, st.just(SERVICE_ACCOUNT))
SEVERAL = st.lists(SPECS, max_size=3)


def read(specs: list[dict[str, Any]]) -> PolicySet:
    return policies(*(policy(f"p{number}", **spec) for number, spec in enumerate(specs)))


def decided(rules: RuleSet, asked: Permission, namespace: str | None) -> Allow | None:
    plural, verb = asked
    request = ResourceRequest(verb, RESOURCES[plural], namespace)
    decision = authorize(ALICE, request, rules)
    return decision if isinstance(decision, Allow) else None


def wider(old: Allow, new: Allow) -> bool:
    [before], [after] = old.bounds, new.bounds
    return any(not any(is_within(bounds, one) for one in before) for bounds in after)


AT_ONCE = {Change.TOGETHER, Change.APART}


def changes(
    old: RuleSet, new: RuleSet, asked: Permission, namespace: str | None
) -> Iterator[Change]:
    match decided(old, asked, namespace), decided(new, asked, namespace):
        case None, Allow():
            yield Change.TOGETHER if namespace is None else Change.GAINS
        case Allow(), None:
            yield Change.APART if namespace is None else Change.LOSES
        case Allow() as before, Allow() as after if asked[0] == HOSTCLAIMS.plural and asked[1] in {
            Verb.CREATE,
            Verb.UPDATE,
            Verb.PATCH,
        }:
            if wider(before, after):
                yield Change.WIDENED
            if wider(after, before):
                yield Change.NARROWED


def names(who: Identity) -> set[Subject]:
    found = {(SubjectKind.GROUP, group) for group in who.groups}
    found |= {(SubjectKind.USER, who.username), (SubjectKind.CLIENT, who.client)}
    found |= {(SubjectKind.SERVICE_ACCOUNT, who.service_account), (SubjectKind.EVERYONE, "")}
    return {Subject(who.issuer, kind, value) for kind, value in found}


def concerns(finding: Finding, who: Identity, asked: Permission, namespace: str) -> bool:
    listed = namespace in who.claims.get(finding.claim, ()) and may_be_claimed(namespace)
    return (
        not names(who).isdisjoint(finding.subjects)
        and asked in finding.permissions
        and (listed or finding.hosts or not finding.claim)
        and any(
            covers([place.namespace], namespace)
            and not covers([left.namespace for left in place.but], namespace)
            for place in finding.places
        )
    )


def told(
    findings: tuple[Finding, ...], who: Identity, asked: Permission, namespace: str
) -> Iterator[Change]:
    """The changes that findings say concern somebody."""
    for finding in findings:
        if finding.hosts:
            continue
        if finding.met:
            if not names(who).isdisjoint(finding.subjects):
                yield from told(finding.met, who, asked, namespace)
            if finding.more and concerns(finding, who, asked, namespace):
                # Not all to whom it means something are named.
                yield Change.GAINS if finding.change is Change.FREED else Change.LOSES
        elif concerns(finding, who, asked, namespace):
            yield finding.change


@settings(deadline=None, max_examples=100)
@given(same=SEVERAL, before=SEVERAL, after=SEVERAL, people=IDENTITIES)
def test_each_decision_that_differs_is_told(
    same: list[Any], before: list[Any], after: list[Any], people: dict[str, Any]
) -> None:
    old, new, who = read(same + before), read(after + same), make_identity(**people)
    findings = compare(old, new)
    rules = old.rules_for(who), new.rules_for(who)
    for asked, namespace in product(ASKED, [*LABELS, "other"]):
        differs = {*changes(*rules, asked, namespace)}
        explained = {*told(findings, who, asked, namespace)}
        # A grant that is new or gone may bring or take bounds that others do not have.
        explained |= {Change.WIDENED} if Change.GAINS in explained else set()
        explained |= {Change.NARROWED} if Change.LOSES in explained else set()
        assert differs <= explained


# Whom a single name fits, and nobody else of those that documents have.
ALONE = st.one_of(
    st.builds(dict[str, Any], username=st.just("alice"), groups=st.just(())),
    st.builds(dict[str, Any], username=st.just("bob"), groups=st.just(("/blue",))),
    st.builds(
        dict[str, Any],
        username=st.just("bob"),
        groups=st.just(()),
        client=st.sampled_from(["", "capm3"]),
        claims=st.dictionaries(st.just("one"), some([*LABELS, "*"]).map(tuple)),
    ),
    st.just(SERVICE_ACCOUNT),
)


def granted(findings: tuple[Finding, ...], who: Identity, asked: Permission) -> set[Change]:
    """Whether somebody gains or loses it in any namespace."""
    return {
        finding.change
        for finding in findings
        if not finding.hosts and asked in finding.permissions
        if not names(who).isdisjoint(finding.subjects)
    }


@settings(deadline=None, max_examples=100)
@given(same=SEVERAL, before=SEVERAL, after=SEVERAL, people=ALONE)
def test_each_decision_that_goes_by_all_that_is_granted_is_told(
    same: list[Any], before: list[Any], after: list[Any], people: dict[str, Any]
) -> None:
    old, new, who = read(same + before), read(after + same), make_identity(**people)
    findings = compare(old, new)
    rules = old.rules_for(who), new.rules_for(who)
    hosts = tuple(finding for finding in findings if finding.hosts and not finding.met)
    for asked, namespace in product(HARDWARE, [*LABELS, "other"]):
        was, now = (decided(side, asked, namespace) for side in rules)
        if (was is None) is not (now is None):
            change = Change.GAINS if was is None else Change.LOSES
            told_of = {f.change for f in hosts if concerns(f, who, asked, namespace)}
            assert change in told_of | granted(findings, who, asked)
    for asked in LISTS:
        was, now = (decided(side, asked, None) for side in rules)
        if (was is None) is not (now is None):
            change = Change.TOGETHER if was is None else Change.APART
            also = Change.GAINS if was is None else Change.LOSES
            assert not granted(findings, who, asked).isdisjoint({change, also})


def persona(*subjects: Subject, claim: str, namespace: str) -> Identity:
    fields: dict[str, Any] = {"groups": (), "username": "nobody"}
    for subject in subjects:
        match subject.kind:
            case SubjectKind.GROUP:
                fields["groups"] += (subject.value,)
            case SubjectKind.USER:
                fields["username"] = subject.value
            case SubjectKind.CLIENT:
                fields["client"] = subject.value
            case SubjectKind.SERVICE_ACCOUNT:
                fields["service_account"] = subject.value
                fields["username"] = f"serviceaccount:{subject.value.replace('/', ':')}"
            case SubjectKind.EVERYONE:
                pass
    return make_identity(**fields, claims={claim: (namespace,)})


def within(finding: Finding) -> Iterator[str]:
    """A namespace in each of its places, which no other name or pattern is closer to."""
    for place in finding.places:
        name = place.namespace.replace("*", "zzz")
        assert not covers([left.namespace for left in place.but], name)
        yield name


@settings(deadline=None, max_examples=100)
@given(same=SEVERAL, before=SEVERAL, after=SEVERAL)
def test_what_is_told_is_so(same: list[Any], before: list[Any], after: list[Any]) -> None:
    old, new = read(same + before), read(after + same)
    for finding in compare(old, new):
        for subject in finding.subjects:
            for one in finding.met or (finding,):
                others = one.subjects if finding.met else ()
                for namespace in within(one):
                    who = persona(subject, *others, claim=one.claim, namespace=namespace)
                    rules = old.rules_for(who), new.rules_for(who)
                    if one.claim and (one.hosts or one.change in AT_ONCE):
                        continue  # Which names it lists makes the difference.
                    for asked in one.permissions & ({*HARDWARE} if one.hosts else {*ASKED}):
                        where = None if one.change in AT_ONCE else namespace
                        assert one.change in changes(*rules, asked, where)


@settings(deadline=None)
@given(st.lists(SPECS, min_size=1, max_size=4), st.randoms())
def test_to_move_documents_about_changes_nothing(specs: list[Any], random: Any) -> None:
    moved = [*specs]
    random.shuffle(moved)
    assert compare(read(specs), read(moved)) == ()


@settings(deadline=None)
@given(SEVERAL, SEVERAL)
def test_what_is_gained_one_way_is_lost_the_other(before: list[Any], after: list[Any]) -> None:
    old, new = read(before), read(after)
    there, back = compare(old, new), compare(new, old)
    assert {(one.change.widens, one.change.narrows) for one in there} == {
        (one.change.narrows, one.change.widens) for one in back
    }
