"""How much at once: requests and watches under way, of all callers and of each.

One caller alone cannot use up what there is for all. A management cluster is one,
with all its service accounts: whoever owns it makes as many as they like.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, TypeAlias

from proxy.core.errors import TooManyRequests
from proxy.core.identity import Identity

_WHAT: Final = {True: "watches are open", False: "requests are under way"}


@dataclass(frozen=True, slots=True)
class Limits:
    """How many at once, over all callers and for each; a request that watches counts as a watch."""

    requests: int = 400
    requests_per_caller: int = 100
    watches: int = 10_000
    watches_per_caller: int = 1_000


_Caller: TypeAlias = tuple[bool, str, str]
"""Whether it watches, its issuer, and its subject; of all service accounts of one, none."""


class Admission:
    """Counts what is under way."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._all = {True: 0, False: 0}
        self._by_caller: dict[_Caller, int] = {}

    def admit(
        self, identity: Identity, *, watches: bool, spans: int = 1
    ) -> AbstractContextManager[None]:
        """Count a request while it is under way, once for each namespace that it spans.

        Raises, on entry:
            TooManyRequests: there are as many as there may be.
        """
        subject = "" if identity.service_account else identity.subject
        return _Place(self, (watches, identity.issuer, subject), spans)

    def enter(self, caller: _Caller, spans: int) -> None:
        """Count in; `admit` does."""
        watches, limits = caller[0], self._limits
        most = limits.watches if watches else limits.requests
        most_of_one = limits.watches_per_caller if watches else limits.requests_per_caller
        of_one = self._by_caller.get(caller, 0) + spans
        if of_one > most_of_one:
            raise TooManyRequests(f"too many of your {_WHAT[watches]}", retry_after=1)
        if self._all[watches] + spans > most:
            raise TooManyRequests(f"too many {_WHAT[watches]}", retry_after=5 if watches else 1)
        self._all[watches] += spans
        self._by_caller[caller] = of_one

    def leave(self, caller: _Caller, spans: int) -> None:
        """Count out again."""
        self._all[caller[0]] -= spans
        self._by_caller[caller] -= spans
        if not self._by_caller[caller]:
            del self._by_caller[caller]


class _Place:
    """The place of one request among those under way."""

    __slots__ = ("_admission", "_caller", "_spans")

    def __init__(self, admission: Admission, caller: _Caller, spans: int) -> None:
        self._admission = admission
        self._caller = caller
        self._spans = spans

    def __enter__(self) -> None:
        self._admission.enter(self._caller, self._spans)

    def __exit__(self, *_: object) -> None:
        self._admission.leave(self._caller, self._spans)
