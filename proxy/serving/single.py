"""All of the proxy in one process."""

from contextlib import AsyncExitStack

from proxy.app import App
from proxy.serving.front import Front
from proxy.serving.running import Addresses
from proxy.settings import Settings


class Single:
    """What serves tenants and what is beside it, in this process."""

    def __init__(self, settings: Settings) -> None:
        """Build everything that needs no I/O beyond reading files.

        Raises:
            StartError: a file or a value in the settings cannot be used.
        """
        self._settings = settings
        self._app = App(settings)
        self._front = Front(self._app.looks, self._app.notices, self._app.certificate.context)
        self._stack = AsyncExitStack()

    async def start(self) -> Addresses:
        """As the protocol says."""
        settings = self._settings
        async with AsyncExitStack() as stack:
            await self._app.start()
            stack.push_async_callback(self._app.close)
            beside = await self._front.start(settings.management, settings.back_channel)
            stack.push_async_callback(self._front.stop)
            port = await self._app.listen()
            self._stack = stack.pop_all()
        return Addresses(port, *beside)

    async def failed(self) -> None:
        """As the protocol says."""
        await self._app.failed()

    async def stop(self) -> bool:
        """As the protocol says."""
        await self._app.drain()
        await self._stack.aclose()
        return True

    def reopen_logs(self) -> None:
        """As the protocol says."""
        self._app.reopen_logs()
