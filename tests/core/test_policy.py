"""What is granted: documents read strictly, rules found in indexes."""

from copy import deepcopy
from itertools import product
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.attributes import Verb
from proxy.core.identity import Identity
from proxy.core.policy import (
    API_VERSION,
    ROLES,
    Document,
    Effect,
    Origin,
    Path,
    Permission,
    PolicySet,
    Position,
    Problem,
    Role,
    Rule,
    RuleSet,
    parse,
    schema,
)
from tests.identities import make_identity

CLAIMS = "hostclaims"
EDITOR = ROLES[Role.EDITOR]
VIEWER = ROLES[Role.VIEWER]


def rule(
    *namespaces: str,
    effect: Effect = Effect.ALLOW,
    permissions: frozenset[Permission] = EDITOR,
    number: int = 0,
) -> Rule:
    origin = Origin("blue.yaml", "blue", f"spec.{effect}[{number}]", 8 + number)
    return Rule(origin, effect, permissions, namespaces)


def test_a_viewer_reads_hostclaims_and_no_secrets() -> None:
    assert {(CLAIMS, Verb.GET), (CLAIMS, Verb.LIST), (CLAIMS, Verb.WATCH)} == VIEWER


def test_an_editor_does_everything_but_delete_collections() -> None:
    verbs = set(Verb) - {Verb.DELETECOLLECTION}
    assert {(plural, verb) for plural in (CLAIMS, "secrets") for verb in verbs} == EDITOR


def test_an_origin_reads_as_a_place_to_go_to() -> None:
    assert str(rule("blue").origin) == "blue.yaml:8 blue spec.allow[0]"


def test_no_rules_match_nothing() -> None:
    rules = RuleSet()
    assert rules.matching(Effect.ALLOW, CLAIMS, Verb.GET, "blue") is None
    assert rules.permissions("blue") == frozenset()
    assert rules.namespaces() == ()


@pytest.mark.parametrize(
    ("pattern", "namespace", "matches"),
    [
        ("blue", "blue", True),
        ("blue", "blue-dev", False),
        ("blue-*", "blue-dev", True),
        ("blue-*", "blue-dev-1", True),
        ("blue-*", "blue", False),
        ("blue-*", "blueberry", False),
        ("blue-*", "dark-blue-dev", False),
        ("blue-dev-*", "blue-dev", False),
        ("*", "blue", True),
        ("*", "blue-dev", True),
    ],
)
def test_a_pattern_matches_by_whole_words(pattern: str, namespace: str, *, matches: bool) -> None:
    found = RuleSet([rule(pattern)]).matching(Effect.ALLOW, CLAIMS, Verb.GET, namespace)
    assert (found is not None) == matches


def test_the_closest_pattern_is_the_rule_that_is_named() -> None:
    exact, prefix, any_ = rule("blue-dev"), rule("blue-*"), rule("*")
    rules = RuleSet([any_, prefix, exact])
    assert rules.matching(Effect.ALLOW, CLAIMS, Verb.GET, "blue-dev") is exact
    assert rules.matching(Effect.ALLOW, CLAIMS, Verb.GET, "blue-prod") is prefix
    assert rules.matching(Effect.ALLOW, CLAIMS, Verb.GET, "red") is any_


def test_the_first_of_equal_rules_is_the_one_that_is_named() -> None:
    first, second = rule("blue", number=0), rule("blue", number=1)
    assert RuleSet([first, second]).matching(Effect.ALLOW, CLAIMS, Verb.GET, "blue") is first


def test_rules_for_one_namespace_add_up() -> None:
    viewer, editor = rule("blue", permissions=VIEWER), rule("blue", number=1)
    rules = RuleSet([viewer, editor])
    assert rules.matching(Effect.ALLOW, CLAIMS, Verb.GET, "blue") is viewer
    assert rules.matching(Effect.ALLOW, CLAIMS, Verb.DELETE, "blue") is editor


def test_a_denial_is_found_apart_from_grants() -> None:
    grant, denial = rule("blue"), rule("blue", effect=Effect.DENY, permissions=VIEWER)
    rules = RuleSet([grant, denial])
    assert rules.matching(Effect.DENY, CLAIMS, Verb.GET, "blue") is denial
    assert rules.matching(Effect.ALLOW, CLAIMS, Verb.GET, "blue") is grant
    assert rules.permissions("blue") == EDITOR - VIEWER


def test_namespaces_leave_out_what_a_denial_empties() -> None:
    rules = RuleSet(
        [rule("green-*", "red-*", "red-dev-*", "blue"), rule("red-*", "blue", effect=Effect.DENY)]
    )
    assert rules.namespaces() == ("green-*",)


def test_namespaces_keep_a_pattern_that_a_denial_only_touches() -> None:
    rules = RuleSet([rule("red-*"), rule("red-prod", effect=Effect.DENY)])
    assert rules.namespaces() == ("red-*",)


class Lines:
    """A file in which every piece of a document has a line of its own: its depth."""

    def key(self, path: Path) -> Position:
        return Position(len(path) + 1, 1)

    def value(self, path: Path) -> Position:
        return Position(len(path) + 1, 9)


GOOD: dict[str, Any] = {
    "apiVersion": API_VERSION,
    "kind": "AccessPolicy",
    "metadata": {"name": "blue"},
    "spec": {
        "subjects": [{"issuer": "corp", "group": "/tenants/blue"}],
        "allow": [{"namespaces": ["blue-dev", "blue-prod-*"], "role": "editor"}],
        "deny": [{"namespaces": ["blue-prod-1"]}],
    },
}
ABSENT = object()


def changed(path: Path, value: object) -> Any:
    """The good document with one piece set, or taken out."""
    tree = deepcopy(GOOD)
    *way, last = path
    part: Any = tree
    for step in way:
        part = part[step]
    if value is ABSENT:
        del part[last]
    else:
        part[last] = value
    return tree


def document(tree: object, file: str = "blue.yaml") -> Document:
    return Document(file, tree, Lines())


def policies(*trees: object) -> PolicySet:
    parsed = parse(document(tree) for tree in trees)
    assert isinstance(parsed, PolicySet), "\n".join(map(str, parsed))
    return parsed


def problems(*trees: object) -> list[str]:
    parsed = parse(document(tree) for tree in trees)
    assert not isinstance(parsed, PolicySet)
    return [str(problem) for problem in parsed]


def policy(name: str = "blue", subjects: list[Any] | None = None, **spec: Any) -> dict[str, Any]:
    subjects = subjects or [{"issuer": "corp", "group": "/tenants/blue"}]
    return {**GOOD, "metadata": {"name": name}, "spec": {"subjects": subjects, **spec}}


def test_a_document_becomes_rules_that_say_where_they_were_written() -> None:
    rules = policies(GOOD).rules_for(make_identity())
    found = rules.matching(Effect.ALLOW, CLAIMS, Verb.GET, "blue-dev")
    assert found is not None
    assert found.origin == Origin("blue.yaml", "blue", "spec.allow[0]", 4)
    assert found.permissions == EDITOR


def test_a_denial_that_names_nothing_denies_everything() -> None:
    rules = policies(GOOD).rules_for(make_identity())
    for verb in Verb:
        assert rules.matching(Effect.DENY, "secrets", verb, "blue-prod-1")
    assert rules.permissions("blue-prod-1") == frozenset()


@pytest.mark.parametrize(
    ("denial", "denied"),
    [
        ({"role": "viewer"}, VIEWER),
        ({"verbs": ["get"]}, {(CLAIMS, Verb.GET), ("secrets", Verb.GET)}),
        ({"resources": ["secrets"]}, {("secrets", verb) for verb in Verb}),
        ({"resources": ["secrets"], "verbs": ["delete"]}, {("secrets", Verb.DELETE)}),
    ],
)
def test_a_denial_may_be_narrow(denial: dict[str, Any], denied: set[Permission]) -> None:
    tree = policy(deny=[{"namespaces": ["blue"], **denial}])
    rules = policies(tree).rules_for(make_identity())
    found = {
        (plural, verb)
        for plural in (CLAIMS, "secrets")
        for verb in Verb
        if rules.matching(Effect.DENY, plural, verb, "blue")
    }
    assert found == denied


def test_resources_and_verbs_may_stand_for_a_role() -> None:
    grant = {"namespaces": ["blue"], "resources": [CLAIMS], "verbs": ["get", "deletecollection"]}
    rules = policies(policy(allow=[grant])).rules_for(make_identity())
    assert rules.permissions("blue") == {
        (CLAIMS, Verb.GET),
        (CLAIMS, Verb.DELETECOLLECTION),
    }


@pytest.mark.parametrize(
    ("subject", "identity"),
    [
        ({"group": "/tenants/blue"}, make_identity()),
        ({"user": "alice"}, make_identity()),
        ({"client": "capm3"}, make_identity(client="capm3")),
        ({"serviceAccount": "capm3/manager"}, make_identity(service_account="capm3/manager")),
        ({"everyone": True}, make_identity(groups=())),
    ],
)
def test_a_subject_is_found_by_its_own_kind_and_issuer_only(
    subject: dict[str, Any], identity: Identity
) -> None:
    grant = {"namespaces": ["blue"], "role": "viewer"}
    ours = policies(policy(subjects=[{"issuer": "corp", **subject}], allow=[grant]))
    theirs = policies(policy(subjects=[{"issuer": "other", **subject}], allow=[grant]))
    nobody = make_identity(username="x", groups=("alice", "capm3", ""), client="/tenants/blue")
    assert ours.rules_for(identity).namespaces() == ("blue",)
    assert theirs.rules_for(identity).namespaces() == ()
    assert (ours.rules_for(nobody).namespaces() == ()) == ("everyone" not in subject)


def test_somebody_whom_two_subjects_fit_has_each_rule_once() -> None:
    subjects = [{"issuer": "corp", "user": "alice"}, {"issuer": "corp", "everyone": True}]
    grant = {"namespaces": ["blue"], "role": "viewer"}
    found = policies(policy(subjects=subjects, allow=[grant]))
    assert len(found) == 1
    assert found.rules_for(make_identity()).namespaces() == ("blue",)


def claimed(*names: str, **grant: Any) -> tuple[str, ...]:
    """The namespaces that a token with these names in a claim reaches."""
    grant = {"namespacesFromClaim": "ns", "role": "viewer", **grant}
    identity = make_identity(claims={"ns": names})
    return policies(policy(allow=[grant])).rules_for(identity).namespaces()


def test_a_claim_grants_the_namespaces_that_it_lists() -> None:
    assert claimed("blue-dev", "red") == ("blue-dev", "red")


def test_a_token_without_the_claim_is_granted_nothing() -> None:
    assert claimed() == ()
    grant = {"namespacesFromClaim": "other", "role": "viewer"}
    assert policies(policy(allow=[grant])).rules_for(make_identity()).namespaces() == ()


@pytest.mark.parametrize("name", ["*", "blue-*", "Blue", "", "a.b", "a b", "kube-system", "a" * 64])
def test_a_claimed_namespace_that_is_none_grants_nothing(name: str) -> None:
    assert claimed(name, "blue") == ("blue",)


def test_namespaces_bound_what_a_claim_grants() -> None:
    assert claimed("blue-dev", "red", "blue", namespaces=["blue-*", "blue"]) == ("blue", "blue-dev")


def test_what_a_claim_grants_a_denial_takes() -> None:
    grant = {"namespacesFromClaim": "ns", "role": "editor"}
    tree = policy(allow=[grant], deny=[{"namespaces": ["blue-*"]}])
    identity = make_identity(claims={"ns": ("blue-prod", "red")})
    assert policies(tree).rules_for(identity).namespaces() == ("red",)


PATTERN_HINT = "use a name of RFC 1123, a beginning such as `blue-*`, or `*`"
TEXT_HINT = "use 1 to 1024 printable characters, no blanks around them"
ONE_SUBJECT = "give one of `group`, `user`, `client`, `serviceAccount`, `everyone`"
MAPPING = "not a mapping, write lines of `field: value`"
LIST = "not a list, write `[...]`, or lines that begin with `- `"
NAMESPACE: Path = ("spec", "allow", 0, "namespaces", 0)
SUBJECT: Path = ("spec", "subjects", 0)
GRANT: Path = ("spec", "allow", 0)
DENIAL: Path = ("spec", "deny", 0)


def subject(**fields: object) -> dict[str, object]:
    return {"issuer": "corp", **fields}


WRONG: list[tuple[Path, object, str]] = [
    (("kind",), ABSENT, "kind: is missing, write `kind: AccessPolicy`"),
    (("kind",), "ConfigMap", "kind: unknown kind `ConfigMap`, write `kind: AccessPolicy`"),
    (("kind",), 1, "kind: is `1`, not a string, put it in quotes"),
    (("apiVersion",), ABSENT, "apiVersion: is missing, add `apiVersion: ...`"),
    (("apiVersion",), "v1", f"apiVersion: unknown version `v1`, use `{API_VERSION}`"),
    (
        ("apiVersion",),
        API_VERSION.removesuffix("1"),
        f"apiVersion: unknown version `{API_VERSION[:-1]}`, did you mean `{API_VERSION}`?",
    ),
    (("status",), {}, "unknown field `status`, use `apiVersion` or `kind` or `metadata` or `spec`"),
    (("metadata",), ABSENT, "metadata: is missing, add `metadata: ...`"),
    (("metadata",), [], f"metadata: is a list, {MAPPING}"),
    (("metadata", "name"), ABSENT, "metadata.name: is missing, add `name: ...`"),
    (
        ("metadata", "name"),
        "Blue Team",
        (
            "metadata.name: `Blue Team` is not a name of RFC 1123, use lower-case letters, "
            "digits, `-` and `.`, a letter or digit first and last"
        ),
    ),
    (
        ("metadata", "labels"),
        {},
        "metadata: unknown field `labels`, use `name` or `annotations`",
    ),
    (
        ("metadata", "annotations"),
        "x",
        f"metadata.annotations: is a string, {MAPPING}",
    ),
    (
        ("metadata", "annotations"),
        {"contact": 5},
        "metadata.annotations.contact: is `5`, not a string, put it in quotes",
    ),
    (("spec",), ABSENT, "spec: is missing, add `spec: ...`"),
    (("spec",), None, "spec: has no value, give it a mapping"),
    (("spec", "subjects"), ABSENT, "spec.subjects: is missing, add `subjects: ...`"),
    (
        ("spec", "subjects"),
        [],
        "spec.subjects: is empty, give it an item",
    ),
    (SUBJECT, "alice", f"spec.subjects[0]: is a string, {MAPPING}"),
    (SUBJECT, subject(), f"spec.subjects[0]: names nobody, {ONE_SUBJECT}"),
    (
        SUBJECT,
        subject(user="alice", client="c"),
        f"spec.subjects[0]: has `user` and `client`, {ONE_SUBJECT}",
    ),
    (SUBJECT, {"user": "alice"}, "spec.subjects[0].issuer: is missing, add `issuer: ...`"),
    (
        SUBJECT,
        {"isuer": "corp", "user": "alice"},
        "spec.subjects[0]: unknown field `isuer`, did you mean `issuer`?",
    ),
    (
        SUBJECT,
        subject(user="system:admin"),
        (
            "spec.subjects[0].user: `system:admin` begins with `system:`, which no token may "
            "claim, a service account is written `serviceAccount: NAMESPACE/NAME`"
        ),
    ),
    (SUBJECT, subject(group=""), f"spec.subjects[0].group: `` is in no token, {TEXT_HINT}"),
    (SUBJECT, subject(group=" a"), f"spec.subjects[0].group: ` a` is in no token, {TEXT_HINT}"),
    (
        SUBJECT,
        subject(group="a\x1b[2J"),
        f"spec.subjects[0].group: `a\\x1b[2J` is in no token, {TEXT_HINT}",
    ),
    (
        SUBJECT,
        subject(group="a" * 2000),
        f"spec.subjects[0].group: `{'a' * 80}...` is in no token, {TEXT_HINT}",
    ),
    (
        SUBJECT,
        subject(serviceAccount="system:serviceaccount:capm3:manager"),
        (
            "spec.subjects[0].serviceAccount: `system:serviceaccount:capm3:manager` is no "
            "service account, write NAMESPACE/NAME"
        ),
    ),
    (
        SUBJECT,
        subject(serviceAccount="capm3/manager/x"),
        (
            "spec.subjects[0].serviceAccount: `capm3/manager/x` is no service account, "
            "write NAMESPACE/NAME"
        ),
    ),
    (
        SUBJECT,
        subject(everyone=False),
        "spec.subjects[0].everyone: is `false`, leave the field out, or write `true`",
    ),
    (SUBJECT, subject(everyone=1), "spec.subjects[0].everyone: is `1`, not `true`, write `true`"),
    (
        SUBJECT,
        subject(everyone="yes"),
        "spec.subjects[0].everyone: is a string, not `true`, write `true`",
    ),
    (("spec", "allow"), {}, f"spec.allow: is a mapping, {LIST}"),
    (
        ("spec",),
        {"subjects": [subject(user="a")]},
        "spec: neither grants nor denies anything, give `allow` or `deny`",
    ),
    (
        GRANT,
        {"role": "viewer"},
        "spec.allow[0]: names no namespace, give `namespaces` or `namespacesFromClaim`",
    ),
    (
        GRANT,
        {"namespaces": ["a"]},
        "spec.allow[0]: grants nothing, give a role, or resources and verbs",
    ),
    (
        GRANT,
        {"namespaces": ["a"], "verbs": ["get"]},
        "spec.allow[0]: grants nothing, give a role, or resources and verbs",
    ),
    (
        GRANT,
        {"namespaces": ["a"], "role": "viewer", "verbs": ["get"], "resources": ["secrets"]},
        (
            "spec.allow[0]: has `role` and `resources` and `verbs`, "
            "give a role, or resources and verbs"
        ),
    ),
    (
        GRANT,
        {"namespace": ["a"], "role": "viewer"},
        "spec.allow[0]: unknown field `namespace`, did you mean `namespaces`?",
    ),
    (
        (*GRANT, "role"),
        "edit",
        "spec.allow[0].role: unknown role `edit`, did you mean `editor`?",
    ),
    (
        (*GRANT, "role"),
        "cluster-admin",
        "spec.allow[0].role: unknown role `cluster-admin`, use `viewer` or `editor`",
    ),
    (
        (*GRANT, "role"),
        None,
        "spec.allow[0].role: has no value, give it a string",
    ),
    (
        GRANT,
        {"namespaces": ["a"], "resources": ["pods"], "verbs": ["get"]},
        "spec.allow[0].resources[0]: unknown resource `pods`, use `hostclaims` or `secrets`",
    ),
    (
        GRANT,
        {"namespaces": ["a"], "resources": ["secrets"], "verbs": ["Get"]},
        "spec.allow[0].verbs[0]: unknown verb `Get`, did you mean `get`?",
    ),
    (
        GRANT,
        {"namespaces": ["a"], "resources": ["secrets"], "verbs": ["*"]},
        (
            "spec.allow[0].verbs[0]: unknown verb `*`, use `get` or `list` or `watch` or "
            "`create` or `update` or `patch` or `delete` or `deletecollection`"
        ),
    ),
    (
        GRANT,
        {"namespacesFromClaim": ["a"], "role": "viewer"},
        "spec.allow[0].namespacesFromClaim: is a list, not a string, write a single one",
    ),
    (
        (*GRANT, "namespaces"),
        "blue",
        f"spec.allow[0].namespaces: is a string, {LIST}",
    ),
    (
        (*GRANT, "namespaces"),
        [],
        "spec.allow[0].namespaces: is empty, give it an item",
    ),
    (NAMESPACE, 7, "spec.allow[0].namespaces[0]: is `7`, not a string, put it in quotes"),
    (
        NAMESPACE,
        "Blue",
        "spec.allow[0].namespaces[0]: `Blue` matches no namespace, did you mean `blue`?",
    ),
    (
        NAMESPACE,
        "blue*",
        "spec.allow[0].namespaces[0]: `blue*` matches no namespace, did you mean `blue-*`?",
    ),
    *(
        (
            NAMESPACE,
            pattern,
            f"spec.allow[0].namespaces[0]: `{pattern}` matches no namespace, {PATTERN_HINT}",
        )
        for pattern in ("a*b", "-*", "*-a", "**", "a.b", "-a", "a-", "a" * 64, "a" * 62 + "-*", "")
    ),
    (
        DENIAL,
        {"role": "viewer"},
        "spec.deny[0].namespaces: is missing, add `namespaces: ...`",
    ),
    (
        DENIAL,
        {"namespaces": ["a"], "role": "viewer", "verbs": ["get"]},
        "spec.deny[0]: has `role` and `verbs`, give a role, or resources and verbs",
    ),
    (
        (*DENIAL, "namespacesFromClaim"),
        "ns",
        "spec.deny[0]: unknown field `namespacesFromClaim`, did you mean `namespaces`?",
    ),
    (
        (*DENIAL, "verbs"),
        [],
        "spec.deny[0].verbs: is empty, give it an item",
    ),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG)
def test_what_is_wrong_is_said_once_with_what_would_be_right(
    path: Path, value: object, message: str
) -> None:
    (problem,) = problems(changed(path, value))
    assert problem.split(": ", 1)[1] == message


@pytest.mark.parametrize("tree", [None, "text", [GOOD], 5])
def test_a_document_that_is_no_mapping_is_refused(tree: object) -> None:
    (problem,) = problems(tree)
    assert "mapping" in problem


def test_all_problems_of_all_documents_are_found_at_once() -> None:
    first = changed(("metadata", "name"), "X")
    first["spec"]["allow"] = [{"role": "edit", "verbs": ["all"]}, {"namespaces": ["A"], "x": 1}]
    second = changed(("spec", "deny"), "none")
    found = problems(first, second)
    assert [problem.split(": ")[1] for problem in found] == [
        "metadata.name",
        "spec.allow[0]",
        "spec.allow[0]",
        "spec.allow[1]",
        "spec.allow[1]",
        "spec.allow[0].role",
        "spec.allow[0].verbs[0]",
        "spec.allow[1].namespaces[0]",
        "spec.deny",
    ]


def test_problems_stand_in_the_order_of_the_file() -> None:
    tree = changed(("metadata", "name"), "X")
    tree["spec"]["allow"] = [{"namespaces": ["A"], "x": 1}]
    parsed = parse([document(tree)])
    assert isinstance(parsed, tuple)
    positions = [problem.position for problem in parsed]
    assert positions == sorted(positions)


def test_a_problem_reads_as_a_compiler_would_write_it() -> None:
    problem = Problem("blue.yaml", Position(3, 5), "spec.allow[0]", "grants nothing", "give a role")
    assert str(problem) == "blue.yaml:3:5: spec.allow[0]: grants nothing, give a role"
    assert str(Problem("blue.yaml", Position(1, 1), "", "is empty")) == "blue.yaml:1:1: is empty"


def test_an_unknown_field_is_pointed_at_by_its_name() -> None:
    parsed = parse([document(changed(("spec", "extra"), 1))])
    assert isinstance(parsed, tuple)
    assert parsed[0].position == Position(3, 1)


def test_a_name_is_unique_over_all_documents() -> None:
    parsed = parse([document(GOOD, "a.yaml"), document(GOOD, "b.yaml")])
    assert isinstance(parsed, tuple)
    assert [str(problem) for problem in parsed] == [
        "b.yaml:3:9: metadata.name: `blue` is the name of a.yaml:3, choose another"
    ]


def accepts(tree: object) -> bool:
    return jsonschema.Draft202012Validator(schema()).is_valid(tree)


def test_the_schema_is_a_schema_and_takes_a_good_document() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert accepts(GOOD)


# A regular expression that said what is printable would help nobody.
@pytest.mark.parametrize(
    ("path", "value"), [(path, value) for path, value, message in WRONG if "x1b" not in message]
)
def test_an_editor_refuses_what_the_proxy_refuses(path: Path, value: object) -> None:
    assert not accepts(changed(path, value))


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
            assert (found.origin.document, found.origin.path) in scanned
            matched[effect].add((plural, verb))
    effective = matched[Effect.ALLOW] - matched[Effect.DENY]
    assert rules.permissions(namespace) == effective
    listed = any(covers(pattern, namespace) for pattern in rules.namespaces())
    assert listed or not effective


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
)
PIECES = st.sampled_from([row[0] for row in WRONG])


@settings(deadline=None)
@given(path=PIECES, value=JSON)
def test_any_piece_may_be_anything_and_the_problem_is_told(path: Path, value: object) -> None:
    parsed = parse([document(changed(path, value))])
    assert isinstance(parsed, PolicySet) or all(problem.message for problem in parsed)
