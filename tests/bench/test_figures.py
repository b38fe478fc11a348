"""Samples become figures: medians, spreads and ratios."""

import pytest

from tests.bench.figures import Figures, Sample, percentile


def sample(value: float, subject: str = "ours") -> Sample:
    return Sample("get", subject, "cpu", "µs", value)


def test_a_figure_is_the_median_and_the_spread() -> None:
    figure = Figures.of([sample(9), sample(1), sample(2)]).find("get", "ours", "cpu")
    assert figure is not None
    assert (figure.median, figure.spread) == (2, (1, 9))


def test_a_ratio_is_of_medians() -> None:
    figures = Figures.of([sample(1), sample(3), sample(8), sample(4, "theirs")])
    assert figures.ratio("get", "cpu", of="ours", to="theirs") == 0.75


def test_what_was_not_measured_has_no_ratio() -> None:
    assert Figures.of([sample(1)]).ratio("get", "cpu", of="ours", to="theirs") is None


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (99, 99), (99.5, 100), (100, 100)])
def test_a_percentile_is_a_value_that_was_measured(percent: float, value: int) -> None:
    assert percentile(range(1, 101), percent) == value


def test_one_value_is_every_percentile() -> None:
    assert percentile([7], 50) == percentile([7], 99) == 7
