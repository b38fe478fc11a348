"""What may I: the reviews a user makes of itself, and tokens for service accounts.

Virtual resources: they are answered, never stored.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from proxy.demo.cluster.builtin import (
    SELF_SUBJECT_ACCESS_REVIEWS,
    SELF_SUBJECT_REVIEWS,
    SELF_SUBJECT_RULES_REVIEWS,
)
from proxy.demo.cluster.objects import Object, timestamp
from proxy.demo.cluster.rbac import Attributes, User, authorize, rules_for
from proxy.demo.cluster.resources import Resource
from proxy.demo.cluster.status import bad_request, invalid
from proxy.demo.cluster.store import Store
from proxy.demo.cluster.validation import invalid as invalid_field


def review(resource: Resource, sent: Object, user: User, store: Store, now: datetime) -> Object:
    """Answer a review."""
    answer = _ANSWERS[resource.plural](sent, user, store)
    meta = {"creationTimestamp": timestamp(now)} if resource is SELF_SUBJECT_REVIEWS else {}
    return {**sent, "metadata": meta, "status": answer}


def _who(_sent: Object, user: User, _store: Store) -> Object:
    told: Object = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        told["uid"] = user.uid
    if user.extra:
        told["extra"] = {
            key: [value for name, value in user.extra if name == key] for key, _ in user.extra
        }
    return {"userInfo": told}


def _access(sent: Object, user: User, store: Store) -> Object:
    spec = sent.get("spec") or {}
    asked, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if bool(asked) is bool(path):
        told = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        cause = invalid_field("spec", None, told)
        raise invalid(replace(SELF_SUBJECT_ACCESS_REVIEWS, kind=""), "", [cause])
    decision = authorize(user, _attributes(asked, path), store)
    answer: Object = {"allowed": decision.allowed}
    return {**answer, "reason": decision.reason} if decision.reason else answer


def _attributes(asked: Object | None, path: Object | None) -> Attributes:
    if asked is None:
        told = path or {}
        return Attributes(told.get("verb", ""), path=told.get("path", ""))
    return Attributes(
        asked.get("verb", ""),
        group=asked.get("group", ""),
        resource=asked.get("resource", ""),
        subresource=asked.get("subresource", ""),
        namespace=asked.get("namespace", ""),
        name=asked.get("name", ""),
    )


def _rules(sent: Object, user: User, store: Store) -> Object:
    namespace = (sent.get("spec") or {}).get("namespace", "")
    if not namespace:
        raise bad_request("no namespace on request")
    found = [rule for rule, _ in rules_for(user, namespace, store)]
    return {
        "resourceRules": [rule for rule in found if rule.get("resources")],
        "nonResourceRules": [rule for rule in found if rule.get("nonResourceURLs")],
        "incomplete": False,
    }


_ANSWERS: Mapping[str, Callable[[Object, User, Store], Object]] = {
    SELF_SUBJECT_REVIEWS.plural: _who,
    SELF_SUBJECT_ACCESS_REVIEWS.plural: _access,
    SELF_SUBJECT_RULES_REVIEWS.plural: _rules,
}
