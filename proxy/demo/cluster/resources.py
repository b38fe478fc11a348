"""Which resources are there: one row a resource, and what each row can say of itself.

Routing, discovery, OpenAPI, tables and storage all read these rows; nothing else names a
resource.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.demo.cluster.metadata import API_VERSION, KIND, OBJECT_META
from proxy.demo.cluster.objects import Object

ALL_VERBS = (
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "create",
    "update",
    "watch",
)
STATUS_VERBS = ("get", "patch", "update")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`, as a CustomResourceDefinition declares it."""

    name: str
    type: str
    path: str
    description: str = ""
    format: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Resource:
    """One row: a kind, where it is served and what may be done with it."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    schema: Mapping[str, Any]
    """The OpenAPI schema of the whole object."""
    namespaced: bool = True
    list_kind: str = ""
    verbs: tuple[str, ...] = ALL_VERBS
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    status: bool = False
    """Whether status is a subresource, apart from the rest."""
    custom: bool = False
    """Whether a CustomResourceDefinition made it."""
    columns: tuple[Column, ...] = ()
    selectable: Mapping[str, str] = field(default_factory=dict)
    """Field selectors beside the name and namespace: what is asked to the path it reads."""
    unconditional_update: bool = True
    """Whether an update may leave out the resourceVersion."""
    generation: bool = False
    """Whether the kind counts its changes in metadata.generation."""
    create_on_update: bool = False
    """Whether a PUT to a free name creates."""

    @property
    def api_version(self) -> str:
        """What the kind's objects say as apiVersion."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The resource as messages name it, `hostclaims.metal3.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def group_resource(self) -> tuple[str, str]:
        """The key under which objects are stored."""
        return self.group, self.plural

    @property
    def kind_of_list(self) -> str:
        """The kind of a list of these."""
        return self.list_kind or f"{self.kind}List"


@dataclass(frozen=True, slots=True)
class Table:
    """All rows, found by path."""

    rows: tuple[Resource, ...]

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """Find the row a path means."""
        for row in self.rows:
            if (row.group, row.version, row.plural) == (group, version, plural):
                return row
        return None

    def by_plural(self, group: str, plural: str) -> Resource | None:
        """Find a row whatever its version."""
        for row in self.rows:
            if row.group_resource == (group, plural):
                return row
        return None

    def groups(self) -> dict[str, list[str]]:
        """Name each group with its versions, in the order of the rows."""
        found: dict[str, list[str]] = {}
        for row in self.rows:
            versions = found.setdefault(row.group, [])
            if row.version not in versions:
                versions.append(row.version)
        return found

    def of(self, group: str, version: str) -> tuple[Resource, ...]:
        """Give the rows of one group and version."""
        return tuple(row for row in self.rows if (row.group, row.version) == (group, version))


def from_definitions(definitions: Iterable[Mapping[str, Any]]) -> list[Resource]:
    """Read CustomResourceDefinitions (apiextensions.k8s.io/v1); other documents are passed by."""
    return [
        _row(definition["spec"], version)
        for definition in definitions
        if definition.get("kind") == "CustomResourceDefinition"
        for version in definition["spec"]["versions"]
        if version.get("served")
    ]


def _row(spec: Mapping[str, Any], version: Mapping[str, Any]) -> Resource:
    names = spec["names"]
    return Resource(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        singular=names.get("singular") or names["kind"].lower(),
        kind=names["kind"],
        list_kind=names.get("listKind", ""),
        schema=_whole(version.get("schema", {}).get("openAPIV3Schema", {})),
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames", ())),
        categories=tuple(names.get("categories", ())),
        status="status" in version.get("subresources", {}),
        custom=True,
        columns=_columns(version.get("additionalPrinterColumns")),
        selectable={
            row["jsonPath"].lstrip("."): row["jsonPath"].lstrip(".")
            for row in version.get("selectableFields", ())
        },
        unconditional_update=False,
        generation=True,
    )


def _whole(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put in what a CustomResourceDefinition leaves to the server: kind and metadata."""
    shared = {"apiVersion": API_VERSION, "kind": KIND, "metadata": OBJECT_META}
    return {**schema, "type": "object", "properties": {**schema.get("properties", {}), **shared}}


_AGE = Column(
    "Age",
    "date",
    ".metadata.creationTimestamp",
    "CreationTimestamp is a timestamp representing the server time when this object was created. "
    "It is not guaranteed to be set in happens-before order across separate operations. Clients "
    "may not set this value. It is represented in RFC3339 form and is in UTC.",
)


def _columns(declared: list[Object] | None) -> tuple[Column, ...]:
    if not declared:
        return (_AGE,)
    return tuple(
        Column(
            row["name"],
            row["type"],
            row["jsonPath"],
            row.get("description", ""),
            row.get("format", ""),
            row.get("priority", 0),
        )
        for row in declared
    )
