"""What stays behind is found, and what an allocator keeps is not taken for it."""

import pytest

from tests.bench import leaks
from tests.bench.leaks import MIB, Reading

WATCHES = "hostclaim_proxy_open_watches"


def reading(moment: float = 0, mib: float = 100, files: int = 20, watches: float = 0) -> Reading:
    return Reading(moment, round(mib * MIB), files, {WATCHES: watches})


def bad(before: Reading, during: list[Reading], after: Reading) -> list[str]:
    return [finding.what for finding in leaks.judge(before, during, after) if not finding.good]


@pytest.mark.parametrize(
    "after", [reading(), reading(mib=109.9), reading(mib=60), reading(files=9)]
)
def test_what_is_back_in_its_band_is_no_leak(after: Reading) -> None:
    assert bad(reading(), [], after) == []


@pytest.mark.parametrize(
    ("after", "what"),
    [
        (reading(mib=111), "memory at rest"),
        (reading(files=21), "file descriptors"),
        (reading(watches=1), WATCHES),
    ],
)
def test_what_stays_behind_is_a_leak(after: Reading, what: str) -> None:
    assert bad(reading(), [], after) == [what]


def test_a_small_process_has_a_band_too() -> None:
    assert leaks.band(10 * MIB) == 8 * MIB


def test_memory_that_keeps_rising_is_a_leak_though_it_is_given_back() -> None:
    rising = [reading(moment, 100 + moment / 10) for moment in range(200)]
    assert bad(reading(), rising, reading()) == ["memory under load, by a linear fit"]


def test_memory_that_goes_up_and_down_is_not() -> None:
    waves = [reading(moment, 100 + moment % 20) for moment in range(200)]
    assert bad(reading(), waves, reading()) == []


def test_gauges_are_read_from_the_page() -> None:
    page = f"# HELP {WATCHES} x\n{WATCHES} 3.0\nprocess_open_fds 9\n"
    assert leaks.gauges(page, "hostclaim_proxy_open_") == {WATCHES: 3}
