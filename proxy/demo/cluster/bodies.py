"""What was sent: the body of a call, read for what it is meant to be.

Each endpoint complains of a malformed body in its own words, as upstream's do.
"""

from typing import Any

from proxy.demo.cluster.calls import Call
from proxy.demo.cluster.codecs import JSON, YAML, Document, MalformedError, decode
from proxy.demo.cluster.objects import Object
from proxy.demo.cluster.registry import Preconditions
from proxy.demo.cluster.requests import check_propagation, dry_run
from proxy.demo.cluster.resources import Resource
from proxy.demo.cluster.status import bad_request


def document(call: Call, resource: Resource) -> Document:
    """Read a whole object.

    Raises:
        ApiError: the body is not of its form, or of a form nobody reads.
    """
    try:
        return decode(call.body, call.content_type, custom=resource.custom)
    except MalformedError as exc:
        unknown = f"the object provided is unrecognized (must be of type {resource.kind})"
        raise bad_request(f"{unknown}: couldn't get version/kind; {exc}") from exc


def patch(call: Call) -> Any:
    """Read a patch of any type but apply.

    Raises:
        ApiError: it is not JSON.
    """
    try:
        return decode(call.body, JSON).value
    except MalformedError as exc:
        raise bad_request("invalid JSON patch") from exc


def applied(call: Call) -> Document:
    """Read an applied object, in YAML or JSON.

    Raises:
        ApiError: it is neither.
    """
    try:
        return decode(call.body, YAML)
    except MalformedError as exc:
        raise bad_request(f"error encoding patch: {exc}") from exc


def deletion(call: Call) -> tuple[Preconditions, bool]:
    """Read the options of a delete, from the body and from the query.

    Returns:
        What is demanded of the object, and whether it is a dry run.

    Raises:
        ApiError: they are no DeleteOptions.
    """
    options = _delete_options(call)
    policy = options.get("propagationPolicy") or call.info.query.text("propagationPolicy")
    check_propagation(call.info, policy)
    told = options.get("preconditions") or {}
    demanded = Preconditions(told.get("uid", ""), told.get("resourceVersion", ""))
    dry = [*(options.get("dryRun") or ()), *call.info.query.values.get("dryRun", ())]
    return demanded, dry_run(call.info, dry)


def _delete_options(call: Call) -> Object:
    if not call.body.strip():
        return {}
    try:
        value = decode(call.body, call.content_type).value
    except MalformedError as exc:
        raise bad_request(f"couldn't get version/kind; {exc}") from exc
    if not isinstance(value, dict):
        raise bad_request("couldn't get version/kind; json parse error: not an object")
    kind, version = value.get("kind", ""), value.get("apiVersion", "")
    if kind not in {"", "DeleteOptions"}:
        raise bad_request(f'no kind "{kind}" is registered for version "{version}"')
    return value
