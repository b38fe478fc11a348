"""What is told can go: without it, nobody is decided about otherwise."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.attributes import OPT_IN, SERVED, ResourceRequest, Verb
from proxy.core.bounds import UNBOUNDED
from proxy.core.entitlement import Allow, authorize
from proxy.core.identity import Identity
from proxy.core.policy import Code, PolicySet, doubts
from proxy.core.policy.doubts import Known
from proxy.core.policy.doubts.doubt import origin_of
from tests.core.policy.documents import policies, policy
from tests.identities import make_identity

NEEDLESS = {Code.COVERED, Code.EMPTIED, Code.NEVER_MATCHES}
# Few of each, so that rules meet.
NAMESPACES = ["blue", "blue-a", "red", "kube-blue", "pool"]
PATTERNS = ["blue", "blue-a", "blue-*", "*", "kube-blue"]
VERBS = ["get", "list", "create"]


def some(values: list[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2)


SUBJECTS = st.sampled_from(
    [
        {"issuer": "corp", "group": "/blue"},
        {"issuer": "corp", "user": "alice"},
        {"issuer": "corp", "serviceAccount": "ns/sa"},
        {"issuer": "corp", "everyone": True},
        {"issuer": "lab", "everyone": True},
        {"issuer": "corp", "user": "System:admin"},
    ]
)
PERMISSIONS = st.sampled_from(
    [
        {"role": "viewer"},
        {"role": "editor"},
        {"resources": ["hostclaims"], "verbs": ["get"]},
        {"resources": ["hostclaims"], "verbs": ["list", "create"]},
        {"resources": ["hardwaredata"], "verbs": ["get"]},
    ]
)
PLACES = st.one_of(
    st.fixed_dictionaries({"namespaces": some(PATTERNS)}),
    st.fixed_dictionaries({"namespaces": some(PATTERNS)}),
    st.fixed_dictionaries(
        {"namespacesFromClaim": st.sampled_from(["one", "two"])},
        optional={"namespaces": some(PATTERNS)},
    ),
)
BOUNDS = st.sampled_from(
    [{}, {}, {"bounds": {"maxHostClaims": 1}}, {"bounds": {"maxHostClaims": 2}}]
)
GRANTS = st.builds(lambda *parts: parts[0] | parts[1] | parts[2], PLACES, PERMISSIONS, BOUNDS)
DENIALS = st.builds(
    lambda place, what: {"namespaces": place, **what},
    some([*PATTERNS, "pool"]),
    st.one_of(st.just({}), PERMISSIONS),
)
SPECS = st.fixed_dictionaries(
    {"subjects": st.lists(SUBJECTS, min_size=1, max_size=2)},
    optional={
        "allow": st.lists(GRANTS, min_size=1, max_size=3),
        "deny": st.lists(DENIALS, min_size=1, max_size=2),
    },
).filter(lambda spec: len(spec) > 1)
PEOPLE = st.builds(
    make_identity,
    issuer=st.sampled_from(["corp", "corp", "corp", "lab"]),
    username=st.sampled_from(["alice", "bob"]),
    groups=st.sampled_from([("/blue",), ()]),
    claims=st.sampled_from(
        [{}, {"one": ("blue", "kube-blue")}, {"one": ("blue-a",), "two": ("red",)}]
    ),
)
ACCOUNT = make_identity(
    username="serviceaccount:ns:sa", groups=(), client="", service_account="ns/sa"
)


def everything(identity: Identity, found: PolicySet) -> list[object]:
    """What is decided about each request that there is."""
    rules = found.rules_for(identity)
    told: list[object] = []
    for resource in (*SERVED, *OPT_IN):
        for verb in map(Verb, VERBS):
            for namespace in (*NAMESPACES, None):
                request = ResourceRequest(verb, resource, namespace)
                match authorize(identity, request, rules):
                    case Allow(bounds=bounds, namespaces=namespaces):
                        told.append((namespaces, [widest(each) for each in bounds]))
                    case _:
                        told.append(None)
    return told


def widest(bounds: tuple[object, ...]) -> frozenset[object]:
    return frozenset({UNBOUNDED} if UNBOUNDED in bounds else bounds)


@settings(deadline=None, max_examples=300)
@given(
    specs=st.lists(SPECS, min_size=2, max_size=4),
    identity=st.one_of(PEOPLE, PEOPLE, st.just(ACCOUNT)),
)
def test_without_what_is_needless_every_decision_is_the_same(
    specs: list[dict[str, Any]], identity: Identity
) -> None:
    given_ = policies(*(policy(f"p{number}", **spec) for number, spec in enumerate(specs)))
    found = doubts.find(given_, Known(granted_elsewhere=frozenset())).found
    needless = {(each.document, each.path[1:3]) for each in found if each.code in NEEDLESS}
    origins = [origin_of(entry) for entry in given_]
    gone = {
        number
        for number, origin in enumerate(origins)
        if (origin.document, (origin.path[5:-3], int(origin.path[-2]))) in needless
    }
    before = everything(identity, given_)
    for without in (gone, *({number} for number in gone)):
        left = PolicySet(entry for number, entry in enumerate(given_) if number not in without)
        assert everything(identity, left) == before
