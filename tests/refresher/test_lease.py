"""A lease is read, judged and written as client-go does it."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from proxy.refresher.lease import Record, Seen, Timing, given_up, held, is_free, look, read

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
MICRO = "2030-01-01T12:00:00.000000Z"
THEIRS = Record("b", 15, "earlier", "then", 3, "7")


def test_a_lease_is_read() -> None:
    spec = {
        "holderIdentity": "b",
        "leaseDurationSeconds": 15,
        "acquireTime": "earlier",
        "renewTime": "then",
        "leaseTransitions": 3,
    }
    assert read({"metadata": {"resourceVersion": "7"}, "spec": spec}) == THEIRS


@pytest.mark.parametrize("spec", [{}, None, {"holderIdentity": None}])
def test_a_lease_of_nobody_is_read(spec: object) -> None:
    assert read({"metadata": {"resourceVersion": "7"}, "spec": spec}) == Record(version="7")


def test_a_lease_that_is_unchanged_was_seen_since_the_first_time() -> None:
    seen = look(THEIRS, None, 100)
    assert look(THEIRS, seen, 110) == Seen(THEIRS, 100)


def test_a_lease_that_was_renewed_is_seen_anew() -> None:
    renewed = Record("b", 15, "earlier", "now", 3, "8")
    assert look(renewed, Seen(THEIRS, 100), 110) == Seen(renewed, 110)


@pytest.mark.parametrize(
    ("holder", "now", "free"),
    [("a", 100, True), ("", 100, True), ("b", 114.9, False), ("b", 115, True)],
)
def test_a_lease_is_free_when_it_is_mine_or_nobodys_or_has_run_out_before_my_eyes(
    holder: str, now: float, *, free: bool
) -> None:
    assert is_free(Seen(Record(holder, 15), 100), "a", now) is free


def test_the_times_in_a_lease_mean_nothing() -> None:
    """The clock of its holder may be wrong by years."""
    ancient = Record("b", 15, "1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:00.000000Z")
    assert not is_free(look(ancient, None, 100), "a", 100)


def test_a_new_lease_is_made() -> None:
    assert held(None, "a", 15, NOON) == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": MICRO,
        "renewTime": MICRO,
        "leaseTransitions": 0,
    }


def test_a_lease_that_is_taken_over_counts_one_more() -> None:
    spec = held(THEIRS, "a", 15, NOON)
    assert (spec["holderIdentity"], spec["acquireTime"], spec["leaseTransitions"]) == (
        "a",
        MICRO,
        4,
    )


def test_a_lease_that_is_renewed_was_acquired_when_it_was() -> None:
    spec = held(THEIRS, "b", 15, NOON)
    assert (spec["acquireTime"], spec["renewTime"], spec["leaseTransitions"]) == (
        "earlier",
        MICRO,
        3,
    )


def test_a_lease_that_is_given_up_is_free_at_once() -> None:
    spec = given_up(THEIRS, NOON)
    record = read({"metadata": {"resourceVersion": "8"}, "spec": spec})
    assert is_free(look(record, None, 100), "a", 100)
    assert record.seconds == 1  # none would not be valid


def test_others_wait_for_whole_seconds_and_rather_one_more() -> None:
    assert held(None, "a", 2.5, NOON)["leaseDurationSeconds"] == 3


def test_a_micro_time_has_six_digits_in_utc() -> None:
    east = NOON.astimezone(timezone(timedelta(hours=5)))
    assert held(None, "a", 15, east)["renewTime"] == MICRO


@pytest.mark.parametrize("lease", [3, 15, 3600])
def test_the_proportions_are_those_of_kubernetes(lease: float) -> None:
    timing = Timing.of(lease)
    assert (timing.renew, timing.retry) == (lease * 2 / 3, lease * 2 / 15)


@pytest.mark.parametrize(
    ("lease", "renew", "retry"), [(10, 10, 2), (15, 10, 6), (15, 10, 0), (float("inf"), 10, 2)]
)
def test_times_by_which_two_could_work_are_refused(
    lease: float, renew: float, retry: float
) -> None:
    with pytest.raises(ValueError, match="must hold"):
        Timing(lease, renew, retry)
