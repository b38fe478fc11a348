"""What went wrong: every refusal of the cluster, as the Status an apiserver sends.

Messages, reasons and codes are those of `k8s.io/apimachinery/pkg/api/errors`, since clients
read them: client-go decides on reasons, people and scripts on messages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proxy.demo.cluster.objects import Object

if TYPE_CHECKING:
    from proxy.demo.cluster.resources import Resource


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that is wrong, or one conflict."""

    reason: str
    message: str
    field: str


class ApiError(Exception):
    """A refusal that knows its own Status."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        *,
        list_meta: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.list_meta = list_meta or {}

    def status(self) -> Object:
        """Give the body to send."""
        body: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": dict(self.list_meta),
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }
        return {key: value for key, value in body.items() if value is not None and value != ""}


def success(resource: "Resource", obj: Mapping[str, Any]) -> Object:
    """Say that an object is gone."""
    details = _details(resource, obj["metadata"]["name"]) | {"uid": obj["metadata"].get("uid", "")}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }


def _details(resource: "Resource", name: str) -> Object:
    found = {"name": name, "group": resource.group, "kind": resource.plural}
    return {key: value for key, value in found.items() if value}


def not_found(resource: "Resource", name: str) -> ApiError:
    """No object of that name."""
    message = f'{resource.qualified} "{name}" not found'
    return ApiError(404, "NotFound", message, _details(resource, name))


def no_such_resource() -> ApiError:
    """A resource that a built-in group does not have."""
    message = "the server could not find the requested resource"
    return ApiError(404, "NotFound", message, {})


def already_exists(resource: "Resource", name: str) -> ApiError:
    """An object of that name is there."""
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(resource, name))


def conflict(resource: "Resource", name: str, why: str) -> ApiError:
    """The object is not the one the caller thought it was."""
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(resource, name))


MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def apply_conflict(message: str, causes: Sequence[Cause]) -> ApiError:
    """Another manager owns what was applied."""
    return ApiError(409, "Conflict", message, {"causes": _causes(causes)})


def invalid(resource: "Resource", name: str, causes: Sequence[Cause]) -> ApiError:
    """The object breaks its schema or a rule of its kind."""
    told = [f"{cause.field}: {cause.message}" for cause in causes]
    summary = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details = {"name": name, "group": resource.group, "kind": resource.kind}
    return ApiError(
        422,
        "Invalid",
        f'{kind} "{name}" is invalid: {summary}',
        {key: value for key, value in details.items() if value} | {"causes": _causes(causes)},
    )


def _causes(causes: Sequence[Cause]) -> list[Object]:
    return [
        {"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes
    ]


def forbidden(resource: "Resource", name: str, why: str) -> ApiError:
    """The caller may not, or nobody may in this state."""
    what = f'{resource.qualified} "{name}"' if name else resource.qualified
    return ApiError(403, "Forbidden", f"{what} is forbidden: {why}", _details(resource, name))


def forbidden_path(why: str) -> ApiError:
    """The caller may not have a path that is no resource."""
    return ApiError(403, "Forbidden", f"forbidden: {why}", {})


def bad_request(message: str) -> ApiError:
    """The request makes no sense."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """The caller is not known."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def method_not_allowed() -> ApiError:
    """The resource is there, the verb is not."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def not_acceptable(accepted: Sequence[str]) -> ApiError:
    """No form the caller accepts."""
    message = f"only the following media types are accepted: {', '.join(accepted)}"
    return ApiError(406, "NotAcceptable", message)


def misfit(form: str, what: str) -> ApiError:
    """A form that what was asked for cannot take."""
    message = f"you requested {form}, but the requested object is {what}"
    return ApiError(406, "NotAcceptable", message)


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    """A body in a form nobody reads."""
    message = (
        "the body of the request was in an unknown format - "
        f"accepted media types include: {', '.join(accepted)}"
    )
    return ApiError(415, "UnsupportedMediaType", message)


def expired(message: str, list_meta: Mapping[str, Any] | None = None) -> ApiError:
    """The past that was asked for is forgotten."""
    return ApiError(410, "Expired", message, list_meta=list_meta)


def too_large(limit: int) -> ApiError:
    """A body over the limit."""
    message = f"Request entity too large: limit is {limit}"
    return ApiError(413, "RequestEntityTooLarge", message)


def unprocessable(
    message: str, details: Mapping[str, Any] | None = None, causes: Sequence[Cause] = ()
) -> ApiError:
    """Something other than a stored object is invalid: options, or a patch."""
    told = {"causes": _causes(causes)} if causes else {}
    return ApiError(422, "Invalid", message, {**(details or {}), **told} or None)


def internal(message: str) -> ApiError:
    """The server could not; as upstream's plain errors do, it gives no reason."""
    return ApiError(500, "", message)
