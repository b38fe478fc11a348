"""The other end of one request: the port `Client` over a connection."""

from typing import Final, Protocol

from proxy.core.wire import Fields, Headers, RawRequest, Reply
from proxy.edge.server.answer import Answer, whole
from proxy.edge.server.incoming import Incoming
from proxy.http1 import is_last

# After these, where the next request begins is a guess, and guesses smuggle.
_NOT_UNDERSTOOD: Final = frozenset({400, 405, 411, 431})
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Wire(Protocol):
    """What a client needs of its connection."""

    @property
    def finishing(self) -> bool:
        """Whether every answer is the last one of its connection."""
        ...

    @property
    def body_seconds(self) -> float:
        """For how long a body is waited for."""
        ...

    def send(self, data: bytes) -> None:
        """Send, without waiting.

        Raises:
            ClientGone: there is nobody to send to.
        """
        ...

    def flush_soon(self) -> None:
        """Have the client flushed once it has nothing to do."""
        ...

    async def taken(self) -> None:
        """Wait until what was sent is taken, but for a bounded rest, and not for ever.

        Raises:
            ClientGone: the client has left, or takes nothing.
        """
        ...

    def resume(self) -> None:
        """Take in what comes."""
        ...

    def abort(self) -> None:
        """End the connection at once."""
        ...


class HttpClient:
    """Reads the body when it is asked for, and writes one answer."""

    __slots__ = (
        "_answer",
        "_head",
        "_whole",
        "_wire",
        "begun",
        "closes",
        "incoming",
        "lingers",
        "raw",
    )

    _answer: Answer

    def __init__(self, raw: RawRequest, incoming: Incoming, wire: Wire) -> None:
        self.raw = raw
        """What was asked."""
        self._wire = wire
        self.begun = False
        """As the port says."""
        # It waits for what follows at once, so that both go in one piece.
        self._head = b""
        self.incoming = incoming
        self.closes = raw.fields.derived(_are_last)
        """Whether nothing may follow on the connection."""
        self.lingers = False
        """Whether there may be more of the request than was taken in."""
        self._whole = False

    async def body(self, limit: int) -> bytes:
        """As the port says."""
        self.incoming.check(limit)
        if not self.incoming.complete:
            self._invite_body()
            self._wire.resume()
        return await self.incoming.read(limit, self._wire.body_seconds)

    def _invite_body(self) -> None:
        """RFC 9110, 10.1.1: a client that asked first waits for this, or for a refusal."""
        if self.raw.value("Expect").lower() == "100-continue":
            self._wire.send(_CONTINUE)

    async def send(self, reply: Reply) -> None:
        """As the port says."""
        self._decide(reply.code)
        self.begun = self._whole = True
        self._wire.send(whole(reply, to=self.raw.method, closes=self.closes))
        await self._wire.taken()

    async def begin(self, code: int, headers: Headers, length: int | None = None) -> None:
        """As the port says."""
        self._begin(code, headers, length)
        self._wire.flush_soon()

    async def write(self, chunk: bytes) -> None:
        """As the port says."""
        await self._give(self._answer.piece(chunk))

    async def end(self) -> None:
        """As the port says."""
        self._whole = True
        await self._give(self._answer.end())

    def abort(self) -> None:
        """As the port says."""
        self._wire.abort()

    def flush(self) -> None:
        """Send the head, where nothing came to go with it."""
        head, self._head = self._head, b""
        if head:
            self._wire.send(head)

    def conclude(self) -> None:
        """Nothing more comes: where that is too little, have the client know."""
        if not self.begun:
            self.closes = True
            self._wire.send(self._begin(500, (), 0).head)
        elif not self._whole:
            self._wire.abort()

    def _decide(self, code: int) -> None:
        """Decide whether anything may follow."""
        # What was refused unread must not be read as the next request.
        self.lingers = not self.incoming.complete or code in _NOT_UNDERSTOOD
        self.closes = self.closes or self.lingers or self._wire.finishing

    def _begin(self, code: int, headers: Headers, length: int | None) -> Answer:
        self._decide(code)
        answer = Answer(code, headers, length, to=self.raw.method, closes=self.closes)
        self._answer, self._head, self.begun = answer, answer.head, True
        return answer

    async def _give(self, data: bytes) -> None:
        head, self._head = self._head, b""
        if head or data:
            self._wire.send(head + data)
        await self._wire.taken()


def _are_last(fields: Fields) -> bool:
    return is_last(fields.pairs)
