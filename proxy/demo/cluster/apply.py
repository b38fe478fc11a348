"""What does applying make of an object: server-side apply.

A manager says all it wants; what it wanted before and no longer does goes, unless somebody else
has it too. What others have otherwise is a conflict, which only `force` settles.
"""

import json
from dataclasses import replace

from proxy.demo.cluster import fields, managed
from proxy.demo.cluster.fields import FieldSet, Path
from proxy.demo.cluster.managed import Owners, Writer
from proxy.demo.cluster.objects import Object, metadata, timestamp
from proxy.demo.cluster.schema import Schema
from proxy.demo.cluster.status import ApiError, Cause, apply_conflict, bad_request

_KUBECTL = "kubectl"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def apply(live: Object | None, config: Object, writer: Writer, *, force: bool) -> Object:
    """Give the object that applying makes, with its owners noted.

    Raises:
        ApiError: another manager has a field with another value (409).
    """
    if metadata(config).get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    schema = writer.resource.schema
    config = _of_endpoint(config, writer)
    owners = managed.read(live) or _unowned(live, writer)
    me = writer.owner("Apply", managed.claimed(config, schema))
    last = owners[me.identity].fields if me.identity in owners else fields.EMPTY
    merged = fields.merge(live, config, schema) if live is not None else config
    last_applied = _last_applied(live) if writer.manager == _KUBECTL else None
    owned = {**owners, me.identity: me}
    merged = _pruned(merged, last, owned, schema)
    change = managed.compare(live, merged, schema)
    others = {identity: owner for identity, owner in owners.items() if identity != me.identity}
    if not force:
        # What kubectl once applied by itself is its own, whatever manager that was noted as.
        allowed = managed.claimed(last_applied or {}, schema)
        _check_conflicts(others, change.written - allowed)
    others = managed.disown(others, lambda _: change.removed | change.written)
    noted = merged if last_applied is None else _noting(merged, config)
    return managed.write(noted, {**others, me.identity: me}, owners, writer.now)


def _unowned(live: Object | None, writer: Writer) -> Owners:
    """Give what nobody owned yet to a manager of its own, so that applying meets conflicts."""
    if live is None:
        return {}
    everything = managed.compare(None, live, writer.resource.schema).added
    owner = replace(writer, manager="before-first-apply", subresource="").owner(
        "Update", everything
    )
    return {owner.identity: replace(owner, time=timestamp(writer.now))}


def _last_applied(live: Object | None) -> Object | None:
    """Read what client-side apply left in the annotation, None where it left nothing."""
    told = (metadata(live or {}).get("annotations") or {}).get(_LAST_APPLIED)
    try:
        found = json.loads(told or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _noting(merged: Object, config: Object) -> Object:
    """Keep client-side apply's annotation true, so that going back to it works."""
    told = json.dumps(config, separators=(",", ":"), sort_keys=True) + "\n"
    meta = metadata(merged)
    annotations = {**(meta.get("annotations") or {}), _LAST_APPLIED: told}
    return {**merged, "metadata": {**meta, "annotations": annotations}}


def _of_endpoint(config: Object, writer: Writer) -> Object:
    """Leave out what the endpoint does not write: status, or all but status."""
    if writer.subresource == "status":
        kept = ("apiVersion", "kind", "metadata", "status")
        meta = {
            key: metadata(config)[key] for key in ("name", "namespace") if key in metadata(config)
        }
        return {**{key: config[key] for key in kept if key in config}, "metadata": meta}
    if writer.resource.status:
        return {key: value for key, value in config.items() if key != "status"}
    return config


def _pruned(merged: Object, last: FieldSet, owned: Owners, schema: Schema) -> Object:
    """Take away what was applied last time, and now is nobody's."""
    kept = {
        path[:depth]
        for owner in owned.values()
        for path in owner.fields
        for depth in range(1, len(path) + 1)
    }
    for path in sorted(last - kept, key=len, reverse=True):
        merged = fields.without(merged, schema, path)
    return _without_emptied(merged, last, kept, schema)


def _without_emptied(merged: Object, last: FieldSet, kept: set[Path], schema: Schema) -> Object:
    """Take away the containers that only held what was taken away."""
    above = {path[:depth] for path in last for depth in range(1, len(path))} - kept
    for path in sorted(above, key=len, reverse=True):
        if fields.at(merged, schema, path) in ({}, []):
            merged = fields.without(merged, schema, path)
    return merged


def _check_conflicts(others: Owners, written: FieldSet) -> None:
    found = [
        (owner.told(), fields.told(path))
        for _, owner in sorted(others.items())
        for path in sorted(owner.fields & written, key=_leaves_first)
    ]
    if found:
        raise _conflict(found)


def _leaves_first(path: Path) -> list[tuple[bool, str]]:
    """The order upstream tells paths in: at each level what ends there, then what goes on."""
    return [(depth < len(path), step) for depth, step in enumerate(path, 1)]


def _conflict(found: list[tuple[str, str]]) -> ApiError:
    causes = [
        Cause("FieldManagerConflict", f"conflict with {manager}", path) for manager, path in found
    ]
    if len(found) == 1:
        manager, path = found[0]
        return apply_conflict(
            f"Apply failed with 1 conflict: conflict with {manager}: {path}", causes
        )
    lines = [f"Apply failed with {len(found)} conflicts: "]
    for manager in dict.fromkeys(name for name, _ in found):
        paths = [f"- {path}" for name, path in found if name == manager]
        lines.append("\n".join([f"conflicts with {manager}:", *paths]))
    return apply_conflict(lines[0] + "\n".join(lines[1:]), causes)
