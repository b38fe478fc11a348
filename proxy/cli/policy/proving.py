"""Whose token is it: verified as `serve` verifies it, and told to nobody."""

import asyncio
import sys
from pathlib import Path
from typing import Final

import click

from proxy.app import StartError, verifying
from proxy.cli import ending
from proxy.core.errors import Unavailable
from proxy.core.identity import Identity
from proxy.core.wire import Fields, RawRequest
from proxy.settings import Settings

_MAX_FILE: Final = 64 * 1024


def prove(file: Path, settings: Settings) -> Identity:
    """Who a token in a file is of; ends with 2 if nobody can tell.

    Raises:
        Unauthenticated: it is not taken.
        click.BadParameter: it cannot be read.
    """
    try:
        return asyncio.run(_authenticated(_read(file), settings))
    except (StartError, Unavailable) as exc:
        raise ending.unusable(exc) from exc


async def _authenticated(token: str, settings: Settings) -> Identity:
    headers = Fields((("Authorization", f"Bearer {token}"),))
    async with verifying(settings) as verifier:
        caller = await verifier.authenticate(RawRequest("GET", "/", headers))
    return caller.identity


def _read(file: Path) -> str:
    try:
        if str(file) == "-":
            return sys.stdin.read(_MAX_FILE).strip()
        with file.open() as opened:
            return opened.read(_MAX_FILE).strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise click.BadParameter(f"`{file}` cannot be read", param_hint="--token-file") from exc
