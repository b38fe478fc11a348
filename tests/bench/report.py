"""What is written down of a run: JSON for programs, Markdown for people."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.bench import chart
from tests.bench.comparison import ALL, KINDS
from tests.bench.figures import Figure, Figures
from tests.bench.goals import Verdict
from tests.bench.subjects import DIRECT, NGINX, OURS, PEER

CONVENTIONS: Final = (
    "Medians, and in brackets the smallest and largest. Where nothing else is said, a request is"
    " about one HostClaim of 1.3 kB, over one of 16 connections."
)


@dataclass(frozen=True, slots=True)
class Report:
    """A run, whole. `made` is a date; nothing in it names a machine or a person."""

    made: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    course: Mapping[str, Any]
    figures: Figures
    verdicts: Sequence[Verdict]


def write(report: Report, folder: Path) -> None:
    """Write all forms of it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latest.json").write_text(as_json(report))
    (folder / "latest.md").write_text(as_markdown(report))
    (folder / "cpu-per-request.svg").write_text(chart.draw(report.figures))


def as_json(report: Report) -> str:
    """Every sample, and what was made of them."""
    document = {
        "made": report.made,
        "machine": dict(report.machine),
        "versions": dict(report.versions),
        "course": dict(report.course),
        "figures": [
            {
                "scenario": figure.scenario,
                "subject": figure.subject,
                "metric": figure.metric,
                "unit": figure.unit,
                "median": _rounded(figure.median),
                "spread": [_rounded(value) for value in figure.spread],
                "values": [_rounded(value) for value in figure.values],
            }
            for figure in report.figures
        ],
        "goals": [
            {
                "what": verdict.what,
                "most": verdict.most,
                "unit": verdict.unit,
                "measured": _rounded(verdict.measured),
                "kept": verdict.kept,
            }
            for verdict in report.verdicts
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def as_markdown(report: Report) -> str:
    """Tables: what a request costs, how long it takes, all else, and the goals."""
    about = ", ".join(f"{name} {value}" for name, value in report.versions.items())
    machine = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    course = ", ".join(f"{name} {value}" for name, value in report.course.items())
    parts = [
        f"# Measured on {report.made}",
        f"Machine: {machine}. Versions: {about}. Course: {course}.",
        CONVENTIONS,
        *_section("CPU of the proxy per request, µs", _costs(report.figures)),
        *_section("Latency over TLS, µs", _latencies(report.figures)),
        *_section("Everything else", _others(report.figures)),
        *_section("Goals", _goals(report.verdicts)),
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, rows: Iterable[Sequence[str]]) -> list[str]:
    """A heading and a table, unless it would be empty."""
    head, *body = rows
    if not body:
        return []
    lines = [head, ["---"] * len(head), *body]
    return [f"## {title}", "\n".join(f"| {' | '.join(line)} |" for line in lines)]


def _costs(figures: Figures) -> Iterator[list[str]]:
    yield ["", NGINX, PEER, OURS, f"by {PEER}", f"by {NGINX}", "upstream requests"]
    for kind in KINDS:
        cells = [_cell(figures.find(kind.name, name, "cpu")) for name in (NGINX, PEER, OURS)]
        if not any(cells):
            continue
        ratios = [_ratio(figures.ratio(kind.name, "cpu", OURS, to)) for to in (PEER, NGINX)]
        asked = figures.find(kind.name, OURS, "upstream")
        yield [kind.what, *cells, *ratios, f"{asked.median:.2f}" if asked else ""]


def _latencies(figures: Figures) -> Iterator[list[str]]:
    yield ["", *ALL, f"added to {DIRECT}", f"by {PEER}"]
    for kind in KINDS:
        for metric in ("p50", "p99"):
            found = [figures.find(kind.name, name, metric) for name in ALL]
            if not any(found):
                continue
            direct, with_us = found[ALL.index(DIRECT)], found[ALL.index(OURS)]
            added = f"{with_us.median - direct.median:.0f}" if direct and with_us else ""
            ratio = _ratio(figures.ratio(kind.name, metric, OURS, PEER))
            yield [f"{metric}, {kind.what}", *map(_cell, found), added, ratio]


def _others(figures: Figures) -> Iterator[list[str]]:
    yield ["scenario", "subject", "metric", "median", "spread"]
    compared = {kind.name for kind in KINDS}
    for figure in figures:
        if figure.scenario not in compared:
            low, high = figure.spread
            median = f"{_short(figure.median)} {figure.unit}"
            spread = f"{_short(low)} to {_short(high)}"
            yield [figure.scenario, figure.subject, figure.metric, median, spread]


def _goals(verdicts: Iterable[Verdict]) -> Iterator[list[str]]:
    yield ["goal", "at most", "measured", "kept"]
    for verdict in verdicts:
        most, measured = _short(verdict.most), _short(verdict.measured)
        unit = verdict.unit
        kept = "yes" if verdict.kept else "**no**"
        yield [verdict.what, f"{most} {unit}".strip(), f"{measured} {unit}".strip(), kept]


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return ""
    if len(figure.values) == 1:
        return _short(figure.median)
    low, high = figure.spread
    return f"{_short(figure.median)} ({_short(low)} to {_short(high)})"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _short(value: float) -> str:
    """Three digits that count, and no more."""
    if value and abs(value) < 100:
        return f"{value:.3g}"
    return f"{value:,.0f}"


def _rounded(value: float) -> float:
    return round(value, 4)
