"""What is doubtful about policies, each with its place and what would be right."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.core.identity import IssuerRules, OidcNaming, ServiceAccountNaming
from proxy.core.policy import Origin, PolicySet, Rule, dotted, doubts
from proxy.core.policy.doubts import Directory, Known, comparing
from proxy.core.policy.origins import ClaimOrigin
from proxy.core.policy.subjects import Entry, SubjectKind
from tests.core.policy.documents import Looked, policies, policy

BLUE = {"issuer": "corp", "group": "/blue"}
RED = {"issuer": "corp", "group": "/red"}
ALL = {"issuer": "corp", "everyone": True}
ACCOUNT = {"issuer": "mgmt", "serviceAccount": "ns/sa"}
NOTHING_ELSE = Known(granted_elsewhere=frozenset())


def told(found: PolicySet, known: Known = NOTHING_ELSE) -> list[str]:
    """Each doubt as `CODE DOCUMENT FIELD: MESSAGE, HINT`."""
    return [
        f"{doubt.code} {doubt.document} {dotted(doubt.path)}: "
        f"{', '.join(filter(None, doubt.fault[:2]))}"
        for doubt in doubts.find(found, known).found
    ]


def codes(found: PolicySet, known: Known = NOTHING_ELSE) -> list[str]:
    return [line.partition(":")[0] for line in told(found, known)]


def grant(*namespaces: str, **what: Any) -> dict[str, Any]:
    return {"namespaces": [*namespaces], **(what or {"role": "viewer"})}


def one(*grants: dict[str, Any], to: Any = BLUE, deny: Any = None, name: str = "one") -> Any:
    return policy(name, [to] if isinstance(to, dict) else to, allow=[*grants], **_deny(deny))


def _deny(denial: Any) -> dict[str, Any]:
    return {} if denial is None else {"deny": denial}


GET = {"resources": ["hostclaims"], "verbs": ["get"]}
REST = {"resources": ["hostclaims"], "verbs": ["list", "watch"]}
HARDWARE = {"resources": ["hardwaredata"], "verbs": ["get"]}
ONCE = {"bounds": {"maxHostClaims": 1}}
TWICE = {"bounds": {"maxHostClaims": 2}}


@pytest.mark.parametrize(
    "documents",
    [
        [one(grant("a"), grant("b"))],
        [one(grant("a")), one(grant("a"), to=RED, name="two")],
        [one(grant("a")), one(grant("a"), to={**BLUE, "issuer": "lab"}, name="two")],
        [one(grant("a-*"), grant("a"))],
        [one(grant("a-b"), grant("a-c-*"))],
        [one(grant("a", **GET), grant("b", **REST))],
        [one(grant("a"), to=ALL), one(grant("a", role="editor"), name="two")],
        [one(grant("a", role="editor", **ONCE), grant("a", role="editor", **TWICE))],
        [one({"namespacesFromClaim": "x", "role": "viewer"}, grant("a"))],
        [
            one(
                {"namespacesFromClaim": "x", "role": "viewer"},
                {"namespacesFromClaim": "y", "role": "viewer"},
            )
        ],
        [one(grant("a"), deny=[grant("a", **GET)])],
        [one(grant("a-*"), deny=[{"namespaces": ["a-b"]}])],
        [one(grant("a-b"), deny=[grant("a-*", **GET)])],
        [one({"namespacesFromClaim": "x", "role": "viewer"}, deny=[{"namespaces": ["a"]}])],
        # A denial of hardware holds where the hosts are, which no grant names.
        [one(grant("a", **HARDWARE), deny=[grant("pool", **HARDWARE)])],
        # Who is in one group may be in another.
        [one(grant("a")), policy("two", [RED], deny=[grant("a", **GET)])],
    ],
)
def test_what_says_something_of_its_own_is_not_doubted(documents: list[Any]) -> None:
    assert told(policies(*documents)) == []


AT = "blue.yaml:4"


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        (
            [one(grant("a"), grant("a"))],
            (
                f"covered one spec.allow[1]: all that it grants is granted by {AT} one"
                " spec.allow[0],"
                " leave it out, or narrow the other"
            ),
        ),
        (
            [one(grant("a-b"), grant("a-*"))],
            (
                f"covered one spec.allow[0]: all that it grants is granted by {AT} one"
                " spec.allow[1],"
                " leave it out, or narrow the other"
            ),
        ),
        (
            [one(grant("a")), one(grant("*"), to=ALL, name="two")],
            (
                f"covered one spec.allow[0]: all that it grants is granted by {AT} two"
                " spec.allow[0],"
                " leave it out, or narrow the other"
            ),
        ),
        (
            [one(grant("a", **GET), grant("a", **REST), grant("a"))],
            (
                f"covered one spec.allow[2]: all that it grants is granted by {AT} one"
                " spec.allow[0]"
                f" and {AT} one spec.allow[1], leave it out, or narrow the other"
            ),
        ),
        (
            [one(grant("a", role="editor", **ONCE), grant("a", role="editor"))],
            "covered one spec.allow[0]",
        ),
        (
            [one({"namespacesFromClaim": "x", "role": "viewer"}, grant("*"))],
            "covered one spec.allow[0]",
        ),
        (
            [
                one(
                    {"namespacesFromClaim": "x", "namespaces": ["a-*"], "role": "viewer"},
                    {"namespacesFromClaim": "x", "role": "viewer"},
                )
            ],
            "covered one spec.allow[0]",
        ),
        (
            [
                one(grant("a"), deny=[grant("a-*", **GET), grant("a-b", **GET)]),
                one(grant("a-*"), to=ALL, name="two"),
            ],
            (
                f"covered one spec.deny[1]: all that it denies is denied by {AT} one spec.deny[0],"
                " leave it out, or narrow the other"
            ),
        ),
        (
            [one(grant("a"), deny=[{"namespaces": ["a"]}])],
            (
                f"emptied one spec.allow[0]: all that it grants is denied by {AT} one spec.deny[0],"
                " leave it out, or narrow the denial"
            ),
        ),
        (
            [one(grant("a", "a-b")), policy("two", [ALL], deny=[{"namespaces": ["*"]}])],
            (
                f"emptied one spec.allow[0]: all that it grants is denied by {AT} two spec.deny[0],"
                " leave it out, or narrow the denial"
            ),
        ),
        (
            [one(grant("a"), deny=[grant("a", **GET), grant("b"), grant("a", **REST)])],
            (
                f"emptied one spec.allow[0]: all that it grants is denied by {AT} one spec.deny[0]"
                f" and {AT} one spec.deny[2], leave it out, or narrow the denial"
            ),
        ),
        (
            [one(grant("a"), deny=[grant("b")])],
            (
                "never-matches one spec.deny[0]: takes nothing away, since no policy grants any"
                " of it,"
                " check namespaces and verbs"
            ),
        ),
        (
            [one(grant("a"), deny=[grant("a", resources=["secrets"], verbs=["get"])])],
            "never-matches one spec.deny[0]",
        ),
        (
            [one(grant("kube-a"), {"namespacesFromClaim": "x", **grant("kube-*", "kube-b")})],
            (
                "never-matches one spec.allow[1].namespaces: a claim gives no namespace that begins"
                " with `kube-`, name others"
            ),
        ),
        (
            [one({"namespacesFromClaim": "x", **grant("a")}, to=ACCOUNT)],
            (
                "never-matches one spec.allow[0].namespacesFromClaim: service accounts have no"
                " claims,"
                " give `namespaces` alone"
            ),
        ),
        (
            [one(grant("a"), to=[BLUE, {"issuer": "Corp", "user": "x"}])],
            (
                "never-matches one spec.subjects[1].issuer: no issuer can be called `Corp`,"
                " write its name in the configuration, a DNS label"
            ),
        ),
        (
            [one(grant("a"), to=[{"issuer": "corp", "group": "x" * 600}])],
            (
                f"never-matches one spec.subjects[0].group: no token can name `{'x' * 80}...`,"
                " names have at most 512 characters and do not begin with `system:`"
            ),
        ),
        (
            [one(grant("a"), to=[{"issuer": "corp", "user": "System:admin"}])],
            "never-matches one spec.subjects[0].user",
        ),
        (
            [one(grant("*", role="editor"), to=RED), one(grant("a"), name="two")],
            (
                "wide one spec.allow[0].namespaces[0]: grants more than reading in every namespace,"
                f" name the namespaces, as {AT} two does, which only reads in `a`"
            ),
        ),
        (
            [one(grant("*", role="editor"))],
            (
                "wide one spec.allow[0].namespaces[0]: grants more than reading in every namespace,"
                " name the namespaces"
            ),
        ),
        (
            [one(grant("a-*", role="editor"), to=ALL), one(grant("b", "c", "d", "e"), name="two")],
            (
                "wide one spec.allow[0]: lets everyone of an issuer write in `a-*`,"
                f" name a group or a client, as {AT} two does, which only reads in `b`, `c`, `d`,"
                " ..."
            ),
        ),
    ],
)
def test_a_doubt_says_what_is_wrong_and_what_would_be_right(
    documents: list[Any], message: str
) -> None:
    assert any(line.startswith(message) for line in told(policies(*documents)))


def test_of_equal_rules_the_first_is_left() -> None:
    found = codes(policies(one(grant("a"), grant("a"), grant("a"))))
    assert found == ["covered one spec.allow[2]", "covered one spec.allow[1]"]


def test_many_that_make_a_rule_needless_are_not_all_named() -> None:
    names = [f"a{number}" for number in range(6)]
    [line] = told(policies(one(grant(*names), *(grant(name) for name in names))))[-1:]
    assert "covered one spec.allow[0]" not in line
    [line] = told(policies(one(*(grant(name) for name in names), grant(*names))))
    assert line.count("spec.allow") == 4
    assert "and 3 more" in line


def test_a_denial_of_what_a_shadow_grants_is_not_called_vain() -> None:
    shadow = one(grant("b"), name="two")
    shadow["spec"]["enforcement"] = "shadow"
    denial = one(grant("a"), deny=[grant("b")])
    assert codes(policies(denial)) == ["never-matches one spec.deny[0]"]
    assert codes(policies(denial, shadow)) == []


def test_a_denial_is_not_called_vain_where_the_iam_grants_or_may() -> None:
    found = policies(one(grant("a"), deny=[grant("b")]))
    assert told(found, Known()) == []
    assert told(found, Known(granted_elsewhere=frozenset({"corp"}))) == []
    assert len(told(found, Known(granted_elsewhere=frozenset({"lab"})))) == 1


@pytest.mark.parametrize(
    "grants",
    [
        [grant("a"), grant("*")],
        [grant("a"), grant("*", resources=["hardwaredata"], verbs=["get"])],
        [grant("a"), {"namespacesFromClaim": "x", "role": "editor"}],
    ],
)
def test_what_only_reads_or_is_claimed_is_not_wide(grants: list[Any]) -> None:
    assert not [code for code in codes(policies(one(*grants))) if code.startswith("wide")]


def test_everyone_may_write_where_that_is_named_or_nobody_else_is() -> None:
    named = policies(one(grant("a", role="editor"), to=ALL), one(grant("b"), name="two"))
    alone = policies(one(grant("a-*", role="editor"), to=ALL))
    assert told(named) == told(alone) == []


# With a configuration.

CORP = IssuerRules(
    name="corp",
    url="https://corp",
    audiences=("a",),
    naming=OidcNaming(authorized_parties=("capm3",)),
)
MGMT = IssuerRules(name="mgmt", url="https://mgmt", audiences=("a",), naming=ServiceAccountNaming())
CONFIGURED = Known({"corp": CORP, "mgmt": MGMT, "lab": None})


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        (
            {"issuer": "crop", "user": "x"},
            (
                "unknown-issuer one spec.subjects[0].issuer: the proxy has no issuer `crop`,"
                " did you mean `corp`?"
            ),
        ),
        (
            {"issuer": "Corp", "user": "x"},
            (
                "unknown-issuer one spec.subjects[0].issuer: the proxy has no issuer `Corp`,"
                " did you mean `corp`?"
            ),
        ),
        (
            {"issuer": "https://iam", "user": "x"},
            (
                "unknown-issuer one spec.subjects[0].issuer: the proxy has no issuer "
                "`https://iam`, its issuers are `corp`, `lab`, `mgmt`"
            ),
        ),
        (
            {"issuer": "mgmt", "group": "/blue"},
            (
                "never-matches one spec.subjects[0].group: issuer `mgmt` is a cluster, whose"
                " service"
                " accounts have no group, write `serviceAccount: NAMESPACE/NAME`"
            ),
        ),
        (
            {"issuer": "mgmt", "user": "alice"},
            (
                "never-matches one spec.subjects[0].user: issuer `mgmt` is a cluster, and has"
                " no user"
                " `alice`, write `serviceAccount: NAMESPACE/NAME`"
            ),
        ),
        (
            {"issuer": "corp", "serviceAccount": "a/b"},
            (
                "never-matches one spec.subjects[0].serviceAccount: issuer `corp` is no"
                " cluster, and"
                " has no service accounts, name the issuer of kind `kubernetes`"
            ),
        ),
        (
            {"issuer": "corp", "client": "other"},
            (
                "never-matches one spec.subjects[0].client: tokens of client `other` are refused,"
                " add it to `authorizedParties` of issuer `corp`"
            ),
        ),
    ],
)
def test_a_subject_whom_the_configuration_rules_out_is_told(
    subject: dict[str, Any], message: str
) -> None:
    assert told(policies(one(grant("a"), to=subject)), CONFIGURED) == [message]


@pytest.mark.parametrize(
    "subject",
    [
        {"issuer": "mgmt", "user": "serviceaccount:ns:sa"},
        ACCOUNT,
        {"issuer": "mgmt", "everyone": True},
        {"issuer": "corp", "client": "capm3"},
        BLUE,
        {"issuer": "lab", "serviceAccount": "a/b"},
    ],
)
def test_a_subject_whom_a_token_may_name_is_not_told(subject: dict[str, Any]) -> None:
    assert told(policies(one(grant("a"), to=subject)), CONFIGURED) == []


def test_no_service_account_of_a_cluster_has_claims() -> None:
    claimed = {"namespacesFromClaim": "x", "role": "viewer"}
    found = policies(one(claimed, to={"issuer": "mgmt", "everyone": True}))
    assert codes(found, CONFIGURED) == ["never-matches one spec.allow[0].namespacesFromClaim"]
    assert codes(found) == []


# With a cluster, and an IAM.


def test_namespaces_that_the_cluster_does_not_have_are_told() -> None:
    known = Known(namespaces=frozenset({"blue-dev", "blue-prod", "pool-a"}))
    pools = {"bounds": {"hostSelector": {"inNamespaces": ["pool-*", "pol-a"]}}}
    named = grant("blue-dev", "blue-*", "*", "blue-pord", "red-*", role="editor", **pools)
    claimed = {"namespacesFromClaim": "x", **grant("gone")}
    found = told(policies(one(named, claimed)), known)
    assert [line for line in found if not line.startswith("wide")] == [
        (
            "unknown-namespace one spec.allow[0].namespaces[3]: the cluster has no namespace"
            " `blue-pord`, did you mean `blue-prod`?"
        ),
        (
            "unknown-namespace one spec.allow[0].namespaces[4]: the cluster has no namespace that"
            " `red-*` covers"
        ),
        (
            "unknown-namespace one spec.allow[0].bounds.hostSelector.inNamespaces[1]: the cluster"
            " has no namespace `pol-a`, did you mean `pool-a`?"
        ),
    ]


def test_whom_the_iam_does_not_know_is_told() -> None:
    directory = Directory(
        {
            SubjectKind.GROUP: frozenset({"/bleu"}),
            SubjectKind.CLIENT: frozenset({"capm"}),
            SubjectKind.USER: frozenset({"zoe"}),
        },
        {
            SubjectKind.GROUP: frozenset({"/blue"}),
            SubjectKind.CLIENT: frozenset({"capm3"}),
            SubjectKind.USER: frozenset({"alice"}),
        },
    )
    people = [
        BLUE,
        {"issuer": "corp", "group": "/bleu"},
        {"issuer": "corp", "client": "capm"},
        {"issuer": "corp", "user": "zoe"},
        {"issuer": "lab", "user": "zoe"},
        ALL,
    ]
    known = Known(directories={"corp": directory})
    assert told(policies(one(grant("a"), to=people)), known) == [
        (
            "unknown-group one spec.subjects[1].group: the IAM of issuer `corp` has no group"
            " `/bleu`,"
            " did you mean `/blue`?"
        ),
        (
            "unknown-client one spec.subjects[2].client: the IAM of issuer `corp` has no client"
            " `capm`, did you mean `capm3`?"
        ),
        "unknown-user one spec.subjects[3].user: the IAM of issuer `corp` has no user `zoe`",
    ]


def test_what_is_alike_is_not_looked_for_without_end() -> None:
    names = [f"blue-{number}" for number in range(150)]
    known = Known(namespaces=frozenset({"blue-dev"}))
    found = told(policies(one(grant(*names))), known)
    assert len(found) == 150
    assert sum("did you mean" in line for line in found) <= 100
    many = Known(namespaces=frozenset(f"red-{number}" for number in range(3000)))
    assert "did you mean" not in told(policies(one(grant("red-x"))), many)[0]


# Whoever writes the files may not make it take forever.


def test_of_many_issuers_a_few_are_named() -> None:
    known = Known(dict.fromkeys(f"realm-{number}" for number in range(7)))
    found = told(policies(one(grant("a"))), known)
    assert found[0].endswith("`realm-0`, `realm-1`, `realm-2`, `realm-3`, `realm-4` and 2 more")


def test_what_is_too_long_to_be_compared_is_counted() -> None:
    names = [f"n{number}" for number in range(1200)]
    people = [{"issuer": "corp", "user": f"u{number}"} for number in range(1200)]
    dashed = ["-".join(["a"] * 20) + f"-{number}" for number in range(200)]
    found = doubts.find(
        policies(
            one(grant(*names), to=people),
            one(grant(*dashed), to=people[:1000], name="two"),
            one(grant("a"), grant("a"), name="three"),
        ),
        NOTHING_ELSE,
    )
    assert found.uncompared == 2
    assert [doubt.document for doubt in found.found] == ["three"]
    assert comparing.MOST < 1200 * 1200


@pytest.mark.parametrize("document", ["grant", "claim", "deny"])
def test_subjects_are_gone_through_a_few_times_however_many_rules_they_have(document: str) -> None:
    rules = {
        "grant": one(grant("*", role="editor")),
        "claim": one({"namespacesFromClaim": "spaces", "role": "editor"}, to=ACCOUNT),
        "deny": policy(deny=[{"namespaces": ["a"]}]),
    }
    [entry] = policies(rules[document])
    subjects = Looked(entry.subjects * (comparing.MOST // 4))
    doubts.find(PolicySet([replace(entry, subjects=subjects)] * 100), NOTHING_ELSE)
    assert subjects.times < 10


def test_a_rule_that_is_in_no_file_cannot_be_doubted() -> None:
    found = policies(one(grant("a")))
    [entry] = found
    stray = Entry(entry.subjects, Rule(ClaimOrigin("corp", "c", "v"), *_rest(entry.rule)))
    with pytest.raises(TypeError, match="in no file"):
        doubts.find(PolicySet([stray]), NOTHING_ELSE)
    assert isinstance(entry.rule.origin, Origin)


def _rest(rule: Rule) -> tuple[Any, ...]:
    return rule.effect, rule.permissions, rule.namespaces
