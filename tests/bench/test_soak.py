"""A wrong answer is found; being told that nobody is there is one, unless nobody was."""

from collections import Counter
from dataclasses import replace

import pytest

from tests.bench import actors, events, mixture, soak
from tests.bench.actors import Away, Notes
from tests.bench.iam import Iam
from tests.bench.mixture import Tally

SAID = """soak-fault 1000 3
soak-fault 1001 4
soak-wrong GET /x should be 403, was 200: {"kind":"HostClaim"
soak-fault 1000 2
soak right=90 wrong=1 broken=2 duration=10000000
"""
ANSWERS = Tally(right=90, wrong=0, broken=0, seconds=10, faults=Counter(), examples=())
AWAY = Away(1000, 1002)


def bad(tally: Tally = ANSWERS, log: str = "", **notes: list[object]) -> list[str]:
    noted = Notes(seen=Counter(events=1))
    for name, value in notes.items():
        setattr(noted, name, value)
    return [found.what for found in soak.judge_answers(tally, noted, log) if not found.good]


def test_what_wrk_saw_is_read() -> None:
    tally = mixture.parse(SAID)
    assert (tally.right, tally.wrong, tally.broken) == (90, 1, 2)
    assert tally.faults == {1000: 5, 1001: 4}
    assert tally.rate == 10
    assert tally.examples == ('GET /x should be 403, was 200: {"kind":"HostClaim"',)


def test_a_quiet_run_is_good() -> None:
    assert bad() == []


@pytest.mark.parametrize(
    ("tally", "what"),
    [
        (replace(ANSWERS, wrong=1, examples=("x",)), "answers"),
        (replace(ANSWERS, right=0), "answers"),
        (replace(ANSWERS, faults=Counter({2000: 1})), "answers that the upstream is away"),
        (replace(ANSWERS, broken=1), "connections broken"),
    ],
)
def test_a_wrong_answer_is_found(tally: Tally, what: str) -> None:
    assert bad(tally) == [what]


def test_what_watchers_saw_is_found() -> None:
    assert bad(wrong=["an event that nobody sent"]) == ["answers"]
    assert bad(refused=[(2000.0, "503")]) == ["watches refused"]


def test_nobody_is_blamed_while_the_upstream_is_away() -> None:
    tally = replace(ANSWERS, faults=Counter({1001: 9}))
    assert bad(tally, away=[AWAY], refused=[(1001.0, "503")]) == []


@pytest.mark.parametrize(
    ("moment", "excused"), [(998, False), (1000, True), (1005, True), (1009, False)]
)
def test_an_excuse_lasts_for_some_seconds(moment: float, *, excused: bool) -> None:
    assert AWAY.excuses(moment) is excused


def test_a_fault_of_the_proxy_is_found_in_its_log() -> None:
    assert bad(log="2026-01-15 ERROR proxy: request 1 failed\n") == ["faults in the log"]


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b'{"object":{"metadata":null}}'])
def test_an_event_that_is_not_ours_is_told_apart(line: bytes) -> None:
    assert not actors.is_ours(line)
    assert not actors.is_ours(events.event("another", 1))
    assert actors.is_ours(events.event("worker-0", 1))


def test_a_mixture_has_all_kinds_and_is_the_same_each_time() -> None:
    iam, stranger = Iam("https://127.0.0.1:1/issuer"), Iam("https://127.0.0.1:1/issuer")
    one, other = (mixture.mixed(iam, stranger, 600) for _ in range(2))
    assert {entry.code for entry in one} == {200, 401, 403}
    assert {entry.method for entry in one} == {"GET", "PATCH"}
    assert [entry.target for entry in one] == [entry.target for entry in other]
    assert any(entry.expires for entry in one)


def test_an_entry_is_one_line_of_seven_fields() -> None:
    entry = mixture.Entry("/x", "t", 200, "y", "PATCH", '{"a": 1}')
    assert entry.line().split("\t") == ["PATCH", "/x", "t", '{"a": 1}', "200", "y", "0"]
