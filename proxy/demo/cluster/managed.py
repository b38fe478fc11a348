"""Who owns which field: metadata.managedFields, kept as writes go by.

The rules of `sigs.k8s.io/structured-merge-diff/merge`: who changes a field owns it, a field that
goes is owned by nobody, and who applies owns what they applied.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from proxy.demo.cluster import fields
from proxy.demo.cluster.fields import FieldSet
from proxy.demo.cluster.objects import Object, metadata, timestamp
from proxy.demo.cluster.resources import Resource
from proxy.demo.cluster.schema import Schema

_SERVERS_OWN = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    | {
        ("f:metadata", f"f:{name}")
        for name in (
            "creationTimestamp",
            "deletionGracePeriodSeconds",
            "deletionTimestamp",
            "generation",
            "managedFields",
            "name",
            "namespace",
            "resourceVersion",
            "selfLink",
            "uid",
        )
    }
)


@dataclass(frozen=True, slots=True)
class Owner:
    """A manager and the fields it has."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str
    fields: FieldSet

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What tells owners apart; an applier is the same in every version."""
        version = "" if self.operation == "Apply" else self.api_version
        return self.manager, self.operation, version, self.subresource

    def told(self) -> str:
        """Name the owner as conflicts do."""
        name = f'"{self.manager}"'
        if self.subresource:
            name += f' with subresource "{self.subresource}"'
        return name if self.operation == "Apply" else f"{name} using {self.api_version}"


Owners = dict[tuple[str, str, str, str], Owner]


@dataclass(frozen=True, slots=True)
class Change:
    """The fields in which two objects differ."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    @property
    def written(self) -> FieldSet:
        """What the second object has of its own."""
        return self.added | self.modified


def compare(before: Object | None, after: Object, schema: Schema) -> Change:
    """Tell two objects apart, leaving out what only the server writes."""
    was = dict(fields.flatten(before or {}, schema))
    now = dict(fields.flatten(after, schema))
    modified = {path for path in was.keys() & now.keys() if was[path] != now[path]}
    return Change(
        frozenset(now.keys() - was.keys()) - _SERVERS_OWN,
        frozenset(modified) - _SERVERS_OWN,
        frozenset(was.keys() - now.keys()) - _SERVERS_OWN,
    )


def claimed(config: Object, schema: Schema) -> FieldSet:
    """Give the fields that an applied object claims."""
    return frozenset(fields.applied(config, schema)) - _SERVERS_OWN


def read(obj: Mapping[str, Any] | None) -> Owners:
    """Read the owners of an object's fields."""
    found = (_read_entry(entry) for entry in metadata(obj or {}).get("managedFields") or ())
    return {owner.identity: owner for owner in found}


def _read_entry(entry: Object) -> Owner:
    return Owner(
        entry.get("manager", ""),
        entry.get("operation", ""),
        entry.get("apiVersion", ""),
        entry.get("subresource", ""),
        entry.get("time", ""),
        fields.read(entry.get("fieldsV1") or {}),
    )


def write(obj: Object, owners: Owners, was: Owners, now: datetime) -> Object:
    """Put owners into an object; only those whose fields changed get a new time."""
    entries = []
    for identity, owner in owners.items():
        if not owner.fields:
            continue
        known = was.get(identity)
        same = known is not None and known.fields == owner.fields
        entries.append(_write_entry(owner, known.time if same and known else timestamp(now)))
    entries.sort(key=_order)
    meta = {key: value for key, value in metadata(obj).items() if key != "managedFields"}
    return {**obj, "metadata": {**meta, "managedFields": entries} if entries else meta}


def _write_entry(owner: Owner, time: str) -> Object:
    entry: Object = {
        "manager": owner.manager,
        "operation": owner.operation,
        "apiVersion": owner.api_version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields.write(owner.fields),
    }
    if owner.subresource:
        entry["subresource"] = owner.subresource
    return {key: value for key, value in entry.items() if value != ""}


_SORTED_BY = ("operation", "time", "manager", "apiVersion", "subresource")


def _order(entry: Object) -> tuple[str, ...]:
    return tuple(entry.get(key, "") for key in _SORTED_BY)


def disown(owners: Owners, lost: Callable[[Owner], FieldSet]) -> Owners:
    """Take from each owner the fields it lost."""
    return {
        identity: replace(owner, fields=owner.fields - lost(owner))
        for identity, owner in owners.items()
    }


@dataclass(frozen=True, slots=True)
class Writer:
    """Somebody who writes, as managedFields knows them."""

    resource: Resource
    manager: str
    subresource: str
    now: datetime

    def owner(self, operation: str, claimed_fields: FieldSet) -> Owner:
        """Give the writer as the owner of fields."""
        return Owner(
            self.manager,
            operation,
            self.resource.api_version,
            self.subresource,
            "",
            claimed_fields,
        )

    def track(self, before: Object | None, after: Object) -> Object:
        """Note a create or an update."""
        sent = metadata(after).get("managedFields")
        if sent == [{}]:
            # The documented way to be rid of all entries.
            return write(after, {}, {}, self.now)
        known = read(after) or read(before)
        change = compare(before, after, self.resource.schema)
        me = self.owner("Update", fields.EMPTY)
        mine = known.get(me.identity, me)
        others = disown(known, lambda _: change.removed | change.written)
        own = (mine.fields - change.removed) | change.written
        return write(after, {**others, me.identity: replace(mine, fields=own)}, known, self.now)
