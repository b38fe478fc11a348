"""Which answer belongs to which request: authenticate, authorize, route, reply.

The whole order of the API server, without a socket: calls in, replies out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from proxy.demo.cluster import discovery, lists, openapi, patches, reviews, watch
from proxy.demo.cluster.apply import apply
from proxy.demo.cluster.builtin import REVIEWS, SERVICE_ACCOUNTS, TOKEN_REQUEST
from proxy.demo.cluster.codecs import (
    JSON,
    YAML,
    Document,
    Form,
    MalformedError,
    decode,
    negotiate,
    parse_media_type,
)
from proxy.demo.cluster.decoding import Decoder
from proxy.demo.cluster.impersonation import Headers, impersonate
from proxy.demo.cluster.managed import Writer
from proxy.demo.cluster.objects import Object
from proxy.demo.cluster.rbac import Attributes, User, authorize, denial
from proxy.demo.cluster.registry import Preconditions, Registry, Target, Tracker, Written
from proxy.demo.cluster.requests import (
    RequestInfo,
    WriteOptions,
    check_propagation,
    dry_run,
    write_options,
)
from proxy.demo.cluster.resources import STATUS_VERBS, Resource, Table
from proxy.demo.cluster.selectors import parse_fields
from proxy.demo.cluster.status import (
    bad_request,
    forbidden,
    forbidden_path,
    method_not_allowed,
    not_found,
    success,
    unauthorized,
    unsupported_media_type,
)
from proxy.demo.cluster.table import View
from proxy.demo.cluster.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose caller is known and may make it."""

    info: RequestInfo
    user: User
    accept: str = ""
    content_type: str = ""
    user_agent: str = ""
    host: str = ""
    body: bytes = b""
    warnings: list[str] = field(default_factory=list)
    """What the caller is to be warned of, whatever the answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is one body: JSON unless it is text."""

    code: int
    body: Any
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that is a watch."""

    watch: watch.Watch
    view: View


_HEALTH = frozenset({"/healthz", "/livez", "/readyz"})
_TEXT = "text/plain; charset=utf-8"
PAGE_NOT_FOUND = Reply(404, "404 page not found\n", _TEXT)


class Endpoints:
    """Every endpoint of the cluster."""

    def __init__(
        self, registry: Registry, table: Table, tokens: Tokens, clock: Callable[[], datetime]
    ) -> None:
        self._registry = registry
        self._table = Table((*table.rows, *REVIEWS))
        self._tokens = tokens
        self._clock = clock
        self._verbs: Mapping[str, Callable[[Call, Target], Reply | Stream]] = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }

    def authenticate(self, authorization: str) -> User:
        """Say who calls.

        Raises:
            ApiError: nobody who is known (401).
        """
        user = self._tokens.authenticate(authorization, self._clock())
        if user is None:
            raise unauthorized()
        return user

    def impersonate(self, user: User, headers: Headers) -> User:
        """Say whom the caller speaks for.

        Raises:
            ApiError: they may not (403).
        """
        return impersonate(user, headers, self._registry.store)

    def authorize(self, user: User, info: RequestInfo) -> None:
        """Pass whoever may make a request.

        Raises:
            ApiError: they may not (403).
        """
        asked = Attributes(info.verb, path=info.path)
        if info.is_resource:
            asked = Attributes(
                info.verb,
                group=info.group,
                resource=info.plural,
                subresource=info.subresource,
                namespace=info.namespace,
                name=info.name or self._only_name(info),
            )
        if authorize(user, asked, self._registry.store).allowed:
            return
        why = denial(user, asked)
        if not info.is_resource:
            raise forbidden_path(why)
        raise forbidden(_named(info), info.name, why)

    def _only_name(self, info: RequestInfo) -> str:
        """A list of one name by field selector may be allowed by that name."""
        row = self._table.find(info.group, info.version, info.plural)
        if row is None or not info.query.text("fieldSelector"):
            return ""
        for term in parse_fields(info.query.text("fieldSelector"), row):
            if term.field == "metadata.name" and term.equal:
                return term.value
        return ""

    def answer(self, call: Call) -> Reply | Stream:
        """Answer a call.

        Raises:
            ApiError: with what is wrong.
        """
        info = call.info
        if not info.is_resource:
            return self._path(call)
        row = self._table.find(info.group, info.version, info.plural)
        if row is None:
            return PAGE_NOT_FOUND
        target = Target(row, info.namespace if row.namespaced else "", info.name, info.subresource)
        if info.subresource == "token" and row is SERVICE_ACCOUNTS:
            return self._token(call, target)
        if info.subresource and not (info.subresource == "status" and row.status):
            if row.custom:
                raise not_found(row, info.name)
            return PAGE_NOT_FOUND
        _check_method(info, row)
        if row in REVIEWS:
            return self._review(call, row)
        return self._verbs[info.verb](call, target)

    def _path(self, call: Call) -> Reply:
        info = call.info
        if info.method not in {"GET", "HEAD"}:
            raise method_not_allowed()
        path = info.path.rstrip("/")
        if path in _HEALTH or path.startswith(tuple(f"{each}/" for each in _HEALTH)):
            return Reply(200, "ok", _TEXT)
        match path.strip("/").split("/"):
            case ["version"]:
                return Reply(200, discovery.VERSION)
            case ["api" | "apis" as root]:
                return self._root(call, core=root == "api")
            case ["api", version]:
                return _found(discovery.resource_list(self._table, "", version))
            case ["apis", group]:
                return _found(discovery.group(self._table, group))
            case ["apis", group, version]:
                return _found(discovery.resource_list(self._table, group, version))
            case ["openapi", "v3", *rest]:
                return self._documented(rest)
            case _:
                return PAGE_NOT_FOUND

    def _documented(self, parts: list[str]) -> Reply:
        match parts:
            case []:
                return Reply(200, openapi.index(self._table))
            case ["api", version]:
                return _found(openapi.document(self._table, "", version))
            case ["apis", group, version]:
                return _found(openapi.document(self._table, group, version))
            case _:
                return PAGE_NOT_FOUND

    def _root(self, call: Call, *, core: bool) -> Reply:
        headers = {"Vary": "Accept"}
        version = discovery.aggregated_version(call.accept)
        if version:
            media_type = f"{JSON};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
            body = discovery.aggregated(self._table, version, core=core)
            return Reply(200, body, media_type, headers)
        if core:
            return Reply(200, discovery.core_versions(call.host), headers=headers)
        return Reply(200, discovery.group_list(self._table), headers=headers)

    def _view(self, call: Call, row: Resource, form: Form) -> View:
        include = call.info.query.text("includeObject") or "Metadata"
        if include not in {"None", "Metadata", "Object"}:
            raise bad_request(f'unrecognized includeObject value: "{include}"')
        return View(row, form, include, self._clock())

    def _one(self, call: Call, row: Resource, obj: Object, code: int = 200) -> Reply:
        form = negotiate(call.accept)
        return Reply(code, self._view(call, row, form).one(obj), form.media_type)

    def _get(self, call: Call, target: Target) -> Reply:
        form = negotiate(call.accept)
        lists.version_number(self._registry.store, call.info.query.text("resourceVersion"))
        obj = self._registry.get(target)
        return Reply(200, self._view(call, target.resource, form).one(obj), form.media_type)

    def _list(self, call: Call, target: Target) -> Reply:
        form = negotiate(call.accept)
        options = lists.list_options(call.info.query, target)
        items, meta = lists.page(self._registry.store, target, options)
        view = self._view(call, target.resource, form)
        return Reply(200, view.many(items, meta), form.media_type)

    def _watch(self, call: Call, target: Target) -> Stream:
        form = negotiate(call.accept, stream=True)
        options = lists.list_options(call.info.query, target)
        begin = watch.start(self._registry.store, options)
        watched = watch.Watch(self._registry.store, target, options, begin)
        return Stream(watched, self._view(call, target.resource, form))

    def _create(self, call: Call, target: Target) -> Reply:
        options = write_options(call.info, call.user_agent)
        decoder = Decoder(target.resource, options.validation, call.warnings)
        sent = decoder.body(_document(call, target.resource))
        track = self._tracker(target, options)
        written = self._registry.create(target, sent, track, dry_run=options.dry_run)
        return self._written(call, target, written)

    def _update(self, call: Call, target: Target) -> Reply:
        options = write_options(call.info, call.user_agent)
        decoder = Decoder(target.resource, options.validation, call.warnings)
        sent = decoder.body(_document(call, target.resource))
        track = self._tracker(target, options)
        written = self._registry.update(target, sent, track, dry_run=options.dry_run)
        return self._written(call, target, written)

    def _patch(self, call: Call, target: Target) -> Reply:
        content_type = parse_media_type(call.content_type).name
        if content_type not in patches.accepted(target.resource):
            raise unsupported_media_type(patches.accepted(target.resource))
        apply = content_type == patches.APPLY_PATCH
        options = write_options(call.info, call.user_agent, apply=apply)
        decoder = Decoder(target.resource, options.validation, call.warnings)
        if apply:
            written = self._apply(call, target, options, decoder)
        else:
            patch = patches.patcher(target.resource, content_type, _patch(call))
            sent = decoder.patched(patch(self._registry.get(target)))
            track = self._tracker(target, options)
            written = self._registry.update(target, sent, track, dry_run=options.dry_run)
        return self._written(call, target, written)

    def _tracker(self, target: Target, options: WriteOptions) -> Tracker:
        return self._writer(target, options).track

    def _writer(self, target: Target, options: WriteOptions) -> Writer:
        return Writer(target.resource, options.manager, target.subresource, self._clock())

    def _apply(
        self, call: Call, target: Target, options: WriteOptions, decoder: Decoder
    ) -> Written:
        config = decoder.applied(_applied(call))
        live = self._registry.find(target)
        if live is None:
            if target.subresource:
                raise not_found(target.resource, target.name)
            # Applying what is not there creates it, and so needs the right to create.
            self.authorize(call.user, replace(call.info, verb="create"))
        writer = self._writer(target, options)
        obj = decoder.typed(apply(live, config, writer, force=options.force))
        write = self._registry.create if live is None else self._registry.update
        return write(target, obj, lambda _before, after: after, dry_run=options.dry_run)

    def _written(self, call: Call, target: Target, written: Written) -> Reply:
        return self._one(call, target.resource, written.obj, 201 if written.created else 200)

    def _delete(self, call: Call, target: Target) -> Reply:
        options = _delete_options(call)
        policy = options.get("propagationPolicy") or call.info.query.text("propagationPolicy")
        check_propagation(call.info, policy)
        told = options.get("preconditions") or {}
        demanded = Preconditions(told.get("uid", ""), told.get("resourceVersion", ""))
        written = self._registry.delete(target, demanded, dry_run=_dry(call, options))
        if written.gone and target.resource is not SERVICE_ACCOUNTS:
            return Reply(200, success(target.resource, written.obj))
        return self._one(call, target.resource, written.obj)

    def _delete_collection(self, call: Call, target: Target) -> Reply:
        form = negotiate(call.accept)
        selector = lists.list_options(call.info.query, target).selector
        dry = _dry(call, _delete_options(call))
        items = self._registry.delete_collection(target, selector, dry_run=dry)
        meta = {"resourceVersion": str(self._registry.store.revision)}
        view = self._view(call, target.resource, form)
        return Reply(200, view.many(items, meta), form.media_type)

    def _review(self, call: Call, row: Resource) -> Reply:
        sent = Decoder(row, "Ignore", call.warnings).body(decode(call.body, call.content_type))
        answer = reviews.review(row, sent, call.user, self._registry.store, self._clock())
        return self._one(call, row, answer, 201)

    def _token(self, call: Call, target: Target) -> Reply:
        if call.info.verb != "create":
            raise method_not_allowed()
        row = Resource(
            "authentication.k8s.io", "v1", "tokenrequests", "", "TokenRequest", TOKEN_REQUEST
        )
        sent = Decoder(row, "Ignore", call.warnings).body(decode(call.body, call.content_type))
        account = self._registry.get(Target(target.resource, target.namespace, target.name))
        return Reply(201, self._tokens.request(account, sent, row, self._clock()))


def _check_method(info: RequestInfo, row: Resource) -> None:
    """Refuse what the endpoint has no method for; custom resources have their own words."""
    verbs = STATUS_VERBS if info.subresource else row.verbs
    on_item = info.verb in {"get", "update", "patch", "delete"}
    across = row.namespaced and not info.namespace and info.verb not in {"list", "watch"}
    if row.custom and on_item and not info.name:
        raise bad_request("name must be provided")
    head = info.method == "HEAD" and not row.custom
    if info.verb not in verbs or on_item is not bool(info.name) or across or head:
        raise method_not_allowed()


def _named(info: RequestInfo) -> Resource:
    """A row for messages: the resource as it was asked for, whether it exists or not."""
    return Resource(info.group, info.version, info.plural, "", "", {})


def _found(body: Object | None) -> Reply:
    return PAGE_NOT_FOUND if body is None else Reply(200, body)


def _document(call: Call, resource: Resource) -> Document:
    try:
        return decode(call.body, call.content_type, custom=resource.custom)
    except MalformedError as exc:
        unknown = f"the object provided is unrecognized (must be of type {resource.kind})"
        raise bad_request(f"{unknown}: couldn't get version/kind; {exc}") from exc


def _patch(call: Call) -> Any:
    try:
        return decode(call.body, JSON).value
    except MalformedError as exc:
        raise bad_request("invalid JSON patch") from exc


def _applied(call: Call) -> Document:
    try:
        return decode(call.body, YAML)
    except MalformedError as exc:
        raise bad_request(f"error encoding patch: {exc}") from exc


def _delete_options(call: Call) -> Object:
    if not call.body.strip():
        return {}
    try:
        value = decode(call.body, call.content_type).value
    except MalformedError as exc:
        raise bad_request(f"couldn't get version/kind; {exc}") from exc
    if not isinstance(value, dict):
        raise bad_request("couldn't get version/kind; json parse error: not an object")
    kind, version = value.get("kind", ""), value.get("apiVersion", "")
    if kind not in {"", "DeleteOptions"}:
        raise bad_request(f'no kind "{kind}" is registered for version "{version}"')
    return value


def _dry(call: Call, options: Object) -> bool:
    told = [*(options.get("dryRun") or ()), *call.info.query.values.get("dryRun", ())]
    return dry_run(call.info, told)
