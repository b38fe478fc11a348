"""How long is it from the start of a process until it serves."""

from collections.abc import Iterator

from tests.bench import subjects
from tests.bench.comparison import ALL, turned
from tests.bench.figures import Sample
from tests.bench.subjects import DIRECT, OURS, Site


def measure(site: Site, rounds: int) -> Iterator[Sample]:
    """Start each once a round: this proxy until `/readyz`, with policies of ten namespaces.

    The peer until it lets its first request through, and nginx until it answers one.
    """
    for number in range(rounds):
        for name in turned([name for name in ALL if name != DIRECT], number):
            starting = (
                subjects.ours(site, many=False) if name == OURS else subjects.STARTS[name](site)
            )
            with starting as subject:
                yield Sample("start-up", name, "time", "ms", subject.started * 1000)
