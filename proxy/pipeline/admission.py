"""How much at once: requests and watches under way, of all callers and of each.

One caller alone cannot use up what there is for all. A management cluster is one,
with all its service accounts: whoever owns it makes as many as they like.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from proxy.core.errors import TooManyRequests
from proxy.core.identity import Identity


@dataclass(frozen=True, slots=True)
class Limits:
    """How many at once, over all callers and for each; a request that watches counts as a watch."""

    requests: int = 400
    requests_per_caller: int = 100
    watches: int = 10_000
    watches_per_caller: int = 1_000


class Admission:
    """Counts what is under way."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._all: Counter[bool] = Counter()
        self._by_caller: Counter[tuple[bool, str, str]] = Counter()

    @contextmanager
    def admit(self, identity: Identity, *, watches: bool, spans: int = 1) -> Iterator[None]:
        """Count a request while it is under way, once for each namespace that it spans.

        Raises:
            TooManyRequests: there are as many as there may be.
        """
        limits = self._limits
        most = limits.watches if watches else limits.requests
        most_of_one = limits.watches_per_caller if watches else limits.requests_per_caller
        what = "watches are open" if watches else "requests are under way"
        caller = (watches, identity.issuer, "" if identity.service_account else identity.subject)
        if self._by_caller[caller] + spans > most_of_one:
            raise TooManyRequests(f"too many of your {what}", retry_after=1)
        if self._all[watches] + spans > most:
            raise TooManyRequests(f"too many {what}", retry_after=5 if watches else 1)
        self._all[watches] += spans
        self._by_caller[caller] += spans
        try:
            yield
        finally:
            self._all[watches] -= spans
            self._by_caller[caller] -= spans
            if not self._by_caller[caller]:
                del self._by_caller[caller]
