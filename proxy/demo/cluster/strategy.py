"""What becomes of what was sent: the object that would be stored.

The pure half of a write, after `k8s.io/apiserver/pkg/registry/rest` (BeforeCreate,
BeforeUpdate): the server's own metadata, status kept apart, generation.
"""

import random
import uuid
from datetime import datetime

from proxy.demo.cluster.objects import Object, metadata, timestamp
from proxy.demo.cluster.resources import Resource
from proxy.demo.cluster.status import ApiError, bad_request

SYSTEM = frozenset(
    {
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "resourceVersion",
        "selfLink",
    }
)
"""Metadata that the server alone writes."""
# Without vowels and look-alikes, so that no suffix is a word.
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


def addressed(sent: Object, namespace: str, name: str) -> Object:
    """Put a new object where the request says.

    Raises:
        ApiError: the object says otherwise.
    """
    meta = dict(metadata(sent))
    if meta.setdefault("namespace", namespace) != namespace:
        raise wrong_namespace()
    if not namespace:
        del meta["namespace"]
    if name and meta.setdefault("name", name) != name:
        raise wrong_name(meta["name"], name)
    if not meta.get("name") and meta.get("generateName"):
        suffix = random.choices(_SUFFIX, k=5)  # noqa: S311 # a name is no secret
        meta["name"] = meta["generateName"] + "".join(suffix)
    return {**sent, "metadata": meta}


def born(resource: Resource, obj: Object, now: datetime) -> Object:
    """Give a new object what the server gives every new object."""
    meta = {key: value for key, value in metadata(obj).items() if key not in SYSTEM}
    meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": timestamp(now)}
    if resource.generation:
        meta["generation"] = 1
    kept = {key: value for key, value in obj.items() if key != "status" or not resource.status}
    return {**kept, "metadata": meta}


def merged(resource: Resource, subresource: str, before: Object, sent: Object) -> Object:
    """Take from an update only what its endpoint may change."""
    was = metadata(before)
    if subresource == "status":
        fields = metadata(sent).get("managedFields")
        kept = {key: value for key, value in before.items() if key != "status"}
        status = {"status": sent["status"]} if "status" in sent else {}
        return {**kept, **status, "metadata": {**was, "managedFields": fields or []}}
    told = metadata(sent)
    meta = {key: value for key, value in told.items() if key not in SYSTEM}
    meta |= {key: was[key] for key in SYSTEM if key in was}
    # Left in so that validation can say it is immutable.
    if "deletionTimestamp" in told:
        meta["deletionTimestamp"] = told["deletionTimestamp"]
    if "namespace" in was:
        meta["namespace"] = was["namespace"]
    kept = {key: value for key, value in sent.items() if key != "status" or not resource.status}
    if resource.status and "status" in before:
        kept["status"] = before["status"]
    return {**kept, "metadata": meta}


def counted(resource: Resource, before: Object, after: Object) -> Object:
    """Count a change of what the object demands in its generation."""
    if not resource.generation or _demand(resource, before) == _demand(resource, after):
        return after
    generation = metadata(before).get("generation", 0) + 1
    return {**after, "metadata": {**metadata(after), "generation": generation}}


def _demand(resource: Resource, obj: Object) -> Object:
    aside = {"metadata", "status"} if resource.status else {"metadata"}
    return {key: value for key, value in obj.items() if key not in aside}


def marked(obj: Object, now: datetime) -> Object:
    """Mark an object as being deleted."""
    meta = {
        **metadata(obj),
        "deletionTimestamp": timestamp(now),
        "deletionGracePeriodSeconds": 0,
    }
    if meta.get("generation"):
        meta["generation"] += 1
    return {**obj, "metadata": meta}


def same(before: Object, after: Object) -> bool:
    """Say whether a write changes nothing: when, and only when, only times differ."""
    return _timeless(before) == _timeless(after)


def _timeless(obj: Object) -> Object:
    meta = metadata(obj)
    fields = [
        {key: value for key, value in entry.items() if key != "time"}
        for entry in meta.get("managedFields") or ()
    ]
    return {**obj, "metadata": {**meta, "managedFields": fields}}


def wrong_namespace() -> ApiError:
    """The object in the body is not in the namespace of the path."""
    return bad_request(
        "the namespace of the provided object does not match the namespace sent on the request"
    )


def wrong_name(told: str, wanted: str) -> ApiError:
    """The object in the body is not the one of the path."""
    if not told:
        return bad_request(
            f"the name of the object ({wanted} based on URL) was undeterminable: name must be "
            "provided"
        )
    return bad_request(
        f"the name of the object ({told}) does not match the name on the URL ({wanted})"
    )
