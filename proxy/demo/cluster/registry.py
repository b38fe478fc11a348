"""What happens to an object: create, update, delete, with everything that goes with it.

The order of `k8s.io/apiserver/pkg/registry/generic`: preconditions, strategy, validation,
ownership of fields, finalizers. A dry run goes the whole way and writes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from proxy.demo.cluster import kinds, schema, strategy
from proxy.demo.cluster.builtin import NAMESPACES
from proxy.demo.cluster.objects import Object, metadata, name_of, namespace_of
from proxy.demo.cluster.resources import Resource, Table
from proxy.demo.cluster.selectors import Selector
from proxy.demo.cluster.status import (
    MODIFIED,
    already_exists,
    conflict,
    forbidden,
    internal,
    invalid,
    not_found,
)
from proxy.demo.cluster.store import Key, Store
from proxy.demo.cluster.validation import invalid as invalid_field
from proxy.demo.cluster.validation import validate_metadata, validate_metadata_update

Tracker = Callable[[Object | None, Object], Object]
"""Notes in `metadata.managedFields` who changed one object into another."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which object, or which collection when there is no name."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> Key:
        """Where the object is stored."""
        return Key(*self.resource.group_resource, self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What a delete demands of the object it meets."""

    uid: str = ""
    resource_version: str = ""


ANY = Preconditions()


@dataclass(frozen=True, slots=True)
class Written:
    """An object after a write."""

    obj: Object
    created: bool = False
    gone: bool = False


class Registry:
    """The objects of the cluster, by rule."""

    def __init__(self, store: Store, table: Table, clock: Callable[[], datetime]) -> None:
        self.store = store
        self._table = table
        self._clock = clock

    def find(self, target: Target) -> Object | None:
        """Give an object, or None."""
        return self.store.get(target.key)

    def get(self, target: Target) -> Object:
        """Give an object.

        Raises:
            ApiError: there is none.
        """
        found = self.find(target)
        if found is None:
            raise not_found(target.resource, target.name)
        return found

    def create(self, target: Target, sent: Object, track: Tracker, *, dry_run: bool) -> Written:
        """Make an object.

        Raises:
            ApiError: it may not be, or is there already.
        """
        resource = target.resource
        obj = strategy.addressed(sent, target.namespace, target.name)
        self._check_namespace(resource, namespace_of(obj))
        obj = track(None, strategy.born(resource, obj, self._clock()))
        obj = kinds.of(resource).prepare(obj)
        _check(resource, None, obj)
        key = Key(*resource.group_resource, namespace_of(obj), name_of(obj))
        if self.store.get(key) is not None:
            raise already_exists(resource, key.name)
        return Written(obj if dry_run else self.store.put(key, obj), created=True)

    def _check_namespace(self, resource: Resource, namespace: str) -> None:
        if not resource.namespaced:
            return
        found = self.get(Target(NAMESPACES, name=namespace))
        if metadata(found).get("deletionTimestamp"):
            raise forbidden(
                resource,
                "",
                f"unable to create new content in namespace {namespace} because it is being "
                "terminated",
            )

    def update(self, target: Target, sent: Object, track: Tracker, *, dry_run: bool) -> Written:
        """Replace an object, or only its status when that is the subresource.

        Raises:
            ApiError: it is not there, is another by now, or may not become so.
        """
        resource, before = target.resource, self.find(target)
        if before is None and resource.create_on_update:
            return self.create(target, sent, track, dry_run=dry_run)
        before = self.get(target)
        _check_same(target, before, sent)
        obj = strategy.merged(resource, target.subresource, before, sent)
        obj = kinds.of(resource).prepare(track(before, obj))
        obj = strategy.counted(resource, before, obj)
        _check(resource, before, obj)
        if _finished(resource, obj):
            return self._remove(target, obj, dry_run=dry_run)
        if strategy.same(before, obj):
            return Written(before)
        return Written(obj if dry_run else self.store.put(target.key, obj))

    def delete(
        self, target: Target, demanded: Preconditions = ANY, *, dry_run: bool = False
    ) -> Written:
        """Take an object away, or mark it when finalizers hold it.

        Raises:
            ApiError: it is not there, or not the one that was meant.
        """
        obj = self.get(target)
        _check_demanded(target, demanded, obj)
        if target.resource is NAMESPACES:
            return self._delete_namespace(target, obj, dry_run=dry_run)
        if not metadata(obj).get("finalizers"):
            return self._remove(target, obj, dry_run=dry_run)
        if metadata(obj).get("deletionTimestamp"):
            return Written(obj)
        marked = strategy.marked(obj, self._clock())
        return Written(marked if dry_run else self.store.put(target.key, marked))

    def _remove(self, target: Target, obj: Object, *, dry_run: bool) -> Written:
        if not dry_run:
            self.store.remove(target.key)
            self._finish_namespace(target.namespace)
        return Written(obj, gone=True)

    def _delete_namespace(self, target: Target, obj: Object, *, dry_run: bool) -> Written:
        """Do at once what the namespace controller does in time."""
        marked = kinds.of(NAMESPACES).prepare(strategy.marked(obj, self._clock()))
        if dry_run:
            return Written(marked)
        if not metadata(obj).get("deletionTimestamp"):
            marked = self.store.put(target.key, marked)
        for key in self.store.keys_in(target.name):
            resource = self._table.by_plural(key.group, key.plural)
            if resource is not None:
                self.delete(Target(resource, key.namespace, key.name))
        self._finish_namespace(target.name)
        return Written(marked)

    def _finish_namespace(self, name: str) -> None:
        target = Target(NAMESPACES, name=name)
        found = self.find(target)
        if found is None or not metadata(found).get("deletionTimestamp"):
            return
        if not self.store.keys_in(name) and not metadata(found).get("finalizers"):
            self.store.remove(target.key)

    def delete_collection(
        self, target: Target, selector: Selector, *, dry_run: bool = False
    ) -> list[Object]:
        """Delete what a selector means, and give what was deleted."""
        found = self.store.select(target.resource.group_resource, target.namespace)
        meant = [obj for obj in found if selector.fits(obj)]
        for obj in meant:
            one = Target(target.resource, namespace_of(obj), name_of(obj))
            self.delete(one, dry_run=dry_run)
        return meant


def _finished(resource: Resource, obj: Object) -> bool:
    meta = metadata(obj)
    going = bool(meta.get("deletionTimestamp")) and not meta.get("finalizers")
    return going and resource is not NAMESPACES


def _check(resource: Resource, before: Object | None, obj: Object) -> None:
    causes = validate_metadata(resource, obj)
    if before is not None:
        causes += validate_metadata_update(before, obj)
    causes += kinds.of(resource).validate(obj, before)
    fields = {cause.field for cause in causes}
    # One complaint a field, the kind's own first: it says more than the schema does.
    causes += [
        cause for cause in schema.validate(obj, resource.schema) if cause.field not in fields
    ]
    if causes:
        raise invalid(resource, name_of(obj), causes)


def _check_same(target: Target, before: Object, sent: Object) -> None:
    resource, told, was = target.resource, metadata(sent), metadata(before)
    if told.get("name", "") != target.name:
        raise strategy.wrong_name(told.get("name", ""), target.name)
    if told.get("namespace", target.namespace) != target.namespace:
        raise strategy.wrong_namespace()
    if told.get("uid", was["uid"]) != was["uid"]:
        told_uid = f"UID in precondition: {told['uid']}, UID in object meta: {was['uid']}"
        raise conflict(resource, target.name, f"Precondition failed: {told_uid}")
    version = told.get("resourceVersion")
    if not version and not resource.unconditional_update:
        cause = invalid_field("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid(replace(resource, kind=resource.plural), target.name, [cause])
    if version and not version.isdigit():
        raise internal(f'strconv.ParseUint: parsing "{version}": invalid syntax')
    if version and version != was["resourceVersion"]:
        raise conflict(resource, target.name, MODIFIED)


def _check_demanded(target: Target, demanded: Preconditions, obj: Object) -> None:
    uid, version = metadata(obj)["uid"], metadata(obj)["resourceVersion"]
    # Upstream names the kind here and not the resource.
    named = replace(target.resource, plural=target.resource.kind)
    if demanded.uid not in {"", uid}:
        raise conflict(
            named,
            target.name,
            f"the UID in the precondition ({demanded.uid}) does not match the UID in record "
            f"({uid}). The object might have been deleted and then recreated",
        )
    if demanded.resource_version not in {"", version}:
        raise conflict(
            named,
            target.name,
            f"the ResourceVersion in the precondition ({demanded.resource_version}) does not match "
            f"the ResourceVersion in record ({version}). The object might have been modified",
        )
