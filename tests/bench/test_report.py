"""A run is written down whole, for programs and for people."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.bench import chart, goals, report
from tests.bench.figures import Figures, Sample
from tests.bench.report import Report

CPU = {"nginx": 20.0, "kube-rbac-proxy": 140.0, "hostclaim-proxy": 70.0}
P50 = {"direct": 100.0, "hostclaim-proxy": 600.0}


def measured() -> Figures:
    costs = [Sample("get", name, "cpu", "µs", value) for name, value in CPU.items()]
    times = [Sample("get-1", name, "p50", "µs", value) for name, value in P50.items()]
    return Figures.of([*costs, *times, Sample("start-up", "hostclaim-proxy", "time", "s", 0.5)])


@pytest.fixture
def made() -> Report:
    figures = measured()
    verdicts = list(goals.judge(figures))
    return Report("2026-01-15", {"cpu": "x"}, {"wrk": "4.1.0"}, {"rounds": 1}, figures, verdicts)


def test_only_goals_that_were_measured_are_judged(made: Report) -> None:
    assert [(verdict.measured, verdict.kept) for verdict in made.verdicts] == [
        (0.5, True),
        (500, False),
    ]


def test_what_costs_no_upstream_request_keeps_its_goal() -> None:
    figures = Figures.of([Sample("denied", "hostclaim-proxy", "upstream", "requests", 0)])
    assert [verdict.kept for verdict in goals.judge(figures)] == [True]


def test_the_tables_have_the_ratios(made: Report) -> None:
    text = report.as_markdown(made)
    assert "| 20 | 140 | 70 | 0.50 | 3.50 |" in text
    assert "| start-up | hostclaim-proxy | time | 0.5 s | 0.5 to 0.5 |" in text
    assert "| added p50 at 1 connection | 400 µs | 500 µs | **no** |" in text


def test_the_file_has_every_sample(made: Report) -> None:
    document = json.loads(report.as_json(made))
    assert len(document["figures"]) == 6
    assert document["figures"][0]["values"] == [20.0]


def test_the_chart_has_a_bar_for_each_cost() -> None:
    drawn = ET.fromstring(chart.draw(measured()))  # noqa: S314 - our own
    bars = drawn.findall("{http://www.w3.org/2000/svg}path")
    assert len(bars) == len(CPU)


def test_a_chart_of_nothing_is_still_one() -> None:
    assert ET.fromstring(chart.draw(Figures([]))).tag.endswith("svg")  # noqa: S314 - our own


def test_all_forms_are_written(made: Report, tmp_path: Path) -> None:
    report.write(made, tmp_path / "results")
    names = sorted(path.name for path in (tmp_path / "results").iterdir())
    assert names == ["cpu-per-request.svg", "latest.json", "latest.md"]
