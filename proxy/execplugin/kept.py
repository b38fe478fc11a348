"""Which token of before still does: what the cache holds, and what it is good for.

Pure: the clock and the caller come in.

A token may be refused before it expires: its session was ended, the keys that signed it
were replaced, a clock is wrong. client-go then calls the plugin again, and cannot say
why (`v1alpha1` could; it was taken out). A plugin that looks at the clock alone hands
out the refused token until it expires.

But a client calls only for its first request, after the `expirationTimestamp` it was
given, and after a 401. So a process that already has this very token, and asks again
before that time, was refused: the token is replaced. Other processes that were refused
as well then find a token that they have not had yet, and are handed that, so that many
at once still ask the IAM once.
"""

import os
from pathlib import Path
from typing import TypeAlias

import msgspec

LEAST_AGE = 10.0
"""Seconds for which a token is handed out however often it is refused.

What refuses one as young as that refuses the next one too: a client that tries without a
pause must not become load on the IAM.
"""

_MOST_HOLDERS = 200

Holder: TypeAlias = str
"""A process that a token was handed to."""


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token as the cache holds it; times are in seconds since the epoch."""

    access: str
    asked_at: float
    renew_at: float
    expires_at: float
    refresh: str | None = None
    holders: tuple[Holder, ...] = ()

    def __repr__(self) -> str:
        """Without the tokens: it may be printed."""
        return f"Kept(asked_at={self.asked_at}, expires_at={self.expires_at})"

    def does(self, holder: Holder | None, now: float) -> bool:
        """Whether to hand it out to a process that asks now."""
        # A clock that was put back tells nothing of when it expires.
        if not self.asked_at <= now < self.renew_at:
            return False
        return holder not in self.holders or now - self.asked_at < LEAST_AGE

    def still_lives(self, now: float) -> bool:
        """Whether it is only due to be renewed, and not known to be refused: better than none."""
        return self.renew_at <= now < self.expires_at

    def handed_to(self, holder: Holder | None) -> "Kept":
        """The same, and who has it; the longest known are forgotten first."""
        if holder is None or holder in self.holders:
            return self
        return msgspec.structs.replace(self, holders=(*self.holders, holder)[-_MOST_HOLDERS:])


def parent() -> Holder:
    """The process that called us, told from others that had or will have its number.

    Where the system does not say when a process began, the number has to do: a mistake
    costs a question to the IAM.
    """
    number = os.getppid()
    try:
        stat = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return str(number)
    # proc(5): the name, in parentheses, is the second field and may hold anything.
    return f"{number}@{stat.rpartition(')')[2].split()[19]}"
