"""Who owns it: owners of an object, which this cluster must have.

Kubernetes' garbage collector deletes an object whose owner is not in its own
cluster and namespace. A tenant's controllers may mean an owner of *their*
cluster, so such a reference is refused before it deletes what it is set on.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from proxy.core import attributes, filtering, live, narrowing
from proxy.core.attributes import HOSTCLAIMS
from proxy.core.body import Object
from proxy.core.errors import Cause
from proxy.core.live import Asking, forbidden_field
from proxy.core.narrowing import Call

MAX_ADDED: Final = 16
"""How many owners one write may add; controllers add one."""

_BECAUSE: Final = (
    "must be a HostClaim of this namespace, by its uid: an object whose owner "
    "this cluster does not have is deleted"
)
# What tells one owner from another; the rest of a reference says how it holds on.
_IDENTITY: Final = ("apiVersion", "kind", "name", "uid")


def of(found: Object) -> list[Any]:
    """What an object has for owner references, whatever their shape."""
    match found:
        case {"metadata": {"ownerReferences": [*owners]}}:
            return owners
    return []


def foreign(call: Call, owners: Sequence[Any], before: Sequence[Any]) -> Asking[list[Cause]]:
    """What is wrong with the owners of an object that had those `before`, which may stay.

    Raises:
        Unavailable: nobody can tell, as the cluster does not let the proxy look.
    """
    known = {_identity(owner) for owner in before}
    added = [(n, owner) for n, owner in enumerate(owners) if _identity(owner) not in known]
    if len(added) > MAX_ADDED:
        # Each would be a question to the apiserver.
        return [forbidden_field("metadata.ownerReferences", f"cannot gain more than {MAX_ADDED}")]
    causes = []
    for number, owner in added:
        if not (yield from _is_claim_here(call, owner)):
            causes.append(forbidden_field(f"metadata.ownerReferences[{number}]", _BECAUSE))
    return causes


def _identity(owner: Any) -> str:
    told = [owner.get(key) for key in _IDENTITY] if isinstance(owner, dict) else owner
    return json.dumps(told, sort_keys=True)


def _is_claim_here(call: Call, owner: Any) -> Asking[bool]:
    match owner:
        case {"apiVersion": HOSTCLAIMS.api_version, "kind": HOSTCLAIMS.kind, "name": str(name)}:
            if not attributes.is_name(name):
                return False
        case _:
            return False
    reply = yield narrowing.look_at(call, HOSTCLAIMS, name)
    if reply.code not in {200, 404}:
        raise filtering.refusal(reply)
    return reply.code == 200 and live.read(reply).uid == owner.get("uid")
