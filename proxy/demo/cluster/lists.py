"""Which objects now, and which next: lists in pages, each as of one revision.

`limit` and `continue` as `k8s.io/apiserver/pkg/storage` has them. A token says where to go on
and in which past; it opens only the collection it was given for.
"""

import base64
import binascii
import json
from dataclasses import dataclass

from proxy.demo.cluster.objects import Object, name_of, namespace_of
from proxy.demo.cluster.registry import Target
from proxy.demo.cluster.requests import Query, invalid_options
from proxy.demo.cluster.selectors import Selector, parse_fields, parse_labels
from proxy.demo.cluster.status import ApiError, Cause, bad_request, expired
from proxy.demo.cluster.store import ForgottenError, Store

_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can "
    "start a new list without the continue parameter, or use the continue token in this response "
    "to retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)
_BAD_TOKEN = "invalid continue token: continue key is not valid"
_LATEST = -1


@dataclass(frozen=True, slots=True)
class ListOptions:
    """The options of list and watch."""

    selector: Selector
    limit: int
    token: str
    version: str
    match: str
    send_initial: bool | None
    bookmarks: bool
    timeout: int


def list_options(query: Query, target: Target) -> ListOptions:
    """Read the options of a list or a watch.

    Raises:
        ApiError: one of them is not as it must be.
    """
    labels = parse_labels(query.text("labelSelector"))
    fields = parse_fields(query.text("fieldSelector"), target.resource)
    return ListOptions(
        Selector(labels, fields),
        query.number("limit"),
        query.text("continue"),
        query.text("resourceVersion"),
        query.text("resourceVersionMatch"),
        query.maybe_flag("sendInitialEvents"),
        query.flag("allowWatchBookmarks"),
        query.number("timeoutSeconds"),
    )


def page(store: Store, target: Target, options: ListOptions) -> tuple[list[Object], Object]:
    """Give one page of a collection, and the metadata of the list.

    Raises:
        ApiError: the options contradict each other, or ask for a forgotten past.
    """
    check(options)
    revision, start = _begin(store, target, options)
    try:
        items = _as_of(store, target, revision)
    except ForgottenError as exc:
        raise _forgotten(target, options, start) from exc
    left = [obj for obj in items if _place(obj) > start and options.selector.fits(obj)]
    meta: Object = {"resourceVersion": str(store.revision if revision == _LATEST else revision)}
    if options.limit <= 0 or len(left) <= options.limit:
        return left, meta
    cut = left[: options.limit]
    meta["continue"] = _token(target, int(meta["resourceVersion"]), _place(cut[-1]))
    if not options.selector:
        meta["remainingItemCount"] = len(left) - len(cut)
    return cut, meta


def check(options: ListOptions) -> None:
    """Refuse options of a list that contradict each other.

    Raises:
        ApiError: they do.
    """
    if options.match and not options.version:
        raise _forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided")
    if options.match and options.token:
        raise _forbidden("resourceVersionMatch is forbidden when continue is provided")
    if options.match == "Exact" and options.version == "0":
        raise _forbidden('resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    if options.match not in {"", "Exact", "NotOlderThan"}:
        told = (
            f'Unsupported value: "{options.match}": supported values: "Exact", "NotOlderThan", ""'
        )
        cause = Cause("FieldValueNotSupported", told, "resourceVersionMatch")
        raise invalid_options("ListOptions", [cause])
    if options.send_initial is not None:
        cause = Cause(
            "FieldValueForbidden",
            "Forbidden: sendInitialEvents is forbidden for list",
            "sendInitialEvents",
        )
        raise invalid_options("ListOptions", [cause])


def _forbidden(why: str) -> Exception:
    cause = Cause("FieldValueForbidden", f"Forbidden: {why}", "resourceVersionMatch")
    return invalid_options("ListOptions", [cause])


def version_number(store: Store, version: str) -> int:
    """Read a resourceVersion; empty is 0.

    Raises:
        ApiError: it is none, or lies in the future.
    """
    if not version:
        return 0
    if not version.isdigit():
        parsed = f'strconv.ParseUint: parsing "{version}": invalid syntax'
        raise bad_request(
            f'invalid resource version: resourceVersion: Invalid value: "{version}": {parsed}'
        )
    found = int(version)
    if found > store.revision:
        raise ApiError(
            504,
            "Timeout",
            f"Timeout: Too large resource version: {found}, current: {store.revision}",
            {
                "causes": [
                    {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
                ],
                "retryAfterSeconds": 1,
            },
        )
    return found


def _begin(store: Store, target: Target, options: ListOptions) -> tuple[int, tuple[str, str]]:
    if options.token:
        if options.version not in {"", "0"}:
            raise bad_request("specifying resource version is not allowed when using continue")
        return _read_token(target, options.token)
    found = version_number(store, options.version)
    return (found if options.match == "Exact" else _LATEST), ("", "")


def _as_of(store: Store, target: Target, revision: int) -> list[Object]:
    if revision in {_LATEST, store.revision}:
        return store.select(target.resource.group_resource, target.namespace)
    return store.select_at(revision, target.resource.group_resource, target.namespace)


def _forgotten(target: Target, options: ListOptions, start: tuple[str, str]) -> ApiError:
    if not options.token:
        return expired("The resourceVersion for the provided list is too old.")
    return expired(_EXPIRED, {"continue": _token(target, _LATEST, start)})


def _place(obj: Object) -> tuple[str, str]:
    return namespace_of(obj), name_of(obj)


def _collection(target: Target) -> str:
    return f"{target.resource.qualified}/{target.namespace}"


def _token(target: Target, revision: int, start: tuple[str, str]) -> str:
    told = {
        "v": "meta.k8s.io/v1",
        "rv": revision,
        "start": "/".join(start),
        "of": _collection(target),
    }
    encoded = base64.urlsafe_b64encode(json.dumps(told, separators=(",", ":")).encode())
    return encoded.decode().rstrip("=")


def _read_token(target: Target, token: str) -> tuple[int, tuple[str, str]]:
    try:
        told = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, name = told["start"].split("/")
        revision, collection = int(told["rv"]), told["of"]
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise bad_request(f"{_BAD_TOKEN}: it is none of this server's") from exc
    if collection != _collection(target):
        raise bad_request(f"{_BAD_TOKEN}: it belongs to another collection")
    return revision, (namespace, name)
