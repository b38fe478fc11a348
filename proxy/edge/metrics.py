"""What operators watch: Prometheus metrics, in a registry of the proxy's own."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST

_BOUNDS: Final = Histogram.DEFAULT_BUCKETS
"""Seconds; the last of them is without end."""
_BUCKETS: Final = (*map(str, _BOUNDS[:-1]), "+Inf")


@dataclass(frozen=True, slots=True)
class _Table(Collector):
    """Numbers that are read when the page is."""

    name: str
    help_text: str
    labels: Sequence[str]
    read: Callable[[], Mapping[tuple[str, ...], float]]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily(self.name, self.help_text, labels=self.labels)
        for values, number in self.read().items():
            family.add_metric(values, number)
        yield family


@dataclass(slots=True)
class _Times:
    """How long something took: how often up to each bound and above the one before, and in all."""

    counts: list[int] = field(default_factory=lambda: [0] * len(_BOUNDS))
    total: float = 0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(_BOUNDS, seconds)] += 1
        self.total += seconds


class _Answers(Collector):
    """What was answered. Plain numbers: each request adds to them, and a page is rare."""

    def __init__(self) -> None:
        self._number: Counter[tuple[str, str, int]] = Counter()
        self._times: defaultdict[tuple[str, str], _Times] = defaultdict(_Times)

    def add(self, verb: str, resource: str, code: int, seconds: float) -> None:
        self._number[verb, resource, code] += 1
        if verb != "watch":
            self._times[verb, resource].add(seconds)

    def collect(self) -> Iterable[CounterMetricFamily | HistogramMetricFamily]:
        number = CounterMetricFamily(
            "hostclaim_proxy_requests",
            "Requests answered, by verb, resource and code.",
            labels=("verb", "resource", "code"),
        )
        for (verb, resource, code), count in self._number.items():
            number.add_metric((verb, resource, str(code)), count)
        yield number
        times = HistogramMetricFamily(
            "hostclaim_proxy_request_duration_seconds",
            "From the head of a request to the end of its answer, watches left out.",
            labels=("verb", "resource"),
        )
        for labels, each in self._times.items():
            buckets = list(zip(_BUCKETS, accumulate(each.counts), strict=True))
            times.add_metric(labels, buckets, each.total)
        yield times


class _Shadows(Collector):
    """What shadow policies would have changed."""

    def __init__(self) -> None:
        self._number: Counter[tuple[str, str]] = Counter()

    def add(self, decision: str, policy: str) -> None:
        self._number[decision, policy] += 1

    def collect(self) -> Iterable[CounterMetricFamily]:
        number = CounterMetricFamily(
            "hostclaim_proxy_shadow_decisions",
            "Requests that a shadow policy would have had decided otherwise, and how.",
            labels=("decision", "policy"),
        )
        for labels, count in self._number.items():
            number.add_metric(labels, count)
        yield number


class Metrics:
    """The port `Meter`, and the page that shows what it counted."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._answers = _Answers()
        self._registry.register(self._answers)
        self._shadows = _Shadows()
        self._registry.register(self._shadows)
        self._watches = Gauge(
            "hostclaim_proxy_open_watches", "Watches open now.", registry=self._registry
        )

    def answered(self, verb: str, resource: str, code: int, seconds: float) -> None:
        """As the port says."""
        self._answers.add(verb, resource, code, seconds)

    def shadowed(self, decision: str, policy: str) -> None:
        """As the port says."""
        self._shadows.add(decision, policy)

    def watching(self, change: int) -> None:
        """As the port says."""
        self._watches.inc(change)

    def show(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """Show a number that somebody else keeps, read when the page is."""
        Gauge(name, help_text, registry=self._registry).set_function(read)

    def show_each(
        self,
        name: str,
        help_text: str,
        labels: Sequence[str],
        read: Callable[[], Mapping[tuple[str, ...], float]],
    ) -> None:
        """Show numbers that somebody else keeps, each under the values of its labels."""
        self._registry.register(_Table(name, help_text, labels, read))

    def page(self) -> bytes:
        """The page in Prometheus' text format."""
        return generate_latest(self._registry)
