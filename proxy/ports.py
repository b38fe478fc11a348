"""What the pipeline needs from outside, as Protocols; `app` says who serves each."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from proxy.core.identity import Identity
from proxy.core.introspection import Told
from proxy.core.narrowing import UpstreamRequest
from proxy.core.policy import RuleSet
from proxy.core.wire import Headers, RawRequest, Reply

Clock = Callable[[], float]
"""Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody, and the token that said so: the IAM is asked about both.

    It lives as long as its request, and the token goes nowhere but to the IAM
    that issued it.
    """

    identity: Identity
    token: str = field(repr=False)


class Authenticator(Protocol):
    """Who asks."""

    async def authenticate(self, raw: RawRequest) -> Caller:
        """Verify the credentials of a request.

        Raises:
            Unauthenticated: missing, wrong, expired or revoked credentials.
            Unavailable: the issuer cannot be asked, so nobody can tell.
        """
        ...

    async def recheck(self, caller: Caller) -> Caller:
        """Verify once more the credentials of a request that is still open.

        What an IAM said is taken for true for half as long as otherwise: who looks
        again each half of that time knows within the whole of it.

        Raises:
            Unauthenticated: they no longer count.
            Unavailable: the issuer cannot be asked, so nobody can tell.
        """
        ...

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Have `changed` called, in the event loop, each time credentials were revoked."""
        ...


class Introspector(Protocol):
    """One issuer, when it is asked about its tokens (RFC 7662)."""

    async def introspect(self, token: str, *, recheck: bool = False) -> Told | None:
        """What the issuer says of a token, or None: it does not count.

        As long as it is the same answer it is the same object. `recheck` as
        `Authenticator.recheck`.

        Raises:
            Unavailable: the issuer cannot be asked, so nobody can tell.
        """
        ...


class Notices(Protocol):
    """What issuers say they have ended, in notices that they sign.

    Each method raises `BadRequest` for what is no such notice, and `Unavailable`
    while the keys that it would be verified by cannot be had.
    """

    async def log_out(self, logout_token: str) -> None:
        """Take a logout token (OIDC Back-Channel Logout 1.0)."""
        ...

    async def push(self, action: str) -> None:
        """Take an action of Keycloak's admins, that tokens count no longer."""
        ...


class Entitlements(Protocol):
    """What they may: policy files, the IAM, or both."""

    async def rules(self, caller: Caller, *, recheck: bool = False) -> RuleSet:
        """The rules that concern a caller, as of now; `recheck` as `Authenticator.recheck`.

        Raises:
            Unauthenticated: the IAM no longer takes the caller's token.
            Unavailable: the IAM cannot be asked, so nobody can tell.
        """
        ...

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Have `changed` called, in the event loop, each time answers may differ."""
        ...


class Stream(Protocol):
    """An answer whose body is still coming."""

    @property
    def code(self) -> int:
        """The HTTP status code."""
        ...

    @property
    def headers(self) -> Headers:
        """The headers as they came, names in any case."""
        ...

    @property
    def length(self) -> int | None:
        """How many bytes the body has, where the answer has announced it."""
        ...

    def at_once(self) -> bytes | None:
        """The whole body, if it has come already; then there is nothing more to take."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, undecoded, each piece as soon as it is there."""
        ...


class Upstream(Protocol):
    """The apiserver, as the proxy's own service account."""

    async def ask(self, request: UpstreamRequest) -> Reply:
        """Send a request and wait for the whole answer.

        Raises:
            Unavailable: no connection to the apiserver.
            Timeout: it did not answer in time.
            BadGateway: it answered something over-long or broken.
        """
        ...

    def stream(self, request: UpstreamRequest) -> AbstractAsyncContextManager[Stream]:
        """Send a request and hand out its answer as it comes; leaving closes it.

        Raises the same as `ask`, on entry.
        """
        ...


class ClientGone(Exception):  # noqa: N818 - an event, not a fault
    """The client has left; what it would have been told is of no use."""


class YamlReader(Protocol):
    """What a YAML body says, in the encoding that is judged here."""

    def __call__(self, written: bytes, /) -> bytes:
        """The JSON text of a YAML body.

        Raises:
            BadRequest: it is not one document that every reader reads alike.
        """
        ...


class Client(Protocol):
    """The other end of one request: its body still to come, its answer still to go.

    Each method that gives something raises `ClientGone` once nobody takes it.
    """

    async def body(self, limit: int) -> bytes:
        """Read the whole body, of at most `limit` bytes.

        Raises:
            TooLarge: it is longer, or says that it will be.
            RequestTimeout: it does not arrive in time.
            BadRequest: it breaks off or breaks HTTP's framing.
        """
        ...

    async def send(self, reply: Reply) -> None:
        """Give a whole answer."""
        ...

    async def begin(self, code: int, headers: Headers, length: int | None = None) -> None:
        """Give the head of an answer whose body follows by `write` and `end`.

        `length` is that of the body in bytes, where it is known.
        """
        ...

    async def write(self, chunk: bytes) -> None:
        """Give a piece of the body at once; waits while the client does not read."""
        ...

    async def end(self) -> None:
        """Say that the body is complete."""
        ...

    def abort(self) -> None:
        """Close the connection, so that the body cannot be taken for complete."""
        ...

    @property
    def begun(self) -> bool:
        """Whether the head of an answer was given."""
        ...


class AuditLog(Protocol):
    """Where every decision is written down."""

    def write(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Write `audit.k8s.io/v1` Events.

        Raises:
            OSError: not all were written; the proxy stops serving until it can.
            TypeError, ValueError: one cannot be written; the others were.
        """
        ...


class Meter(Protocol):
    """What operators watch."""

    def answered(self, verb: str, resource: str, code: int, seconds: float) -> None:
        """Count a request that ended; `verb` and `resource` are of closed sets."""
        ...

    def shadowed(self, decision: str, policy: str) -> None:
        """Count a request that would have been decided so, had the shadow `policy` counted.

        `decision` is `allow` or `forbid`; `policy` is the name of a document.
        """
        ...

    def watching(self, change: int) -> None:
        """Count a watch that was opened (+1) or has ended (-1)."""
        ...
