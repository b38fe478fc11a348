"""May this request in: who calls, for whom, and whether they may.

The filters of kube-apiserver's handler chain, in its order. What passes here is a user and not a
header.
"""

from collections.abc import Callable
from datetime import datetime

from proxy.demo.cluster.impersonation import Headers, impersonate
from proxy.demo.cluster.rbac import Attributes, User, authorize, denial
from proxy.demo.cluster.requests import RequestInfo
from proxy.demo.cluster.resources import Resource, Table
from proxy.demo.cluster.selectors import Selector, parse_fields
from proxy.demo.cluster.status import forbidden, forbidden_path, unauthorized
from proxy.demo.cluster.store import Store
from proxy.demo.cluster.tokens import Tokens


class Gate:
    """Authentication, impersonation and authorization of one cluster."""

    def __init__(
        self, store: Store, table: Table, tokens: Tokens, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._table = table
        self._tokens = tokens
        self._clock = clock

    def authenticate(self, authorization: str) -> User:
        """Say who calls.

        Raises:
            ApiError: nobody who is known (401).
        """
        user = self._tokens.authenticate(authorization, self._clock())
        if user is None:
            raise unauthorized()
        return user

    def impersonate(self, user: User, headers: Headers) -> User:
        """Say whom the caller speaks for.

        Raises:
            ApiError: they may not (403).
        """
        return impersonate(user, headers, self._store)

    def authorize(self, user: User, info: RequestInfo) -> None:
        """Pass whoever may make a request.

        Raises:
            ApiError: they may not (403).
        """
        asked = self._attributes(info)
        if authorize(user, asked, self._store).allowed:
            return
        why = denial(user, asked)
        if not info.is_resource:
            raise forbidden_path(why)
        # Of the resource as it was asked for, whether it exists or not.
        named = Resource(info.group, info.version, info.plural, "", "", {})
        raise forbidden(named, info.name, why)

    def _attributes(self, info: RequestInfo) -> Attributes:
        if not info.is_resource:
            return Attributes(info.verb, path=info.path)
        return Attributes(
            info.verb,
            group=info.group,
            resource=info.plural,
            subresource=info.subresource,
            namespace=info.namespace,
            name=info.name or self._only_name(info),
        )

    def _only_name(self, info: RequestInfo) -> str:
        """A list of one name by field selector may be allowed by that name."""
        row = self._table.find(info.group, info.version, info.plural)
        told = info.query.text("fieldSelector")
        if row is None or not told:
            return ""
        return Selector(fields=parse_fields(told, row)).only_name()
