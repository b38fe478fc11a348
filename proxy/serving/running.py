"""What a proxy is to who runs it, in however many processes."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running proxy listens."""

    port: int
    management_port: int
    back_channel_port: int | None


class Running(Protocol):
    """A whole proxy."""

    async def start(self) -> Addresses:
        """Start, tenants last; what was begun is undone if something cannot start.

        Raises:
            StartError: an address or something in the settings cannot be had.
        """
        ...

    async def failed(self) -> None:
        """Return once a part of it has failed and it must stop."""
        ...

    async def stop(self) -> bool:
        """Drain: not ready, no new connections, watches end, requests finish; then close.

        Returns whether everything ended as it should.
        """
        ...

    def reopen_logs(self) -> None:
        """Start a new audit file under the same name."""
        ...
