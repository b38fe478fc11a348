"""Whom we trust: every issuer, each with the keys that it signs with now."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from proxy.edge.jwks.config import IssuerConfig
from proxy.edge.jwks.freshness import FreshKeys, Monotonic
from proxy.edge.jwks.keyfile import KeyFile


class Issuers:
    """The keys of all issuers, kept fresh. Use it in one event loop.

    `monotonic` is what the age of keys is counted by.

    Raises:
        ValueError: no issuer, or two that share a name or a url.
    """

    def __init__(
        self, issuers: Iterable[IssuerConfig], *, monotonic: Monotonic = time.monotonic
    ) -> None:
        configs = tuple(issuers)
        names = {config.name for config in configs}
        urls = {config.rules.url for config in configs}
        if not configs or not len(configs) == len(names) == len(urls):
            # Two of a name would make one person of two people.
            raise ValueError("there must be issuers, each with a name and a url of its own")
        self._lost: list[Callable[[], None]] = []
        self._by_url = {config.rules.url: self._fresh(config, monotonic) for config in configs}
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    def __iter__(self) -> Iterator[FreshKeys]:
        return iter(self._by_url.values())

    def find(self, url: str) -> FreshKeys | None:
        """The issuer whose tokens have this url as `iss`."""
        return self._by_url.get(url)

    async def start(self) -> None:
        """Begin to fetch keys. Issuers that are away are asked until they answer."""
        for issuer in self:
            issuer.begin()  # not left to the task, so that the first request finds it under way
        self._tasks = tuple(
            asyncio.create_task(issuer.keep_fresh(), name=f"refresh {issuer.config.name}")
            for issuer in self
        )

    async def close(self) -> None:
        """Stop fetching keys. Those at hand serve on until they are too old."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for issuer in self:
            await issuer.close()

    def subscribe(self, lost: Callable[[], None]) -> None:
        """Have `lost` called, in the event loop, each time a key is in use no longer."""
        self._lost.append(lost)

    def troubles(self) -> Mapping[str, str]:
        """For each issuer, by name, why its tokens cannot be verified now; else empty."""
        return {
            # An issuer that is only asked needs its keys for no token.
            issuer.config.name: issuer.trouble() if issuer.config.verify != "introspection" else ""
            for issuer in self
        }

    def fetches(self) -> Mapping[tuple[str, ...], int]:
        """How many fetches of keys there were, by issuer and result: `ok` or `failed`."""
        counts: dict[tuple[str, ...], int] = {}
        for issuer in self:
            counts[issuer.config.name, "ok"] = issuer.fetched
            counts[issuer.config.name, "failed"] = issuer.failed
        return counts

    def _fresh(self, config: IssuerConfig, monotonic: Monotonic) -> FreshKeys:
        if config.jwks_file is None:
            return FreshKeys(config, monotonic=monotonic, lost=self._tell)
        file = KeyFile(config.jwks_file)
        return FreshKeys(
            config, monotonic=monotonic, lost=self._tell, fetch=file.fetch, rest=file.rest
        )

    def _tell(self) -> None:
        for lost in self._lost:
            lost()
