"""What happened: one Event a request, with neither body nor credential in it."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.core import audit
from proxy.core.attributes import PatchType, ResourceRequest
from proxy.core.audit import Trail
from proxy.core.body import Object
from proxy.core.entitlement import authorize
from proxy.core.policy import Effect, RuleSet
from proxy.core.wire import Fields, RawRequest
from tests.core.asking import ALL_OF_BLUE, CLAIMS, SECRET_PATH, parse, raw, rule
from tests.identities import make_identity

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJmM2IxIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
FAT_TOKEN = TOKEN.replace(".", f"{'A' * 3000}.", 1)
BEARER = ("Authorization", f"Bearer {TOKEN}")


def understood(method: str, target: str, rules: RuleSet = ALL_OF_BLUE) -> Trail:
    """A request that came as far as a decision."""
    trail = Trail("audit-1", raw(method, target, BEARER, ("User-Agent", "kubectl/1")), 1.25)
    trail.identity, trail.request = make_identity(), parse(method, target)
    trail.decision = authorize(trail.identity, trail.request, rules)
    trail.code = 200
    return trail


def misunderstood(target: str, method: str = "GET", agent: str = "") -> Object:
    sent = RawRequest(method, target, Fields((BEARER, ("User-Agent", agent))))
    trail = Trail("audit-1", sent, 0, code=400, message="no")
    return audit.event(trail, 0)


def test_an_event_has_the_shape_of_the_apiservers_own() -> None:
    assert audit.event(understood("PUT", f"{SECRET_PATH}?dryRun=All"), 2.5) == {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": "audit-1",
        "stage": "ResponseComplete",
        "requestURI": f"{SECRET_PATH}?dryRun=All",
        "verb": "update",
        "user": {
            "username": "corp:alice",
            "groups": ["/tenants/blue"],
            "extra": {
                "hostclaim-proxy.metal3.io/issuer": ["corp"],
                "hostclaim-proxy.metal3.io/subject": ["f3b1"],
            },
        },
        "sourceIPs": ["192.0.2.7"],
        "userAgent": "kubectl/1",
        "objectRef": {
            "resource": "secrets",
            "namespace": "blue",
            "name": "user-data",
            "apiVersion": "v1",
        },
        "responseStatus": {"metadata": {}, "code": 200},
        "requestReceivedTimestamp": "1970-01-01T00:00:01.250000Z",
        "stageTimestamp": "1970-01-01T00:00:02.500000Z",
        "annotations": {
            "authorization.k8s.io/decision": "allow",
            "authorization.k8s.io/reason": "blue.yaml:8 blue spec.allow[0]",
        },
    }


def test_a_list_of_all_namespaces_is_about_none() -> None:
    event = audit.event(understood("GET", "/apis/metal3.io/v1alpha1/hostclaims"), 2)
    assert event["objectRef"] == {
        "resource": "hostclaims",
        "apiGroup": "metal3.io",
        "apiVersion": "v1alpha1",
    }


def test_an_object_is_named_with_group_and_subresource() -> None:
    assert audit.event(understood("GET", f"{CLAIMS}/a/status"), 2)["objectRef"] == {
        "resource": "hostclaims",
        "namespace": "blue",
        "name": "a",
        "apiGroup": "metal3.io",
        "apiVersion": "v1alpha1",
        "subresource": "status",
    }


def test_a_denial_is_recorded_with_its_reason() -> None:
    event = audit.event(understood("GET", CLAIMS, RuleSet()), 2)
    assert event["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert "no policy grants you hostclaims" in event["annotations"]["authorization.k8s.io/reason"]


def test_an_explicit_denial_is_recorded_with_its_rule() -> None:
    denial = RuleSet([rule(effect=Effect.DENY)])
    annotations = audit.event(understood("GET", CLAIMS, denial), 2)["annotations"]
    assert annotations["authorization.k8s.io/reason"] == (
        "a policy denies it explicitly; blue.yaml:8 blue spec.allow[0]"
    )


@pytest.mark.parametrize("patch_type", PatchType)
def test_a_patch_is_recorded_with_its_type(patch_type: PatchType) -> None:
    trail = understood("GET", SECRET_PATH)
    trail.request = parse("PATCH", SECRET_PATH, ("Content-Type", patch_type.value))
    annotations = audit.event(trail, 2)["annotations"]
    assert annotations[audit.PATCH_TYPE] == patch_type.value


def test_a_request_that_was_not_understood_is_recorded_as_far_as_it_came() -> None:
    event = misunderstood("/x")
    assert (event["user"], event["sourceIPs"], "objectRef" in event) == ({}, [], False)
    assert (event["verb"], event["requestURI"]) == ("get", "/x")
    assert event["responseStatus"] == {
        "metadata": {},
        "code": 400,
        "status": "Failure",
        "message": "no",
    }
    assert event["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert event["annotations"]["authorization.k8s.io/reason"] == "no"


def test_a_request_for_no_object_has_no_object_reference() -> None:
    event = audit.event(understood("GET", "/version"), 2)
    assert (event["verb"], "objectRef" in event) == ("get", False)
    assert not isinstance(understood("GET", "/version").request, ResourceRequest)


@pytest.mark.parametrize(
    "target",
    [
        f"/x?access_token={TOKEN}",
        f"/x/{TOKEN}",
        f"/{TOKEN}?{TOKEN}",
        f"{CLAIMS}?fieldManager={TOKEN}#",
        f"{'/x' * 480}/{TOKEN}",
    ],
)
def test_a_token_in_a_target_is_not_recorded(target: str) -> None:
    assert TOKEN[:30] not in json.dumps(misunderstood(target))


@pytest.mark.parametrize("key", ["labelSelector", "continue", "pretty"])
def test_a_token_in_a_query_that_was_understood_is_not_recorded(key: str) -> None:
    event = audit.event(understood("GET", f"{CLAIMS}?limit=1&{key}={TOKEN}"), 2)
    assert event["requestURI"] == f"{CLAIMS}?limit=1&{key}=(redacted)"


def test_a_label_in_a_query_is_recorded_though_it_has_dots() -> None:
    target = f"{CLAIMS}?labelSelector=node-role.kubernetes.control-plane%3Dx"
    assert audit.event(understood("GET", target), 2)["requestURI"] == target


def test_a_token_in_a_header_is_not_recorded() -> None:
    assert TOKEN[:30] not in json.dumps(audit.event(understood("GET", CLAIMS), 2))


@pytest.mark.parametrize("token", [TOKEN, FAT_TOKEN, TOKEN.replace("eyJ", "ewo")])
def test_a_token_is_not_recorded_wherever_it_was_put(token: str) -> None:
    event = misunderstood(f"/{token}", agent=f"curl {token}", method=token)
    assert token[:30].lower() not in json.dumps(event).lower()


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[31mb", "a\u202eb", "a\ud800b"])
def test_what_cannot_be_printed_is_not_recorded(text: str) -> None:
    event = misunderstood(f"/{text}", agent=text, method=text)
    assert all(event[key].isprintable() for key in ("requestURI", "userAgent", "verb"))


def test_what_is_long_is_cut() -> None:
    event = misunderstood("/" + "a" * 9000, agent="b" * 9000)
    assert len(event["requestURI"]) == len(event["userAgent"]) == 256


def test_a_message_that_quotes_a_request_is_short_and_can_be_written() -> None:
    trail = understood("GET", CLAIMS)
    trail.message = "\ud800" + "x" * 100_000
    found = audit.event(trail, 1.0)
    assert len(json.dumps(found).encode()) < 8_000
    assert found["responseStatus"]["message"].startswith("?x")


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1.5, "1970-01-01T00:00:01.500000Z"),
        (1.9999999, "1970-01-01T00:00:02.000000Z"),
        (1e9 + 0.000001, "2001-09-09T01:46:40.000001Z"),
    ],
)
def test_a_time_is_written_to_the_microsecond(seconds: float, written: str) -> None:
    assert audit.event(understood("GET", CLAIMS), seconds)["stageTimestamp"] == written


@given(st.floats(0, 4e9))
def test_every_time_is_written_as_it_is(seconds: float) -> None:
    read = datetime.strptime(audit._timestamp(seconds), "%Y-%m-%dT%H:%M:%S.%f%z")
    assert abs(read - datetime.fromtimestamp(seconds, UTC)) <= timedelta(microseconds=1)


@given(st.text(), st.text(max_size=9))
def test_what_was_written_before_is_written_the_same_again(text: str, more: str) -> None:
    for each in (text, text + more, text):
        assert misunderstood("/", agent=each)["userAgent"] == audit._cleaned(each)


DOTTED = re.compile("[A-Za-z0-9_-]{8,}[.][A-Za-z0-9_-]{8,}[.][A-Za-z0-9_-]*")
WORDS = st.lists(st.sampled_from(["abcdefgh", "abcd-_01", "a", ".", " ", "/", "\xe9"]), max_size=12)


@example("a.abcdefgh.abcdefgh.a")
@given(WORDS.map("".join))
def test_three_long_dotted_words_are_not_recorded_wherever_they_stand(text: str) -> None:
    assert misunderstood("/", agent=text)["userAgent"] == DOTTED.sub("(redacted)", text)


def test_what_is_remembered_of_agents_is_bounded_and_never_a_token() -> None:
    for number in range(2000):
        misunderstood("/", agent=f"agent/{number}")
    before = audit._cleaned_short.cache_info()
    misunderstood("/", agent=TOKEN * 2)
    misunderstood("/", agent="a" * 129)
    after = audit._cleaned_short.cache_info()
    assert after.currsize == after.maxsize == 256
    assert after.misses == before.misses
