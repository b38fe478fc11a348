"""How does a test speak to the cluster without a socket?"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from proxy.demo.cluster.apiserver import Apiserver
from proxy.demo.cluster.calls import Call, Reply, Stream
from proxy.demo.cluster.requests import parse
from proxy.demo.cluster.status import ApiError

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/blue/hostclaims"
SECRETS = "/api/v1/namespaces/blue/secrets"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"

Object = dict[str, Any]


def claim(name: str = "one", labels: Mapping[str, str] | None = None, **spec: Any) -> Object:
    """Make a HostClaim."""
    return {
        "apiVersion": "metal3.io/v1alpha1",
        "kind": "HostClaim",
        "metadata": {"name": name, **({"labels": dict(labels)} if labels else {})},
        "spec": {"poweredOn": True, **spec},
    }


def secret(name: str = "one", **content: Any) -> Object:
    """Make a Secret."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **content}


def namespace(name: str) -> Object:
    """Make a Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


class Api:
    """The whole server, asked by somebody who holds a token."""

    def __init__(self, server: Apiserver, token: str = "") -> None:
        self.server = server
        self._token = token or server.tokens.admin

    def holding(self, token: str) -> "Api":
        """Ask with another token."""
        return Api(self.server, token)

    def send(
        self,
        method: str,
        target: str,
        body: Any = None,
        content_type: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Reply | Stream:
        """Send a request as the server would take it off the wire."""
        told = dict(headers or {})
        caller = self.server.authenticate(f"Bearer {self._token}")
        info = parse(method, target)
        user = self.server.admit(caller, list(told.items()), info)
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        accept = told.get("Accept", "")
        call = Call(info, user, accept, content_type, "test/1", "localhost", raw)
        return self.server.answer(call)

    def ask(self, method: str, target: str, body: Any = None, content_type: str = "") -> Any:
        """Send a request and give the body of its answer."""
        reply = self.send(method, target, body, content_type)
        assert isinstance(reply, Reply)
        return reply.body

    def refusal(
        self, method: str, target: str, body: Any = None, content_type: str = ""
    ) -> tuple[int, str]:
        """Send a request that is refused, and give the code and the message."""
        try:
            self.send(method, target, body, content_type)
        except ApiError as exc:
            return exc.code, exc.message
        raise AssertionError(f"{method} {target} was not refused")
