"""The operators' listener: liveness, readiness, metrics and more, never on the tenants' side.

Answers as the apiserver's own health endpoints do: `ok`, or with `?verbose`
a line for each check.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from aiohttp import web

Check = Callable[[], Awaitable[str]]
"""Returns what is wrong, or the empty string."""

Findings = Mapping[str, str]
"""What checks returned, by their names."""

Look = Callable[[], Awaitable[Findings]]
"""Makes checks."""

Page = tuple[bytes, str]
"""What is shown, and its media type."""

Show = Callable[[], Awaitable[Page]]
"""Makes a page, of what there is now."""


JSON: Final = "application/json"
POLICIES: Final = "/policies"
"""Where it is shown which policies are in force."""


def looking(checks: Mapping[str, Check]) -> Look:
    """Make these checks, one after the other."""

    async def look() -> Findings:
        return {name: await check() for name, check in checks.items()}

    return look


@dataclass(frozen=True, slots=True)
class Looks:
    """What is looked at when somebody asks.

    What `live` finds wrong, a restart should mend. What `ready` finds, keeps tenants
    away until it is over. `notes` are worth knowing and no more, such as one issuer
    of several that is away.
    """

    live: Look
    ready: Look
    notes: Look
    metrics: Show
    pages: Mapping[str, Show] = field(default_factory=dict)
    """What else is shown, by its path."""


class Management:
    """A small HTTP server; plain, since it belongs on loopback or a pod's network."""

    def __init__(self, looks: Looks) -> None:
        self._looks = looks
        app = web.Application()
        app.router.add_get("/livez", self._live)
        app.router.add_get("/readyz", self._ready)
        for path, show in {"/metrics": looks.metrics, **looks.pages}.items():
            app.router.add_get(path, partial(_shown, show))
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

    async def _live(self, request: web.Request) -> web.Response:
        return _judged("livez", await self._looks.live(), {}, request)

    async def _ready(self, request: web.Request) -> web.Response:
        looks = self._looks
        return _judged("readyz", await looks.ready(), await looks.notes(), request)


async def _shown(show: Show, _: web.Request) -> web.Response:
    body, media_type = await show()
    return web.Response(body=body, headers={"Content-Type": media_type})


def _judged(name: str, found: Findings, notes: Findings, request: web.Request) -> web.Response:
    bad = any(found.values())
    if not bad and "verbose" not in request.query:
        return web.Response(text="ok")
    lines = [f"[-]{each} failed: {f}" if f else f"[+]{each} ok" for each, f in found.items()]
    lines += [f"[!]{each}: {trouble}" for each, trouble in notes.items() if trouble]
    lines.append(f"{name} check {'failed' if bad else 'passed'}")
    return web.Response(status=503 if bad else 200, text="\n".join(lines) + "\n")
