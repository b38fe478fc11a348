"""Pages of metrics of several processes, as one page in Prometheus' text format."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

LABEL = "worker"
"""What tells the processes' samples from each other."""


def merge(pages: Mapping[str, str]) -> bytes:
    """One page with all samples, each with the name of its page as label."""
    families: dict[str, Metric] = {}
    for name, page in pages.items():
        for family in text_string_to_metric_families(page):
            merged = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            merged.samples += [_labelled(sample, name) for sample in family.samples]
    return generate_latest(_Families(families.values()))


def own() -> str:
    """The page of this process: what it uses of the machine."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return generate_latest(registry).decode()


def _labelled(sample: Sample, name: str) -> Sample:
    return sample._replace(labels={**sample.labels, LABEL: name})


class _Families(Collector):
    """Families that are there already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
