"""What arrives and what leaves: a request as its bytes said it, a reply as bytes.

Values of the wire, before and after anything is understood. `admit` refuses
what no Kubernetes client sends, whatever its path.
"""

from collections.abc import KeysView
from dataclasses import dataclass, field

from proxy.core.errors import (
    BadRequest,
    Forbidden,
    LengthRequired,
    MethodNotAllowed,
    UnsupportedMediaType,
)

Headers = tuple[tuple[str, str], ...]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
_READ_METHODS = frozenset({"GET", "HEAD"})
_ABOUT_A_BODY = frozenset({"content-length", "transfer-encoding", "content-encoding"})


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request line and its headers, nothing decoded; the body is still unread.

    `target` is the request target byte for byte (RFC 9112, 3.2); `peer` is the
    address of the connection, for the audit record.
    """

    method: str
    target: str
    headers: Headers
    peer: str = ""
    # Each is asked for several times on the way of a request.
    _values: dict[str, tuple[str, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        values = self._values
        for key, value in self.headers:
            name = key.lower()
            values[name] = (*values[name], value) if name in values else (value,)

    @property
    def names(self) -> KeysView[str]:
        """The names of its headers, in lower case."""
        return self._values.keys()

    def values(self, name: str) -> tuple[str, ...]:
        """Every value of a header, in order; the name is compared without case."""
        return self._values.get(name.lower(), ())

    def value(self, name: str) -> str:
        """The one value of a header, or the empty string.

        Raises:
            BadRequest: it was sent twice. Readers that disagree on which one
                counts are how a request comes to mean two things.
        """
        match self.values(name):
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
    _refuse_impersonation(raw)
    if raw.method not in METHODS:
        raise MethodNotAllowed(f"method is not served, use one of {', '.join(sorted(METHODS))}")
    if not raw.target.startswith("/"):
        raise BadRequest("the request target must be a path that starts with `/`")
    if "upgrade" in raw.names:
        raise BadRequest("connection upgrades are not served")
    _refuse_unreadable_body(raw)


def _refuse_impersonation(raw: RawRequest) -> None:
    """Refused, not stripped: the caller believes that it works.

    Gateways fold `_` into `-`, so whatever begins with the word is one of these headers.
    """
    for name in raw.names:
        if name.startswith("impersonate"):
            raise Forbidden("impersonation is not allowed: ask as yourself")


def _refuse_unreadable_body(raw: RawRequest) -> None:
    if raw.method in _READ_METHODS and raw.names.isdisjoint(_ABOUT_A_BODY):
        return
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
    if "content-encoding" in raw.names:
        raise UnsupportedMediaType("compressed bodies are not served, send the body as it is")
