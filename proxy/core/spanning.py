"""What of all namespaces: one list, or one watch, woven from those that are the caller's.

The proxy's own rights are per namespace, so it asks each namespace apart.

A list is of one moment: the first namespace says at which resourceVersion, and
the others are asked for exactly that one. A watch is at least once: events of
several namespaces come in no common order, so behind each event a bookmark
says from where nothing was missed. A client that resumes there may see an
event twice, and never misses one.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from proxy.core import attributes, body, filtering, narrowing
from proxy.core.attributes import Parameter, Verb
from proxy.core.body import Object
from proxy.core.conversation import Conversation, Merge, at_once
from proxy.core.errors import BadGateway, BadRequest, Expired
from proxy.core.narrowing import Call
from proxy.core.wire import Reply

INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"
"""Annotation of the bookmark that ends a streaming list (KEP-3157)."""

NOT_BOUND: Final = 403
"""What the apiserver says of a namespace that the proxy has no rights in: nothing to show there."""

# Bytes; what one list may be in memory, since it is put together before it is sent.
_MAX_LIST: Final = 64 * 1024 * 1024


def converse(call: Call) -> Conversation:
    """Answer an allowed list or watch over all namespaces.

    Raises:
        BadRequest: a `continue` that is not ours, or a watch from nowhere.
        NotAcceptable: an encoding that cannot be put together.
    """
    if call.resource_request.verb is Verb.WATCH:
        return at_once(_watch(call))
    return _list(call)


@dataclass(frozen=True, slots=True)
class _Cursor:
    """Where a list goes on: in which namespace, of which moment, after what."""

    namespace: str
    version: str
    token: str

    def render(self) -> str:
        text = json.dumps([self.namespace, self.version, self.token])
        return base64.urlsafe_b64encode(text.encode()).decode()

    @classmethod
    def parse(cls, text: str) -> "_Cursor":
        """Read a `continue`. Whatever it names, only the caller's namespaces are listed."""
        try:
            found = json.loads(base64.urlsafe_b64decode(text.encode()))
        except (ValueError, RecursionError) as exc:
            raise BadRequest("query parameter `continue` is not one of this list") from exc
        match found:
            case [str(namespace), str(version), str(token)] if _is_revision(version) and (
                token.isascii()
            ):
                return cls(namespace, version, token)
        raise BadRequest("query parameter `continue` is not one of this list")


def _list(call: Call) -> Conversation:
    asked = {p.key: p.value for p in call.resource_request.parameters}
    cursor = _Cursor.parse(asked["continue"]) if asked.get("continue") else _Cursor("", "", "")
    limit = int(asked.get("limit") or 0)
    found = _Found(cursor.version)
    refused: Reply | None = None
    for namespace in _from(cursor, call.allow.namespaces):
        if limit and found.count >= limit:
            return found.reply(_Cursor(namespace, found.version, ""))
        token = cursor.token if namespace == cursor.namespace else ""
        paging = _paging(asked, found, token, limit)
        reply = yield narrowing.in_namespace(call, namespace, paging)
        if reply.code == NOT_BOUND:
            refused = reply
            continue
        if reply.code != 200:
            return reply
        token = found.add(reply)
        if token:
            return found.reply(_Cursor(namespace, found.version, token))
    return refused if refused and found.is_empty else found.reply(None)


def _from(cursor: _Cursor, namespaces: tuple[str, ...]) -> tuple[str, ...]:
    if not cursor.namespace:
        return namespaces
    if cursor.namespace not in namespaces:
        raise Expired("the namespace that this list went on in is yours no longer, list anew")
    return namespaces[namespaces.index(cursor.namespace) :]


def _paging(
    asked: dict[str, str], found: "_Found", token: str, limit: int
) -> tuple[Parameter, ...]:
    """From where a namespace is listed: on, at the moment of the list, or as the client says."""
    wanted = {"limit": str(limit - found.count)} if limit else {}
    if token:
        wanted["continue"] = token
    elif found.version:
        wanted |= {"resourceVersion": found.version, "resourceVersionMatch": "Exact"}
    else:
        wanted |= {k: asked[k] for k in ("resourceVersion", "resourceVersionMatch") if k in asked}
    return tuple(Parameter.of(key, value) for key, value in wanted.items())


class _Found:
    """A list as far as it is put together: objects, or the rows of a Table."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.count = 0
        self._size = 0
        self._headers: Any = ()
        self._first: Object = {}
        self._entries: list[Any] = []

    @property
    def is_empty(self) -> bool:
        """Whether no namespace was listed yet."""
        return not self._first

    def add(self, reply: Reply) -> str:
        """Add the list of one namespace; returns where it goes on, if it does."""
        self._size += len(reply.body)
        if self._size > _MAX_LIST:
            raise BadGateway("the list is too long to be put together, ask for it with a limit")
        page = filtering.parse_reply(reply)
        metadata = body.section(page, "metadata", "metadata")
        if self.is_empty:
            self._first, self._headers = page, reply.headers
            self.version = self.version or body.text(metadata, "resourceVersion", "metadata")
        entries = page.get(self._key) or []
        self._entries += entries
        self.count += len(entries)
        return body.text(metadata, "continue", "metadata.continue")

    @property
    def _key(self) -> str:
        return "rows" if self._first.get("kind") == "Table" else "items"

    def reply(self, cursor: _Cursor | None) -> Reply:
        # No `remainingItemCount`: it would be of one namespace.
        metadata = {"resourceVersion": self.version}
        if cursor is not None:
            metadata["continue"] = cursor.render()
        whole = {**self._first, "metadata": metadata, self._key: self._entries}
        return Reply(200, self._headers, body.render(whole))


def _watch(call: Call) -> Merge:
    request = call.resource_request
    version = attributes.parameter(request, "resourceVersion")
    initial = attributes.is_set(attributes.parameter(request, "sendInitialEvents") or "false")
    if not initial and version in {"", "0"}:
        raise BadRequest("a watch of all namespaces needs a resourceVersion, or sendInitialEvents")
    bookmarks = attributes.is_set(attributes.parameter(request, "allowWatchBookmarks") or "false")
    kept = tuple(p for p in request.parameters if p.key in narrowing.PAGING)
    namespaces = call.allow.namespaces
    requests = tuple((name, narrowing.in_namespace(call, name, kept)) for name in namespaces)
    if version and not _is_revision(version):
        raise BadRequest("query parameter `resourceVersion` is not one of a list")
    start = int(version or 0)
    return Merge(requests, Weave(namespaces, start, initial=initial, bookmarks=bookmarks))


class Weave:
    """Makes one stream of events out of several, line by line.

    Knows for each namespace up to which revision its events have come; the
    lowest of these is from where nothing was missed.
    """

    def __init__(
        self, namespaces: tuple[str, ...], start: int, *, initial: bool, bookmarks: bool
    ) -> None:
        self._rest = dict.fromkeys(namespaces, b"")
        self._reached = dict.fromkeys(namespaces, start)
        self._beginning = set(namespaces) if initial else set[str]()
        self._bookmarks = bookmarks
        # What the client would resume from.
        self._held = start

    def feed(self, namespace: str, chunk: bytes) -> bytes:
        """Take what came of a namespace's watch; returns whole events for the client.

        Raises:
            BadGateway: it is not a stream of events.
        """
        *lines, rest = (self._rest[namespace] + chunk).split(b"\n")
        if len(rest) > _MAX_LIST:
            raise BadGateway("the cluster gave an event without end")
        self._rest[namespace] = rest
        return b"".join(out for line in lines for out in self._event(namespace, line))

    def _event(self, namespace: str, line: bytes) -> Iterator[bytes]:
        event = _parse(line)
        match event:
            case {"type": "BOOKMARK", "object": {"metadata": dict(metadata)}}:
                yield from self._bookmark(namespace, event, metadata)
            case {"type": "ERROR"}:
                yield line + b"\n"
            case {"type": str(), "object": dict(found)}:
                yield line + b"\n"
                # Until its bookmark has come, a beginning is in no order.
                if namespace not in self._beginning:
                    self._held = _revision(found)
                    self._reach(namespace, self._held)
                    yield from self._mark(found)
            case _:
                raise BadGateway("the cluster gave an event that is not one")

    def _bookmark(self, namespace: str, event: Object, metadata: Object) -> Iterator[bytes]:
        self._reach(namespace, _revision(event["object"]))
        annotations = metadata.get("annotations") or {}
        if INITIAL_EVENTS_END not in annotations:
            yield from self._mark(event["object"])
            return
        self._beginning.discard(namespace)
        if not self._beginning:
            self._held = min(self._reached.values())
            ended = {**metadata, "resourceVersion": str(self._held)}
            marked = {**event, "object": {**event["object"], "metadata": ended}}
            yield body.render(marked) + b"\n"

    def _reach(self, namespace: str, revision: int) -> None:
        self._reached[namespace] = max(self._reached[namespace], revision)

    def _mark(self, found: Object) -> Iterator[bytes]:
        """A bookmark at the lowest revision, wherever the client would resume elsewhere."""
        lowest = min(self._reached.values())
        if not self._bookmarks or self._beginning or found.get("kind") == "Table":
            return
        if lowest == self._held:
            return
        self._held = lowest
        marked = {
            "kind": found.get("kind"),
            "apiVersion": found.get("apiVersion"),
            "metadata": {"resourceVersion": str(lowest), "creationTimestamp": None},
        }
        yield body.render({"type": "BOOKMARK", "object": marked}) + b"\n"


def _is_revision(text: str) -> bool:
    """Whether a client may have it from us: a decimal number that fits 64 bits, or nothing."""
    return len(text) < 20 and text.isascii() and (not text or text.isdigit())


def _parse(line: bytes) -> Object:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise BadGateway("the cluster gave an event that is not JSON") from exc
    if not isinstance(event, dict):
        raise BadGateway("the cluster gave an event that is not an object")
    return event


def _revision(found: Object) -> int:
    """The revision of an object, or of the one in the only row of a Table."""
    match found:
        case {"kind": "Table", "rows": [{"object": {"metadata": {"resourceVersion": str(text)}}}]}:
            pass
        case {"metadata": {"resourceVersion": str(text)}}:
            pass
        case _:
            text = ""
    if not (text.isascii() and text.isdigit()):
        raise BadGateway("the cluster gave an event without a revision")
    return int(text)
