"""What issuers may post, and what they are answered."""

from urllib.parse import urlencode

import pytest

from proxy.core.errors import BadRequest, Unavailable
from proxy.core.wire import Fields, Headers, RawRequest
from proxy.edge.backchannel import MAX_BODY, BackChannel
from tests.fakes import FakeClient

FORM: Headers = (("Content-Type", "application/x-www-form-urlencoded"),)
TEXT: Headers = (("Content-Type", "text/plain; charset=ISO-8859-1"),)
TOKEN = "aaa.bbb.ccc"


class Taking:
    """Notes what it is handed, or refuses it."""

    def __init__(self) -> None:
        self.refuses: BadRequest | Unavailable | None = None
        self.taken: list[tuple[str, str]] = []

    async def log_out(self, logout_token: str) -> None:
        self._take("logout", logout_token)

    async def push(self, action: str) -> None:
        self._take("push", action)

    def _take(self, kind: str, text: str) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.taken.append((kind, text))


@pytest.fixture
def taking() -> Taking:
    return Taking()


async def post(
    taking: Taking,
    target: str,
    body: bytes,
    headers: Headers = FORM,
    method: str = "POST",
) -> FakeClient:
    client = FakeClient(body)
    await BackChannel(taking).serve(RawRequest(method, target, Fields(headers)), client)
    assert client.complete
    assert client.header("Cache-Control") == "no-store"
    return client


async def test_a_logout_token_is_taken_and_its_answer_is_not_stored(taking: Taking) -> None:
    body = urlencode({"logout_token": TOKEN}).encode()
    answer = await post(taking, "/backchannel-logout", body)
    assert (answer.code, answer.received) == (200, b"")
    assert taking.taken == [("logout", TOKEN)]


async def test_another_field_beside_it_means_nothing(taking: Taking) -> None:
    body = urlencode({"a": "b", "logout_token": TOKEN}).encode()
    headers = (("content-type", "Application/X-WWW-Form-Urlencoded; charset=UTF-8"),)
    assert (await post(taking, "/backchannel-logout", body, headers)).code == 200


@pytest.mark.parametrize("target", ["/k_push_not_before", "/k_logout"])
async def test_an_action_of_keycloak_is_taken_as_text(taking: Taking, target: str) -> None:
    assert (await post(taking, target, f"{TOKEN}\n".encode(), TEXT)).code == 200
    assert taking.taken == [("push", TOKEN)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        TOKEN.encode(),
        b"token=aaa",
        b"logout_token=",
        b"logout_token=a&logout_token=b",
        "logout_token=é".encode(),
        b"&".join([b"a=b"] * 17 + [b"logout_token=x"]),
    ],
)
async def test_a_form_without_the_one_token_is_refused(taking: Taking, body: bytes) -> None:
    answer = await post(taking, "/backchannel-logout", body)
    assert answer.code == 400
    assert b'"error": "invalid_request"' in answer.received
    assert answer.header("Content-Type") == "application/json"
    assert taking.taken == []


@pytest.mark.parametrize(
    ("target", "method", "headers", "code"),
    [
        ("/", "POST", FORM, 404),
        ("/backchannel-logout/", "POST", FORM, 404),
        ("/backchannel-logout?x=1", "POST", FORM, 404),
        ("/k_test_available", "POST", TEXT, 404),
        ("/apis", "GET", (), 404),
        ("/backchannel-logout", "GET", (), 405),
        ("/backchannel-logout", "PUT", FORM, 405),
        ("/k_push_not_before", "DELETE", TEXT, 405),
        ("/backchannel-logout", "POST", TEXT, 415),
        ("/backchannel-logout", "POST", (), 415),
        ("/backchannel-logout", "POST", (*FORM, *FORM), 400),
    ],
)
async def test_there_is_nothing_else(
    taking: Taking, target: str, method: str, headers: Headers, code: int
) -> None:
    body = urlencode({"logout_token": TOKEN}).encode()
    assert (await post(taking, target, body, headers, method)).code == code
    assert taking.taken == []


async def test_a_body_of_any_size_is_not_read(taking: Taking) -> None:
    assert (await post(taking, "/k_logout", b"a" * (MAX_BODY + 1), TEXT)).code == 413


async def test_what_is_no_notice_is_told_why(taking: Taking) -> None:
    taking.refuses = BadRequest("claim `nonce` is not that of a logout token")
    answer = await post(taking, "/backchannel-logout", b"logout_token=x")
    assert answer.code == 400
    assert b"`nonce`" in answer.received


async def test_an_issuer_whose_keys_are_away_is_told_to_come_again(taking: Taking) -> None:
    taking.refuses = Unavailable("the keys cannot be fetched now", retry_after=10)
    answer = await post(taking, "/backchannel-logout", b"logout_token=x")
    assert (answer.code, answer.header("Retry-After")) == (503, "10")
    assert b"temporarily_unavailable" in answer.received


async def test_who_has_left_is_told_nothing(taking: Taking) -> None:
    client = FakeClient(b"logout_token=x")
    client.leaves = True
    await BackChannel(taking).serve(RawRequest("POST", "/backchannel-logout", Fields(FORM)), client)
    assert not client.complete


async def test_what_is_no_request_is_answered(taking: Taking) -> None:
    client = FakeClient()
    await BackChannel(taking).malformed(BadRequest("no HTTP"), "127.0.0.1", client)
    assert client.code == 400
