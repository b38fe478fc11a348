"""What operators watch, in a registry of its own: Prometheus metrics, names and numbers alone."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.process_collector import ProcessCollector

from proxy.refresher.keeping import Outcome


class Metrics:
    """The port `Meter`, and the page that shows what it counted."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._looks = Counter(
            "hostclaim_proxy_refresh_looks",
            "Looks at a Secret, by outcome: renewed, fresh or failed.",
            ("outcome",),
            registry=self._registry,
        )

    def looked(self, outcome: Outcome) -> None:
        """As the port says."""
        self._looks.labels(outcome).inc()

    def show(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """Show a number that somebody else keeps, read when the page is."""
        gauge = Gauge(f"hostclaim_proxy_refresh_{name}", help_text, registry=self._registry)
        gauge.set_function(read)

    async def page(self) -> tuple[bytes, str]:
        """The page in Prometheus' text format, and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST
