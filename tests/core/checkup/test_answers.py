"""What a server answers says whether it is the proxy, and what can be done with it."""

from typing import Any

import pytest

from proxy.core import review
from proxy.core.checkup import Access, Answer, Problem, Step, judge, what, where, who
from tests.core.checkup.kubeconfigs import BLUE, place, rules_review, status, subject_review

CLAIMS = {"apiGroups": ["metal3.io"], "resources": ["hostclaims"], "verbs": ["list", "get"]}
STATUS = {"apiGroups": ["metal3.io"], "resources": ["hostclaims/status"], "verbs": ["get"]}
SECRETS = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}
REVIEWS = {
    "apiGroups": ["authorization.k8s.io"],
    "resources": ["selfsubjectrulesreviews"],
    "verbs": ["create"],
}


def test_the_proxy_says_who_we_are() -> None:
    assert who(subject_review()) == BLUE


@pytest.mark.parametrize("extra", [None, {}, {review.ISSUER: []}, {review.ISSUER: "corp"}])
def test_an_apiserver_is_no_proxy(extra: Any) -> None:
    with pytest.raises(Problem, match="no HostClaim proxy: it knows you as `corp:alice`"):
        who(subject_review(extra=extra))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, None),
        Answer(200, []),
        Answer(201, {"status": []}),
        subject_review(username=""),
        subject_review(username=1),
    ],
)
def test_an_answer_that_names_nobody_is_not_from_a_proxy(answer: Answer) -> None:
    with pytest.raises(Problem, match="no HostClaim proxy: its answer cannot be read"):
        who(answer)


@pytest.mark.parametrize(
    "answer", [Answer(401, None), Answer(404, {"message": "x"}), Answer(307, None)]
)
def test_an_answer_that_is_no_status_is_not_from_a_proxy(answer: Answer) -> None:
    with pytest.raises(Problem, match=f"it answers with HTTP status {answer.code}"):
        who(answer)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (status(401, "token has expired"), "your token is refused: token has expired: get a new"),
        (status(403, "no"), "you are refused: no"),
        (status(404, "not found"), "no HostClaim proxy: it says: not found"),
        (status(429, "too many"), "cannot answer now: too many: try again later"),
        (status(503, "keys"), "cannot answer now: keys: try again later"),
        (status(500, "fault"), "cannot answer now: fault"),
        (status(415, "fault"), "you are refused: fault"),
        (Answer(403, {"kind": "Status"}), "it answers with HTTP status 403"),
    ],
)
def test_a_refusal_is_told_with_its_reason(answer: Answer, told: str) -> None:
    with pytest.raises(Problem, match=told) as problem:
        who(answer)
    assert problem.value.step is Step.IDENTITY


def test_what_may_be_done_is_told_by_resource() -> None:
    more = {**CLAIMS, "verbs": ["watch"]}
    found = what(rules_review(CLAIMS, STATUS, SECRETS, REVIEWS, more, None), "blue-dev")
    assert found == Access(
        "blue-dev",
        {
            "hostclaims": ("get", "list", "watch"),
            "hostclaims/status": ("get",),
            "secrets": ("create",),
        },
    )


def test_what_everybody_may_is_nothing() -> None:
    assert what(rules_review(REVIEWS), "blue-dev").verbs == {}
    assert what(Answer(201, {"status": {"resourceRules": "x"}}), "blue-dev").verbs == {}


def test_a_token_that_is_refused_meanwhile_is_told_as_such() -> None:
    with pytest.raises(Problem, match="your token is refused") as refused:
        what(status(401), "blue-dev")
    assert refused.value.step is Step.IDENTITY
    with pytest.raises(Problem, match="cannot answer now") as away:
        what(status(503), "blue-dev")
    assert away.value.step is Step.ACCESS


def test_the_namespace_of_the_context_is_asked_about_first_and_patterns_never() -> None:
    assert where(place("blue-prod"), BLUE) == ("blue-prod", "blue-dev")
    assert where(place("red"), BLUE) == ("red", "blue-dev", "blue-prod")
    assert where(place(None), BLUE) == ("default", "blue-dev", "blue-prod")


def test_claims_where_the_context_leads_are_what_makes_it_usable() -> None:
    access = [what(rules_review(SECRETS), "blue-prod"), what(rules_review(CLAIMS), "blue-dev")]
    assert judge(place("blue-dev"), BLUE, access) == "hostclaims in `blue-dev`: get, list"
    with pytest.raises(
        Problem, match="no policy grants you hostclaims in the context's `blue-prod`"
    ):
        judge(place("blue-prod"), BLUE, access)


@pytest.mark.parametrize(
    ("namespace", "namespaces", "told"),
    [
        ("red", ("blue-dev", "blue-ci-*"), "`red`; your namespaces are blue-dev, blue-ci-*"),
        ("red", (), "`red`; no namespace is granted to you"),
        (None, ("blue-dev",), "names no namespace: give it one; your namespaces are blue-dev"),
    ],
)
def test_where_nothing_may_be_done_it_is_told_where_it_may(
    namespace: str | None, namespaces: tuple[str, ...], told: str
) -> None:
    caller = who(subject_review(extra={review.ISSUER: ["corp"], review.NAMESPACES: [*namespaces]}))
    with pytest.raises(Problem) as problem:
        judge(place(namespace), caller, [])
    assert told in problem.value.message
    assert problem.value.step is Step.ACCESS


def test_in_the_default_namespace_claims_can_be_made_too() -> None:
    assert judge(place(None), BLUE, [what(rules_review(CLAIMS), "default")])
