"""Which paths are no resources: discovery, OpenAPI, version and health."""

from proxy.demo.cluster import discovery, openapi
from proxy.demo.cluster.calls import PAGE_NOT_FOUND, TEXT, Call, Reply
from proxy.demo.cluster.codecs import JSON
from proxy.demo.cluster.objects import Object
from proxy.demo.cluster.resources import Table
from proxy.demo.cluster.status import method_not_allowed

_HEALTH = frozenset({"/healthz", "/livez", "/readyz"})


def answer(call: Call, table: Table) -> Reply:
    """Answer a call that is about no resource.

    Raises:
        ApiError: it is not a read.
    """
    if call.info.method not in {"GET", "HEAD"}:
        raise method_not_allowed()
    path = call.info.path.rstrip("/")
    if path in _HEALTH or path.startswith(tuple(f"{each}/" for each in _HEALTH)):
        return Reply(200, "ok", TEXT)
    match path.strip("/").split("/"):
        case ["version"]:
            return Reply(200, discovery.VERSION)
        case ["api" | "apis" as root]:
            return _root(call, table, core=root == "api")
        case ["api", version]:
            return _found(discovery.resource_list(table, "", version))
        case ["apis", group]:
            return _found(discovery.group(table, group))
        case ["apis", group, version]:
            return _found(discovery.resource_list(table, group, version))
        case ["openapi", "v3", *rest]:
            return _documented(rest, table)
        case _:
            return PAGE_NOT_FOUND


def _root(call: Call, table: Table, *, core: bool) -> Reply:
    headers = {"Vary": "Accept"}
    version = discovery.aggregated_version(call.accept)
    if version:
        media_type = f"{JSON};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
        body = discovery.aggregated(table, version, core=core)
        return Reply(200, body, media_type, headers)
    if core:
        return Reply(200, discovery.core_versions(call.host), headers=headers)
    return Reply(200, discovery.group_list(table), headers=headers)


def _documented(parts: list[str], table: Table) -> Reply:
    match parts:
        case []:
            return Reply(200, openapi.index(table))
        case ["api", version]:
            return _found(openapi.document(table, "", version))
        case ["apis", group, version]:
            return _found(openapi.document(table, group, version))
        case _:
            return PAGE_NOT_FOUND


def _found(body: Object | None) -> Reply:
    return PAGE_NOT_FOUND if body is None else Reply(200, body)
