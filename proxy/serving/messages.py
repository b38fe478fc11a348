"""What a supervisor and its workers say to each other: a line of JSON for each message.

The supervisor asks and a worker answers, in any order, by number. Number 0 is
answered unasked: whether the worker has started.
"""

import zlib
from typing import Final, Literal, TypeAlias

import msgspec

LONGEST: Final = 4 * 1024 * 1024
"""Bytes of a line, at most; the longest is a page of metrics."""

LONGEST_TEXT: Final = 16 * LONGEST
"""Bytes of what is packed, at most."""

STARTED: Final = 0


class _Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Known by its name."""


class Listen(_Message, frozen=True):
    """Let tenants in."""


class Fail(_Message, frozen=True):
    """Answer once a part of you has failed."""


class Look(_Message, frozen=True):
    """Say what you find."""

    at: Literal["live", "ready", "notes"]


class Show(_Message, frozen=True):
    """Show your metrics."""


class ShowPolicies(_Message, frozen=True):
    """Show which policies are in force."""


class LogOut(_Message, frozen=True):
    """Take a logout token."""

    token: str


class Push(_Message, frozen=True):
    """Take an action of Keycloak's admins."""

    action: str


class Reopen(_Message, frozen=True):
    """Start a new audit file."""


class Drain(_Message, frozen=True):
    """Let nobody in any more; answer when nobody is left."""


Ask: TypeAlias = Listen | Fail | Look | Show | ShowPolicies | LogOut | Push | Reopen | Drain


class Done(_Message, frozen=True):
    """It is so."""


class Found(_Message, frozen=True):
    """What checks found, by their names."""

    findings: dict[str, str]


class Shown(_Message, frozen=True):
    """A page of metrics."""

    page: str


class ShownPolicies(_Message, frozen=True):
    """Them, as `core.policy.inforce` writes them, `packed`."""

    packed: bytes


class Refusal(_Message, frozen=True):
    """It was refused, as `core.errors` has it."""

    code: int
    message: str


class NotStarted(_Message, frozen=True):
    """Something cannot be had; the message says what to mend."""

    message: str


Answer: TypeAlias = Done | Found | Shown | ShownPolicies | Refusal | NotStarted


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question, and what its answer will be known by."""

    number: int
    ask: Ask


class Answered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to the question of that number."""

    number: int
    answer: Answer


_encoder = msgspec.json.Encoder()
_asked = msgspec.json.Decoder(Asked)
_answered = msgspec.json.Decoder(Answered)


def line(message: Asked | Answered) -> bytes:
    """The line that says it.

    Raises:
        ValueError: it would be too long.
    """
    written = _encoder.encode(message) + b"\n"
    if len(written) > LONGEST:
        raise ValueError(f"a message of {len(written)} bytes is too long")
    return written


def pack(text: bytes) -> bytes:
    """A text that may be longer than a line, as a part of one: rules are much alike."""
    return zlib.compress(text, level=1)


def unpack(packed: bytes) -> bytes:
    """What was packed.

    Raises:
        ValueError: it is longer than any worker's, or no such text.
    """
    reading = zlib.decompressobj()
    try:
        text = reading.decompress(packed, LONGEST_TEXT)
    except zlib.error as exc:
        raise ValueError("it is not packed") from exc
    if not reading.eof:
        raise ValueError("it is too long")
    return text


def read_asked(written: bytes) -> Asked:
    """Read what a supervisor says.

    Raises:
        ValueError: it is no such message.
    """
    return _asked.decode(written)


def read_answered(written: bytes) -> Answered:
    """Read what a worker says.

    Raises:
        ValueError: it is no such message.
    """
    return _answered.decode(written)
