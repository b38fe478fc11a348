"""What an IAM gave: tokens, and how long they are good for (RFC 6749, 5.1)."""

from dataclasses import dataclass, field

from proxy.edge.oidc.faults import LoginError, granted, seconds, text
from proxy.https import Answer

_MAX_TOKEN = 16 * 1024
"""The proxy reads none that is longer."""

_MARGIN = 0.2
_MAX_MARGIN = 60.0
_JITTER = 0.1
_MAX_JITTER = 60.0


@dataclass(frozen=True, slots=True)
class Tokens:
    """An access token, and a refresh token where there is one.

    Times are seconds since the epoch, by the clock of this machine: the IAM says how
    long, not when, so that a clock that is wrong does no harm.
    """

    access: str = field(repr=False)
    asked_at: float
    expires_at: float
    refresh: str | None = field(default=None, repr=False)

    def renew_at(self, chance: float) -> float:
        """When to ask for the next one, so that none is used which expires on its way.

        A fifth of its life before the end, at most a minute; and up to a tenth, at most
        a minute, before that, by `chance`: a number from 0 to 1, so that those who
        began together do not go on so.
        """
        life = self.expires_at - self.asked_at
        margin = min(life * _MARGIN, _MAX_MARGIN)
        return self.expires_at - margin - chance * min(life * _JITTER, _MAX_JITTER)


def read_tokens(answer: Answer, asked_at: float) -> Tokens:
    """Read the answer of a token endpoint.

    Raises:
        RefusedError: the IAM said no.
        LoginError: it said something else.
    """
    document = granted(answer)
    kind = document.get("token_type")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise LoginError("its answer is no bearer token")
    access = text(document, "access_token", _MAX_TOKEN)
    # Where there is none, the one of before may still be good (RFC 6749, 6).
    refresh = text(document, "refresh_token", _MAX_TOKEN) if "refresh_token" in document else None
    return Tokens(access, asked_at, asked_at + seconds(document, "expires_in"), refresh)
