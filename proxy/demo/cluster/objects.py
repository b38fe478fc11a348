"""What is an object: the few facts every Kubernetes object shares.

Objects are plain JSON. The store never changes one in place, and neither does anyone else:
whoever wants another value copies first.
"""

import copy
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias, cast

Object: TypeAlias = dict[str, Any]


def clone(obj: Object) -> Object:
    """Copy an object so deeply that changing one cannot reach the other."""
    return copy.deepcopy(obj)


def metadata(obj: Mapping[str, Any]) -> Object:
    """Give the object's metadata, or an empty one."""
    found = obj.get("metadata")
    return cast("Object", found) if isinstance(found, dict) else {}


def name_of(obj: Mapping[str, Any]) -> str:
    """Give the object's name, empty when it has none."""
    return str(metadata(obj).get("name") or "")


def namespace_of(obj: Mapping[str, Any]) -> str:
    """Give the object's namespace, empty for cluster-scoped ones."""
    return str(metadata(obj).get("namespace") or "")


def labels_of(obj: Mapping[str, Any]) -> dict[str, str]:
    """Give the object's labels, or an empty mapping."""
    return cast("dict[str, str]", metadata(obj).get("labels") or {})


def timestamp(now: datetime) -> str:
    """Write a time as the API does: UTC, whole seconds."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str) -> datetime:
    """Read a time as the API writes it (RFC 3339).

    Raises:
        ValueError: the text is not such a time.
    """
    return datetime.fromisoformat(text)


def dotted(obj: Mapping[str, Any], path: str) -> object:
    """Follow a simple path such as `spec.image.url`; None where it leads nowhere."""
    found: object = obj
    for step in path.strip(".").split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(step)
    return found
