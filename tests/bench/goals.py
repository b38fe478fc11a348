"""What has been promised, and whether the figures keep it.

A goal whose figures were not measured is left out: it is neither kept nor missed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.bench.figures import Figures
from tests.bench.subjects import DIRECT, OURS, PEER


@dataclass(frozen=True, slots=True)
class Goal:
    """Something that is to be at most so much."""

    what: str
    most: float
    unit: str
    measured: Callable[[Figures], float | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal, and what came out."""

    what: str
    most: float
    unit: str
    measured: float

    @property
    def kept(self) -> bool:
        """Whether it is at most what it may be."""
        return self.measured <= self.most


def ratio(scenario: str, metric: str) -> Callable[[Figures], float | None]:
    """This proxy's median by the peer's."""
    return lambda figures: figures.ratio(scenario, metric, OURS, PEER)


def median(scenario: str, metric: str) -> Callable[[Figures], float | None]:
    """This proxy's median."""

    def measured(figures: Figures) -> float | None:
        found = figures.find(scenario, OURS, metric)
        return found.median if found else None

    return measured


def between(one: str, other: str, metric: str) -> Callable[[Figures], float | None]:
    """This proxy's median in one scenario by that in another."""

    def measured(figures: Figures) -> float | None:
        value, by = (figures.find(name, OURS, metric) for name in (one, other))
        return value.median / by.median if value and by and by.median else None

    return measured


def added(scenario: str, metric: str) -> Callable[[Figures], float | None]:
    """What this proxy adds to the median without any."""

    def measured(figures: Figures) -> float | None:
        with_us, without = (figures.find(scenario, name, metric) for name in (OURS, DIRECT))
        return with_us.median - without.median if with_us and without else None

    return measured


GOALS: Final = (
    Goal("CPU of a GET, by that of kube-rbac-proxy", 0.75, "", ratio("get", "cpu")),
    Goal("p99 at 16 connections, by that of kube-rbac-proxy", 1.0, "", ratio("get", "p99")),
    Goal("added p50 at 1 connection", 400, "µs", added("get-1", "p50")),
    Goal(
        "CPU of a denied request, by that of an allowed one",
        0.5,
        "",
        between("denied", "get", "cpu"),
    ),
    Goal("upstream requests of a denied request", 0, "", median("denied", "upstream")),
    Goal(
        "a decision with 10,000 entitlements and 300 groups",
        20,
        "µs",
        median("decision-many", "time"),
    ),
    Goal("the same, by that with 10", 1.5, "", between("decision-many", "decision-few", "time")),
    Goal("a load of 10,000 policy documents", 3, "s", median("policies", "load")),
    Goal("the longest stall while they are loaded anew", 50, "ms", median("policies", "stall")),
    Goal("memory of an idle watch", 60, "KiB", median("idle-watches", "memory")),
    Goal("p99 of an event to 1,000 watchers", 250, "ms", median("fan-out", "p99")),
    Goal("growth of memory by a list of 50 MiB", 16, "MiB", median("big-list", "growth")),
)


def judge(figures: Figures) -> Iterator[Verdict]:
    """Say of each goal that was measured what came out."""
    for goal in GOALS:
        measured = goal.measured(figures)
        if measured is not None:
            yield Verdict(goal.what, goal.most, goal.unit, measured)
