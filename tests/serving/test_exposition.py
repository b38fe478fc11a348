"""Pages of several processes as one that Prometheus reads."""

from collections import Counter

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from proxy.edge.metrics import Metrics
from proxy.serving import exposition


def page(requests: int) -> str:
    """What a worker shows that has answered so many requests."""
    metrics = Metrics()
    for _ in range(requests):
        metrics.answered("list", "hostclaims", 200, 0.25)
    metrics.show_each("keys", 'Keys, "by" \\ issuer.', ("issuer",), lambda: {('a"b\\c\n',): 2})
    return metrics.page().decode()


def families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_every_sample_is_there_with_the_name_of_its_page() -> None:
    pages = {"0": page(1), "1": page(2)}
    merged = families(exposition.merge(pages).decode())
    for name, text in pages.items():
        for family in families(text).values():
            own = [s for s in merged[family.name].samples if s.labels["worker"] == name]
            bare = [({**s.labels, "worker": name}, s.name) for s in family.samples]
            assert [(s.labels, s.name) for s in own] == bare
            assert merged[family.name].type == family.type
            assert merged[family.name].documentation == family.documentation


def test_a_family_is_described_once() -> None:
    text = exposition.merge({"0": page(1), "1": page(2)}).decode()
    described = Counter(tuple(line.split()[:3]) for line in text.splitlines() if line[0] == "#")
    assert set(described.values()) == {1}
    assert ("#", "TYPE", "hostclaim_proxy_requests_total") in described


def test_samples_of_a_family_are_in_one_group() -> None:
    merged = exposition.merge({"0": page(1), "1": page(2)}).decode()
    names = [family.name for family in text_string_to_metric_families(merged)]
    assert len(names) == len(set(names))


def test_numbers_stay_what_they_are() -> None:
    merged = families(exposition.merge({"0": page(1), "1": page(2)}).decode())
    counted = {s.labels["worker"]: s.value for s in merged["hostclaim_proxy_requests"].samples}
    assert counted == {"0": 1, "1": 2}
    assert merged["keys"].samples[0].labels["issuer"] == 'a"b\\c\n'


def test_what_only_one_has_is_there() -> None:
    merged = families(exposition.merge({"0": page(1), "supervisor": exposition.own()}).decode())
    workers = {s.labels["worker"] for s in merged["process_resident_memory_bytes"].samples}
    assert workers == {"0", "supervisor"}
