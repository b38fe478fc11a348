"""How a refusal is said: the one place that turns it into a Kubernetes `Status`.

meta/v1 `Status` (apimachinery, `meta/v1/types.go`), so that kubectl prints the
message and client-go branches on reason and code.
"""

import json
from functools import lru_cache
from typing import Any, Final

import msgspec

from proxy.core.attributes import RequestInfo, ResourceRequest
from proxy.core.entitlement import Deny
from proxy.core.errors import (
    AlreadyExists,
    Cause,
    Conflict,
    Forbidden,
    NotFound,
    Refused,
    Target,
)
from proxy.core.wire import Headers, Reply

_REMEMBERED: Final = 256
_SHORT: Final = 2048
_HEADERS: Final[Headers] = (
    ("Content-Type", "application/json"),
    ("Cache-Control", "no-cache, private"),
)


def reply(refused: Refused) -> Reply:
    """The answer that says `refused`."""
    headers: Headers = _HEADERS
    if refused.code == 401:
        headers = (*headers, ("WWW-Authenticate", 'Bearer realm="hostclaim-proxy"'))
    if refused.retry_after is not None:
        headers = (*headers, ("Retry-After", str(refused.retry_after)))
    return Reply(refused.code, headers, _written(status(refused)))


def status(refused: Refused) -> dict[str, Any]:
    """The `Status` object itself."""
    body: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": refused.message,
        "reason": refused.reason,
        "code": refused.code,
    }
    if details := _details(refused):
        body["details"] = details
    return body


def not_found(target: Target) -> NotFound:
    """Word for word what the apiserver says, so that hiding and missing look alike."""
    return NotFound(f'{target.qualified} "{target.name}" not found', target=target)


def conflict(target: Target) -> Conflict:
    """What the apiserver says to a write of an object that has moved."""
    return Conflict(
        f'Operation cannot be fulfilled on {target.qualified} "{target.name}": the object has '
        "been modified; please apply your changes to the latest version and try again",
        target=target,
    )


def already_exists(target: Target) -> AlreadyExists:
    """What the apiserver says to a create of a name that is taken."""
    return AlreadyExists(f'{target.qualified} "{target.name}" already exists', target=target)


def forbidden(target: Target, because: str, *causes: Cause) -> Forbidden:
    """A refusal that begins as the apiserver's do: `secrets "x" is forbidden: ...`."""
    name = f' "{target.name}"' if target.name else ""
    message = f"{target.qualified}{name} is forbidden: {because}"
    return Forbidden(message, target=target, causes=causes)


def _denied(display: str, request: RequestInfo, reason: str) -> Forbidden:
    """A decision to refuse, in the words that RBAC refuses with."""
    if not isinstance(request, ResourceRequest):
        return Forbidden(f"forbidden: {reason}")
    resource = request.resource
    plural = f"{resource.plural}/{request.subresource}" if request.subresource else resource.plural
    where = f'in the namespace "{request.namespace}"' if request.namespace else "at cluster scope"
    return forbidden(
        Target(resource.group, resource.plural, request.name or ""),
        f'User "{display}" cannot {request.verb} resource "{plural}" '
        f'in API group "{resource.group}" {where}: {reason}',
    )


def denial(deny: Deny) -> tuple[str, Reply]:
    """What a decision to refuse says, and the answer that says it.

    Who is refused asks again, and again, so the last are remembered.
    """
    request, display = deny.request, deny.identity.display
    short = not request.parameters and len(display) + len(deny.reason) <= _SHORT
    return (_denial_remembered if short else _denial)(display, request, deny.reason)


def _denial(display: str, request: RequestInfo, reason: str) -> tuple[str, Reply]:
    refused = _denied(display, request, reason)
    return refused.message, reply(refused)


_denial_remembered: Final = lru_cache(_REMEMBERED)(_denial)
_ENCODER: Final = msgspec.json.Encoder()


def _written(found: dict[str, Any]) -> bytes:
    try:
        return _ENCODER.encode(found)
    except UnicodeEncodeError:
        # It quotes half of a surrogate pair, which JSON can say and UTF-8 cannot.
        return json.dumps(found).encode()


def _details(refused: Refused) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if target := refused.target:
        if target.name:
            details["name"] = target.name
        if target.group:
            details["group"] = target.group
        details["kind"] = target.kind
    if refused.causes:
        details["causes"] = [
            {"reason": cause.reason, "message": cause.message, "field": cause.field}
            for cause in refused.causes
        ]
    if refused.retry_after is not None:
        details["retryAfterSeconds"] = refused.retry_after
    return details
