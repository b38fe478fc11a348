"""What operators watch: Prometheus metrics, in a registry of the proxy's own."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST


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


class Metrics:
    """The port `Meter`, and the page that shows what it counted."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "hostclaim_proxy_requests",
            "Requests answered, by verb, resource and code.",
            ("verb", "resource", "code"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "hostclaim_proxy_request_duration_seconds",
            "From the head of a request to the end of its answer, watches left out.",
            ("verb", "resource"),
            registry=self._registry,
        )
        self._watches = Gauge(
            "hostclaim_proxy_open_watches", "Watches open now.", registry=self._registry
        )
        # To find one, the library checks and locks; it has as many as there are here.
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._histograms: dict[tuple[str, str], Histogram] = {}

    def answered(self, verb: str, resource: str, code: int, seconds: float) -> None:
        """As the port says."""
        counter = self._counters.get((verb, resource, code))
        if counter is None:
            counter = self._requests.labels(verb, resource, str(code))
            self._counters[verb, resource, code] = counter
        counter.inc()
        if verb != "watch":
            self._took(verb, resource, seconds)

    def _took(self, verb: str, resource: str, seconds: float) -> None:
        histogram = self._histograms.get((verb, resource))
        if histogram is None:
            histogram = self._histograms[verb, resource] = self._seconds.labels(verb, resource)
        histogram.observe(seconds)

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
