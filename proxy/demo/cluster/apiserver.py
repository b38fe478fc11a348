"""What is the whole server, but for the socket: every room put together.

`admit` before the body is read, `answer` after.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from proxy.demo.cluster import bootstrap
from proxy.demo.cluster.builtin import REVIEWS, STORED
from proxy.demo.cluster.calls import Call, Reply, Stream
from proxy.demo.cluster.endpoints import Endpoints
from proxy.demo.cluster.gate import Gate
from proxy.demo.cluster.impersonation import Headers
from proxy.demo.cluster.rbac import User
from proxy.demo.cluster.registry import Registry
from proxy.demo.cluster.requests import RequestInfo
from proxy.demo.cluster.resources import Table, from_definitions
from proxy.demo.cluster.store import Store
from proxy.demo.cluster.tokens import Tokens


class Apiserver:
    """An apiserver in memory."""

    def __init__(
        self, definitions: Iterable[Mapping[str, Any]], clock: Callable[[], datetime]
    ) -> None:
        stored = Table((*STORED, *from_definitions(definitions)))
        served = Table((*stored.rows, *REVIEWS))
        self.store = Store()
        self.tokens = Tokens(self.store)
        self._gate = Gate(self.store, served, self.tokens, clock)
        registry = Registry(self.store, stored, clock)
        self._endpoints = Endpoints(registry, served, self._gate, self.tokens, clock)
        bootstrap.fill(registry)

    def authenticate(self, authorization: str) -> User:
        """Say who calls.

        Raises:
            ApiError: nobody who is known (401).
        """
        return self._gate.authenticate(authorization)

    def admit(self, caller: User, headers: Headers, info: RequestInfo) -> User:
        """Pass a request, and give the user that it is to be taken for.

        Raises:
            ApiError: that user may not, or the caller may not speak for them (403).
        """
        user = self._gate.impersonate(caller, headers)
        self._gate.authorize(user, info)
        return user

    def answer(self, call: Call) -> Reply | Stream:
        """Answer a call that was let in.

        Raises:
            ApiError: with what is wrong.
        """
        return self._endpoints.answer(call)
