"""What the issuer permits, it says as Keycloak does: checked against the real one in tests/e2e."""

from collections.abc import Mapping

import pytest

from proxy.demo.issuer import EmbeddedIssuer, Endpoint
from tests.demo.issuer.calling import Caller, Reply

ALL: Mapping[str, str] = {
    "grant_type": "urn:ietf:params:oauth:grant-type:uma-ticket",
    "response_mode": "permissions",
    "audience": "hostclaim-proxy",
}


async def ask(caller: Caller, token: str, form: Mapping[str, str] = ALL) -> Reply:
    return await caller.post(Endpoint.TOKEN, form, f"Bearer {token}")


async def test_what_is_permitted_is_told_and_counted(
    issuer: EmbeddedIssuer, caller: Caller
) -> None:
    issuer.permissions.permit("alice", "blue-dev", ["hostclaims:read"])
    issuer.permissions.permit("alice", "bare", [])
    found = await ask(caller, issuer.token_for("alice"))
    assert [(one["rsname"], one.get("scopes")) for one in found.json] == [
        ("blue-dev", ["hostclaims:read"]),
        ("bare", None),
    ]
    assert issuer.permissions.asked == 1


async def test_who_is_permitted_nothing_is_refused(issuer: EmbeddedIssuer, caller: Caller) -> None:
    issuer.permissions.permit("alice", "blue-dev", ["hostclaims:read"])
    issuer.permissions.forbid("alice", "blue-dev")
    issuer.permissions.forbid("rita", "red")
    for name in ("alice", "rita"):
        refused = await ask(caller, issuer.token_for(name))
        assert refused.status == 403
        assert refused.json == {"error": "access_denied", "error_description": "not_authorized"}


async def test_a_token_that_counts_no_longer_is_refused(
    issuer: EmbeddedIssuer, caller: Caller
) -> None:
    token = issuer.token_for("alice")
    issuer.end_sessions("alice")
    tokens = await caller.log_in("alice")
    for bad in (token, "garbage", tokens["refresh_token"]):
        refused = await ask(caller, bad)
        assert (refused.status, refused.json["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("changed", [{"audience": "nope"}, {"response_mode": "decision"}])
async def test_only_the_permissions_of_the_proxys_client_can_be_had(
    issuer: EmbeddedIssuer, caller: Caller, changed: Mapping[str, str]
) -> None:
    refused = await ask(caller, issuer.token_for("alice"), {**ALL, **changed})
    assert (refused.status, refused.json["error"]) == (400, "invalid_request")


def test_roles_of_the_proxys_client_are_in_the_token(issuer: EmbeddedIssuer) -> None:
    access = issuer.claims_for("ines")["resource_access"]
    assert access["hostclaim-proxy"] == {"roles": ["red:editor"]}
    assert "hostclaim-proxy" not in issuer.claims_for("alice")["resource_access"]
