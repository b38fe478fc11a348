"""The operators' listener: liveness, readiness and metrics, never on the tenants' side.

Answers as the apiserver's own health endpoints do: `ok`, or with `?verbose`
a line for each check.
"""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

Check = Callable[[], Awaitable[str]]
"""Returns what is wrong, or the empty string."""


class Management:
    """A small HTTP server; plain, since it belongs on loopback or a pod's network.

    `checks` must hold for the proxy to be ready; `notes` are worth knowing and no
    more, such as one issuer of several that is away.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        notes: Mapping[str, Check],
        metrics: Callable[[], tuple[bytes, str]],
    ) -> None:
        self._checks = checks
        self._notes = notes
        self._metrics = metrics
        app = web.Application()
        app.router.add_get("/livez", self._live)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._show_metrics)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port.

        Raises:
            OSError: the address cannot be had.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _live(self, _: web.Request) -> web.Response:
        """That the event loop got here is what is asked."""
        return web.Response(text="ok")

    async def _ready(self, request: web.Request) -> web.Response:
        faults = {name: await check() for name, check in self._checks.items()}
        bad = [name for name, fault in faults.items() if fault]
        lines = [f"[-]{name} failed: {f}" if f else f"[+]{name} ok" for name, f in faults.items()]
        for name, note in self._notes.items():
            if trouble := await note():
                lines.append(f"[!]{name}: {trouble}")
        verdict = "readyz check failed" if bad else "readyz check passed"
        if bad or "verbose" in request.query:
            return web.Response(
                status=503 if bad else 200, text="\n".join([*lines, verdict]) + "\n"
            )
        return web.Response(text="ok")

    async def _show_metrics(self, _: web.Request) -> web.Response:
        body, content_type = self._metrics()
        return web.Response(body=body, headers={"Content-Type": content_type})
