"""What is served: discovery, classic and aggregated.

Both are drawn from the same rows; see `k8s.io/api/apidiscovery/v2` for the aggregated form.
"""

from proxy.demo.cluster.codecs import JSON, parse_accept
from proxy.demo.cluster.objects import Object
from proxy.demo.cluster.resources import STATUS_VERBS, Resource, Table

VERSION: Object = {
    "major": "1",
    "minor": "34",
    "emulationMajor": "1",
    "emulationMinor": "34",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "33",
    "gitVersion": "v1.34.0-embedded",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "",
}
_AGGREGATED = "apidiscovery.k8s.io"


def core_versions(address: str) -> Object:
    """Answer `/api`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list(table: Table) -> Object:
    """Answer `/apis`."""
    groups = [_group(name, versions) for name, versions in table.groups().items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(table: Table, name: str) -> Object | None:
    """Answer `/apis/GROUP`; None where there is no such group."""
    versions = table.groups().get(name)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)} if versions else None


def _group(name: str, versions: list[str]) -> Object:
    told = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": told, "preferredVersion": told[0]}


def resource_list(table: Table, group_name: str, version: str) -> Object | None:
    """Answer `/api/v1` and `/apis/GROUP/VERSION`; None where nothing is served there."""
    rows = table.of(group_name, version)
    if not rows:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": rows[0].api_version,
        "resources": [entry for row in rows for entry in _entries(row)],
    }


def _entries(row: Resource) -> list[Object]:
    whole: Object = {
        "name": row.plural,
        "singularName": row.singular,
        "namespaced": row.namespaced,
        "kind": row.kind,
        "verbs": list(row.verbs),
    }
    if row.short_names:
        whole["shortNames"] = list(row.short_names)
    if row.categories:
        whole["categories"] = list(row.categories)
    parts: list[Object] = []
    if row.status:
        parts.append(
            {
                "name": f"{row.plural}/status",
                "singularName": "",
                "namespaced": row.namespaced,
                "kind": row.kind,
                "verbs": list(STATUS_VERBS),
            }
        )
    if row.plural == "serviceaccounts":
        parts.append(
            {
                "name": "serviceaccounts/token",
                "singularName": "",
                "namespaced": True,
                "group": "authentication.k8s.io",
                "version": "v1",
                "kind": "TokenRequest",
                "verbs": ["create"],
            }
        )
    return [whole, *parts]


def aggregated_version(accept: str) -> str:
    """Say which version of aggregated discovery a caller prefers; empty for the classic one."""
    for wanted in parse_accept(accept):
        if wanted.name not in {JSON, "*/*", "application/*"}:
            continue
        if wanted.parameter("g") != _AGGREGATED:
            return ""
        version = wanted.parameter("v")
        if wanted.parameter("as") == "APIGroupDiscoveryList" and version in {"v2", "v2beta1"}:
            return version
    return ""


def aggregated(table: Table, version: str, *, core: bool) -> Object:
    """Answer `/api` or `/apis` in one document."""
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"{_AGGREGATED}/{version}",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": name} if name else {},
                "versions": [_aggregated_version(table, name, each) for each in versions],
            }
            for name, versions in table.groups().items()
            if bool(name) is not core
        ],
    }


def _aggregated_version(table: Table, name: str, version: str) -> Object:
    return {
        "version": version,
        "resources": [_aggregated_row(row) for row in table.of(name, version)],
        "freshness": "Current",
    }


def _aggregated_row(row: Resource) -> Object:
    whole, *parts = _entries(row)
    found: Object = {
        "resource": row.plural,
        "responseKind": _kind(row.group, row.version, row.kind),
        "scope": "Namespaced" if row.namespaced else "Cluster",
        "singularResource": row.singular,
        "verbs": whole["verbs"],
    }
    for name in ("shortNames", "categories"):
        if name in whole:
            found[name] = whole[name]
    if parts:
        found["subresources"] = [
            {
                "subresource": part["name"].partition("/")[2],
                "responseKind": _kind(
                    part.get("group", row.group), part.get("version", row.version), part["kind"]
                ),
                "verbs": part["verbs"],
            }
            for part in parts
        ]
    return found


def _kind(group_name: str, version: str, kind: str) -> Object:
    return {"group": group_name, "version": version, "kind": kind}
