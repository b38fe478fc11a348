"""How the answer to a request is found: by asking upstream, without doing I/O.

A conversation is a generator: it yields an `UpstreamRequest`, is sent the
whole `Reply`, and returns either a `Forward`, whose answer streams to the
client, or the `Reply` that the client gets. `pipeline` drives it; a test can
play the apiserver, line by line.
"""

from collections.abc import Generator
from dataclasses import dataclass

from proxy.core.narrowing import UpstreamRequest
from proxy.core.wire import Reply


@dataclass(frozen=True, slots=True)
class Forward:
    """Send this; the client gets the answer as it comes."""

    request: UpstreamRequest


Outcome = Forward | Reply
Conversation = Generator[UpstreamRequest, Reply, Outcome]


def at_once(outcome: Outcome) -> Conversation:
    """The conversation that needs no question."""
    yield from ()
    return outcome
