"""When: the moment a token is renewed, and the pause after a failure.

No two Secrets come to the same moment, yet each comes to the same one whoever
reckons it: the jitter is drawn from a name, not from dice, so that a replica
that takes over renews nothing before its time.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

SHORTEST_SECONDS: Final = 30.0
"""A token that lives no longer than this is of no use to whoever reads it from a Secret."""

EARLIEST: Final = 0.6
LATEST: Final = 0.8
"""The part of a token's life after which it is renewed, at the soonest and at the latest.

What is left is for the issuer to come back in, and for a reader that keeps a copy.
"""

FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Lifetime:
    """From when to when a token is good; seconds since the epoch."""

    begins: float
    ends: float


def due(lifetime: Lifetime, name: str) -> float:
    """When to renew a token, in seconds since the epoch."""
    part = EARLIEST + (LATEST - EARLIEST) * _drawn(f"{name} {lifetime.ends}")
    return lifetime.begins + (lifetime.ends - lifetime.begins) * part


def pause(failures: int, name: str) -> float:
    """Seconds to wait after so many failures in a row, of which there is one or more.

    Twice as long each time, up to a bound, less up to a half.
    """
    whole = min(FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 16), LONGEST_PAUSE_SECONDS)
    return whole * (0.5 + 0.5 * _drawn(f"{name} {failures}"))


def lifetime_of(token: str) -> Lifetime | None:
    """What a JWT says of its own lifetime (RFC 7519, 4.1), or None if it says nothing.

    Nothing is verified: whoever wrote the token into the Secret has only themself to deceive.
    """
    try:
        _, payload, _ = token.split(".")
        padded = payload + "=" * (-len(payload) % 4)
        claims = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        begins, ends = (float(claims[name]) for name in ("iat", "exp"))
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError, binascii.Error):
        return None
    # Not so for NaN either.
    return Lifetime(begins, ends) if 0 <= begins < ends < float("inf") else None


def _drawn(seed: str) -> float:
    """A number from 0 to 1 that looks drawn, and is the same for the same seed."""
    return int.from_bytes(sha256(seed.encode()).digest()[:8]) / 2**64
