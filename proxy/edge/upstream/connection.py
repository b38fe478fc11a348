"""One connection to the apiserver: a request goes out, its answer comes in.

Whatever comes that no request asked for ends the connection: it would be taken
for the answer to the next one. What is answered is taken in no faster than it
is taken away.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from typing import Final, Protocol, cast

from proxy.edge.upstream.addresses import Address
from proxy.http1 import (
    Body,
    Limits,
    MalformedError,
    ResponseHead,
    find_response_end,
    is_last,
    of_response,
    opened,
    parse_response,
)

_LIMITS: Final = Limits()
_IDLE_SECONDS: Final = 75.0
_MOST_INFORMATION: Final = 16  # answers of 1xx before the answer
_WAITING: Final = 64 * 1024  # bytes of an answer, or of a request, that wait to be taken


class DroppedError(Exception):
    """The connection ended before the answer did. `heard`: after something of it came."""

    def __init__(self, *, heard: bool) -> None:
        super().__init__("the connection ended before the answer did")
        self.heard = heard


class _Phase(Enum):
    """What a connection is at."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    COMPLETE = auto()
    OVER = auto()


class Ended(Protocol):
    """Who is told once when a connection has ended."""

    def __call__(self, connection: "Connection", /) -> None:
        """Take note."""
        ...


class Connection(asyncio.Protocol):
    """One connection, for one request at a time.

    There may be thousands that wait for an event of a watch, so it has no task, no
    buffer of its own, and one timer, which is moved only when it fires too soon.
    """

    __slots__ = (
        "_body",
        "_buffered",
        "_due",
        "_ended",
        "_fault",
        "_full",
        "_head",
        "_heard",
        "_informed",
        "_keeps",
        "_loop",
        "_paused",
        "_pending",
        "_phase",
        "_pieces",
        "_read",
        "_sent",
        "_timer",
        "_timer_due",
        "_transport",
        "_waiter",
        "address",
        "hung",
        "length",
    )

    def __init__(self, address: Address, ended: Ended) -> None:
        self.address = address
        self.hung = False
        """Whether it ended since no answer came."""
        self.length: int | None = None
        """Bytes of the body, where the head announced it."""
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._phase = _Phase.IDLE
        self._waiter: asyncio.Future[None] | None = None
        self._fault: Callable[[], Exception] | None = None
        self._full = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._due = 0.0
        self._read: float | None = None
        self._head: ResponseHead | None = None
        self._body: Body | None = None
        self._pending = b""
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._paused = False
        self._heard = self._sent = self._keeps = False
        self._informed = 0

    @property
    def usable(self) -> bool:
        """Whether a request may be sent, as far as is known."""
        transport = self._transport
        return self._phase is _Phase.IDLE and transport is not None and not transport.is_closing()

    @property
    def complete(self) -> bool:
        """Whether all of the answer has come and was taken."""
        return self._phase is _Phase.COMPLETE and not self._pieces

    async def exchange(self, head: bytes, body: bytes, read: float | None) -> ResponseHead:
        """Send a request and wait for the head of its answer, each time `read` seconds at most.

        Raises:
            DroppedError: the connection ended.
            ConnectionResetError: it had ended before anything was sent.
            TimeoutError: nothing came in time.
            MalformedError: what came is no answer.
        """
        transport = self._transport
        if transport is None or not self.usable:
            # Not a byte was sent, so this is no answer that broke off.
            raise ConnectionResetError("closed before it was used")
        self._phase = _Phase.HEAD
        self._read = read
        try:
            if len(body) <= _WAITING:
                self._sent = True
                transport.write(head + body)
            else:
                await self._send(transport, head, body)
            while (answered := self._head) is None:
                await self._wait()
        except BaseException:
            self.abort()
            raise
        return answered

    async def piece(self) -> bytes:
        """What has come of the body, once something has; nothing at its end.

        Raises: as `exchange`.
        """
        while not self._pieces:
            if self._phase is _Phase.COMPLETE:
                return b""
            await self._wait()
        return self.take()

    def take(self) -> bytes:
        """What has come of the body by now, be it nothing."""
        pieces = self._pieces
        taken = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._empty()
        return taken

    def at_once(self) -> bytes | None:
        """All of the body that is still to be taken, if the whole answer has come."""
        if self._phase is not _Phase.COMPLETE:
            return None
        taken = b"".join(self._pieces)
        self._empty()
        return taken

    def release(self) -> bool:
        """Make ready for the next request; False, and the end, if there can be none."""
        if self._phase is not _Phase.COMPLETE or not self._keeps:
            self.abort()
            return False
        self._phase = _Phase.IDLE
        self._head = self._body = None
        self._heard = False
        self._informed = 0
        self._empty()
        self._expect(_IDLE_SECONDS)
        return self.usable

    def abort(self) -> None:
        """End at once: a polite end of TLS waits for the other side, which may hang."""
        self._fail(partial(DroppedError, heard=self._heard))

    def get_extra_info(self, name: str) -> object:
        """As of the transport."""
        return None if self._transport is None else self._transport.get_extra_info(name)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out; TLS has been verified by now."""
        # The transports of uvloop are such by their methods alone.
        self._transport = made = cast("asyncio.Transport", transport)
        made.set_write_buffer_limits(high=_WAITING)

    def pause_writing(self) -> None:
        """Take note that the other side is slow to take what it is sent."""
        self._full = True

    def resume_writing(self) -> None:
        """Take note that it has taken most of it."""
        self._full = False
        self._wake()

    def data_received(self, data: bytes) -> None:
        """Take what has come for what is due."""
        phase = self._phase
        if phase is _Phase.HEAD:
            self._take_head(data)
        elif phase is _Phase.BODY:
            self._take_body(data)
        else:
            # INVARIANT: nothing that came before a request is taken for its answer.
            self.abort()

    def eof_received(self) -> None:
        """The clean end of TLS, which nobody between can forge; so a body may end with it."""
        if self._phase is _Phase.BODY and self._body is not None:
            try:
                self._body.close()
            except MalformedError:
                self.abort()
            else:
                self._complete(b"")
            return
        if self._phase is not _Phase.COMPLETE:
            self.abort()
        self._keeps = False

    def connection_lost(self, _: Exception | None) -> None:
        """Tell who waits, and who keeps it."""
        self._fail(partial(DroppedError, heard=self._heard))
        self._keeps = False
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._ended(self)

    async def _send(self, transport: asyncio.Transport, head: bytes, body: bytes) -> None:
        """Send as the other side takes it, unless it answers before."""
        self._sent = False
        transport.write(head)
        for at in range(0, len(body), _WAITING):
            while self._full and self._head is None:
                await self._wait()
            if self._head is not None or self._fault is not None:
                return
            transport.write(body[at : at + _WAITING])
        self._sent = True

    def _take_head(self, data: bytes) -> None:
        self._heard = True
        received = self._pending + data if self._pending else data
        try:
            while (end := find_response_end(received, _LIMITS)) >= 0:
                head = parse_response(received[:end], _LIMITS)
                received = received[end + 2 :]
                if head.code >= 200 or head.code == 101:
                    self._pending = b""
                    self._begin(head, received)
                    return
                self._count_information()
            self._pending = received
        except MalformedError:
            self._fail(MalformedError)

    def _count_information(self) -> None:
        """RFC 9110, 15.2: a client ignores what it did not ask for; within reason."""
        self._informed += 1
        if self._informed > _MOST_INFORMATION:
            raise MalformedError

    def _empty(self) -> None:
        self._pieces.clear()
        self._buffered = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def _begin(self, head: ResponseHead, rest: bytes) -> None:
        announced = of_response(head.code, head.headers)
        self._head = head
        # What was not asked whole, or speaks something else from now on, is asked no more.
        self._keeps = self._sent and head.code != 101 and not is_last(head.headers)
        self._phase = _Phase.BODY
        if isinstance(announced, int):
            self.length = announced
            if len(rest) == announced:
                # The whole answer in one piece, as most are.
                if rest:
                    self._pieces.append(rest)
                self._complete(b"")
                return
        else:
            self.length = None
        self._body = opened(announced)
        self._take_body(rest)
        self._wake()

    def _take_body(self, data: bytes) -> None:
        body = self._body
        if body is None:
            return
        try:
            piece, rest = body.feed(data)
        except MalformedError:
            self._fail(MalformedError)
            return
        if piece:
            self._pieces.append(piece)
            self._buffered += len(piece)
        if body.complete:
            self._complete(rest)
        elif piece:
            self._wake()
            if self._buffered > _WAITING and not self._paused and self._transport is not None:
                self._paused = True
                self._transport.pause_reading()

    def _complete(self, rest: bytes) -> None:
        self._phase = _Phase.COMPLETE
        if rest:
            self._keeps = False
        self._wake()

    def _fail(self, fault: Callable[[], Exception]) -> None:
        """End, and say why to who waits; a whole answer that has come stays one.

        An error that was kept would keep, by its traceback, who it was raised to, and
        with them this connection and the memory of its TLS, until garbage is collected.
        """
        if self._phase is _Phase.OVER:
            return
        if self._phase is not _Phase.COMPLETE:
            self._phase = _Phase.OVER
            self._fault = fault
        self._keeps = False
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    def _wait(self) -> asyncio.Future[None]:
        if self._fault is not None:
            raise self._fault()
        self._waiter = waiter = self._loop.create_future()
        if self._read is not None:
            self._expect(self._read)
        return waiter

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _expect(self, seconds: float) -> None:
        """Be woken in so many seconds at the latest, or not, if something is expected later."""
        self._due = due = self._loop.time() + seconds
        timer = self._timer
        if timer is None or due < self._timer_due:
            if timer is not None:
                timer.cancel()
            self._timer_due = due
            self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        waits = self._waiter is not None and self._read is not None
        if not waits and self._phase is not _Phase.IDLE:
            return
        if self._loop.time() < self._due:
            self._timer_due = self._due
            self._timer = self._loop.call_at(self._due, self._tick)
            return
        self.hung = self._phase is _Phase.HEAD
        self._fail(TimeoutError)
