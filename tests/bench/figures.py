"""What is said of many samples: their median, and how far they spread."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement: of what, of whom, and in which unit."""

    scenario: str
    subject: str
    metric: str
    unit: str
    value: float


@dataclass(frozen=True, slots=True)
class Figure:
    """All measurements of one thing."""

    scenario: str
    subject: str
    metric: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The one in the middle."""
        return median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The smallest and the largest."""
        return min(self.values), max(self.values)


class Figures:
    """All that was measured, in the order in which it was first."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        self._figures = {(f.scenario, f.subject, f.metric): f for f in figures}

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> "Figures":
        """Put together what is of the same."""
        values: defaultdict[tuple[str, str, str, str], list[float]] = defaultdict(list)
        for sample in samples:
            values[sample.scenario, sample.subject, sample.metric, sample.unit].append(sample.value)
        return cls(Figure(*key, tuple(found)) for key, found in values.items())

    def __iter__(self) -> Iterator[Figure]:
        return iter(self._figures.values())

    def find(self, scenario: str, subject: str, metric: str) -> Figure | None:
        """One figure, if it was measured."""
        return self._figures.get((scenario, subject, metric))

    def ratio(self, scenario: str, metric: str, of: str, to: str) -> float | None:
        """One subject's median by another's, if both were measured."""
        one, other = self.find(scenario, of, metric), self.find(scenario, to, metric)
        if one is None or other is None or not other.median:
            return None
        return one.median / other.median


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]
