"""Between the proxy and the apiserver: the network, as bad as a test wants it."""

import asyncio
import contextlib


class Relay:
    """Passes bytes on to a port of this machine. Its coroutines belong to one event loop."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._answers = asyncio.Event()
        self._answers.set()
        self.port = 0
        self.accepted = 0
        """Connections that there have been."""

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    async def start(self) -> None:
        """Listen, on the port of before if there was one."""
        self._listener = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections and break those that there are."""
        if self._listener is not None:
            self._listener.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def hold(self) -> None:
        """Keep answers back: the apiserver has heard, and nobody hears of it."""
        self._answers.clear()

    async def release(self) -> None:
        """Let answers through again."""
        self._answers.set()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self.accepted += 1
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            asked = asyncio.create_task(_pump(reader, back))
            answered = asyncio.create_task(_pump(there, writer, self._answers))
            try:
                await asyncio.wait((asked, answered), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in (asked, answered):
                    pump.cancel()
                back.transport.abort()
        except OSError:
            return
        finally:
            writer.transport.abort()
            self._connections.discard(task)


async def _pump(
    source: asyncio.StreamReader,
    sink: asyncio.StreamWriter,
    may: asyncio.Event | None = None,
) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await source.read(64 * 1024):
            if may is not None:
                await may.wait()
            sink.write(piece)
            await sink.drain()
