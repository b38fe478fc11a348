"""All are asked the same, in turn, and a wrong answer ends the run."""

import pytest

from tests.bench import comparison, subjects
from tests.bench.comparison import KINDS, Kind, WrongAnswer
from tests.bench.subjects import Subject
from tests.bench.upstream import parse_status
from tests.bench.wrk import Result

SUBJECT = Subject("nginx", 1)
ALLOWED, DENIED = Kind("get", ""), Kind("denied", "", code=403)


def result(refused: int = 0, broken: int = 0, requests: int = 9) -> Result:
    return Result(requests, 1, refused=refused, broken=broken, p50=0, p99=0)


def test_each_subject_comes_first_once() -> None:
    rounds = [comparison.turned(comparison.ALL, number) for number in range(4)]
    assert [names[0] for names in rounds] == list(comparison.ALL)
    assert all(sorted(names) == sorted(comparison.ALL) for names in rounds)


@pytest.mark.parametrize(
    ("kind", "answered"),
    [
        (ALLOWED, result(refused=1)),
        (ALLOWED, result(broken=1)),
        (ALLOWED, result(requests=0)),
        (DENIED, result(refused=8)),
    ],
)
def test_an_answer_that_is_wrong_ends_the_run(kind: Kind, answered: Result) -> None:
    with pytest.raises(WrongAnswer):
        comparison.check_result(kind, SUBJECT, answered)


def test_all_right_is_all_right() -> None:
    comparison.check_result(ALLOWED, SUBJECT, result())
    comparison.check_result(DENIED, SUBJECT, result(refused=9))


def test_the_kinds_have_different_names() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_ten_thousand_entitlements_are_that_many() -> None:
    namespaces = [
        name
        for policy in subjects.many_policies()
        for name in policy["spec"]["allow"][0]["namespaces"]
    ]
    assert len(set(namespaces)) == 10_000


def test_the_stubs_own_count_is_read() -> None:
    page = "Active connections: 1 \nserver accepts handled requests\n 4 4 31 \nReading: 0"
    assert parse_status(page) == 31
