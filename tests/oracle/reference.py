"""What should happen: the rules said a second time, naively, to hold the proxy to.

A tenant gets what the cluster's owner would get, with exceptions; this room is
the list of the exceptions. Nothing here is fast, compiled or clever, and
nothing is shared with the code that it judges.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.oracle.bodies import JSON_SPOILT, PROTOBUF, PROTOBUF_SPOILT
from tests.oracle.grants import LOOK, covers, grants, named, span
from tests.oracle.hosts import Hosts
from tests.oracle.questions import DELETE_OPTIONS, Asked, Caller, Object, Request, read
from tests.oracle.verdicts import Cluster, Expected, Pass, Refusal, names_in, unless

STAMP = "hostclaim-proxy.metal3.io/tenant-secret"
FINALIZER = "metal3.io/hostclaim"
SECRET_TYPES = ("Opaque", "infrastructure.cluster.x-k8s.io/secret")
REFERENCES = ("userData", "networkData", "metaData")


def expect(
    caller: Caller | None, policies: list[Object], cluster: Cluster, request: Request
) -> Expected:
    """What should come of a request."""
    if caller is None:
        return Refusal(frozenset({401}), unheard=True)
    asked = read(request)
    if isinstance(asked, frozenset):
        return Refusal(asked, unheard=True)
    if asked.verb == "discovery":
        return _discovery(caller, policies, request)
    if asked.verb == "review":
        return _review(caller, policies, request)
    spanned = span(policies, caller, asked)
    if asked.plural == "hardwaredata":
        if not spanned:
            return Refusal(frozenset({403}), unheard=True)
        return Hosts(cluster, request, asked, spanned).expected()
    if not asked.namespace:
        return _all_namespaces(spanned, cluster, request, asked)
    verbs = ("patch", "create") if asked.applies else (asked.verb,)
    granted = [grants(policies, caller, asked.plural, v, asked.namespace) for v in verbs]
    if not all(granted) or (asked.subresource and asked.verb != "get"):
        return Refusal(frozenset({403}), unheard=True)
    return _Judge(cluster, request, asked, granted).expected()


def _review(caller: Caller, policies: list[Object], request: Request) -> Expected:
    if "selfsubjectaccessreviews" not in request.target:
        return Pass(201)
    about = json.loads(request.body)["spec"]["resourceAttributes"]
    asked = Asked(about["verb"], about["resource"], about["namespace"])
    return Pass(201, shown=bool(span(policies, caller, asked)))


def _discovery(caller: Caller, policies: list[Object], request: Request) -> Expected:
    """HardwareData is there for those alone to whom it is granted, anywhere."""
    if request.target.partition("?")[0] != "/apis/metal3.io/v1alpha1":
        return Pass(200)
    found = {"hostclaims", "hostclaims/status"}
    for namespace in named(policies, caller):
        if any(grants(policies, caller, "hardwaredata", verb, namespace) for verb in LOOK):
            found.add("hardwaredata")
    return Pass(200, shown=found)


def _all_namespaces(
    spanned: tuple[str, ...], cluster: Cluster, request: Request, asked: Asked
) -> Expected:
    """What each of the namespaces shows by itself, together."""
    if not spanned:
        return Refusal(frozenset({403}), unheard=True)
    query = dict(request.query)
    from_now = query.get("resourceVersion", "0") == "0" and "sendInitialEvents" not in query
    # Of several faults, any may be told.
    faults = {406} if "application/cbor" in request.header("accept") else set()
    if asked.verb == "watch" and from_now:
        faults.add(400)
    if faults:
        return Refusal(frozenset(faults))
    open_to_us = [n for n in spanned if cluster.lets_proxy(asked.plural, n)]
    if not open_to_us:
        return Pass(403)
    if asked.verb == "watch" or "limit" in query:
        return Pass(200)
    names = []
    for namespace in open_to_us:
        target = request.target.replace(
            f"/{asked.plural}", f"/namespaces/{namespace}/{asked.plural}"
        )
        code, shown = cluster.tell_owner(replace(request, target=target))
        if code != 200:
            return Pass(code)
        found = [cluster.find(asked.plural, namespace, name) for name in names_in(shown)]
        names += [f["metadata"]["name"] for f in found if f and _is_theirs(asked.plural, f)]
    return Pass(200, shown=names)


def _is_theirs(plural: str, found: Object) -> bool:
    return plural == "hostclaims" or _is_stamped(found)


@dataclass(frozen=True, slots=True)
class _Judge:
    """The exceptions from what the owner would get, for one request."""

    cluster: Cluster
    request: Request
    asked: Asked
    granted: list[list[Object]]

    def expected(self) -> Expected:
        """The cluster's answer, if nothing is wrong; else any of what is wrong."""
        faults = set(self._faults_of_form())
        if not self.cluster.lets_proxy(self.asked.plural, self.asked.namespace):
            return Refusal(frozenset(faults | {403, 503}), by_cluster=True)
        if self._is_hidden():
            # To an apply, which would create it, it is in the way.
            return Refusal(frozenset(faults | {409 if self.asked.applies else 404}))
        faults |= set(self._faults_of_state())
        if self._is_whole():
            faults |= set(self._faults_of_content(self.sent()))
        elif self.asked.verb == "patch":
            code, after = self._told(self.request)
            faults |= set(self._faults_of_content(after)) if code < 300 else set()
        return unless(faults, self._answered())

    def _is_whole(self) -> bool:
        """Whether what is written can be read off the body, and needs not be rehearsed."""
        applies_secret = self.asked.applies and self.asked.plural == "secrets"
        return self.asked.verb in {"create", "update"} or applies_secret

    def _faults_of_form(self) -> Iterator[int]:
        """What is wrong however the cluster looks."""
        verb, media = self.asked.verb, self.request.content_type
        if "application/cbor" in self.request.header("accept"):
            yield 406
        if (
            self.asked.plural == "secrets"
            and verb == "get"
            and ("includeObject", "None") in self.request.query
        ):
            yield 400
        if verb.startswith("delete") and self.request.body:
            # The apiserver would read one of them and leave the other.
            yield from (400 for key, _ in self.request.query if key in DELETE_OPTIONS.split())
        if self.request.body:
            spoilt = PROTOBUF_SPOILT if media == PROTOBUF else JSON_SPOILT
            yield from spoilt[self.request.spoilt][0]
        if self.request.body and verb != "patch" and media not in self._media():
            yield 415
        if verb in {"create", "update"} or self.asked.applies:
            yield from self._faults_of_object(self.sent())

    def _media(self) -> set[str]:
        """What a body may come in. In protobuf, secrets are written, and options of a delete."""
        taken = {"application/json", "application/yaml"}
        if self.asked.verb == "delete" or (
            self.asked.plural == "secrets" and self.asked.verb in {"create", "update"}
        ):
            taken.add(PROTOBUF)
        return taken

    def sent(self) -> Any:
        """What the body says, whatever it was written in."""
        return json.loads(self.request.said or self.request.body)

    def _faults_of_object(self, sent: Object) -> Iterator[int]:
        metadata = sent.get("metadata", {})
        kind, version = ("Secret", "v1")
        if self.asked.plural == "hostclaims":
            kind, version = ("HostClaim", "metal3.io/v1alpha1")
        if (sent.get("kind", kind), sent.get("apiVersion", version)) != (kind, version):
            yield 400
        if metadata.get("namespace") not in {None, "", self.asked.namespace}:
            yield 400
        if self.asked.name and metadata.get("name") not in {None, "", self.asked.name}:
            yield 400
        if self.asked.plural == "secrets" and sent.get("type", "Opaque") not in SECRET_TYPES:
            yield 403

    def _is_hidden(self) -> bool:
        """Secrets that are not stamped are not there."""
        live = self.live
        return self.asked.plural == "secrets" and live is not None and not _is_stamped(live)

    def _faults_of_state(self) -> Iterator[int]:
        """What is wrong with a write as the object is now: that it is not there, or another."""
        verb, live = self.asked.verb, self.live
        if verb not in {"update", "patch"}:
            return
        version = self._version()
        if live is None:
            if version or not self.asked.applies:
                yield 404
            return
        if version not in {"", "0", live["metadata"]["resourceVersion"]}:
            yield 409
        if self.asked.plural == "secrets" and live["type"] not in SECRET_TYPES:
            yield 403

    def _version(self) -> str:
        """The version that a write insists on, if any."""
        sent = self.sent()
        if not isinstance(sent, list):
            return str(sent.get("metadata", {}).get("resourceVersion", ""))
        pointer = "/metadata/resourceVersion"
        sets = [o for o in sent if o["path"] == pointer and o["op"] in {"add", "replace"}]
        return str(sets[-1]["value"]) if sets else ""

    def _faults_of_content(self, after: Object) -> Iterator[int]:
        """What is wrong with what would be stored."""
        live = self.live
        wrong = [*self._owned(after, live)]
        if self.asked.plural == "secrets":
            wrong.append(live is not None and after.get("type", live["type"]) != live["type"])
            wrong.append(not self._is_whole() and not _is_stamped(after))
        else:
            wrong += [*self._foreign(after), *self._unfinished(after, live)]
            for granted in self.granted:
                wrong.append(not any(self._is_within(g, after, live) for g in granted))
        if any(wrong):
            yield 403

    def _answered(self) -> Pass:
        """What the owner gets, of tenant secrets only, and with the stamp on what is written."""
        if self.asked.plural != "secrets":
            return self._as_owner()
        if self.asked.verb == "list":
            return self._stamped_only(self._as_owner())
        return self._as_owner(_stamped(self.sent())) if self._is_whole() else self._as_owner()

    @property
    def live(self) -> Object | None:
        return self.cluster.find(self.asked.plural, self.asked.namespace, self.asked.name)

    def _as_owner(self, sent: Object | None = None) -> Pass:
        """What the owner gets; `sent` is what the tenant's body amounts to, if it is amended."""
        request = self.request
        if sent is not None:
            kept = tuple(h for h in request.headers if h[0].lower() != "content-type")
            media = request.content_type if self.asked.applies else "application/json"
            headers = (*kept, ("Content-Type", media))
            request = replace(request, headers=headers, body=json.dumps(sent).encode())
        code, answer = self._told(request)
        dry = ("dryRun", "All") in request.query
        if code >= 300 or dry:
            return Pass(code)
        if self.asked.verb in {"get", "list"}:
            return Pass(code, shown=answer)
        return Pass(code, stored=None if self.asked.verb.startswith("delete") else answer)

    def _stamped_only(self, owners: Pass) -> Pass:
        if owners.code != 200 or any(key == "limit" for key, _ in self.request.query):
            return Pass(owners.code)
        return Pass(200, [name for name in names_in(owners.shown) if self._is_mine(name)])

    def _is_mine(self, name: str) -> bool:
        found = self.cluster.find("secrets", self.asked.namespace, name)
        return found is not None and _is_stamped(found)

    def _told(self, request: Request) -> tuple[int, Any]:
        """What the owner is told; of a write the object, whatever the client wants to be shown."""
        if self.asked.verb not in {"create", "update", "patch"}:
            return self.cluster.tell_owner(request)
        kept = tuple(h for h in request.headers if h[0].lower() != "accept")
        return self.cluster.tell_owner(replace(request, headers=kept))

    def _foreign(self, claim: Object) -> Iterator[bool]:
        spec = claim.get("spec", {})
        yield bool(spec.get("image", {}).get("ociAuthSecretName"))
        for key in REFERENCES:
            reference = spec.get(key, {})
            yield reference.get("namespace") not in {None, "", self.asked.namespace}
            if "name" in reference:
                found = self.cluster.find("secrets", self.asked.namespace, reference["name"])
                yield found is not None and not _is_stamped(found)

    def _unfinished(self, after: Object, before: Object | None) -> Iterator[bool]:
        now = set(after.get("metadata", {}).get("finalizers", ()))
        then = set((before or {}).get("metadata", {}).get("finalizers", ()))
        yield FINALIZER in then - now
        yield bool(now - then - {FINALIZER})

    def _owned(self, after: Object, before: Object | None) -> Iterator[bool]:
        """Owners that the cluster lacks have their objects deleted."""
        known = (before or {}).get("metadata", {}).get("ownerReferences", ())
        for owner in after.get("metadata", {}).get("ownerReferences", ()):
            if owner not in known:
                found = self.cluster.find("hostclaims", self.asked.namespace, owner["name"])
                here = found is not None and found["metadata"]["uid"] == owner["uid"]
                yield not here or owner["kind"] != "HostClaim"

    def _is_within(self, grant: Object, claim: Object, before: Object | None) -> bool:
        bounds = grant.get("bounds", {})
        spec = claim.get("spec", {})
        selector = spec.get("hostSelector", {})
        wanted = bounds.get("hostSelector", {})
        labels = selector.get("matchLabels", {})
        there = len(self.cluster.every("hostclaims", self.asked.namespace))
        return (
            all(labels.get(key) == value for key, value in wanted.get("matchLabels", {}).items())
            and (
                "inNamespaces" not in wanted
                or covers(wanted["inNamespaces"], selector.get("inNamespace", ""))
            )
            and _are_images_within(spec.get("image", {}), bounds.get("images"))
            and (before is not None or there < bounds.get("maxHostClaims", there + 1))
        )


def _are_images_within(image: Object, prefixes: list[str] | None) -> bool:
    """Plain addresses under a prefix; a checksum may also be the sum itself."""
    if prefixes is None:
        return True
    addresses = [image[key] for key in ("url", "checksum") if key in image]
    plain = re.compile(r"[a-z0-9:/.-]+|[0-9a-f]*")
    return all(
        plain.fullmatch(address)
        and "/." not in address
        and (any(map(address.startswith, prefixes)) or re.fullmatch("[0-9a-f]*", address))
        for address in addresses
    )


def _stamped(sent: Object) -> Object:
    metadata = sent.get("metadata", {})
    return {
        **sent,
        "metadata": {**metadata, "labels": {**metadata.get("labels", {}), STAMP: "true"}},
    }


def _is_stamped(secret: Object) -> bool:
    return bool(secret["metadata"].get("labels", {}).get(STAMP) == "true")
