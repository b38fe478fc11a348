"""What is told of a change: exactly whom and where, by which rule, and what stands beside it."""

from typing import Any

import pytest

from proxy.core import difference
from proxy.core.difference import Because, Change, Finding, Left, Place, TooMuchError
from proxy.core.difference.sides import Names
from proxy.core.policy import ROLES, PolicySet, Role
from proxy.core.policy.subjects import SubjectKind
from tests.core.policy.documents import policies, policy

BLUE = {"issuer": "corp", "group": "/blue"}
RED = {"issuer": "corp", "group": "/red"}
CAPM3 = {"issuer": "corp", "client": "capm3"}
ALL = {"issuer": "corp", "everyone": True}
EDIT = {"role": "editor"}
DELETE = {"resources": ["hostclaims"], "verbs": ["delete"]}
AT_ONCE = {Change.TOGETHER, Change.APART}
MAY_DELETE = frozenset({("hostclaims", "delete")})


def read(*specs: dict[str, Any]) -> PolicySet:
    return policies(*(policy(f"p{number}", **spec) for number, spec in enumerate(specs)))


def allow(*who: dict[str, Any], **grant: Any) -> dict[str, Any]:
    return {"subjects": [*who], "allow": [EDIT | grant]}


def deny(*who: dict[str, Any], **denial: Any) -> dict[str, Any]:
    return {"subjects": [*who], "deny": [denial]}


def told(finding: Finding) -> tuple[Any, ...]:
    who = tuple(f"{subject.kind} {subject.value}".strip() for subject in finding.subjects)
    return finding.change, who, [_place(place) for place in finding.places]


def _place(place: Place) -> str:
    but = [f"{left.namespace} {left.because}" for left in place.but]
    return " but ".join(filter(None, (place.namespace, ", ".join(but))))


def changed(old: PolicySet, new: PolicySet) -> list[Finding]:
    """What is other in single namespaces."""
    return [f for f in difference.compare(old, new) if f.change not in AT_ONCE and not f.hosts]


def compare(old: list[Any], new: list[Any]) -> list[tuple[Any, ...]]:
    return [told(finding) for finding in changed(read(*old), read(*new))]


def test_a_wider_pattern_is_told_with_exactly_who_and_where() -> None:
    before = read(allow(BLUE, CAPM3, namespaces=["blue-dev"]), allow(RED, namespaces=["red-*"]))
    after = read(allow(BLUE, CAPM3, namespaces=["blue-*"]), allow(RED, namespaces=["red-*"]))
    [found] = changed(before, after)
    assert (found.change, found.permissions) == (Change.GAINS, ROLES[Role.EDITOR])
    assert [(s.kind, s.value) for s in found.subjects] == [
        (SubjectKind.GROUP, "/blue"),
        (SubjectKind.CLIENT, "capm3"),
    ]
    assert found.places == (Place("blue-*", (Left("blue-dev", Because.ALLOWED),)),)
    assert str(found.rule) == "blue.yaml:4 p0 spec.allow[0]"


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ([allow(BLUE, namespaces=["a"])], [allow(BLUE, namespaces=["a"])], []),
        ([], [allow(BLUE, namespaces=["a", "b"])], [("gains", ("group /blue",), ["a", "b"])]),
        ([allow(BLUE, namespaces=["a"])], [], [("loses", ("group /blue",), ["a"])]),
        (
            [allow(BLUE, namespaces=["a-*"])],
            [allow(BLUE, namespaces=["a-b-*"])],
            [("loses", ("group /blue",), ["a-* but a-b-* allowed"])],
        ),
        (
            [],
            [allow(BLUE, namespaces=["a-*", "a-b-*", "a-b-c"])],
            [("gains", ("group /blue",), ["a-*"])],
        ),
        (
            [],
            [allow(BLUE, namespaces=["a-*"]), deny(BLUE, namespaces=["a-b-*"])],
            [("gains", ("group /blue",), ["a-* but a-b-* refused"])],
        ),
        (
            [allow(BLUE, namespaces=["a-b"]), deny(ALL, namespaces=["a-b"], **DELETE)],
            [allow(BLUE, namespaces=["a-*"]), deny(ALL, namespaces=["a-b"], **DELETE)],
            [("gains", ("group /blue",), ["a-* but a-b unchanged"])],
        ),
        # What everyone gains is not told of each.
        (
            [allow(BLUE, namespaces=["a"])],
            [allow(BLUE, namespaces=["a"]), allow(ALL, namespaces=["*"])],
            [("gains", ("everyone",), ["*"])],
        ),
        (
            [allow(BLUE, namespaces=["a"])],
            [allow(BLUE, namespaces=["a", "b"]), allow(ALL, namespaces=["*"])],
            [("gains", ("everyone",), ["*"])],
        ),
        # Of a denial for everyone, those are told to whom it means something.
        (
            [allow(BLUE, namespaces=["a"]), allow(RED, namespaces=["b"])],
            [
                allow(BLUE, namespaces=["a"]),
                allow(RED, namespaces=["b"]),
                deny(ALL, namespaces=["a"], **DELETE),
            ],
            [("loses", ("group /blue",), ["a"])],
        ),
        # A name of a token's own does for a claim.
        (
            [],
            [allow(BLUE, namespacesFromClaim="sub", namespaces=["a-*"])],
            [("gains", ("group /blue",), ["a-*"])],
        ),
        # Nobody can be who a token cannot name, and a service account has no claims.
        ([], [allow({"issuer": "No Issuer", "everyone": True}, namespaces=["a"])], []),
        ([], [deny({"issuer": "No Issuer", "everyone": True}, namespaces=["a"])], []),
        ([], [deny({"issuer": "No Issuer", "group": "a"}, namespaces=["a"])], []),
        ([], [allow({"issuer": "lab", "serviceAccount": "a/b"}, namespacesFromClaim="c")], []),
        # A service account goes by a username, too.
        (
            [allow({"issuer": "lab", "serviceAccount": "a/b"}, namespaces=["a"])],
            [
                allow({"issuer": "lab", "serviceAccount": "a/b"}, namespaces=["a"]),
                deny({"issuer": "lab", "user": "serviceaccount:a:b"}, namespaces=["a"]),
            ],
            [("loses", ("serviceAccount a/b",), ["a"])],
        ),
        # A pattern none of whose names is left stands for nothing.
        (
            [allow(BLUE, namespaces=["a" * 61 + f"-{c}" for c in "abcdefghijklmnopqrstuvwxyz"])],
            [
                allow(
                    BLUE,
                    namespaces=["a" * 61 + f"-{c}" for c in "abcdefghijklmnopqrstuvwxyz0123456789"],
                ),
                allow(BLUE, namespaces=["a" * 61 + "-*"]),
            ],
            [("gains", ("group /blue",), ["a" * 61 + f"-{n}" for n in range(10)])],
        ),
    ],
)
def test_a_change_is_told_of_whom_it_concerns(
    before: list[Any], after: list[Any], wanted: list[Any]
) -> None:
    assert compare(before, after) == wanted


def test_a_denial_that_is_gone_is_told_for_those_who_are_also_somebody_else() -> None:
    kept = allow(BLUE, namespaces=["a", "b"])
    [found] = difference.compare(read(kept, deny(RED, namespaces=["a"], **DELETE)), read(kept))
    assert (told(found), found.permissions) == (("freed", ("group /red",), ["a"]), MAY_DELETE)
    assert str(found.denial) == "blue.yaml:4 p1 spec.deny[0]"
    [met] = found.met
    assert (told(met), met.permissions) == (("gains", ("group /blue",), ["a"]), MAY_DELETE)
    assert not found.more


def test_a_change_beside_that_of_a_denial_is_not_told_with_it() -> None:
    before = [allow(BLUE, namespaces=["a"]), deny(RED, namespaces=["a"], **DELETE)]
    after = [allow(BLUE, namespaces=["a"]), deny(RED, namespaces=["a"], verbs=["get"])]
    found = difference.compare(read(*before), read(*after))
    means = {one.change: [met.change for met in one.met] for one in found}
    assert means == {Change.FREED: [Change.GAINS], Change.BARRED: [Change.LOSES]}


def test_a_denial_that_is_new_takes_from_those_who_are_also_somebody_else() -> None:
    kept = allow(BLUE, namespacesFromClaim="lab", namespaces=["a-*"])
    [found] = difference.compare(read(kept), read(kept, deny(RED, namespaces=["*"])))
    assert told(found) == ("barred", ("group /red",), ["*"])
    [met] = found.met
    assert (told(met), met.claim) == (("loses", ("group /blue",), ["a-*"]), "lab")


def test_a_denial_of_what_nobody_is_granted_changes_nothing() -> None:
    kept = [allow(BLUE, namespaces=["a"]), deny(BLUE, namespaces=["a"])]
    assert compare(kept, [*kept, deny(RED, namespaces=["a", "b"])]) == []


def test_not_everybody_is_told_to_whom_a_denial_means_something() -> None:
    kept = [allow({"issuer": "corp", "group": f"/{n}"}, namespaces=["a"]) for n in range(9)]
    [found] = difference.compare(read(*kept), read(*kept, deny(RED, namespaces=["a"], **DELETE)))
    assert (len(found.met), found.more) == (5, True)


def test_bounds_are_told_as_what_was_and_what_is() -> None:
    def bounded(number: int) -> PolicySet:
        return read(allow(BLUE, namespaces=["a"], bounds={"maxHostClaims": number}))

    [found] = changed(bounded(2), bounded(3))
    assert told(found) == ("widened", ("group /blue",), ["a"])
    assert [[one.max_host_claims for one in side] for side in found.bounds] == [[2], [3]]
    [found] = changed(bounded(3), bounded(2))
    assert told(found) == ("narrowed", ("group /blue",), ["a"])
    assert [[one.max_host_claims for one in side] for side in found.bounds] == [[3], [2]]


def test_what_everyone_may_ask_for_is_not_told_of_each() -> None:
    def bounded(number: int) -> PolicySet:
        return read(
            allow(ALL, namespaces=["a"], bounds={"maxHostClaims": number}),
            allow(BLUE, namespaces=["a"], bounds={"maxHostClaims": number}),
        )

    [found] = changed(bounded(2), bounded(3))
    assert told(found) == ("widened", ("everyone",), ["a"])


def test_where_part_of_it_is_otherwise_is_told() -> None:
    before = [allow(BLUE, namespaces=["a-b"], role="viewer")]
    after = [allow(BLUE, namespaces=["a-*"])]
    assert compare(before, after) == [
        ("gains", ("group /blue",), ["a-* but a-b otherwise"]),
        ("gains", ("group /blue",), ["a-b"]),
    ]


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.core.difference.sides._MOST", 10)
    changed = [allow({"issuer": "corp", "group": f"/{n}"}, namespaces=["a"]) for n in range(3)]
    with pytest.raises(TooMuchError, match="too much"):
        compare([], changed)


def test_too_many_bounds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def bounded(image: str) -> PolicySet:
        bounds = [{"maxHostClaims": n, "images": [f"https://{image}{n}/"]} for n in range(20)]
        return read(*(allow(BLUE, namespaces=["a"], bounds=each) for each in bounds))

    monkeypatch.setattr("proxy.core.difference.sides._MOST", 200)
    assert difference.compare(read(), bounded("b"))
    with pytest.raises(TooMuchError, match="too much"):
        difference.compare(bounded("a"), bounded("b"))


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", ["*", "a", "a-*", "a-b", "b"]),
        ("a-*", ["a-*", "a-b"]),
        ("a", ["a"]),
        ("b", ["b"]),
        ("c", []),
    ],
)
def test_names_are_found_by_what_covers_them(pattern: str, found: list[str]) -> None:
    assert [*Names(["b", "a-b", "a-*", "a", "*"]).within(pattern)] == found
