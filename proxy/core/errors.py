"""How a request can end here: one tree under `Refused`, each with its HTTP code.

Parsing raises these; deciding returns values. `core.status` alone turns them
into an answer.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Cause:
    """One fault in a request, as a `StatusCause` of meta/v1.

    `reason` is a `CauseType` such as `FieldValueInvalid`; `field` is a path
    such as `metadata.labels`.
    """

    reason: str
    message: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What a refusal is about, as `StatusDetails` of meta/v1 has it: `kind` is the plural."""

    group: str
    kind: str
    name: str = ""

    @property
    def qualified(self) -> str:
        """The resource as kubectl prints it: `hostclaims.metal3.io`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


class Refused(Exception):  # noqa: N818 - a refusal is an outcome, not a fault of ours
    """A request that ends at the proxy.

    The message is read by the caller: lower case, no period, and never a
    token, a secret or an internal address.
    """

    code: ClassVar[int] = 500
    reason: ClassVar[str] = "InternalError"

    def __init__(
        self,
        message: str,
        *,
        target: Target | None = None,
        causes: tuple[Cause, ...] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.target = target
        self.causes = causes
        self.retry_after = retry_after


class BadRequest(Refused):
    """The request cannot be read as one we serve."""

    code = 400
    reason = "BadRequest"


class Unauthenticated(Refused):
    """Nobody we know. client-go fetches new credentials on this code."""

    code = 401
    reason = "Unauthorized"


class Forbidden(Refused):
    """Somebody we know, who may not."""

    code = 403
    reason = "Forbidden"


class NotFound(Refused):
    """It does not exist, or must look so."""

    code = 404
    reason = "NotFound"


class MethodNotAllowed(Refused):
    """The path is served, but not with this method."""

    code = 405
    reason = "MethodNotAllowed"


class NotAcceptable(Refused):
    """None of the encodings in Accept can be inspected here."""

    code = 406
    reason = "NotAcceptable"


class RequestTimeout(Refused):
    """The caller took too long to send its request."""

    code = 408
    reason = "Timeout"


class Conflict(Refused):
    """The object moved under the writer."""

    code = 409
    reason = "Conflict"


class AlreadyExists(Refused):
    """The name is taken."""

    code = 409
    reason = "AlreadyExists"


class Expired(Refused):
    """What a `continue` led on to is gone; the list has to begin anew."""

    code = 410
    reason = "Expired"


class LengthRequired(Refused):
    """A write that does not say how long its body is (RFC 9110, 15.5.12)."""

    code = 411
    reason = "BadRequest"


class TooLarge(Refused):
    """A body over the apiserver's own bound."""

    code = 413
    reason = "RequestEntityTooLarge"


class UnsupportedMediaType(Refused):
    """A body in an encoding that cannot be inspected here."""

    code = 415
    reason = "UnsupportedMediaType"


class Invalid(Refused):
    """The object is understood and one of its fields is not allowed."""

    code = 422
    reason = "Invalid"


class TooManyRequests(Refused):
    """More at once than the proxy takes."""

    code = 429
    reason = "TooManyRequests"


class HeadersTooLarge(Refused):
    """A request line or header over the bound (RFC 6585, 5)."""

    code = 431
    reason = "BadRequest"


class InternalError(Refused):
    """A fault of ours. What it was is for the log alone."""

    code = 500
    reason = "InternalError"


class BadGateway(Refused):
    """The apiserver answered something that is not an answer."""

    code = 502
    reason = "InternalError"


class Unavailable(Refused):
    """Something the proxy leans on is away; trying again helps."""

    code = 503
    reason = "ServiceUnavailable"


class Timeout(Refused):
    """The apiserver or the caller took too long."""

    code = 504
    reason = "Timeout"
