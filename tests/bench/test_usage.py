"""What `/proc` says is read as proc(5) has it."""

import os

import pytest

from tests.bench import usage

FIELDS = "S 7 42 42 0 -1 4194304 100 0 0 0 150 50 3 2 20 0 4 0 9000 1000000 200"


@pytest.mark.parametrize("name", ["nginx", "a b", "x) S 1 (y"])
def test_a_name_cannot_shift_the_numbers(name: str) -> None:
    assert usage.parse_stat(f"42 ({name}) {FIELDS}") == usage.Stat(parent=7, ticks=205)


def test_memory_is_in_bytes() -> None:
    assert usage.parse_memory("Name:\tnginx\nVmRSS:\t   2048 kB\nThreads:\t1\n") == 2 * 1024 * 1024


def test_what_has_ended_has_no_memory() -> None:
    assert usage.parse_memory("Name:\tnginx\nState:\tZ (zombie)\n") == 0


def test_a_tree_has_its_grandchildren_and_nobody_elses() -> None:
    parents = {2: 1, 3: 2, 4: 3, 5: 1, 6: 5}
    assert sorted(usage.tree(2, parents)) == [2, 3, 4]


def test_this_process_uses_something() -> None:
    assert usage.cpu_seconds(os.getpid()) > 0
    assert usage.rss(os.getpid()) > 0
    assert usage.descriptors(os.getpid()) > 0


def test_a_peak_is_remembered_until_it_is_forgotten() -> None:
    pid = os.getpid()
    assert usage.peak_rss(pid) >= usage.rss(pid)
    usage.forget_peak(pid)
    assert usage.peak_rss(pid) < usage.rss(pid) + 64 * 1024 * 1024
