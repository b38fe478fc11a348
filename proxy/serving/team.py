"""All workers, as one: what operators see of them, and what issuers tell them.

Nobody is told that a notice was taken before every worker has taken it, since a
token that counts no longer must be refused by whichever gets it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeVar

from proxy.core.errors import Refused
from proxy.core.policy import inforce
from proxy.edge.management import JSON, POLICIES, Findings, Look, Looks, Page
from proxy.edge.metrics import CONTENT_TYPE
from proxy.serving import exposition, messages
from proxy.serving.messages import (
    Answer,
    Ask,
    Done,
    Found,
    LogOut,
    Push,
    Show,
    Shown,
    ShownPolicies,
    ShowPolicies,
)

_log = logging.getLogger(__name__)

PATIENCE = 15.0
"""Seconds for an answer. A worker may have to fetch keys first, and gives that up after ten."""

_A = TypeVar("_A", bound=Answer)


class Member(Protocol):
    """One worker."""

    @property
    def number(self) -> int:
        """What it is known by."""
        ...

    async def ask(self, ask: Ask, answer: type[_A], patience: float | None) -> _A:
        """Ask it, and wait `patience` seconds for the answer.

        Raises:
            Refused: it refuses, or does not answer.
        """
        ...


class Team:
    """The looks of all workers, and the port `Notices` over them.

    `own_metrics` is the page of the process that they are led by.
    """

    def __init__(self, members: Sequence[Member], own_metrics: Callable[[], str]) -> None:
        self._members = members
        self._own_metrics = own_metrics
        self.looks = Looks(
            live=self._look("live"),
            ready=self._look("ready"),
            notes=self._look("notes"),
            metrics=self._show,
            pages={POLICIES: self._show_policies},
        )

    async def log_out(self, logout_token: str) -> None:
        """As the port says."""
        await self._tell(LogOut(logout_token))

    async def push(self, action: str) -> None:
        """As the port says."""
        await self._tell(Push(action))

    async def _tell(self, notice: LogOut | Push) -> None:
        """Tell each, whatever the others say; the gravest refusal is that of all."""
        outcomes = await asyncio.gather(*(self._told(member, notice) for member in self._members))
        refusals = [outcome for outcome in outcomes if outcome is not None]
        if not refusals:
            return
        if len(refusals) < len(outcomes):
            _log.error("not every worker took a notice that some took")
        raise max(refusals, key=lambda refused: refused.code)

    async def _told(self, member: Member, notice: LogOut | Push) -> Refused | None:
        try:
            await member.ask(notice, Done, PATIENCE)
        except Refused as refused:
            return refused
        return None

    def _look(self, at: Literal["live", "ready", "notes"]) -> Look:
        async def look() -> Findings:
            each = await asyncio.gather(
                *(self._found(one, messages.Look(at)) for one in self._members)
            )
            return {name: fault for findings in each for name, fault in findings.items()}

        return look

    async def _found(self, member: Member, look: messages.Look) -> Findings:
        name = f"worker-{member.number}"
        try:
            found = await member.ask(look, Found, PATIENCE)
        except Refused as refused:
            return {name: refused.message}
        return {name: "", **{f"{name}-{each}": said for each, said in found.findings.items()}}

    async def _show(self) -> Page:
        """The page of a worker that does not answer is left out."""
        shown = await asyncio.gather(*(self._shown(member) for member in self._members))
        pages = {"supervisor": self._own_metrics()}
        for member, page in zip(self._members, shown, strict=True):
            if page is not None:
                pages[str(member.number)] = page
        # It takes long for many workers, and notices must not wait.
        return await asyncio.to_thread(exposition.merge, pages), CONTENT_TYPE

    async def _shown(self, member: Member) -> str | None:
        try:
            return (await member.ask(Show(), Shown, PATIENCE)).page
        except Refused:
            return None

    async def _show_policies(self) -> Page:
        """Of a worker that does not answer, it is told that it does not."""
        shown = await asyncio.gather(*(self._policies_of(member) for member in self._members))
        numbers = [member.number for member in self._members]
        # As with metrics, notices must not wait.
        return await asyncio.to_thread(_merged, dict(zip(numbers, shown, strict=True))), JSON

    async def _policies_of(self, member: Member) -> bytes | str:
        try:
            return (await member.ask(ShowPolicies(), ShownPolicies, PATIENCE)).packed
        except Refused as refused:
            return refused.message


def _merged(shown: Mapping[int, bytes | str]) -> bytes:
    return inforce.encode(
        inforce.merged(
            {
                number: each if isinstance(each, str) else inforce.decode(messages.unpack(each))
                for number, each in shown.items()
            }
        )
    )
