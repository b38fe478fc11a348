"""A connection that has ended leaves nothing that only a collection of garbage would free.

Collections become rare where much is alive, and the memory of TLS is none of what they
count: what waited for them was tens of megabytes after some thousands of watches.
"""

import asyncio
import gc
from pathlib import Path

import uvloop

from proxy.core.wire import RawRequest
from proxy.edge.server.connection import Connection as Served
from proxy.edge.upstream.connection import Connection as Asked
from proxy.ports import Client
from proxy.tls import Secured
from tests.e2e.wire import request
from tests.edge.apiservers import Call, asking, connected, never, running
from tests.edge.listening import listening

HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{"


async def half(call: Call) -> None:
    await call.say(HALF)
    await never(call)


def alive() -> int:
    return sum(isinstance(each, Served | Asked | Secured) for each in gc.get_objects())


async def leave_a_watch(folder: Path) -> int:
    """Have a client leave in the midst of an answer; returns how many objects are left."""
    (folder / "apiserver").mkdir()
    async with running(folder / "apiserver", half) as fake, connected(fake) as upstream:

        async def answer(_: RawRequest, client: Client) -> None:
            async with upstream.stream(asking(streams=True)) as stream:
                await client.begin(stream.code, stream.headers)
                async for chunk in stream.chunks():
                    await client.write(chunk)

        async with listening(folder, answer) as listener:
            async with listener.connect() as connection:
                await connection.say(request("GET", "/"))
                await connection.head()
            async with asyncio.timeout(10):
                await fake.closed.wait()
                while alive():  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0)
    return alive()


def test_a_connection_that_has_ended_is_freed_at_once(tmp_path: Path) -> None:
    gc.collect()
    gc.disable()
    try:
        assert uvloop.run(leave_a_watch(tmp_path)) == 0
    finally:
        gc.enable()
