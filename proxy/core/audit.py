"""What happened: one `audit.k8s.io/v1` Event for each request, whatever came of it.

The shape is that of the apiserver's own audit log at level Metadata
(apiserver, `pkg/apis/audit/v1/types.go`), so the same tools read both, and the
same Audit-ID is found in both. Bodies, headers and tokens never enter.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, assert_never

from proxy.core import attributes
from proxy.core.attributes import RequestInfo, ResourceRequest
from proxy.core.body import Object
from proxy.core.entitlement import Allow, Deny
from proxy.core.identity import Identity
from proxy.core.review import user_info
from proxy.core.shadow import Difference, Verdict
from proxy.core.wire import Fields, RawRequest

CLIENT_GONE: Final = 499
"""The code of a request whose client left before it was answered (nginx's number)."""

PATCH_TYPE: Final = "hostclaim-proxy.metal3.io/patch-type"
"""The annotation with the media type of a patch."""

SHADOW_DECISION: Final = "hostclaim-proxy.metal3.io/shadow-decision"
SHADOW_REASON: Final = "hostclaim-proxy.metal3.io/shadow-reason"
"""The annotations with what shadow rules would have changed; none, if nothing."""

_LONGEST = 256
_LONGEST_REASON = 2048
# What is remembered of texts and seconds: how many, and how long a text. The few agents
# that there are fit; a token, which must not be kept anywhere, never does.
_REMEMBERED: Final = 256
_SHORT: Final = 128
# Credentials end up in targets and agents by mistake; three long dotted words look like one.
# One begins where a word does: tried from within as well, a long word takes a millisecond.
_TOKEN = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]*")
# Labels have dots, too, and a long token may be cut; the base64 of `{"` gives it away.
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}[A-Za-z0-9._-]*")
_JWT_BEGINS: Final = "eyJ"
_REDACTED: Final = "(redacted)"


@dataclass(slots=True)
class Trail:
    """How far a request came; filled in on the way and read once, at its end."""

    audit_id: str
    raw: RawRequest
    received: float
    identity: Identity | None = None
    request: RequestInfo | None = None
    decision: Allow | Deny | None = None
    shadow: Difference | None = None
    code: int = 0
    message: str = ""


def event(trail: Trail, now: float) -> Object:
    """The record of a request that ended at `now` (seconds since the epoch)."""
    raw = trail.raw
    found: Object = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": trail.audit_id,
        "stage": "ResponseComplete",
        "requestURI": _uri(trail),
        "verb": _verb(trail),
        "user": user_info(trail.identity) if trail.identity else {},
        "sourceIPs": [raw.peer] if raw.peer else [],
        "userAgent": raw.fields.derived(_agent),
        "responseStatus": _response(trail),
        "requestReceivedTimestamp": _timestamp(trail.received),
        "stageTimestamp": _timestamp(now),
        "annotations": _annotations(trail),
    }
    if isinstance(trail.request, ResourceRequest):
        found["objectRef"] = _object(trail.request)
    return found


def _agent(fields: Fields) -> str:
    return _clean(" ".join(fields.values("user-agent")))


def _uri(trail: Trail) -> str:
    """The target if it was understood; else its path, since a query may hold anything."""
    if trail.request is not None:
        target = attributes.render(trail.request)
        return _JWT.sub(_REDACTED, target) if _JWT_BEGINS in target else target
    return _clean(trail.raw.target.partition("?")[0])


def _verb(trail: Trail) -> str:
    if isinstance(trail.request, ResourceRequest):
        return trail.request.verb
    return _clean(trail.raw.method).lower()


def _object(request: ResourceRequest) -> Object:
    resource = request.resource
    found = {"resource": resource.plural, "apiVersion": resource.version}
    if request.namespace:
        found["namespace"] = request.namespace
    if request.name:
        found["name"] = request.name
    if resource.group:
        found["apiGroup"] = resource.group
    if request.subresource:
        found["subresource"] = request.subresource
    return found


def _response(trail: Trail) -> Object:
    found: Object = {"metadata": {}, "code": trail.code}
    if trail.message:
        found |= {"status": "Failure", "message": _bounded(trail.message)}
    return found


def _annotations(trail: Trail) -> dict[str, str]:
    match trail.decision:
        case Allow(reason=reason):
            decision = Verdict.ALLOW
        case Deny(reason=reason, rule=rule):
            decision = Verdict.FORBID
            reason = f"{reason}; {rule.origin}" if rule else reason
        case None:
            decision, reason = Verdict.FORBID, trail.message
        case _:
            assert_never(trail.decision)
    found = {
        "authorization.k8s.io/decision": decision,
        "authorization.k8s.io/reason": _bounded(reason),
    }
    request = trail.request
    if isinstance(request, ResourceRequest) and request.patch_type is not None:
        # An apply needs other verbs than a patch, and no other field tells one from the other.
        found[PATCH_TYPE] = request.patch_type.value
    if trail.shadow is not None:
        found[SHADOW_DECISION] = trail.shadow.verdict
        found[SHADOW_REASON] = _bounded(trail.shadow.reason)
    return found


def _bounded(text: str) -> str:
    """What may quote a request, short and writable: a record must never fail or fill the disk."""
    text = text[:_LONGEST_REASON]
    return text if text.isascii() else text.encode(errors="replace").decode()


def _clean(text: str) -> str:
    return _cleaned_short(text) if len(text) <= _SHORT else _cleaned(text)


def _cleaned(text: str) -> str:
    text = text[: 4 * _LONGEST]
    if not text.isprintable():
        text = "".join(char if char.isprintable() else "?" for char in text)
    return _TOKEN.sub(_REDACTED, _JWT.sub(_REDACTED, text))[:_LONGEST]


_cleaned_short: Final = lru_cache(_REMEMBERED)(_cleaned)


def _timestamp(seconds: float) -> str:
    """RFC 3339 with microseconds, as `metav1.MicroTime` is written."""
    whole, micros = divmod(round(seconds * 1_000_000), 1_000_000)
    return f"{_second(whole)}.{micros:06}Z"


@lru_cache(_REMEMBERED)
def _second(whole: int) -> str:
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
