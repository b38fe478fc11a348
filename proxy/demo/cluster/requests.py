"""What is asked: a method and a target, read as Kubernetes reads them.

The rules of `k8s.io/apiserver/pkg/endpoints/request` (RequestInfo) and of the query options in
`meta/v1`. Whether there is such a resource is not asked here: authorization comes first.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from proxy.demo.cluster.status import Cause, bad_request, unprocessable

_VERBS: Mapping[str, str] = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


@dataclass(frozen=True, slots=True)
class Query:
    """Query parameters; of a repeated one the first counts, as in Go."""

    values: Mapping[str, Sequence[str]]

    def text(self, name: str) -> str:
        """Give a parameter, empty when absent."""
        return self.values.get(name, [""])[0]

    def flag(self, name: str) -> bool:
        """Read a boolean: present and neither `0` nor `false`."""
        return name in self.values and self.text(name).lower() not in {"0", "false"}

    def maybe_flag(self, name: str) -> bool | None:
        """Read a boolean that may be left unset."""
        return self.flag(name) if self.text(name) else None

    def number(self, name: str) -> int:
        """Read a number, 0 when absent.

        Raises:
            ApiError: it is not one.
        """
        told = self.text(name)
        if not re.fullmatch(r"-?\d+", told or "0"):
            raise bad_request(f'strconv.ParseInt: parsing "{told}": invalid syntax')
        return int(told or 0)


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """A request in Kubernetes' words."""

    method: str
    path: str
    query: Query
    verb: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    plural: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def is_resource(self) -> bool:
        """Whether it is about a resource and not about a bare path."""
        return bool(self.plural)


def parse(method: str, target: str) -> RequestInfo:
    """Read a request line."""
    raw_path, _, raw_query = target.partition("?")
    path = unquote(raw_path)
    query = Query(parse_qs(raw_query, keep_blank_values=True))
    found = _resource_path(path.strip("/").split("/"))
    if found is None:
        return RequestInfo(method, path, query, method.lower())
    group, version, namespace, plural, name, subresource = found
    verb = _VERBS.get(method, method.lower())
    if not name and verb == "get":
        verb = "watch" if query.flag("watch") else "list"
    elif not name and verb == "delete":
        verb = "deletecollection"
    return RequestInfo(
        method, path, query, verb, group, version, namespace, plural, name, subresource
    )


def _resource_path(parts: list[str]) -> tuple[str, str, str, str, str, str] | None:
    match parts:
        case ["api", version, *rest] if rest:
            group = ""
        case ["apis", group, version, *rest] if rest:
            pass
        case _:
            return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    plural, name, subresource = [*rest, "", ""][:3]
    return group, version, namespace, plural, name, subresource


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """The options of create, update and patch."""

    dry_run: bool
    manager: str
    validation: str
    """`Strict`, `Warn` or `Ignore`."""
    force: bool


_OPTIONS: Mapping[str, str] = {
    "POST": "CreateOptions",
    "PUT": "UpdateOptions",
    "PATCH": "PatchOptions",
    "DELETE": "DeleteOptions",
}


def write_options(info: RequestInfo, user_agent: str, *, apply: bool = False) -> WriteOptions:
    """Read the options of a write.

    Raises:
        ApiError: an option is not one of those there are.
    """
    query = info.query
    validation = query.text("fieldValidation") or "Warn"
    if validation not in {"Strict", "Warn", "Ignore"}:
        allowed = '"", "Ignore", "Strict", "Warn"'
        told = f'Unsupported value: "{validation}": supported values: {allowed}'
        raise _invalid(info, "FieldValueNotSupported", told, "fieldValidation")
    manager = query.text("fieldManager")
    if apply and not manager:
        told = "Required value: is required for apply patch"
        raise _invalid(info, "FieldValueRequired", told, "fieldManager")
    if query.text("force") and not apply:
        told = "Forbidden: may not be specified for non-apply patch"
        raise _invalid(info, "FieldValueForbidden", told, "force")
    return WriteOptions(
        dry_run(info, query.values.get("dryRun", [])),
        manager or user_agent.partition("/")[0][:128] or "unknown",
        validation,
        query.flag("force"),
    )


def dry_run(info: RequestInfo, told: Sequence[str]) -> bool:
    """Read `dryRun`, of which `All` is the only value.

    Raises:
        ApiError: it is another.
    """
    if set(told) - {"All"}:
        shown = json.dumps(list(told), separators=(",", ":"))
        message = f'Unsupported value: {shown}: supported values: "All"'
        raise _invalid(info, "FieldValueNotSupported", message, "dryRun")
    return bool(told)


def check_propagation(info: RequestInfo, told: str) -> None:
    """Refuse a deletion policy that there is not.

    Raises:
        ApiError: there is none of that name.
    """
    if told not in {"", "Foreground", "Background", "Orphan"}:
        allowed = '"Foreground", "Background", "Orphan", "nil"'
        message = f'Unsupported value: "{told}": supported values: {allowed}'
        raise _invalid(info, "FieldValueNotSupported", message, "propagationPolicy")


def _invalid(info: RequestInfo, reason: str, message: str, field: str) -> Exception:
    kind = _OPTIONS.get(info.method, "ListOptions")
    return invalid_options(kind, [Cause(reason, message, field)])


def invalid_options(kind: str, causes: Sequence[Cause]) -> Exception:
    """Say that query options contradict each other."""
    told = [f"{cause.field}: {cause.message}" for cause in causes]
    summary = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    return unprocessable(
        f'{kind}.meta.k8s.io "" is invalid: {summary}',
        {"group": "meta.k8s.io", "kind": kind},
        causes,
    )
