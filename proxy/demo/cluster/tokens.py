"""Who are they: bearer tokens, and whom they stand for.

The admin's token is fixed; service accounts get theirs by TokenRequest. A token dies with its
service account, as bound tokens do.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from proxy.demo.cluster.builtin import SERVICE_ACCOUNTS, TOKEN_REQUESTS
from proxy.demo.cluster.objects import Object, metadata, timestamp
from proxy.demo.cluster.rbac import MASTERS, User
from proxy.demo.cluster.status import invalid
from proxy.demo.cluster.store import Key, Store
from proxy.demo.cluster.validation import invalid as invalid_field

AUTHENTICATED = "system:authenticated"
_DEFAULT_SECONDS = 3600
_SHORTEST_SECONDS = 600
_AUDIENCES = ["https://kubernetes.default.svc.cluster.local"]


@dataclass(frozen=True, slots=True)
class _Issued:
    namespace: str
    name: str
    uid: str
    expires: datetime


class Tokens:
    """The tokens of one cluster."""

    def __init__(self, store: Store) -> None:
        self.admin = secrets.token_urlsafe(32)
        self._store = store
        self._issued: dict[str, _Issued] = {}

    def request(self, account: Object, sent: Object, now: datetime) -> Object:
        """Answer a TokenRequest for a service account.

        Raises:
            ApiError: the time asked for is too short.
        """
        spec = sent.get("spec") or {}
        seconds = spec.get("expirationSeconds", _DEFAULT_SECONDS)
        if seconds < _SHORTEST_SECONDS:
            told = "may not specify a duration less than 10 minutes"
            raise invalid(
                TOKEN_REQUESTS, "", [invalid_field("spec.expirationSeconds", seconds, told)]
            )
        meta = metadata(account)
        expires = now + timedelta(seconds=seconds)
        token = secrets.token_urlsafe(32)
        self._issued[token] = _Issued(meta["namespace"], meta["name"], meta["uid"], expires)
        named = {"name": meta["name"], "namespace": meta["namespace"]}
        return {
            **sent,
            "metadata": {**named, "creationTimestamp": timestamp(now)},
            "spec": {"audiences": _AUDIENCES, "boundObjectRef": None, **spec}
            | {"expirationSeconds": seconds},
            "status": {"token": token, "expirationTimestamp": timestamp(expires)},
        }

    def authenticate(self, authorization: str, now: datetime) -> User | None:
        """Read an Authorization header; None where it opens nothing."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return None
        if secrets.compare_digest(token.encode(), self.admin.encode()):
            return User("kubernetes-admin", (MASTERS, AUTHENTICATED))
        issued = self._issued.get(token)
        return self._account(issued) if issued and now < issued.expires else None

    def _account(self, issued: _Issued) -> User | None:
        key = Key(*SERVICE_ACCOUNTS.group_resource, issued.namespace, issued.name)
        account = self._store.get(key)
        if account is None or metadata(account)["uid"] != issued.uid:
            return None
        groups = (*account_groups(issued.namespace), AUTHENTICATED)
        name = f"system:serviceaccount:{issued.namespace}:{issued.name}"
        return User(name, groups, issued.uid)


def account_groups(namespace: str) -> tuple[str, ...]:
    """Give the groups of every service account of a namespace."""
    return "system:serviceaccounts", f"system:serviceaccounts:{namespace}"
