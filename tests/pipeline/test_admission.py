"""How much at once, of all callers and of each."""

from contextlib import ExitStack

import pytest

from proxy.core.errors import TooManyRequests
from proxy.pipeline import Limits
from proxy.pipeline.admission import Admission
from tests.identities import make_identity

ALICE = make_identity()
RITA = make_identity(subject="r1ta")
TWIN = make_identity(issuer="other")
LIMITS = Limits(requests=3, requests_per_caller=2, watches=3, watches_per_caller=2)
each_kind = pytest.mark.parametrize("watches", [False, True])


@each_kind
def test_one_caller_cannot_use_up_what_there_is_for_all(watches: bool) -> None:  # noqa: FBT001
    admission = Admission(LIMITS)
    with admission.admit(ALICE, watches=watches), admission.admit(ALICE, watches=watches):
        with (
            pytest.raises(TooManyRequests, match="of your"),
            admission.admit(ALICE, watches=watches),
        ):
            pass
        with admission.admit(RITA, watches=watches):
            pass


@each_kind
def test_the_service_accounts_of_a_cluster_are_one_caller(watches: bool) -> None:  # noqa: FBT001
    """Their cluster's owner could otherwise make enough of them to keep everybody out."""
    admission = Admission(LIMITS)
    one, other, third = (
        make_identity(issuer="green", subject=name, service_account=f"capi/{name}")
        for name in ("a", "b", "c")
    )
    with admission.admit(one, watches=watches), admission.admit(other, watches=watches):
        with (
            pytest.raises(TooManyRequests, match="of your"),
            admission.admit(third, watches=watches),
        ):
            pass
        with admission.admit(ALICE, watches=watches):
            pass


@each_kind
def test_all_callers_together_are_bounded(watches: bool) -> None:  # noqa: FBT001
    admission = Admission(LIMITS)
    with ExitStack() as stack:
        for caller in (ALICE, RITA, TWIN):
            stack.enter_context(admission.admit(caller, watches=watches))
        with pytest.raises(TooManyRequests, match="too many"):
            stack.enter_context(admission.admit(make_identity(subject="4"), watches=watches))


def test_what_has_ended_counts_no_longer() -> None:
    admission = Admission(LIMITS)
    for _ in range(10):
        with admission.admit(ALICE, watches=False):
            pass


def test_a_request_that_failed_counts_no_longer() -> None:
    admission = Admission(Limits(requests=1))
    with pytest.raises(KeyError), admission.admit(ALICE, watches=False):
        raise KeyError
    with admission.admit(ALICE, watches=False):
        pass


def test_a_watch_counts_for_each_namespace_that_it_spans() -> None:
    admission = Admission(Limits(watches_per_caller=3))
    with admission.admit(ALICE, watches=True, spans=2):
        with pytest.raises(TooManyRequests), admission.admit(ALICE, watches=True, spans=2):
            pass
        with admission.admit(ALICE, watches=True):
            pass


def test_watches_and_requests_are_counted_apart() -> None:
    admission = Admission(Limits(requests=1, watches=1))
    with admission.admit(ALICE, watches=True), admission.admit(ALICE, watches=False):
        pass
