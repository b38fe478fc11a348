"""The whole room against a scan: rules found in indexes are the rules that are written."""

from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.attributes import Verb
from proxy.core.identity import Identity
from proxy.core.policy import ROLES, Effect, Origin, Permission
from tests.core.policy.documents import policies, policy
from tests.identities import make_identity

CLAIMS = "hostclaims"

PLURALS = [CLAIMS, "secrets"]
LABELS = ["blue", "blue-a", "blue-a-b", "red", "red-a", "kube-blue"]
PATTERNS = ["blue", "blue-a", "blue-*", "blue-a-*", "red", "red-*", "*"]


def some(values: list[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True)


SUBJECTS = st.sampled_from(
    [
        {"issuer": issuer, **who}
        for issuer in ("corp", "lab")
        for who in (
            {"group": "/blue"},
            {"group": "/red"},
            {"user": "alice"},
            {"client": "capm3"},
            {"serviceAccount": "ns/sa"},
            {"everyone": True},
        )
    ]
)
PERMISSIONS = st.one_of(
    st.fixed_dictionaries({"role": st.sampled_from(["viewer", "editor"])}),
    st.fixed_dictionaries({"resources": some(PLURALS), "verbs": some([str(v) for v in Verb])}),
)
PLACES = st.one_of(
    st.fixed_dictionaries({"namespaces": some(PATTERNS)}),
    st.fixed_dictionaries({"namespacesFromClaim": st.sampled_from(["one", "two"])}),
    st.fixed_dictionaries(
        {"namespacesFromClaim": st.just("one"), "namespaces": some(PATTERNS)},
    ),
)
GRANTS = st.builds(dict[str, Any].__or__, PLACES, PERMISSIONS)
DENIALS = st.builds(
    dict[str, Any].__or__,
    st.fixed_dictionaries({"namespaces": some(PATTERNS)}),
    st.one_of(st.just({}), PERMISSIONS, st.fixed_dictionaries({"verbs": some(["get", "list"])})),
)
SPECS = st.fixed_dictionaries(
    {
        "subjects": st.lists(SUBJECTS, min_size=1, max_size=2),
        "allow": st.lists(GRANTS, min_size=1, max_size=3),
    },
    optional={"deny": st.lists(DENIALS, min_size=1, max_size=2)},
)
IDENTITIES = st.builds(
    make_identity,
    issuer=st.sampled_from(["corp", "lab"]),
    username=st.sampled_from(["alice", "bob"]),
    groups=some(["/blue", "/red", "/green"]).map(tuple),
    client=st.sampled_from(["", "capm3"]),
    service_account=st.sampled_from(["", "ns/sa"]),
    claims=st.dictionaries(
        st.sampled_from(["one", "two"]), some([*LABELS, "*", "blue-*", "No"]).map(tuple)
    ),
)


def fits(subject: dict[str, Any], identity: Identity) -> bool:
    match subject:
        case {"issuer": issuer} if issuer != identity.issuer:
            return False
        case {"group": group}:
            return group in identity.groups
        case {"user": user}:
            return bool(user == identity.username)
        case {"client": client}:
            return bool(client == identity.client)
        case {"serviceAccount": account}:
            return bool(account == identity.service_account)
    return True


def covers(pattern: str, namespace: str) -> bool:
    return namespace.startswith(pattern[:-1]) if "*" in pattern else namespace == pattern


def holds(statement: dict[str, Any], identity: Identity, namespace: str) -> bool:
    claim = statement.get("namespacesFromClaim")
    listed = claim is None or namespace in identity.claims.get(claim, ())
    own = claim is not None and namespace.startswith("kube-")
    patterns = statement.get("namespaces", ["*"])
    return listed and not own and any(covers(pattern, namespace) for pattern in patterns)


def permits(statement: dict[str, Any], permission: Permission) -> bool:
    if "role" in statement:
        return permission in ROLES[statement["role"]]
    plural, verb = permission
    return plural in statement.get("resources", PLURALS) and verb in statement.get("verbs", Verb)


@settings(deadline=None)
@given(specs=st.lists(SPECS, max_size=4), identity=IDENTITIES, namespace=st.sampled_from(LABELS))
def test_the_indexes_say_what_a_scan_of_all_rules_would(
    specs: list[dict[str, Any]], identity: Identity, namespace: str
) -> None:
    names = {f"p{number}": spec for number, spec in enumerate(specs)}
    rules = policies(*(policy(name, **spec) for name, spec in names.items())).rules_for(identity)
    matched: dict[Effect, set[Permission]] = {effect: set() for effect in Effect}
    for effect, plural, verb in product(Effect, PLURALS, Verb):
        scanned = {
            (name, f"spec.{effect}[{number}]")
            for name, spec in names.items()
            if any(fits(subject, identity) for subject in spec["subjects"])
            for number, statement in enumerate(spec.get(effect, ()))
            if holds(statement, identity, namespace) and permits(statement, (plural, verb))
        }
        found = rules.matching(effect, plural, verb, namespace)
        assert (found is None) == (not scanned)
        if found is not None:
            assert isinstance(found.origin, Origin)
            assert (found.origin.document, found.origin.path) in scanned
            matched[effect].add((plural, verb))
    effective = matched[Effect.ALLOW] - matched[Effect.DENY]
    assert rules.permissions(namespace) == effective
    for plural, verb in product(PLURALS, Verb):
        reach = rules.where(plural, verb)
        granted = [n for n in rules.namespaces() if (plural, verb) in rules.permissions(n)]
        assert sorted(reach.names + reach.patterns) == granted
        assert all("*" in name for name in reach.patterns)
        assert not any("*" in name for name in reach.names)
    listed = any(covers(pattern, namespace) for pattern in rules.namespaces())
    assert listed or not effective
