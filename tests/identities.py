"""Identities for tests: what a verified token of Alice, a member of blue, would yield."""

from typing import Any

from proxy.core import identity
from proxy.core.identity import Identity
from proxy.ports import Caller

ALICE: dict[str, Any] = {
    "issuer": "corp",
    "subject": "f3b1",
    "username": "alice",
    "groups": ("/tenants/blue",),
    "client": "",
    "service_account": "",
    "claims": {},
    "issued": 1e9,
    "expires": 1e12,
    "session": "s-1",
    "token_id": "t-1",
}


def make_identity(**overrides: Any) -> Identity:
    """Alice, but for what a test wants otherwise."""
    return Identity(seal=identity._SEAL, **ALICE | overrides)


def make_caller(**overrides: Any) -> Caller:
    """Alice, and what she sent to prove it."""
    return Caller(make_identity(**overrides), "alice")
