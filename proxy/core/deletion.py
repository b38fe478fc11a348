"""How to delete: the options out of the body or out of the query, never out of both.

The apiserver reads those in the query only where there is no body, so a
`dryRun=All` beside a body is a real deletion (apiserver, `handlers/delete.go`).
"""

from typing import Final

from proxy.core import attributes, body, media, narrowing, protobuf
from proxy.core.body import Object
from proxy.core.errors import BadRequest
from proxy.core.narrowing import Call

_VERSIONS: Final = frozenset({"v1", "meta.k8s.io/v1"})
_NOT_OPTIONS: Final = attributes.ALLOWED_PARAMETERS[attributes.Verb.LIST]


def options(call: Call) -> Object:
    """The `DeleteOptions` of a call, as a JSON object.

    Raises:
        BadRequest: they are in the body and in the query, or cannot be read.
        UnsupportedMediaType: the body is in an encoding that is not read here.
    """
    given = {p.key: p.value for p in call.resource_request.parameters if p.key not in _NOT_OPTIONS}
    if call.body:
        if given:
            raise BadRequest("give delete options in the body or in the query, not in both")
        return _read(call)
    found: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
    for key, value in given.items():
        match key:
            case "dryRun":
                found[key] = [value]
            case "gracePeriodSeconds":
                found[key] = int(value)
            case "orphanDependents":
                found[key] = attributes.is_set(value)
            case _:
                found[key] = value
    return found


def check(call: Call) -> None:
    """Refuse what `options` would, of a deletion whose options go on as they came."""
    options(call)


def _read(call: Call) -> Object:
    if narrowing.encoding(call) == media.JSON:
        return body.parse_object(call.body)
    message = protobuf.decode(call.body, "DeleteOptions", _VERSIONS)
    return {"kind": "DeleteOptions", "apiVersion": "v1", **protobuf.as_object(message)}
