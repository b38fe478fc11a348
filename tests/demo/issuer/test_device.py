"""A person logs in elsewhere, and a program waits for it (RFC 8628)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.demo.issuer import EmbeddedIssuer, Endpoint
from tests.demo.issuer.calling import Caller, Reply
from tests.demo.issuer.clocks import Clock

CLI = {"client_id": "demo-cli"}
GRANT = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def issuer(tmp_path: Path, clock: Clock) -> AsyncIterator[EmbeddedIssuer]:
    running = EmbeddedIssuer(tmp_path, clock=clock)
    await running.start()
    yield running
    await running.stop()


async def begin(caller: Caller, **form: str) -> dict[str, Any]:
    reply = await caller.post(Endpoint.DEVICE, CLI | form)
    assert reply.status == 200, reply
    begun: dict[str, Any] = reply.json
    return begun


async def poll(caller: Caller, begun: dict[str, Any], **form: str) -> Reply:
    return await caller.post(
        Endpoint.TOKEN, CLI | GRANT | {"device_code": begun["device_code"]} | form
    )


async def test_whoever_has_logged_in_gets_tokens(caller: Caller) -> None:
    begun = await begin(caller, scope="openid")
    assert begun["verification_uri_complete"].endswith(begun["user_code"])
    caller.issuer.approve(begun["user_code"], "alice")
    tokens = (await poll(caller, begun)).json
    assert {"access_token", "refresh_token", "id_token"} <= tokens.keys()
    assert await caller.is_active(tokens["access_token"])


async def test_a_code_is_good_once(caller: Caller, clock: Clock) -> None:
    begun = await begin(caller)
    caller.issuer.approve(begun["user_code"], "alice")
    await poll(caller, begun)
    clock.now += 1
    assert (await poll(caller, begun)).json["error"] == "invalid_grant"


async def test_the_program_is_told_to_wait(caller: Caller, clock: Clock) -> None:
    begun = await begin(caller)
    said = []
    for pause in (0, 0.5, begun["interval"]):
        clock.now += pause
        said.append((await poll(caller, begun)).json["error"])
    assert said == ["authorization_pending", "slow_down", "authorization_pending"]


async def test_a_person_may_say_no(caller: Caller) -> None:
    begun = await begin(caller)
    caller.issuer.deny(begun["user_code"])
    reply = await poll(caller, begun)
    assert (reply.status, reply.json["error"]) == (400, "access_denied")


async def test_a_code_expires(caller: Caller, clock: Clock) -> None:
    begun = await begin(caller)
    clock.now += begun["expires_in"]
    caller.issuer.approve(begun["user_code"], "alice")
    assert (await poll(caller, begun)).json["error"] == "expired_token"


async def test_a_code_is_good_for_its_own_client_alone(caller: Caller) -> None:
    begun = await begin(caller)
    caller.issuer.approve(begun["user_code"], "alice")
    blue = {"client_id": "blue-capm3", "client_secret": "blue-secret"}
    assert (await poll(caller, begun, **blue)).json["error"] == "invalid_grant"


async def test_the_disabled_cannot_log_in_elsewhere_either(caller: Caller) -> None:
    begun = await begin(caller)
    caller.issuer.approve(begun["user_code"], "alice")
    caller.issuer.disable("alice")
    assert (await poll(caller, begun)).json["error"] == "invalid_grant"


async def test_a_client_may_only_where_it_is_allowed(caller: Caller) -> None:
    blue = {"client_id": "blue-capm3", "client_secret": "blue-secret"}
    reply = await caller.post(Endpoint.DEVICE, blue)
    assert (reply.status, reply.json["error"]) == (400, "unauthorized_client")


async def test_nobody_logs_in_with_a_code_that_is_none(issuer: EmbeddedIssuer) -> None:
    with pytest.raises(KeyError, match="WRONG"):
        issuer.approve("WRONG", "alice")
    with pytest.raises(KeyError, match="WRONG"):
        issuer.deny("WRONG")


async def test_a_person_whom_nobody_knows_does_not_log_in(caller: Caller) -> None:
    begun = await begin(caller)
    with pytest.raises(KeyError, match="mallory"):
        caller.issuer.approve(begun["user_code"], "mallory")
