"""How much at once, of all callers and of each."""

from contextlib import ExitStack

import pytest

from proxy.core.errors import TooManyRequests
from proxy.core.identity import Identity
from proxy.pipeline import Limits
from proxy.pipeline.admission import Admission
from tests.identities import make_identity

ALICE = make_identity()
RITA = make_identity(subject="r1ta")
TWIN = make_identity(issuer="other")
LIMITS = Limits(requests=3, requests_per_caller=2, watches=3, watches_per_caller=2)
each_kind = pytest.mark.parametrize("watches", [False, True])


def account(name: str) -> Identity:
    """A service account of a cluster; its owner can make as many as they like."""
    return make_identity(issuer="green", subject=name, service_account=f"capi/{name}")


@each_kind
@pytest.mark.parametrize(
    "callers",
    [(ALICE, ALICE, ALICE), (account("a"), account("b"), account("c"))],
    ids=["somebody", "a cluster"],
)
def test_one_caller_cannot_use_up_what_there_is_for_all(
    callers: tuple[Identity, ...],
    watches: bool,  # noqa: FBT001
) -> None:
    admission = Admission(LIMITS)
    *admitted, late = callers
    with ExitStack() as stack:
        for caller in admitted:
            stack.enter_context(admission.admit(caller, watches=watches))
        with pytest.raises(TooManyRequests, match="of your"):
            stack.enter_context(admission.admit(late, watches=watches))
        stack.enter_context(admission.admit(RITA, watches=watches))


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
