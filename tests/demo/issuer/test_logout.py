"""What a client hears of what has ended, as Keycloak posts it."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.demo.issuer import Receiver
from proxy.demo.issuer.logout import LOGOUT_EVENT
from proxy.edge.certificate import Certificate
from tests.demo.issuer.calling import Caller
from tests.edge.certificates import Authority


@dataclass
class Listener:
    """A client's server, and what was posted to it."""

    receiver: Receiver
    posted: list[tuple[str, str, str]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.posted.append((request.path, request.content_type, await request.text()))
        return web.Response()


@pytest.fixture
async def listener(tmp_path: Path) -> AsyncIterator[Listener]:
    authority = Authority(tmp_path)
    authority.issue()
    ca_file = tmp_path / "client-ca.pem"
    authority.ca.cert_pem.write_to_path(ca_file)
    listener = Listener(Receiver("", ca_file))
    app = web.Application()
    app.router.add_post("/{path}", listener.take)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=Certificate(authority.cert_file, authority.key_file).context)
    listener.receiver = Receiver(f"https://127.0.0.1:{server.port}", ca_file)
    yield listener
    await server.close()


async def test_a_logout_is_told_of_each_session_and_signed(
    caller: Caller, listener: Listener
) -> None:
    issuer = caller.issuer
    tokens = [issuer.token_for("alice") for _ in range(2)]
    assert await issuer.log_out("alice", listener.receiver) == [200, 200]
    sids = []
    for path, media, text in listener.posted:
        assert (path, media) == ("/backchannel-logout", "application/x-www-form-urlencoded")
        token = jwt.decode_complete(
            text.removeprefix("logout_token="),
            issuer.signing_key.private.public_key(),
            algorithms=[issuer.realm.algorithm],
            audience="demo-cli",
        )
        assert token["header"]["typ"] == "logout+jwt"
        assert token["payload"]["events"] == {LOGOUT_EVENT: {}}
        sids.append(token["payload"]["sid"])
    assert len(set(sids)) == 2
    assert [await caller.is_active(token) for token in tokens] == [False, False]


async def test_a_receiver_may_be_told_of_the_subject_alone(
    caller: Caller, listener: Listener
) -> None:
    caller.issuer.token_for("alice")
    receiver = Receiver(listener.receiver.url, listener.receiver.ca_file, session_required=False)
    await caller.issuer.log_out("alice", receiver)
    ((_, _, text),) = listener.posted
    told = jwt.decode(text.removeprefix("logout_token="), options={"verify_signature": False})
    assert told["sub"] == caller.issuer.claims_for("alice")["sub"]
    assert "sid" not in told


async def test_a_push_is_an_action_in_plain_text(caller: Caller, listener: Listener) -> None:
    issuer = caller.issuer
    moment = int(time.time()) + 1
    assert await issuer.push_not_before("demo-cli", moment, listener.receiver) == 200
    ((path, media, text),) = listener.posted
    assert (path, media) == ("/k_push_not_before", "text/plain")
    action = jwt.decode(
        text, issuer.signing_key.private.public_key(), algorithms=[issuer.realm.algorithm]
    )
    assert (action["action"], action["notBefore"]) == ("PUSH_NOT_BEFORE", moment)
