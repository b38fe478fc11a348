"""Who gets a token, and which tokens still count.

OAuth without HTTP: forms come in as mappings, answers go out as JSON values, every refusal
is an `OAuthError`.
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jwt

from proxy.demo.issuer import tokens
from proxy.demo.issuer.accounts import Account, Client, Person, Realm
from proxy.demo.issuer.keys import KeyRing, sign
from proxy.demo.issuer.tokens import Claims, Issue, Session

Form = Mapping[str, str]

_PLAIN_SCOPE = "profile email"


class OAuthError(Exception):
    """A refusal as RFC 6749 5.2 writes it, under the status that Keycloak gives it."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description


class Grants:
    """The realm at work: its sessions, and who is disabled."""

    def __init__(
        self, realm: Realm, issuer: str, keys: KeyRing, clock: Callable[[], float]
    ) -> None:
        self._realm = realm
        self._issuer = issuer
        self._keys = keys
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._revoked: set[str] = set()
        self._disabled: set[Account] = set()
        self._moved: dict[Account, tuple[str, ...]] = {}

    def authenticate(self, client_id: str, secret: str | None) -> Client:
        """Know a client by its secret, a public one by its name.

        Raises:
            OAuthError: no such client, or not its secret.
        """
        client = self._realm.client(client_id)
        if (
            client is None
            or client.public_key is not None
            or client.account in self._disabled
            or not _same(client.secret or "", secret or "")
        ):
            raise OAuthError(401, "invalid_client", "Invalid client or Invalid client credentials")
        return client

    def grant(self, client: Client, form: Form) -> dict[str, Any]:
        """Answer a token request (RFC 6749 4.3, 4.4 and 6)."""
        match form.get("grant_type"):
            case "client_credentials":
                return self._client_credentials(client, form)
            case "password":
                return self._password(client, form)
            case "refresh_token":
                return self._refresh(client, form)
            case None:
                raise OAuthError(400, "invalid_request", "Missing form parameter: grant_type")
            case _:
                raise OAuthError(400, "unsupported_grant_type", "Unsupported grant_type")

    def log_in(self, client: Client, person: Person, form: Form) -> dict[str, Any]:
        """Tokens for a person who has shown elsewhere who they are."""
        if person.account in self._disabled:
            raise OAuthError(400, "invalid_grant", "Account disabled")
        session = self._begin(person.account, client)
        return self._answer_with_refresh(self._issue(session, _scope(form)))

    def introspect(self, client: Client, token: str) -> dict[str, Any]:
        """Say whether a token still counts (RFC 7662).

        Raises:
            OAuthError: a public client asks.
        """
        if client.is_public:
            raise OAuthError(403, "invalid_request", "Client not allowed.")
        claims = self.live(token)
        if claims is None:
            return {"active": False}
        about = {"active": True, "client_id": claims["azp"], "token_type": claims["typ"]}
        if "preferred_username" in claims:
            about["username"] = claims["preferred_username"]
        return self._mapped(claims) | about

    def revoke(self, client: Client, token: str) -> None:
        """Make a token of this client count no longer (RFC 7009).

        A refresh token takes its whole session along. An unknown token is no error.
        """
        claims = self.live(token)
        if claims is None or claims["azp"] != client.client_id:
            return
        if claims["typ"] == "Refresh":
            self._sessions.pop(claims["sid"], None)
        else:
            self._revoked.add(claims["jti"])

    def log_out(self, client: Client, refresh_token: str) -> None:
        """End the session of a refresh token."""
        del self._sessions[self._refresh_claims(client, refresh_token)["sid"]]

    def disable(self, name: str) -> None:
        """Let a person or client in no more; what they hold introspects as inactive."""
        self._disabled.add(self._account(name))

    def enable(self, name: str) -> None:
        """Undo `disable`; sessions that are not over count again."""
        self._disabled.discard(self._account(name))

    def end_sessions(self, name: str) -> list[Session]:
        """Log a person or client out everywhere; returns what has ended."""
        account = self._account(name)
        ended = [s for s in self._sessions.values() if s.account == account]
        for session in ended:
            del self._sessions[session.sid]
        return ended

    def move(self, name: str, groups: tuple[str, ...]) -> None:
        """Have a person or client in these groups from now on, in tokens and introspection."""
        self._moved[self._account(name)] = groups

    def is_member(self, name: str, group: str) -> bool:
        """Whether a person or client is in a group now."""
        return group in self._groups(self._account(name))

    def admit(self, client: Client) -> None:
        """Know one client more, or another secret of one that is known."""
        others = tuple(c for c in self._realm.clients if c.client_id != client.client_id)
        self._realm = replace(self._realm, clients=(*others, client))

    def dismiss(self, client_id: str) -> None:
        """Know a client no longer; what it holds counts no longer either."""
        others = tuple(c for c in self._realm.clients if c.client_id != client_id)
        self._realm = replace(self._realm, clients=others)
        through = [s.sid for s in self._sessions.values() if s.client.client_id == client_id]
        for sid in through:
            del self._sessions[sid]

    def claims_for(self, name: str) -> Claims:
        """What an access token of this person or client would say at this moment."""
        return tokens.access(self._issue(self._log_in(name), _PLAIN_SCOPE))

    def example(self, client_id: str, name: str) -> Claims:
        """The same, of somebody who logs in by a client; nobody does.

        Raises:
            KeyError: there is no such client, person or service account.
        """
        client = self._realm.client(client_id)
        if client is None:
            raise KeyError(f"there is no client `{client_id}`")
        session = Session.begin(self._account(name), client)
        return tokens.access(self._issue(session, f"openid {_PLAIN_SCOPE}"))

    def mint(self, claims: Mapping[str, Any]) -> str:
        """Sign claims as they are."""
        key = self._keys.signing
        return sign(claims, {"alg": key.algorithm, "typ": "JWT", "kid": key.kid}, key)

    def _client_credentials(self, client: Client, form: Form) -> dict[str, Any]:
        if client.is_public or not client.service_account:
            raise OAuthError(
                401, "unauthorized_client", "Client not enabled to retrieve service account"
            )
        issue = self._issue(self._begin(client.account, client), _scope(form))
        # Keycloak gives a service account no refresh token: it can always ask again.
        return self._answer(issue) | {"refresh_expires_in": 0}

    def _password(self, client: Client, form: Form) -> dict[str, Any]:
        if not client.direct_grants:
            raise OAuthError(
                400, "unauthorized_client", "Client not allowed for direct access grants"
            )
        person = self._realm.person(form.get("username", ""))
        if person is None or not _same(person.password, form.get("password", "")):
            raise OAuthError(401, "invalid_grant", "Invalid user credentials")
        return self.log_in(client, person, form)

    def _refresh(self, client: Client, form: Form) -> dict[str, Any]:
        claims = self._refresh_claims(client, form.get("refresh_token", ""))
        issue = self._issue(self._sessions[claims["sid"]], claims["scope"])
        return self._answer_with_refresh(issue)

    def _refresh_claims(self, client: Client, token: str) -> Claims:
        claims = self.live(token)
        if claims is None or claims["typ"] != "Refresh" or claims["azp"] != client.client_id:
            raise OAuthError(400, "invalid_grant", "Invalid refresh token")
        return claims

    def _answer(self, issue: Issue) -> dict[str, Any]:
        return {
            "access_token": self.mint(tokens.access(issue)),
            "expires_in": int(self._realm.access_lifetime.total_seconds()),
            "token_type": "Bearer",
            "not-before-policy": 0,
            "scope": issue.scope,
        }

    def _answer_with_refresh(self, issue: Issue) -> dict[str, Any]:
        answer = self._answer(issue) | {
            "refresh_token": self.mint(tokens.refresh(issue)),
            "refresh_expires_in": int(self._realm.refresh_lifetime.total_seconds()),
            "session_state": issue.session.sid,
        }
        if "openid" in issue.scope.split():
            answer["id_token"] = self.mint(tokens.identity(issue))
        return answer

    def live(self, token: str) -> Claims | None:
        """The claims of a token that this realm signed and that still counts."""
        claims = self._verified(token)
        if claims is None or claims["exp"] <= self._clock() or claims["jti"] in self._revoked:
            return None
        session = self._sessions.get(claims["sid"])
        if session is None or self._disabled & {session.account, session.client.account}:
            return None
        return claims

    def _verified(self, token: str) -> Claims | None:
        try:
            key = self._keys.published(jwt.get_unverified_header(token).get("kid", ""))
            if key is None:
                return None
            return jwt.decode(
                token,
                key.private.public_key(),
                algorithms=[key.algorithm],
                issuer=self._issuer,
                # Time is this realm's own clock, which PyJWT does not know.
                options={
                    "require": ["exp", "jti", "sid", "azp", "typ"],
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidTokenError:
            return None

    def _begin(self, account: Account, client: Client) -> Session:
        session = Session.begin(account, client)
        self._sessions[session.sid] = session
        return session

    def _log_in(self, name: str) -> Session:
        if (client := self._realm.client(name)) is not None:
            return self._begin(client.account, client)
        through = next(client for client in self._realm.clients if client.direct_grants)
        return self._begin(self._account(name), through)

    def _issue(self, session: Session, scope: str) -> Issue:
        groups = self._groups(session.account)
        return Issue(self._issuer, self._realm, session, scope, groups, int(self._clock()))

    def _groups(self, account: Account) -> tuple[str, ...]:
        return self._moved.get(account, account.groups)

    def _mapped(self, claims: Claims) -> Claims:
        """Keycloak runs its mappers again to introspect; of no groups it makes no claim."""
        if "groups" not in claims:
            return claims
        others = {name: value for name, value in claims.items() if name != "groups"}
        groups = self._groups(self._sessions[claims["sid"]].account)
        return others | ({"groups": list(groups)} if groups else {})

    def _account(self, name: str) -> Account:
        owner = self._realm.client(name) or self._realm.person(name)
        if owner is None:
            raise KeyError(f"nobody in realm `{self._realm.name}` is called `{name}`")
        return owner.account


def _scope(form: Form) -> str:
    return f"openid {_PLAIN_SCOPE}" if "openid" in form.get("scope", "").split() else _PLAIN_SCOPE


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode())
