"""What was ended before its time, and which tokens that concerns.

A memory of what issuers have said: bounded, since a token that is refused has an
end of its own, and never forgetful: what there is no room for is refused as a whole.
"""

import itertools
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

from proxy.core.identity import LEEWAY, Identity

Clients: TypeAlias = frozenset[str] | None
"""Whose tokens are ended, by the client that they were made for; None is everybody's."""

MAX_ENDED = 50_000
"""How many sessions and subjects of an issuer are remembered."""

_MAX_CLIENTS = 100


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A login is over, and every token of it. `issuer` is the issuer's name.

    Where the issuer says whose it was, tokens of that subject that name no login
    may be of this one, if they were made by `up_to`, in seconds since the epoch.
    """

    issuer: str
    clients: Clients
    session: str
    subject: str = ""
    up_to: float = 0


@dataclass(frozen=True, slots=True)
class SubjectEnded:
    """All logins of a subject are over that were there at `up_to`, in seconds since the epoch."""

    issuer: str
    clients: Clients
    subject: str
    up_to: float


@dataclass(frozen=True, slots=True)
class TokensEnded:
    """All tokens count no longer that were made before `before`, in seconds since the epoch."""

    issuer: str
    clients: Clients
    before: float


Revocation: TypeAlias = SessionEnded | SubjectEnded | TokensEnded

_Key: TypeAlias = tuple[str, str]
_EVERYTHING: _Key = ("issuer", "")


@dataclass(slots=True)
class _Ended:
    """For each client, or None for all, the time of issue up to which tokens are refused."""

    by_client: dict[str | None, float] = field(default_factory=dict)
    until: float = 0

    def add(self, clients: Clients, up_to: float, until: float) -> None:
        for client in {None} if clients is None else clients:
            self.by_client[client] = max(up_to, self.by_client.get(client, -math.inf))
        if len(self.by_client) > _MAX_CLIENTS:
            self.by_client = {None: max(self.by_client.values())}
        self.until = max(self.until, until)

    def up_to(self, clients: Collection[str]) -> float:
        # Where nobody knows whose a token is, it may be of any of them.
        named = (None, *clients) if clients else self.by_client
        return max(self.by_client.get(client, -math.inf) for client in named)


class Revocations:
    """Everything that was ended and may still matter.

    `lifetimes` says, by the name of each issuer, how many seconds its tokens may
    live: so long and no longer they have to be refused.
    """

    def __init__(self, lifetimes: Mapping[str, float], *, size: int = MAX_ENDED) -> None:
        self._lifetimes = lifetimes
        self._size = size
        self._ended: dict[str, dict[_Key, _Ended]] = {name: {} for name in lifetimes}

    def note(self, revocation: Revocation, now: float) -> None:
        """Remember what an issuer has ended. `now` is in seconds since the epoch.

        Raises:
            KeyError: nobody knows this issuer.
        """
        ended = self._ended[revocation.issuer]
        lifetime = self._lifetimes[revocation.issuer]
        for key, up_to in _what(revocation):
            if key not in ended and len(ended) >= self._size:
                _drop_what_is_over(ended, now)
            if key not in ended and len(ended) >= self._size:
                # INVARIANT: nothing is forgotten. What does not fit takes along all that
                # was made up to now, since who is to be refused is no longer known.
                ended.clear()
                latest = now + LEEWAY
                ended[_EVERYTHING] = _Ended({None: latest}, latest + lifetime + LEEWAY)
                return
            # A session's tokens were made by now, whichever clock is ahead.
            latest = up_to if math.isfinite(up_to) else now + LEEWAY
            until = latest + lifetime + LEEWAY
            ended.setdefault(key, _Ended()).add(revocation.clients, up_to, until)

    def reason(self, identity: Identity) -> str | None:
        """Why a token counts no longer, as a sentence; None if nothing ended it."""
        ended = self._ended.get(identity.issuer)
        if not ended:
            return None
        for key, reason in _what_ends(identity):
            found = ended.get(key)
            if found is not None and identity.issued <= found.up_to(_clients(identity)):
                return reason
        return None


def _drop_what_is_over(ended: dict[_Key, _Ended], now: float) -> None:
    for key in [key for key, each in ended.items() if each.until <= now]:
        del ended[key]


def _what(revocation: Revocation) -> Iterator[tuple[_Key, float]]:
    """What is ended, and up to which time of issue."""
    match revocation:
        case SessionEnded():
            # Of a session nothing is left, so a token of it is never too new.
            yield ("session", revocation.session), math.inf
            if revocation.subject:
                yield ("no session", revocation.subject), revocation.up_to
        case SubjectEnded():
            yield ("subject", revocation.subject), revocation.up_to
        case TokensEnded():
            yield _EVERYTHING, math.nextafter(revocation.before, -math.inf)
        case _:
            assert_never(revocation)


def _what_ends(identity: Identity) -> Iterator[tuple[_Key, str]]:
    yield _EVERYTHING, "the issuer has revoked tokens as old as this one"
    yield ("subject", identity.subject), "the issuer has ended all sessions of this subject"
    if identity.session:
        yield ("session", identity.session), "the session that the token belongs to has ended"
    else:
        yield ("no session", identity.subject), "a session of this subject has ended"


def _clients(identity: Identity) -> set[str]:
    """The clients that a token may be for, whatever claim policies know its client by."""
    named = (identity.claims.get(name, ()) for name in ("azp", "client_id"))
    return {identity.client, *itertools.chain(*named)} - {""}
