"""Which token of before still does, and for whom."""

import os
import subprocess
import sys

import pytest

from proxy.execplugin.kept import Kept, parent

KEPT = Kept("access-1", asked_at=1000, renew_at=1240, expires_at=1300)
HELD = KEPT.handed_to("7@1")


@pytest.mark.parametrize(
    ("kept", "now", "does"),
    [
        (KEPT, 1000, True),
        (KEPT, 1239.9, True),
        (KEPT, 1240, False),
        (KEPT, 1300, False),
        (KEPT, 999, False),
        # Whoever has it and asks again was refused; but not at once, over and over.
        (HELD, 1005, True),
        (HELD, 1010, False),
        (HELD, 1239.9, False),
    ],
)
def test_a_token_does_until_it_is_due_or_was_refused(kept: Kept, now: float, *, does: bool) -> None:
    assert kept.does("7@1", now) is does


@pytest.mark.parametrize("holder", ["7@2", "8@1", None])
def test_a_token_that_another_process_has_does(holder: str | None) -> None:
    assert HELD.does(holder, 1100)


@pytest.mark.parametrize(
    ("now", "lives"), [(1100, False), (1240, True), (1299.9, True), (1300, False)]
)
def test_a_token_that_is_only_due_is_better_than_none(now: float, *, lives: bool) -> None:
    assert KEPT.still_lives(now) is lives


def test_who_has_a_token_is_known_once() -> None:
    assert HELD.handed_to("7@1") is HELD
    assert KEPT.handed_to(None) is KEPT


def test_holders_of_long_ago_are_forgotten() -> None:
    kept = KEPT
    for number in range(300):
        kept = kept.handed_to(str(number))
    assert (len(kept.holders), kept.holders[0], kept.holders[-1]) == (200, "100", "299")


def test_no_token_shows_in_what_is_printed_for_debugging() -> None:
    shown = repr(Kept("access-1", 0, 1, 2, "refresh-1"))
    assert "access-1" not in shown
    assert "refresh-1" not in shown


def test_a_process_is_known_by_its_number_and_its_beginning() -> None:
    program = "from proxy.execplugin.kept import parent; print(parent())"
    seen = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    }
    [holder] = seen
    number, _, began = holder.partition("@")
    assert int(number) == os.getpid()
    assert int(began) > 0
    assert holder != parent()
