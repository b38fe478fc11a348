"""Which answer belongs to which request: from a resource and a verb to the registry.

Everything in order and without a socket: calls in, replies out.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from proxy.demo.cluster import bodies, lists, patches, paths, reviews, watch
from proxy.demo.cluster.apply import apply
from proxy.demo.cluster.builtin import REVIEWS, SERVICE_ACCOUNTS, TOKEN_REQUESTS
from proxy.demo.cluster.calls import PAGE_NOT_FOUND, Call, Reply, Stream
from proxy.demo.cluster.codecs import negotiate, parse_media_type
from proxy.demo.cluster.decoding import Decoder
from proxy.demo.cluster.gate import Gate
from proxy.demo.cluster.managed import Writer
from proxy.demo.cluster.objects import metadata
from proxy.demo.cluster.registry import Registry, Target, Written
from proxy.demo.cluster.requests import RequestInfo, WriteOptions, write_options
from proxy.demo.cluster.resources import STATUS_VERBS, Resource, Table
from proxy.demo.cluster.status import (
    bad_request,
    internal,
    method_not_allowed,
    no_such_resource,
    not_found,
    success,
    unsupported_media_type,
)
from proxy.demo.cluster.table import View
from proxy.demo.cluster.tokens import Tokens


class Endpoints:
    """Every endpoint of the cluster."""

    def __init__(
        self,
        registry: Registry,
        table: Table,
        gate: Gate,
        tokens: Tokens,
        clock: Callable[[], datetime],
    ) -> None:
        self._registry = registry
        self._store = registry.store
        self._table = table
        self._gate = gate
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

    def answer(self, call: Call) -> Reply | Stream:
        """Answer a call.

        Raises:
            ApiError: with what is wrong.
        """
        info = call.info
        if not info.is_resource:
            return paths.answer(call, self._table)
        row = self._table.find(info.group, info.version, info.plural)
        if row is None:
            return self._unknown(info)
        target = Target(row, info.namespace if row.namespaced else "", info.name, info.subresource)
        if info.subresource == "token" and row is SERVICE_ACCOUNTS:
            return self._token(call, target)
        if info.subresource and not (info.subresource == "status" and row.status):
            raise not_found(row, info.name) if row.custom else no_such_resource()
        if row.custom and info.verb == "create" and not info.namespace:
            return PAGE_NOT_FOUND
        _check_method(info, row)
        if row in REVIEWS:
            return self._review(call, row)
        return self._verbs[info.verb](call, target)

    def _unknown(self, info: RequestInfo) -> Reply:
        served = self._table.of(info.group, info.version)
        if served and not any(row.custom for row in served):
            raise no_such_resource()
        return PAGE_NOT_FOUND

    def _view(self, call: Call, row: Resource, *, stream: bool = False) -> View:
        """Settle the form of the answer, before anything is written."""
        include = call.info.query.text("includeObject") or "Metadata"
        if include not in {"None", "Metadata", "Object"}:
            told = "must be 'Metadata', 'Object', 'None', or empty"
            raise bad_request(
                "Unable to convert to Table as requested: includeObject: Invalid value: "
                f'"{include}": {told}'
            )
        return View(row, negotiate(call.accept, stream=stream), include, self._clock())

    def _get(self, call: Call, target: Target) -> Reply:
        view = self._view(call, target.resource)
        lists.version_number(self._store, call.info.query.text("resourceVersion"))
        return Reply(200, view.one(self._registry.get(target)), view.form.media_type)

    def _list(self, call: Call, target: Target) -> Reply:
        view = self._view(call, target.resource)
        options = lists.list_options(call.info.query, target)
        items, meta = lists.page(self._store, target, options)
        return Reply(200, view.many(items, meta), view.form.media_type)

    def _watch(self, call: Call, target: Target) -> Stream:
        view = self._view(call, target.resource, stream=True)
        options = lists.list_options(call.info.query, target)
        begin = watch.start(self._store, options)
        return Stream(watch.Watch(self._store, target, options, begin), view)

    def _create(self, call: Call, target: Target) -> Reply:
        view = self._view(call, target.resource)
        options = write_options(call.info, call.user_agent)
        sent = self._decoder(call, target, options).body(bodies.document(call, target.resource))
        if metadata(sent).get("resourceVersion"):
            # Of a POST only: an apply or update that creates may name whatever version it likes.
            raise internal("resourceVersion should not be set on objects to be created")
        track = self._writer(target, options).track
        written = self._registry.create(target, sent, track, dry_run=options.dry_run)
        return _shown(view, written)

    def _update(self, call: Call, target: Target) -> Reply:
        view = self._view(call, target.resource)
        options = write_options(call.info, call.user_agent)
        sent = self._decoder(call, target, options).body(bodies.document(call, target.resource))
        track = self._writer(target, options).track
        written = self._registry.update(target, sent, track, dry_run=options.dry_run)
        return _shown(view, written)

    def _patch(self, call: Call, target: Target) -> Reply:
        view = self._view(call, target.resource)
        content_type = parse_media_type(call.content_type).name
        if content_type not in patches.accepted(target.resource):
            raise unsupported_media_type(patches.accepted(target.resource))
        applying = content_type == patches.APPLY_PATCH
        options = write_options(call.info, call.user_agent, apply=applying)
        if applying:
            return _shown(view, self._apply(call, target, options))
        patch = patches.patcher(target.resource, content_type, bodies.patch(call))
        patched = patch(self._registry.get(target))
        sent = self._decoder(call, target, options).patched(patched)
        track = self._writer(target, options).track
        written = self._registry.update(target, sent, track, dry_run=options.dry_run)
        return _shown(view, written)

    def _apply(self, call: Call, target: Target, options: WriteOptions) -> Written:
        decoder = self._decoder(call, target, options)
        config = decoder.applied(bodies.applied(call))
        live = self._registry.find(target)
        if live is None:
            if target.subresource:
                raise not_found(target.resource, target.name)
            # Applying what is not there creates it, and so needs the right to create.
            self._gate.authorize(call.user, replace(call.info, verb="create"))
        applied = apply(live, config, self._writer(target, options), force=options.force)
        obj = decoder.typed(applied)
        write = self._registry.create if live is None else self._registry.update
        return write(target, obj, lambda _before, after: after, dry_run=options.dry_run)

    def _decoder(self, call: Call, target: Target, options: WriteOptions) -> Decoder:
        return Decoder(target.resource, options.validation, call.warnings)

    def _writer(self, target: Target, options: WriteOptions) -> Writer:
        return Writer(target.resource, options.manager, target.subresource, self._clock())

    def _delete(self, call: Call, target: Target) -> Reply:
        view = self._view(call, target.resource)
        demanded, dry_run = bodies.deletion(call)
        written = self._registry.delete(target, demanded, dry_run=dry_run)
        if written.gone and target.resource is not SERVICE_ACCOUNTS:
            return Reply(200, success(target.resource, written.obj))
        return _shown(view, written)

    def _delete_collection(self, call: Call, target: Target) -> Reply:
        view = self._view(call, target.resource)
        selector = lists.list_options(call.info.query, target).selector
        _, dry_run = bodies.deletion(call)
        items = self._registry.delete_collection(target, selector, dry_run=dry_run)
        meta = {"resourceVersion": str(self._store.revision)}
        return Reply(200, view.many(items, meta), view.form.media_type)

    def _review(self, call: Call, row: Resource) -> Reply:
        view = self._view(call, row)
        sent = Decoder(row, "Ignore", call.warnings).body(bodies.document(call, row))
        answer = reviews.review(row, sent, call.user, self._store, self._clock())
        return Reply(201, view.one(answer), view.form.media_type)

    def _token(self, call: Call, target: Target) -> Reply:
        if call.info.verb != "create":
            raise method_not_allowed()
        decoder = Decoder(TOKEN_REQUESTS, "Ignore", call.warnings)
        sent = decoder.body(bodies.document(call, TOKEN_REQUESTS))
        account = self._registry.get(Target(target.resource, target.namespace, target.name))
        return Reply(201, self._tokens.request(account, sent, self._clock()))


def _shown(view: View, written: Written) -> Reply:
    code = 201 if written.created else 200
    return Reply(code, view.one(written.obj), view.form.media_type)


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
