"""Who is served beside tenants: operators, and the issuers that say what has ended.

On listeners of their own. What they see and reach of what serves the tenants is
behind two ports, so it may be in this process or in others.
"""

import ssl
from contextlib import AsyncExitStack

from proxy.app import needing
from proxy.edge.backchannel import BackChannel
from proxy.edge.management import Looks, Management
from proxy.edge.server import Bounds, Server
from proxy.ports import Notices
from proxy.settings import BackChannelSettings, ManagementSettings

BACK_CHANNEL_BOUNDS = Bounds(idle=15, body=10, stall=10, connections=100, oldest_goes=True)
"""What a connection of an issuer may cost; its requests are short and few.

Whoever holds many open must not keep out a notice, which no issuer sends twice.
"""


class Front:
    """The operators' and the issuers' listener."""

    def __init__(self, looks: Looks, notices: Notices, context: ssl.SSLContext) -> None:
        self._management = Management(looks)
        self._back_channel = Server(BackChannel(notices), context, BACK_CHANNEL_BOUNDS)
        self._stack = AsyncExitStack()

    async def start(
        self, management: ManagementSettings, back_channel: BackChannelSettings | None
    ) -> tuple[int, int | None]:
        """Listen; returns the ports.

        Raises:
            StartError: an address cannot be had.
        """
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._management.stop)
            with needing("management.address"):
                address = management.address
                management_port = await self._management.start(address.host, address.port)
            stack.push_async_callback(self._back_channel.stop, 0)
            port = None
            if back_channel is not None:
                with needing("backChannel.address"):
                    address = back_channel.address
                    port = await self._back_channel.start(address.host, address.port)
            self._stack = stack.pop_all()
        return management_port, port

    async def stop(self) -> None:
        """Stop listening."""
        await self._stack.aclose()
