"""Tenants that do not stop asking while something happens around them."""

import itertools
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.e2e.world import ServedProxy, eventually

THREADS = 3


class Load:
    """Requests that are being made, and what they were answered. Tokens can be exchanged."""

    def __init__(self, proxy: ServedProxy, target: str, tokens: Sequence[str]) -> None:
        self.codes: Counter[int] = Counter()
        self._proxy = proxy
        self._target = target
        self._tokens = tuple(tokens)
        self._over = threading.Event()

    def use(self, *tokens: str) -> None:
        """Ask with these from now on; returns once nobody asks with others."""
        self._tokens = tokens
        self.goes_on(2 * THREADS)

    def goes_on(self, count: int) -> None:
        """Return after so many more answers."""
        wanted = self.codes.total() + count
        eventually(lambda: self.codes.total() >= wanted, f"{count} more answers")

    def stop(self) -> None:
        self._over.set()

    def run(self) -> None:
        """Ask until it is over."""
        for number in itertools.count():
            if self._over.is_set():
                return
            tokens = self._tokens
            token = tokens[number % len(tokens)]
            try:
                code = self._proxy.ask("GET", self._target, token=token).code
            except OSError:
                code = 0
            self.codes[code] += 1


@contextmanager
def load(proxy: ServedProxy, target: str, *tokens: str) -> Iterator[Load]:
    """Keep asking until the context is left."""
    load = Load(proxy, target, tokens)
    threads = [threading.Thread(target=load.run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stop()
        for thread in threads:
            thread.join()
