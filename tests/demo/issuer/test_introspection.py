"""Which tokens still count, as the realm sees it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.demo.issuer import DEMO_REALM, EmbeddedIssuer, Endpoint
from tests.demo.issuer.calling import INTROSPECTOR, Caller
from tests.demo.issuer.clocks import Clock

CLI = {"client_id": "demo-cli"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def issuer(tmp_path: Path, clock: Clock) -> AsyncIterator[EmbeddedIssuer]:
    running = EmbeddedIssuer(tmp_path, clock=clock)
    await running.start()
    yield running
    await running.stop()


async def test_a_live_token_is_active_and_described(caller: Caller) -> None:
    token = caller.issuer.token_for("alice")
    reply = await caller.post(Endpoint.INTROSPECTION, INTROSPECTOR | {"token": token})
    assert reply.json["active"] is True
    assert reply.json["username"] == "alice"
    assert reply.json["client_id"] == "demo-cli"


async def test_of_a_dead_token_nothing_is_said(caller: Caller) -> None:
    reply = await caller.post(Endpoint.INTROSPECTION, INTROSPECTOR | {"token": "x.y.z"})
    assert reply.json == {"active": False}


async def test_a_token_is_inactive_once_expired(caller: Caller, clock: Clock) -> None:
    token = caller.issuer.token_for("alice")
    clock.now += DEMO_REALM.access_lifetime.total_seconds()
    assert not await caller.is_active(token)


async def test_disabling_a_person_ends_what_they_hold(caller: Caller) -> None:
    alice, rita = caller.issuer.token_for("alice"), caller.issuer.token_for("rita")
    caller.issuer.disable("alice")
    assert (await caller.is_active(alice), await caller.is_active(rita)) == (False, True)
    caller.issuer.enable("alice")
    assert await caller.is_active(alice)


async def test_disabling_a_client_ends_what_it_holds(caller: Caller) -> None:
    token = caller.issuer.token_for("blue-capm3")
    caller.issuer.disable("blue-capm3")
    assert not await caller.is_active(token)


async def test_ending_somebodys_sessions_leaves_those_of_others(caller: Caller) -> None:
    alice, rita = caller.issuer.token_for("alice"), caller.issuer.token_for("rita")
    caller.issuer.end_sessions("alice")
    assert (await caller.is_active(alice), await caller.is_active(rita)) == (False, True)


async def test_logging_out_ends_the_session(caller: Caller) -> None:
    tokens = await caller.log_in("alice")
    form = CLI | {"refresh_token": tokens["refresh_token"]}
    assert (await caller.post(Endpoint.LOGOUT, form)).status == 204
    assert not await caller.is_active(tokens["access_token"])


async def test_revoking_a_refresh_token_ends_the_session(caller: Caller) -> None:
    tokens = await caller.log_in("alice")
    form = CLI | {"token": tokens["refresh_token"]}
    assert (await caller.post(Endpoint.REVOCATION, form)).status == 200
    assert not await caller.is_active(tokens["access_token"])


async def test_revoking_an_access_token_ends_it_alone(caller: Caller) -> None:
    tokens = await caller.log_in("alice")
    await caller.post(Endpoint.REVOCATION, CLI | {"token": tokens["access_token"]})
    assert not await caller.is_active(tokens["access_token"])
    assert await caller.is_active(tokens["refresh_token"])


async def test_a_client_cannot_revoke_anothers_token(caller: Caller) -> None:
    tokens = await caller.log_in("alice")
    red = {"client_id": "red-capm3", "client_secret": "red-secret"}
    reply = await caller.post(Endpoint.REVOCATION, red | {"token": tokens["refresh_token"]})
    assert reply.status == 200
    assert await caller.is_active(tokens["access_token"])


async def test_a_group_that_somebody_has_left_is_told_no_longer(caller: Caller) -> None:
    token = caller.issuer.token_for("alice")
    for groups, told in (((), None), (("/other",), ["/other"]), (("/a", "/b"), ["/a", "/b"])):
        caller.issuer.move("alice", *groups)
        reply = await caller.post(Endpoint.INTROSPECTION, INTROSPECTOR | {"token": token})
        assert reply.json.get("groups") == told
    assert caller.issuer.claims_for("alice")["groups"] == ["/a", "/b"]


async def test_a_token_dies_with_the_key_that_signed_it(caller: Caller) -> None:
    issuer = caller.issuer
    old_kid, old = issuer.signing_key.kid, issuer.token_for("alice")
    issuer.rotate(keep_old=True)
    assert await caller.is_active(old)
    issuer.remove_key(old_kid)
    assert not await caller.is_active(old)
    assert await caller.is_active(issuer.token_for("alice"))


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"token": "x"}, 401, "invalid_client"),
        (CLI | {"token": "x"}, 403, "invalid_request"),
        (INTROSPECTOR, 400, "invalid_request"),
    ],
)
async def test_only_a_confidential_client_may_ask(
    caller: Caller, form: dict[str, str], status: int, error: str
) -> None:
    reply = await caller.post(Endpoint.INTROSPECTION, form)
    assert (reply.status, reply.json["error"]) == (status, error)
