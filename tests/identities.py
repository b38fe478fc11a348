"""Identities for tests: what a verified token of Alice, a member of blue, would yield."""

from typing import Any

from proxy.core import identity
from proxy.core.identity import Identity

ALICE: dict[str, Any] = {
    "issuer": "corp",
    "subject": "f3b1",
    "username": "alice",
    "groups": ("/tenants/blue",),
    "client": "",
    "service_account": "",
    "claims": {},
    "expires": 1e12,
    "token_id": "t-1",
}


def make_identity(**overrides: Any) -> Identity:
    """Alice, but for what a test wants otherwise."""
    return Identity(seal=identity._SEAL, **ALICE | overrides)
