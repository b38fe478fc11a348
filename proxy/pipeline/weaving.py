"""One stream of several: the pieces as they come, each whole before the next."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass

from proxy.core.conversation import Weaver
from proxy.core.wire import Headers
from proxy.ports import Stream


@dataclass(frozen=True, slots=True)
class Woven:
    """The port `Stream` over pieces of several, with the head of one of them."""

    one: Stream
    pieces: AsyncIterator[bytes]
    length: None = None

    @property
    def code(self) -> int:
        """As the port says."""
        return self.one.code

    @property
    def headers(self) -> Headers:
        """As the port says."""
        return self.one.headers

    def at_once(self) -> bytes | None:
        """As the port says."""
        return None

    def chunks(self) -> AsyncIterator[bytes]:
        """As the port says."""
        return self.pieces


async def woven(streams: Mapping[str, Stream], weaver: Weaver) -> AsyncGenerator[bytes, None]:
    """The pieces of several streams, woven into one; ends with the first to end.

    Raises what one of the streams, or the weaver, raises.
    """
    # As many as there are streams: a client that does not read holds them all up.
    pieces: asyncio.Queue[tuple[str, bytes | Exception | None]] = asyncio.Queue(len(streams))

    async def pump(namespace: str, stream: Stream) -> None:
        end: Exception | None = None
        try:
            async for chunk in stream.chunks():
                await pieces.put((namespace, chunk))
        except Exception as exc:  # noqa: BLE001 - raised again, where the others are read
            end = exc
        await pieces.put((namespace, end))

    pumps = [asyncio.create_task(pump(name, stream)) for name, stream in streams.items()]
    try:
        while True:
            match await pieces.get():
                case (_, None):
                    return
                case (_, Exception() as exc):
                    raise exc
                case (namespace, bytes() as chunk):
                    if out := weaver.feed(namespace, chunk):
                        yield out
    finally:
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
