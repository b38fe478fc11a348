"""One connection: where a request begins, and what a connection may cost.

One request is under way at a time; what comes meanwhile waits. What is not
HTTP ends as a `Status` too, without an echo of what was sent.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

from proxy.core.errors import BadRequest, HeadersTooLarge, Refused
from proxy.core.wire import RawRequest
from proxy.edge.server.client import HttpClient
from proxy.edge.server.incoming import NOTHING, Incoming, expected
from proxy.http1 import HeadTooLargeError, Limits, MalformedError, RequestReader, find_end
from proxy.ports import Client, ClientGone

log = logging.getLogger(__name__)

# What waits of requests that were sent before the one under way was answered.
_AHEAD: Final = 64 * 1024
# What waits of an answer before the client has to take of it.
_UNTAKEN: Final = 64 * 1024


class Service(Protocol):
    """Who answers; the pipeline."""

    async def serve(self, raw: RawRequest, client: Client) -> None:
        """Answer one request."""
        ...

    async def malformed(self, refused: Refused, peer: str, client: Client) -> None:
        """Answer what is no request."""
        ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one connection may cost. Times in seconds."""

    head: Limits = field(default_factory=Limits)
    idle: float = 75.0  # between requests, and for the head of one
    body: float = 60.0
    stall: float = 60.0  # for a client to take what waits for it of its answer
    linger: float = 1.0  # for a refused body that is still being sent, so that the refusal arrives
    connections: int = 10_000
    oldest_goes: bool = False  # for one too many; else that one does


class House:
    """What all connections of a listener share."""

    def __init__(self, service: Service, bounds: Bounds) -> None:
        self.service = service
        self.bounds = bounds
        self.connections: dict[Connection, None] = {}
        """Those that are open, the oldest first."""
        self.finishing = False
        """Whether every answer is the last one of its connection."""
        self.changed = asyncio.Event()
        """Set when a request or a connection has ended, while that is waited for."""

    @property
    def is_quiet(self) -> bool:
        """Whether no request is under way; those of clients that have left are not."""
        return all(connection.is_idle for connection in self.connections)

    def tell(self) -> None:
        """Say that a request or a connection has ended, to who waits for all to."""
        if self.finishing:
            self.changed.set()


class Connection(asyncio.Protocol):
    """One connection. Cancels what is done for a client that leaves."""

    __slots__ = (
        "_ahead",
        "_asked",
        "_client",
        "_deadline",
        "_full",
        "_heads",
        "_house",
        "_lingers",
        "_loop",
        "_peer",
        "_reading",
        "_refused",
        "_room",
        "_timer",
        "_transport",
        "task",
    )

    _transport: asyncio.Transport

    def __init__(self, house: House) -> None:
        self._house = house
        self._loop = asyncio.get_running_loop()
        self._peer = ""
        self._heads = RequestReader(house.bounds.head)
        # What has come and is not yet looked at.
        self._ahead = b""
        self._client: HttpClient | None = None
        self._refused: Refused | None = None
        self.task: asyncio.Task[None] | None = None
        """What serves it, from its first request until it ends."""
        # Pending while the task has nothing to do.
        self._asked: asyncio.Future[None] | None = None
        self._reading = True
        # While it is full, what is sent is waited for.
        self._full = False
        self._room: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._lingers = False

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self._client is None

    @property
    def finishing(self) -> bool:
        """As `Wire` says."""
        return self._house.finishing

    @property
    def body_seconds(self) -> float:
        """As `Wire` says."""
        return self._house.bounds.body

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take one more connection, or end one for it."""
        house, bounds = self._house, self._house.bounds
        # Some are such by their methods alone.
        self._transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=_UNTAKEN)
        self._peer = transport.get_extra_info("peername")[0]
        house.connections[self] = None
        self._deadline = self._loop.time() + bounds.idle
        self._timer = self._loop.call_at(self._deadline, self._look)
        if len(house.connections) > bounds.connections:
            # At once: to close it properly would wait for the other end.
            (next(iter(house.connections)) if bounds.oldest_goes else self).abort()

    def connection_lost(self, _: Exception | None) -> None:
        """End what is done for who has left."""
        self._house.connections.pop(self, None)
        self._house.tell()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()
        # What it is cancelled by leads back here, so it must not be kept: that would have
        # to wait, with all the memory of TLS, until garbage is collected.
        task, self.task = self.task, None
        if task is not None:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        """Take in what has come: of the request under way, or ahead of its time."""
        if self._lingers or self._transport.is_closing():
            # INVARIANT: after the last answer of a connection nothing is a request.
            return
        if self._client is not None:
            data = self._feed(self._client.incoming, data)
        if not data:
            return
        looked = len(self._ahead)
        self._ahead = self._ahead + data if self._ahead else data
        if self._client is None:
            self._take_request(looked)
        elif len(self._ahead) > _AHEAD:
            self._pause()

    def pause_writing(self) -> None:
        """Take note that what was sent is not taken."""
        self._full = True

    def resume_writing(self) -> None:
        """Take note that there is room again."""
        self._full = False
        self._wake()

    def send(self, data: bytes) -> None:
        """As `Wire` says."""
        if self._transport.is_closing():
            raise ClientGone
        self._transport.write(data)

    def flush_soon(self) -> None:
        """As `Wire` says."""
        self._loop.call_soon(self._flush)

    async def taken(self) -> None:
        """As `Wire` says."""
        if self._full:
            await self._taken_in_time()
        if self._transport.is_closing():
            raise ClientGone

    def resume(self) -> None:
        """As `Wire` says."""
        if not self._reading:
            self._reading = True
            self._transport.resume_reading()

    def abort(self) -> None:
        """As `Wire` says."""
        self._transport.abort()

    def finish(self) -> None:
        """End after the request that is under way; without one, now."""
        if self._client is None:
            self._transport.close()

    def _take_request(self, looked: int = 0) -> None:
        """Begin to serve what has come, if its head is whole; `looked` as `find_end`."""
        try:
            end = find_end(self._ahead, self._house.bounds.head, looked)
            if end < 0:
                self.resume()
                return
            raw = self._heads.read(self._ahead[:end], self._peer)
            incoming = expected(raw.fields)
        except HeadTooLargeError:
            self._refuse(HeadersTooLarge("the request line or a header is too long"))
            return
        except MalformedError:
            self._refuse(BadRequest("the request is not HTTP/1.1 as RFC 9112 has it"))
            return
        client = HttpClient(raw, incoming, self)
        rest = self._ahead[end + 2 :]
        self._ahead = self._feed(incoming, rest) if rest else b""
        self._begin(client)

    def _refuse(self, refused: Refused) -> None:
        self._ahead = b""
        self._refused = refused
        self._begin(HttpClient(RawRequest("", ""), NOTHING, self))

    def _feed(self, incoming: Incoming, data: bytes) -> bytes:
        """Give a request what is its own of the data; returns what is not."""
        rest = incoming.feed(data)
        if incoming.waits:
            self._pause()
        return rest

    def _begin(self, client: HttpClient) -> None:
        self._client = client
        if self.task is None:
            self.task = self._loop.create_task(self._run())
        elif self._asked is not None:
            self._asked.set_result(None)

    async def _run(self) -> None:
        """Serve one request after the other. A task for each would cost more than its start."""
        while True:
            while (client := self._client) is not None:
                await self._serve(client)
                if self._client is not None:
                    # Hundreds may have been sent ahead, and all others would wait for them.
                    await asyncio.sleep(0)
            self._asked = self._loop.create_future()
            await self._asked
            self._asked = None

    async def _serve(self, client: HttpClient) -> None:
        service, refused = self._house.service, self._refused
        try:
            if refused is None:
                await service.serve(client.raw, client)
            else:
                await service.malformed(refused, self._peer, client)
            client.conclude()
        except ClientGone:
            self.abort()
        except Exception as exc:  # noqa: BLE001 - its traceback may quote what was sent
            log.warning("a connection broke: %s", type(exc).__name__)
            self.abort()
        finally:
            self._client = None
            self._house.tell()
        self._go_on(client)

    def _go_on(self, client: HttpClient) -> None:
        """Go on to the next request, or to the end."""
        if self._transport.is_closing():
            return
        if client.lingers:
            self._linger()
        elif client.closes or self.finishing:
            self._transport.close()
        else:
            self._deadline = self._loop.time() + self._house.bounds.idle
            # Else each request would let in more than it takes away of what waits.
            if len(self._ahead) <= _AHEAD:
                self.resume()
            if self._ahead:
                self._take_request()

    def _linger(self) -> None:
        """Let go what still comes for a while: an end at once could overtake the answer."""
        self._lingers = True
        self._ahead = b""
        self.resume()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._house.bounds.linger, self._transport.close)

    def _look(self) -> None:
        """End the connection if nothing was asked for too long."""
        now = self._loop.time()
        if self._client is None and now >= self._deadline:
            self._transport.close()
            return
        again = self._deadline if self._client is None else now + self._house.bounds.idle
        self._timer = self._loop.call_at(again, self._look)

    def _flush(self) -> None:
        if self._client is not None and not self._transport.is_closing():
            self._client.flush()

    def _pause(self) -> None:
        if self._reading:
            self._reading = False
            self._transport.pause_reading()

    def _wake(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def _taken_in_time(self) -> None:
        try:
            async with asyncio.timeout(self._house.bounds.stall) as scope:
                while self._full and not self._transport.is_closing():
                    self._room = self._loop.create_future()
                    await self._room
        except TimeoutError as exc:
            if not scope.expired():
                raise
            # What waits for it would be kept for as long as it likes.
            self.abort()
            raise ClientGone from exc
        finally:
            self._room = None
