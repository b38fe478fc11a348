"""How is it shown: objects as Tables and as bare metadata.

What `Accept: application/json;as=Table` and `as=PartialObjectMetadata` ask for, with the
columns that kubectl has been given for each kind.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from proxy.demo.cluster import jsonpath
from proxy.demo.cluster.builtin import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIG_MAPS,
    NAMESPACES,
    ROLE_BINDINGS,
    ROLES,
    SECRETS,
    SERVICE_ACCOUNTS,
)
from proxy.demo.cluster.codecs import Form
from proxy.demo.cluster.objects import Object, dotted, metadata, parse_timestamp
from proxy.demo.cluster.resources import Column, Resource
from proxy.demo.cluster.status import misfit

Compute = Callable[[Object, datetime], Any]
"""Works out a cell of a built-in kind at a moment."""

_Shown = tuple[Column, Compute]

_NAME = Column("Name", "string", ".metadata.name", format="name")


def _created(obj: Object, _now: datetime) -> Any:
    return metadata(obj).get("creationTimestamp")


def _field(path: str) -> Compute:
    return lambda obj, _now: dotted(obj, path)


def _count(*fields: str) -> Compute:
    return lambda obj, _now: sum(len(obj.get(field) or ()) for field in fields)


def _role(obj: Object, _now: datetime) -> str:
    reference = obj.get("roleRef") or {}
    return f"{reference.get('kind', '')}/{reference.get('name', '')}"


def _subjects(kind: str) -> Compute:
    def named(subject: Object) -> str:
        prefix = f"{subject.get('namespace', '')}/" if kind == "ServiceAccount" else ""
        return prefix + str(subject["name"])

    return lambda obj, _now: ", ".join(
        named(subject) for subject in obj.get("subjects") or () if subject["kind"] == kind
    )


_AGE: _Shown = (Column("Age", "string", ""), lambda obj, now: _age(_created(obj, now) or "", now))
_CREATED: _Shown = (Column("Created At", "date", ""), _created)
_BINDING: tuple[_Shown, ...] = (
    (Column("Role", "string", ""), _role),
    _AGE,
    (Column("Users", "string", "", priority=1), _subjects("User")),
    (Column("Groups", "string", "", priority=1), _subjects("Group")),
    (Column("ServiceAccounts", "string", "", priority=1), _subjects("ServiceAccount")),
)
_BUILTIN: Mapping[tuple[str, str], tuple[_Shown, ...]] = {
    NAMESPACES.group_resource: ((Column("Status", "string", ""), _field("status.phase")), _AGE),
    SECRETS.group_resource: (
        (Column("Type", "string", ""), _field("type")),
        (Column("Data", "string", ""), _count("data")),
        _AGE,
    ),
    CONFIG_MAPS.group_resource: (
        (Column("Data", "string", ""), _count("data", "binaryData")),
        _AGE,
    ),
    SERVICE_ACCOUNTS.group_resource: (_AGE,),
    ROLES.group_resource: (_CREATED,),
    CLUSTER_ROLES.group_resource: (_CREATED,),
    ROLE_BINDINGS.group_resource: _BINDING,
    CLUSTER_ROLE_BINDINGS.group_resource: _BINDING,
}


@dataclass(frozen=True, slots=True)
class View:
    """A form asked for, of one resource, at one moment."""

    resource: Resource
    form: Form
    include: str
    """What a row carries: `None`, `Metadata` or `Object`."""
    now: datetime

    def one(self, obj: Object) -> Object:
        """Show an object.

        Raises:
            ApiError: it was asked for as a list.
        """
        match self.form.kind:
            case "Table":
                return self.table([obj], {"resourceVersion": _version(obj)})
            case "PartialObjectMetadata":
                return self._partial(obj)
            case "PartialObjectMetadataList":
                raise misfit(self.form.kind, "not a list")
            case _:
                return obj

    def many(self, items: list[Object], meta: Object) -> Object:
        """Show a list.

        Raises:
            ApiError: it was asked for as one object.
        """
        match self.form.kind:
            case "Table":
                return self.table(items, meta)
            case "PartialObjectMetadata":
                raise misfit(self.form.kind, "a list")
            case "PartialObjectMetadataList":
                return {
                    "kind": "PartialObjectMetadataList",
                    "apiVersion": self._version,
                    "metadata": meta,
                    "items": [self._partial(obj) for obj in items],
                }
            case _:
                return self._list(items, meta)

    def _list(self, items: list[Object], meta: Object) -> Object:
        if self.resource.custom:
            # Lists of custom resources always say where they go on.
            meta = {"continue": "", **meta}
        else:
            # Items of built-in kinds leave out what the list's own kind says.
            items = [
                {key: value for key, value in obj.items() if key not in {"apiVersion", "kind"}}
                for obj in items
            ]
        return {
            "apiVersion": self.resource.api_version,
            "items": items,
            "kind": self.resource.kind_of_list,
            "metadata": meta,
        }

    def event(self, obj: Object, *, first: bool) -> Object:
        """Show the object of a watch event; only the first Table says its columns."""
        if self.form.kind != "Table":
            return self._partial(obj) if self.form.kind else obj
        return self.table([obj], {"resourceVersion": _version(obj)}, headers=first)

    @property
    def _version(self) -> str:
        return f"meta.k8s.io/{self.form.version}"

    def _partial(self, obj: Object) -> Object:
        return {
            "kind": "PartialObjectMetadata",
            "apiVersion": self._version,
            "metadata": metadata(obj),
        }

    def table(self, items: list[Object], meta: Object, *, headers: bool = True) -> Object:
        """Lay objects out in rows."""
        columns = self._columns()
        return {
            "kind": "Table",
            "apiVersion": self._version,
            "metadata": meta,
            "columnDefinitions": [_definition(column) for column, _ in columns]
            if headers
            else None,
            "rows": [self._row(obj, columns) for obj in items],
        }

    def _columns(self) -> list[_Shown]:
        own = _BUILTIN.get(self.resource.group_resource)
        if own is None:
            own = tuple((column, _printer(column)) for column in self.resource.columns)
        return [(_NAME, _field("metadata.name")), *own]

    def _row(self, obj: Object, columns: list[_Shown]) -> Object:
        cells = [compute(obj, self.now) for _, compute in columns]
        match self.include:
            case "None":
                return {"cells": cells, "object": None}
            case "Object":
                return {"cells": cells, "object": obj}
            case _:
                return {"cells": cells, "object": self._partial(obj)}


def _version(obj: Object) -> str:
    return str(metadata(obj).get("resourceVersion", ""))


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _printer(column: Column) -> Compute:
    """Work out cells as a CustomResourceDefinition's printer column says."""
    return lambda obj, now: _cell(obj, column, now)


def _cell(obj: Object, column: Column, now: datetime) -> Any:
    found = jsonpath.find(obj, column.path)
    if not found or found[0] is None:
        return None
    value = found[0]
    match column.type:
        case "date":
            return _age(str(value), now)
        case "integer" | "number" | "boolean":
            return value
        case _ if isinstance(value, bool):
            return str(value).lower()
        case _:
            return str(value)


def _age(told: str, now: datetime) -> str:
    if not told:
        return "<unknown>"
    try:
        return human_duration(int((now - parse_timestamp(told)).total_seconds()))
    except ValueError:
        return "<invalid>"


def human_duration(seconds: int) -> str:
    """Shorten a duration as `k8s.io/apimachinery/pkg/util/duration` does."""
    if seconds < -1:
        return "<invalid>"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{max(seconds, 0)}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 730:
        return f"{days}d"
    if days < 2920:
        return f"{days // 365}y{days % 365}d" if days % 365 else f"{days // 365}y"
    return f"{days // 365}y"
