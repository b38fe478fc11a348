"""What may I, who am I: self subject reviews, answered from the proxy's own decision.

The same `authorize` that decides requests answers them, so `kubectl auth
can-i` cannot say one thing while the proxy does another.
"""

from typing import Final, assert_never

from proxy.core import attributes, body, media, narrowing, protobuf
from proxy.core.attributes import (
    OPT_IN,
    Document,
    Resource,
    ResourceRequest,
    Review,
    ReviewRequest,
    Verb,
)
from proxy.core.body import Object
from proxy.core.entitlement import Allow, Deny, authorize
from proxy.core.identity import Identity
from proxy.core.narrowing import Call
from proxy.core.policy import RuleSet
from proxy.core.wire import Reply

ISSUER: Final = "hostclaim-proxy.metal3.io/issuer"
"""What every identity has in its `extra`; no apiserver says that of anybody by itself."""

SERVICE_ACCOUNT: Final = "hostclaim-proxy.metal3.io/service-account"
"""NAMESPACE/NAME in the `extra` of a management cluster's service account, as policies name it."""

NAMESPACES: Final = "hostclaim-proxy.metal3.io/namespaces"
"""Names and patterns of the caller's namespaces, in the `extra` of a SelfSubjectReview."""

# A claim may list thousands; beyond this the rest is a number.
_NAMED: Final = 100

_API_VERSIONS = {
    Review.ACCESS: ("authorization.k8s.io/v1", "SelfSubjectAccessReview"),
    Review.RULES: ("authorization.k8s.io/v1", "SelfSubjectRulesReview"),
    Review.SUBJECT: ("authentication.k8s.io/v1", "SelfSubjectReview"),
}


def answer(call: Call, request: ReviewRequest, rules: RuleSet) -> Reply:
    """Answer an allowed review; needs nothing from upstream.

    Raises:
        BadRequest: the body is not the review that the path names.
        NotAcceptable, UnsupportedMediaType: an encoding that is not served.
    """
    narrowing.check_json_acceptable(call)
    api_version, kind = _API_VERSIONS[request.review]
    asked = _read(call, api_version, kind)
    spec = body.section(asked, "spec", "spec")
    identity = call.allow.identity
    match request.review:
        case Review.ACCESS:
            status = _access(identity, spec, rules) | _note_on_selectors(spec)
        case Review.RULES:
            status = _rules(identity, spec, rules)
        case Review.SUBJECT:
            status = {"userInfo": _with_namespaces(user_info(identity), rules)}
        case _:
            assert_never(request.review)
    found = {"kind": kind, "apiVersion": api_version, "metadata": {}, "status": status}
    if request.review is not Review.SUBJECT:
        found["spec"] = spec
    return Reply(201, (("Content-Type", media.JSON),), body.render(found))


def _read(call: Call, api_version: str, kind: str) -> Object:
    if narrowing.encoding(call) == media.PROTOBUF:
        message = protobuf.decode(call.body, kind, frozenset({api_version}))
        # Metadata and an empty status come along, and say nothing.
        message.ClearField("metadata")
        message.DiscardUnknownFields()
        return protobuf.as_object(message)
    asked = body.parse_object(call.body)
    body.check_kind(asked, kind, api_version)
    return asked


def user_info(identity: Identity) -> Object:
    """An identity as `UserInfo` of authentication.k8s.io/v1; also what audit records show."""
    extra = {
        ISSUER: [identity.issuer],
        "hostclaim-proxy.metal3.io/subject": [identity.subject],
    }
    if identity.client:
        extra["hostclaim-proxy.metal3.io/client"] = [identity.client]
    if identity.service_account:
        extra[SERVICE_ACCOUNT] = [identity.service_account]
    return {"username": identity.display, "groups": list(identity.groups), "extra": extra}


def _with_namespaces(info: Object, rules: RuleSet) -> Object:
    """Nobody can list namespaces here, so `auth whoami` says which ones are theirs."""
    granted = rules.namespaces()
    named = list(granted[:_NAMED])
    if len(granted) > _NAMED:
        named.append(f"and {len(granted) - _NAMED} more")
    return info | {"extra": info["extra"] | {NAMESPACES: named}}


def _access(identity: Identity, spec: Object, rules: RuleSet) -> Object:
    resource = spec.get("resourceAttributes")
    path = spec.get("nonResourceAttributes")
    if (resource is None) is (path is None):
        raise body.malformed("spec", "one of resourceAttributes and nonResourceAttributes")
    if resource is None:
        return _path_access(
            body.section(spec, "nonResourceAttributes", "spec.nonResourceAttributes")
        )
    about = body.section(spec, "resourceAttributes", "spec.resourceAttributes")
    asked = _requests(about, rules.resources())
    if not asked:
        return {"allowed": False, "reason": attributes.NOT_SERVED}
    reasons = []
    for request in asked:
        decision = authorize(identity, request, rules)
        if isinstance(decision, Deny):
            return {"allowed": False, "reason": decision.reason}
        reasons.append(decision.reason)
    return {"allowed": True, "reason": "; ".join(dict.fromkeys(reasons))}


def _requests(asked: Object, served: tuple[Resource, ...]) -> list[ResourceRequest]:
    """The requests that a question is about: none if it is about what is not served.

    A `*` stands for every verb, so every one of them has to be allowed.
    """

    def value(key: str) -> str:
        return body.text(asked, key, f"spec.resourceAttributes.{key}")

    group, version, plural = value("group"), value("version"), value("resource")
    verbs = list(Verb) if value("verb") == "*" else [v for v in Verb if v == value("verb")]
    resources = [
        r
        for r in served
        if r.group == group and r.plural == plural and version in {"", "*", r.version}
    ]
    subresource = value("subresource")
    if any(subresource and subresource not in r.subresources for r in resources):
        return []
    return [
        ResourceRequest(verb, r, value("namespace") or None, value("name") or None, subresource)
        for r in resources
        for verb in verbs
    ]


def _note_on_selectors(spec: Object) -> Object:
    """No rule here tells objects apart, so an answer about some of them is about all."""
    asked = spec.get("resourceAttributes") or {}
    given = [key for key in ("fieldSelector", "labelSelector") if asked.get(key)]
    if not given:
        return {}
    return {"evaluationError": f"{' and '.join(given)} ignored: the answer is for every object"}


def _path_access(asked: Object) -> Object:
    path = body.text(asked, "path", "spec.nonResourceAttributes.path")
    verb = body.text(asked, "verb", "spec.nonResourceAttributes.verb")
    served = any(path == document.value for document in Document)
    if served and verb in {"get", "head"}:
        return {"allowed": True, "reason": "discovery is open to any authenticated caller"}
    return {"allowed": False, "reason": attributes.NOT_SERVED}


def _rules(identity: Identity, spec: Object, rules: RuleSet) -> Object:
    namespace = body.text(spec, "namespace", "spec.namespace")
    if not namespace:
        raise body.malformed("spec.namespace", "the namespace to list rules for")
    resource_rules = []
    for resource in rules.resources():
        verbs = _verbs(identity, resource, namespace, rules)
        if verbs:
            entry = {"apiGroups": [resource.group], "resources": [resource.plural], "verbs": verbs}
            resource_rules.append(entry)
        if Verb.GET in verbs and resource.subresources:
            names = [f"{resource.plural}/{name}" for name in resource.subresources]
            entry = {"apiGroups": [resource.group], "resources": names, "verbs": ["get"]}
            resource_rules.append(entry)
    for review in Review:
        group, plural = review.value.split("/")[2], review.value.split("/")[4]
        resource_rules.append({"apiGroups": [group], "resources": [plural], "verbs": ["create"]})
    paths = [document.value for document in Document]
    return {
        "resourceRules": resource_rules,
        "nonResourceRules": [{"nonResourceURLs": paths, "verbs": ["get"]}],
        "incomplete": False,
    }


def _verbs(identity: Identity, resource: Resource, namespace: str, rules: RuleSet) -> list[str]:
    """What may be done with a resource in a namespace, sorted."""
    if resource in OPT_IN:
        # It is not granted where it is read, so only a decision can tell.
        asked = ((verb, ResourceRequest(verb, resource, namespace)) for verb in resource.verbs)
        return sorted(v for v, one in asked if isinstance(authorize(identity, one, rules), Allow))
    granted = rules.permissions(namespace)
    return sorted(verb for plural, verb in granted if plural == resource.plural)
