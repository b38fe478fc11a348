"""Which conversation answers: one line a kind of request, and secrets are never just forwarded."""

from dataclasses import replace

import pytest

from proxy.core import attributes
from proxy.core.attributes import SECRETS, PatchType, Verb
from proxy.core.conversation import Forward
from proxy.core.entitlement import Allow, authorize
from proxy.core.narrowing import STAMP, Call
from tests.core.asking import ALL_OF_BLUE, CLAIMS, JSON, SECRETS_PATH, call, play, raw, resource
from tests.identities import make_identity

MERGE = ("Content-Type", PatchType.MERGE.value)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", f"{CLAIMS}?watch=1"),
        ("GET", f"{CLAIMS}/a"),
        ("GET", f"{CLAIMS}/a/status"),
        ("DELETE", f"{CLAIMS}/a"),
        ("DELETE", CLAIMS),
    ],
)
def test_a_claim_is_forwarded_and_its_answer_streams(method: str, target: str) -> None:
    played = play(call(method, target, JSON))
    assert isinstance(played.outcome, Forward)
    assert played.lines == [f"{method} {target}"]


@pytest.mark.parametrize(
    ("method", "target"),
    [("GET", "/apis"), ("POST", attributes.Review.SUBJECT.value)],
)
def test_discovery_and_reviews_are_answered_here(method: str, target: str) -> None:
    played = play(call(method, target, JSON, body={} if method == "POST" else b""))
    assert (played.reply.code // 100, played.sent) == (2, [])


def test_a_secret_is_known_by_what_it_is_and_not_by_which_object_says_so() -> None:
    listing = replace(resource("GET", SECRETS_PATH), resource=replace(SECRETS))
    assert listing.verb is Verb.LIST
    allow = authorize(make_identity(), listing, ALL_OF_BLUE)
    assert isinstance(allow, Allow)
    played = play(Call(allow, raw("GET", SECRETS_PATH), "audit-1"))
    assert STAMP.replace("/", "%2F") in played.sent[0].target
