"""Did anything stay behind: what a process held before, while and after it was under load."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import linear_regression
from typing import Final

MIB: Final = 1024 * 1024
BAND_SHARE: Final = 0.10
BAND_LEAST: Final = 8 * MIB
"""Memory may have grown by the larger of both: an allocator gives back whole pages only."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a process held at a time, in seconds of any clock. `gauges` are its own metrics."""

    moment: float
    rss: int
    descriptors: int
    gauges: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was looked at, and whether it is as it has to be."""

    what: str
    said: str
    good: bool


def band(rss: int) -> int:
    """By how many bytes memory may have grown."""
    return max(BAND_LEAST, round(rss * BAND_SHARE))


def judge(before: Reading, during: Sequence[Reading], after: Reading) -> Iterator[Finding]:
    """Compare the rest before the load with that after it, and look for a trend between.

    `before` is after a warm-up of the same kind, so that what is made once is made.
    """
    most = band(before.rss)
    grown = after.rss - before.rss
    yield Finding("memory at rest", _moved(grown, most), grown <= most)
    risen = trend(during)
    yield Finding("memory under load, by a linear fit", _moved(risen, most), risen <= most)
    left = after.descriptors - before.descriptors
    said = f"{before.descriptors} before, {after.descriptors} after"
    yield Finding("file descriptors", said, left <= 0)
    for name, value in after.gauges.items():
        yield Finding(name, f"{value:.0f} after, 0 wanted", value == 0)


def trend(readings: Sequence[Reading]) -> float:
    """By how many bytes memory rose from the first to the last, if it rose evenly."""
    if len(readings) < 3:
        return 0.0
    moments = [reading.moment for reading in readings]
    slope, _ = linear_regression(moments, [reading.rss for reading in readings])
    return slope * (moments[-1] - moments[0])


def gauges(page: str, prefix: str) -> dict[str, float]:
    """The metrics whose names begin so, of a page in Prometheus' text format."""
    lines = (line.rpartition(" ") for line in page.splitlines() if line.startswith(prefix))
    return {name: float(value) for name, _, value in lines}


def _moved(by: float, most: float) -> str:
    return f"{by / MIB:+.1f} MiB, at most {most / MIB:+.1f}"
