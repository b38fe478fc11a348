"""How the answer to a request is found: by asking upstream, without doing I/O.

A conversation is a generator: it yields an `UpstreamRequest`, is sent the
whole `Reply`, and returns a `Forward` or a `Merge`, whose answers stream to
the client, or the `Reply` that the client gets. `pipeline` drives it; a test can
play the apiserver, line by line.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

from proxy.core.narrowing import UpstreamRequest
from proxy.core.wire import Reply


@dataclass(frozen=True, slots=True)
class Forward:
    """Send this; the client gets the answer as it comes."""

    request: UpstreamRequest


class Weaver(Protocol):
    """Makes one stream of several; `core.spanning` has the one there is."""

    def feed(self, namespace: str, chunk: bytes) -> bytes:
        """Take a piece of one stream; returns what the client gets now."""
        ...


@dataclass(frozen=True, slots=True)
class Merge:
    """Send all of these, one for each namespace; the client gets their answers woven into one."""

    requests: tuple[tuple[str, UpstreamRequest], ...]
    weaver: Weaver


Outcome = Forward | Merge | Reply
Conversation = Generator[UpstreamRequest, Reply, Outcome]


def at_once(outcome: Outcome) -> Conversation:
    """The conversation that needs no question."""
    yield from ()
    return outcome
