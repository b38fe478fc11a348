"""What arrives and what leaves: a request as its bytes said it, a reply as bytes.

Values of the wire, before and after anything is understood. `admit` refuses
what no Kubernetes client sends, whatever its path.
"""

from collections.abc import Callable, KeysView
from dataclasses import dataclass, field
from typing import Any, TypeVar

from proxy.core.errors import (
    BadRequest,
    Forbidden,
    LengthRequired,
    MethodNotAllowed,
    UnsupportedMediaType,
)

_T = TypeVar("_T")

Headers = tuple[tuple[str, str], ...]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
_READ_METHODS = frozenset({"GET", "HEAD"})
_OF_NOTE = frozenset({"upgrade", "content-length", "transfer-encoding", "content-encoding"})
_IMPERSONATION = "impersonate"


class Fields:
    """Header fields as they came, and found by their names; never changed.

    A client sends the very same ones with most of its requests, and whoever reads them
    for it may hand out the same `Fields`. So what follows from them alone is found once.
    """

    __slots__ = ("_derived", "_values", "pairs")

    def __init__(self, pairs: Headers = ()) -> None:
        self.pairs = pairs
        """In order, names in any case."""
        self._derived: dict[object, Any] = {}
        self._values: dict[str, tuple[str, ...]] = {}
        values = self._values
        for key, value in pairs:
            name = key.lower()
            values[name] = (*values[name], value) if name in values else (value,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fields) and self.pairs == other.pairs

    def __hash__(self) -> int:
        return hash(self.pairs)

    def __repr__(self) -> str:
        # The values may be credentials.
        return f"Fields({', '.join(self._values)})"

    @property
    def names(self) -> KeysView[str]:
        """Their names, in lower case."""
        return self._values.keys()

    def values(self, name: str) -> tuple[str, ...]:
        """Every value of a field, in order; the name is compared without case."""
        return self._values.get(name.lower(), ())

    def derived(self, derive: Callable[["Fields"], _T]) -> _T:
        """What a function says of them: it has to go by them alone. An error is not kept."""
        try:
            found: _T = self._derived[derive]
        except KeyError:
            found = self._derived[derive] = derive(self)
        return found


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request line and its header fields, nothing decoded; the body is still unread.

    `target` is the request target byte for byte (RFC 9112, 3.2); `peer` is the
    address of the connection, for the audit record.
    """

    method: str
    target: str
    fields: Fields = field(default_factory=Fields)
    peer: str = ""

    def values(self, name: str) -> tuple[str, ...]:
        """Every value of a header, in order; the name is compared without case."""
        return self.fields.values(name)

    def value(self, name: str) -> str:
        """The one value of a header, or the empty string.

        Raises:
            BadRequest: it was sent twice. Readers that disagree on which one
                counts are how a request comes to mean two things.
        """
        match self.fields.values(name):
            case ():
                return ""
            case (one,):
                return one
            case _:
                raise BadRequest(f"header `{name}` must be sent once")


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer: status code, headers, body."""

    code: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str:
        """The first value of a header, or the empty string."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), "")


def admit(raw: RawRequest) -> None:
    """Refuse what is wrong with a request whatever it asks for.

    Raises:
        BadRequest: a form of target, an upgrade or a body that we never take.
        Forbidden: an attempt to act as somebody else.
        LengthRequired: a write whose body has no length.
        MethodNotAllowed: a method that Kubernetes has no verb for.
        UnsupportedMediaType: a compressed body.
    """
    if raw.fields.derived(_are_plain) and raw.method in _READ_METHODS and raw.target[:1] == "/":
        return
    _refuse_impersonation(raw.fields)
    if raw.method not in METHODS:
        raise MethodNotAllowed(f"method is not served, use one of {', '.join(sorted(METHODS))}")
    if not raw.target.startswith("/"):
        raise BadRequest("the request target must be a path that starts with `/`")
    if "upgrade" in raw.fields.names:
        raise BadRequest("connection upgrades are not served")
    _refuse_unreadable_body(raw)


def _are_plain(fields: Fields) -> bool:
    """Whether none of them is about what is refused below, whatever it says."""
    return fields.names.isdisjoint(_OF_NOTE) and not any(
        name.startswith(_IMPERSONATION) for name in fields.names
    )


def _refuse_impersonation(fields: Fields) -> None:
    """Refused, not stripped: the caller believes that it works.

    Gateways fold `_` into `-`, so whatever begins with the word is one of these headers.
    """
    for name in fields.names:
        if name.startswith(_IMPERSONATION):
            raise Forbidden("impersonation is not allowed: ask as yourself")


def _refuse_unreadable_body(raw: RawRequest) -> None:
    length = raw.value("Content-Length")
    coding = raw.value("Transfer-Encoding")
    if coding and (length or coding.lower() != "chunked"):
        # RFC 9112, 6.1: two framings of one message are request smuggling.
        raise BadRequest("send either `Content-Length` or `Transfer-Encoding: chunked`")
    if length and not (length.isascii() and length.isdigit()):
        raise BadRequest("header `Content-Length` must be a number")
    has_body = bool(coding) or length not in {"", "0"}
    if has_body and raw.method in _READ_METHODS:
        raise BadRequest(f"a {raw.method} request has no body")
    if raw.method in BODY_METHODS and not coding and not length:
        raise LengthRequired("a body needs `Content-Length` or `Transfer-Encoding: chunked`")
    if "content-encoding" in raw.fields.names:
        raise UnsupportedMediaType("compressed bodies are not served, send the body as it is")
