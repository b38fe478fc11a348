"""A client signs instead of telling a secret (RFC 7523)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest

from proxy.demo.issuer import DEMO_REALM, Client, EmbeddedIssuer, Endpoint, SigningKey
from tests.demo.issuer.calling import Caller, Reply
from tests.demo.issuer.clocks import Clock

KEY, STRANGER = SigningKey.generate("ES256"), SigningKey.generate("ES256")
SIGNER = Client("signer", service_account=True, public_key=KEY.public_pem)
SERVICE = {"grant_type": "client_credentials"}
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[EmbeddedIssuer]:
    realm = replace(DEMO_REALM, clients=(*DEMO_REALM.clients, SIGNER))
    running = EmbeddedIssuer(tmp_path, realm=realm, clock=Clock())
    await running.start()
    yield running
    await running.stop()


def assertion(issuer: EmbeddedIssuer, key: SigningKey = KEY, **claims: Any) -> str:
    usual = {
        "iss": "signer",
        "sub": "signer",
        "aud": issuer.url,
        "jti": "once",
        "exp": int(Clock().now) + 60,
    }
    whole = {name: value for name, value in (usual | claims).items() if value is not None}
    return jwt.encode(whole, key.private, algorithm=key.algorithm)


async def ask(caller: Caller, signed: str, **form: str) -> Reply:
    proof = {"client_assertion_type": TYPE, "client_assertion": signed}
    return await caller.post(Endpoint.TOKEN, SERVICE | proof | form)


async def test_a_client_is_known_by_what_it_signed(caller: Caller) -> None:
    reply = await ask(caller, assertion(caller.issuer))
    assert reply.status == 200
    assert await caller.is_active(reply.json["access_token"])


async def test_what_was_signed_counts_once(caller: Caller) -> None:
    signed = assertion(caller.issuer)
    assert [(await ask(caller, signed)).status for _ in range(2)] == [200, 400]


@pytest.mark.parametrize(
    "claims",
    [
        {"key": STRANGER},
        {"sub": "blue-capm3"},
        {"sub": "nobody"},
        {"iss": "blue-capm3"},
        {"aud": "https://other"},
        {"exp": int(Clock().now)},
        {"exp": None},
        {"jti": None},
        {"sub": None},
    ],
)
async def test_what_is_not_signed_by_the_client_for_this_issuer_is_refused(
    caller: Caller, claims: dict[str, Any]
) -> None:
    reply = await ask(caller, assertion(caller.issuer, **claims))
    assert (reply.status, reply.json["error"]) == (400, "invalid_client")


async def test_another_type_of_assertion_is_refused(caller: Caller) -> None:
    reply = await ask(caller, assertion(caller.issuer), client_assertion_type="saml")
    assert reply.json["error"] == "invalid_client"


async def test_a_client_that_signs_has_no_secret_to_guess(caller: Caller) -> None:
    """Else whoever knows its name could say that it has none."""
    reply = await caller.post(Endpoint.TOKEN, SERVICE | {"client_id": "signer"})
    assert (reply.status, reply.json["error"]) == (401, "invalid_client")
