"""What a token says: the claims that Keycloak 26 would write.

Pure: time, lifetimes and the session come in.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from proxy.demo.issuer.accounts import Account, Client, Realm

Claims = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has logged in through a client."""

    sid: str
    account: Account
    client: Client

    @classmethod
    def begin(cls, account: Account, client: Client) -> "Session":
        """A login of this moment."""
        return cls(str(uuid4()), account, client)

    @property
    def of_service_account(self) -> bool:
        """Whether the client speaks for itself."""
        return self.account == self.client.account


@dataclass(frozen=True, slots=True)
class Issue:
    """The circumstances under which a token is written."""

    issuer: str
    realm: Realm
    session: Session
    scope: str
    groups: tuple[str, ...]
    """Those that the account is in now."""
    now: int
    """Seconds since the epoch."""


def access(issue: Issue) -> Claims:
    """The token that opens APIs."""
    session = issue.session
    claims = _common(issue, "Bearer", issue.realm.access_lifetime) | {
        "aud": [issue.realm.audience, "account"],
        "acr": "1",
        "realm_access": {"roles": [f"default-roles-{issue.realm.name}", "offline_access"]},
        "resource_access": {"account": {"roles": ["manage-account", "view-profile"]}},
        "scope": issue.scope,
        "email_verified": False,
        "groups": list(issue.groups),
        "preferred_username": session.account.username,
    }
    if session.account.roles:
        roles = {"hostclaim-proxy": {"roles": list(session.account.roles)}}
        claims["resource_access"] |= roles
    if session.of_service_account:
        claims |= {"client_id": session.client.client_id, "clientHost": "127.0.0.1"}
    return claims


def refresh(issue: Issue) -> Claims:
    """The token that is good for nothing but another access token.

    Keycloak signs it with a secret of its own. Here it is signed like all others, so that
    only its `typ` and `aud` tell it from an access token.
    """
    return _common(issue, "Refresh", issue.realm.refresh_lifetime) | {
        "aud": issue.issuer,
        "scope": issue.scope,
    }


def identity(issue: Issue) -> Claims:
    """The token that tells the client who has logged in."""
    return _common(issue, "ID", issue.realm.access_lifetime) | {
        "aud": issue.session.client.client_id,
        "auth_time": issue.now,
        "acr": "1",
        "email_verified": False,
        "groups": list(issue.groups),
        "preferred_username": issue.session.account.username,
    }


def _common(issue: Issue, typ: str, lifetime: timedelta) -> Claims:
    return {
        "exp": issue.now + int(lifetime.total_seconds()),
        "iat": issue.now,
        "jti": str(uuid4()),
        "iss": issue.issuer,
        "sub": issue.session.account.subject,
        "typ": typ,
        "azp": issue.session.client.client_id,
        "sid": issue.session.sid,
    }
