"""How a refusal is said: a Status that kubectl prints and client-go branches on."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.core import errors, status
from proxy.core.entitlement import Deny, authorize
from proxy.core.errors import Cause, Refused, Target
from proxy.core.policy import RuleSet
from proxy.core.wire import Reply
from tests.core.asking import CLAIMS, SECRET_PATH, parse
from tests.identities import make_identity

SECRET = Target("", "secrets", "user-data")


def every_refusal() -> list[type[Refused]]:
    return [
        found
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, Refused) and found is not Refused
    ]


def denied(method: str, target: str, who: str = "alice") -> tuple[str, Reply]:
    decision = authorize(make_identity(username=who), parse(method, target), RuleSet())
    assert isinstance(decision, Deny)
    return status.denial(decision)


@pytest.mark.parametrize("kind", every_refusal())
def test_every_refusal_is_a_status_of_its_code_and_reason(kind: type[Refused]) -> None:
    reply = status.reply(kind("no"))
    assert (reply.code, reply.header("Content-Type")) == (kind.code, "application/json")
    assert json.loads(reply.body) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "no",
        "reason": kind.reason,
        "code": kind.code,
    }


@given(st.text(st.characters()))
@example("a\ud800b")
def test_whatever_a_refusal_quotes_is_said_as_it_is(text: str) -> None:
    assert json.loads(status.reply(Refused(text)).body)["message"] == text


def test_who_is_not_known_is_told_how_to_authenticate() -> None:
    reply = status.reply(errors.Unauthenticated("no"))
    assert reply.header("WWW-Authenticate") == 'Bearer realm="hostclaim-proxy"'
    assert status.reply(errors.Forbidden("no")).header("WWW-Authenticate") == ""


def test_when_to_try_again_is_said_twice() -> None:
    reply = status.reply(errors.TooManyRequests("no", retry_after=7))
    assert reply.header("Retry-After") == "7"
    assert json.loads(reply.body)["details"]["retryAfterSeconds"] == 7


def test_causes_name_the_fields() -> None:
    refused = errors.Invalid(
        "no", target=SECRET, causes=(Cause("FieldValueInvalid", "why", "type"),)
    )
    assert status.status(refused)["details"] == {
        "name": "user-data",
        "kind": "secrets",
        "causes": [{"reason": "FieldValueInvalid", "message": "why", "field": "type"}],
    }


@pytest.mark.parametrize(
    ("refused", "code", "message"),
    [
        (status.not_found(SECRET), 404, 'secrets "user-data" not found'),
        (status.already_exists(SECRET), 409, 'secrets "user-data" already exists'),
        (
            status.conflict(SECRET),
            409,
            (
                'Operation cannot be fulfilled on secrets "user-data": the object has been '
                "modified; please apply your changes to the latest version and try again"
            ),
        ),
        (
            status.forbidden(Target("metal3.io", "hostclaims"), "no"),
            403,
            "hostclaims.metal3.io is forbidden: no",
        ),
        (status.forbidden(SECRET, "no"), 403, 'secrets "user-data" is forbidden: no'),
    ],
)
def test_what_the_apiserver_says_too_is_said_in_its_words(
    refused: Refused, code: int, message: str
) -> None:
    assert (refused.code, refused.message) == (code, message)


@pytest.mark.parametrize(
    ("method", "target", "message"),
    [
        (
            "GET",
            f"{CLAIMS}/a",
            (
                'hostclaims.metal3.io "a" is forbidden: User "corp:alice" cannot get resource '
                '"hostclaims" in API group "metal3.io" in the namespace "blue": '
            ),
        ),
        (
            "GET",
            f"{CLAIMS}/a/status",
            (
                'hostclaims.metal3.io "a" is forbidden: User "corp:alice" cannot get resource '
                '"hostclaims/status" in API group "metal3.io" in the namespace "blue": '
            ),
        ),
        (
            "GET",
            "/api/v1/secrets",
            (
                'secrets is forbidden: User "corp:alice" cannot list resource "secrets" in API '
                'group "" at cluster scope: '
            ),
        ),
        (
            "DELETE",
            SECRET_PATH,
            (
                'secrets "user-data" is forbidden: User "corp:alice" cannot delete resource '
                '"secrets" in API group "" in the namespace "blue": '
            ),
        ),
    ],
)
def test_a_denial_is_said_in_the_words_of_rbac(method: str, target: str, message: str) -> None:
    said, reply = denied(method, target)
    assert said.startswith(message)
    assert said.endswith("no namespace is granted to you")
    assert (reply.code, json.loads(reply.body)["message"]) == (403, said)


@pytest.mark.parametrize(
    ("method", "target", "who"),
    [
        ("GET", f"{CLAIMS}/c1", "bob"),
        ("PUT", f"{CLAIMS}/c1", "alice"),
        ("GET", f"{CLAIMS}/c1x", "alice"),
        ("GET", SECRET_PATH, "alice"),
    ],
    ids=["of somebody else", "of something else", "of another", "of another kind"],
)
def test_a_denial_is_never_taken_for_another(method: str, target: str, who: str) -> None:
    known = denied("GET", f"{CLAIMS}/c1")
    assert denied("GET", f"{CLAIMS}/c1") == known
    assert denied(method, target, who) != known


def test_a_denial_of_what_is_no_resource_says_why() -> None:
    deny = Deny(make_identity(), parse("GET", "/version"), "because")
    assert status.denial(deny)[0] == "forbidden: because"
