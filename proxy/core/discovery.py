"""What there is: discovery cut down to what is served, classic and aggregated.

Built from the table in `attributes`, so it cannot promise what the grammar
refuses. The version and the OpenAPI schemas are the apiserver's own, pruned.
"""

import hashlib
from collections.abc import Generator, Iterator
from typing import Any, Final, assert_never

from proxy.core import body, filtering, media, narrowing, openapi
from proxy.core.attributes import (
    HOSTCLAIMS,
    SECRETS,
    DiscoveryRequest,
    Document,
    Resource,
)
from proxy.core.body import Object
from proxy.core.conversation import Conversation, at_once
from proxy.core.narrowing import Call, UpstreamRequest
from proxy.core.wire import Reply

_SCHEMAS: Final = {
    Document.OPENAPI_V3_CORE: SECRETS.group,
    Document.OPENAPI_V3_GROUP_VERSION: HOSTCLAIMS.group,
}
LEARNT: Final = frozenset({Document.VERSION, Document.OPENAPI_V3, *_SCHEMAS})
"""The documents that are the apiserver's own, cut down; the same for all who see the same."""

# What describes nothing can be validated by nothing: kubectl then leaves it to the server. It
# reads v2 for a `List`, and up to 1.28 for everything, and would not go on without it.
_NO_SCHEMAS: Final = {
    "swagger": "2.0",
    "info": {"title": "see /openapi/v3", "version": "unversioned"},
    "paths": {},
}
# The same as gnostic's `openapi.v2.Document`, of which field 1 is `swagger`. It is asked for by
# a name that is no media type, and so answered by another (kube-openapi, `handler/handler.go`).
_NO_SCHEMAS_PROTOBUF: Final = b"\x0a\x032.0"
_ASKED_AS: Final = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
_ANSWERED_AS: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


def converse(
    call: Call, request: DiscoveryRequest, resources: tuple[Resource, ...]
) -> Conversation:
    """Answer an allowed discovery request: these are the resources that there are."""
    document = request.document
    match document:
        case Document.API | Document.APIS:
            return at_once(_root(call, document, resources))
        case Document.CORE:
            return at_once(_json(_resource_list(_of(SECRETS.group, resources))))
        case Document.GROUP:
            return at_once(_json({"kind": "APIGroup", "apiVersion": "v1", **_group(HOSTCLAIMS)}))
        case Document.GROUP_VERSION:
            return at_once(_json(_resource_list(_of(HOSTCLAIMS.group, resources))))
        case Document.VERSION:
            return _version(call)
        case Document.OPENAPI_V2:
            return at_once(_no_schemas(call))
        case Document.OPENAPI_V3:
            return _schema_index(call, resources)
        case Document.OPENAPI_V3_CORE | Document.OPENAPI_V3_GROUP_VERSION:
            return _schema(call, document, resources)
    assert_never(document)


def _of(group: str, resources: tuple[Resource, ...]) -> tuple[Resource, ...]:
    return tuple(resource for resource in resources if resource.group == group)


def _no_schemas(call: Call) -> Reply:
    """OpenAPI v2, which v3 has superseded, as a document that describes nothing."""
    asked = ",".join(call.raw.values("Accept")).split(",")
    if _ASKED_AS in (media_range.strip() for media_range in asked):
        return Reply(200, (("Content-Type", _ANSWERED_AS),), _NO_SCHEMAS_PROTOBUF)
    return _json(_NO_SCHEMAS)


def _version(call: Call) -> Conversation:
    reply = yield narrowing.document(call, Document.VERSION)
    if reply.code != 200:
        raise filtering.refusal(reply)
    return _json(filtering.parse_reply(reply))


def _schema_index(call: Call, resources: tuple[Resource, ...]) -> Conversation:
    """The index names each schema by a hash of what we serve of it."""
    paths: Object = {}
    for document in _SCHEMAS:
        schema = yield from _pruned(call, document, resources)
        digest = hashlib.sha256(body.render(schema)).hexdigest()[:32].upper()
        key = document.value.removeprefix("/openapi/v3/")
        paths[key] = {"serverRelativeURL": f"{document.value}?hash={digest}"}
    return _json({"paths": paths})


def _schema(call: Call, document: Document, resources: tuple[Resource, ...]) -> Conversation:
    return _json((yield from _pruned(call, document, resources)))


def _pruned(
    call: Call, document: Document, resources: tuple[Resource, ...]
) -> Generator[UpstreamRequest, Reply, Object]:
    reply = yield narrowing.document(call, document)
    if reply.code != 200:
        raise filtering.refusal(reply)
    return openapi.prune(filtering.parse_reply(reply), *_of(_SCHEMAS[document], resources))


def _root(call: Call, document: Document, resources: tuple[Resource, ...]) -> Reply:
    if version := _aggregated_version(",".join(call.raw.values("Accept"))):
        group = SECRETS.group if document is Document.API else HOSTCLAIMS.group
        return _aggregated(_of(group, resources), version)
    if document is Document.API:
        return _json({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
    return _json({"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(HOSTCLAIMS)]})


def _aggregated_version(accept: str) -> str:
    """The first version of the aggregated form that a client asks for, or the empty string."""
    for asked in media.ranges(accept):
        match asked:
            case (
                media.JSON,
                {
                    "g": "apidiscovery.k8s.io",
                    "as": "APIGroupDiscoveryList",
                    "v": ("v2" | "v2beta1") as version,
                },
            ):
                return version
    return ""


def _aggregated(resources: tuple[Resource, ...], version: str) -> Reply:
    """KEP-3352: every version and resource of the one group under a root in one answer."""
    first = resources[0]
    group = {
        "metadata": {"creationTimestamp": None} | ({"name": first.group} if first.group else {}),
        "versions": [
            {
                "version": first.version,
                "resources": [_aggregated_resource(resource) for resource in resources],
                "freshness": "Current",
            }
        ],
    }
    found = {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [group],
    }
    content_type = f"{media.JSON};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
    return _json(found, content_type)


def _aggregated_resource(resource: Resource) -> Object:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    found: Object = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced",
        "singularResource": resource.singular,
        "verbs": sorted(resource.verbs),
    }
    if resource.short_names:
        found["shortNames"] = list(resource.short_names)
    if resource.subresources:
        found["subresources"] = [
            {"subresource": name, "responseKind": kind, "verbs": ["get"]}
            for name in resource.subresources
        ]
    return found


def _group(resource: Resource) -> Object:
    version = {"groupVersion": resource.api_version, "version": resource.version}
    return {"name": resource.group, "versions": [version], "preferredVersion": version}


def _resource_list(resources: tuple[Resource, ...]) -> Object:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": resources[0].api_version,
        "resources": [entry for resource in resources for entry in _entries(resource)],
    }


def _entries(resource: Resource) -> Iterator[Object]:
    entry = {"kind": resource.kind, "namespaced": True}
    yield {
        "name": resource.plural,
        "singularName": resource.singular,
        **entry,
        "verbs": sorted(resource.verbs),
        **({"shortNames": list(resource.short_names)} if resource.short_names else {}),
    }
    for name in resource.subresources:
        yield {"name": f"{resource.plural}/{name}", "singularName": "", **entry, "verbs": ["get"]}


def _json(value: Any, content_type: str = media.JSON) -> Reply:
    headers = (("Content-Type", content_type), ("Vary", "Accept"))
    return Reply(200, headers, body.render(value))
