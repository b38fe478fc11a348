"""Which tokens are refused before their time, and what is remembered of that."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.identity import LEEWAY, Identity
from proxy.core.revocation import (
    Clients,
    Revocation,
    Revocations,
    SessionEnded,
    SubjectEnded,
    TokensEnded,
)
from tests.identities import make_identity

NOW = 1_800_000_000.0
LIFETIME = 3600.0
KUBECTL: Clients = frozenset({"kubectl"})
ALL: Clients = None


def memory(*revocations: Revocation, size: int = 100) -> Revocations:
    found = Revocations({"corp": LIFETIME, "lab": LIFETIME}, size=size)
    for each in revocations:
        found.note(each, NOW)
    return found


def token(*, issued: float = NOW - 10, client: str = "kubectl", **others: str) -> Identity:
    return make_identity(issued=issued, client=client, expires=issued + LIFETIME, **others)


def test_of_nothing_that_was_ended_nothing_is_refused() -> None:
    assert memory().reason(token()) is None


def test_a_session_that_has_ended_is_over_for_its_tokens() -> None:
    ended = memory(SessionEnded("corp", KUBECTL, "s-1"))
    assert ended.reason(token()) == "the session that the token belongs to has ended"
    assert ended.reason(token(session="s-2")) is None
    assert ended.reason(token(session="")) is None


def test_a_token_that_is_made_of_an_ended_session_is_refused_whenever() -> None:
    ended = memory(SessionEnded("corp", KUBECTL, "s-1"))
    assert ended.reason(token(issued=NOW + 100)) is not None


def test_a_token_that_names_no_session_may_be_of_the_one_that_has_ended() -> None:
    ended = memory(SessionEnded("corp", KUBECTL, "s-1", "f3b1", NOW))
    assert ended.reason(token(session="")) == "a session of this subject has ended"
    assert ended.reason(token(session="", issued=NOW + 1)) is None
    assert ended.reason(token(session="", subject="a9c2")) is None
    assert ended.reason(token(session="s-2")) is None


@pytest.mark.parametrize("claim", ["azp", "client_id"])
def test_a_token_is_of_its_client_whatever_policies_know_that_by(claim: str) -> None:
    ended = memory(SessionEnded("corp", KUBECTL, "s-1"))
    elsewhere = make_identity(issued=NOW - 10, client="team-a", claims={claim: ("kubectl",)})
    assert ended.reason(elsewhere) is not None


def test_a_subject_that_has_ended_may_log_in_again() -> None:
    ended = memory(SubjectEnded("corp", KUBECTL, "f3b1", NOW))
    why = "the issuer has ended all sessions of this subject"
    assert ended.reason(token(issued=NOW)) == why
    assert ended.reason(token(issued=NOW, session="s-2")) == why
    assert ended.reason(token(issued=NOW + 1)) is None
    assert ended.reason(token(subject="a9c2")) is None


def test_what_is_older_than_the_issuer_allows_is_refused() -> None:
    ended = memory(TokensEnded("corp", KUBECTL, NOW))
    assert ended.reason(token(issued=NOW - 1)) == "the issuer has revoked tokens as old as this one"
    assert ended.reason(token(issued=NOW)) is None
    assert ended.reason(token(subject="a9c2", session="s-2")) is not None


End = Callable[[Clients], Revocation]
ENDED: list[End] = [
    lambda clients: SessionEnded("corp", clients, "s-1"),
    lambda clients: SubjectEnded("corp", clients, "f3b1", NOW),
    lambda clients: TokensEnded("corp", clients, NOW),
]


@pytest.mark.parametrize("end", ENDED, ids=["session", "subject", "tokens"])
@pytest.mark.parametrize(
    ("clients", "client", "refused"),
    [
        (KUBECTL, "kubectl", True),
        (KUBECTL, "capm3", False),
        (frozenset({"kubectl", "capm3"}), "capm3", True),
        (ALL, "capm3", True),
        (KUBECTL, "", True),
        (ALL, "", True),
    ],
)
def test_it_ends_what_its_clients_hold_and_what_names_no_client(
    end: End, clients: Clients, client: str, *, refused: bool
) -> None:
    ended = memory(end(clients))
    assert (ended.reason(token(client=client)) is not None) is refused


@pytest.mark.parametrize("end", ENDED, ids=["session", "subject", "tokens"])
def test_what_one_issuer_ends_is_nothing_to_another(end: End) -> None:
    ended = memory(end(ALL))
    assert ended.reason(token(issuer="lab")) is None


def test_an_issuer_that_nobody_knows_ends_nothing() -> None:
    with pytest.raises(KeyError):
        memory(SessionEnded("other", ALL, "s-1"))


def test_what_was_ended_for_one_client_and_then_another_is_for_both() -> None:
    ended = memory(
        SessionEnded("corp", KUBECTL, "s-1"), SessionEnded("corp", frozenset({"capm3"}), "s-1")
    )
    for client in ("kubectl", "capm3"):
        assert ended.reason(token(client=client)) is not None
    assert ended.reason(token(client="grafana")) is None


def test_what_is_said_later_of_an_earlier_time_gives_nothing_back() -> None:
    ended = memory(TokensEnded("corp", ALL, NOW), TokensEnded("corp", ALL, NOW - 1000))
    assert ended.reason(token(issued=NOW - 1)) is not None


def test_too_many_clients_are_all() -> None:
    many = (SubjectEnded("corp", frozenset({f"c-{n}"}), "f3b1", NOW) for n in range(101))
    ended = memory(*many)
    assert ended.reason(token(client="grafana")) is not None
    assert ended.reason(token(client="grafana", issued=NOW + 1)) is None


def test_what_does_not_fit_takes_everything_of_the_issuer_along() -> None:
    ended = memory(*(SessionEnded("corp", KUBECTL, f"x-{n}") for n in range(3)), size=3)
    assert ended.reason(token()) is None
    ended.note(SessionEnded("corp", KUBECTL, "x-3"), NOW)
    assert ended.reason(token(client="capm3", issued=NOW)) is not None
    assert ended.reason(token(session="x-0")) is not None
    assert ended.reason(token(issued=NOW + LEEWAY + 1)) is None
    assert ended.reason(token(issuer="lab")) is None
    ended.note(SessionEnded("corp", KUBECTL, "s-1"), NOW)
    assert ended.reason(token(issued=NOW + LEEWAY + 1)) is not None


def test_what_is_known_already_needs_no_room() -> None:
    ended = memory(SessionEnded("corp", KUBECTL, "s-1"), size=1)
    ended.note(SessionEnded("corp", KUBECTL, "s-1"), NOW)
    assert ended.reason(token(session="s-2")) is None


def test_what_is_over_makes_room() -> None:
    ended = memory(SessionEnded("corp", KUBECTL, "x-0"), size=1)
    later = NOW + LIFETIME + 2 * LEEWAY
    ended.note(SessionEnded("corp", KUBECTL, "x-1"), later)
    assert ended.reason(token(session="x-2", issued=later - 10)) is None
    assert ended.reason(token(session="x-1", issued=later - 10)) is not None


LAST = NOW + LIFETIME + 2 * LEEWAY - 1
"""The last second in which a token can be good whose session ended at NOW."""


def test_what_is_not_over_makes_no_room() -> None:
    ended = memory(SessionEnded("corp", KUBECTL, "x-0"), size=1)
    ended.note(SessionEnded("corp", KUBECTL, "x-1"), LAST)
    assert ended.reason(token(session="x-0", issued=NOW + LEEWAY)) is not None


def test_what_took_everything_along_is_not_over_before_that_is() -> None:
    ended = memory(*(SessionEnded("corp", KUBECTL, f"x-{n}") for n in range(3)), size=2)
    for number in (3, 4):
        ended.note(SessionEnded("corp", KUBECTL, f"x-{number}"), LAST)
    assert ended.reason(token(session="x-0", issued=NOW + LEEWAY)) is not None


@given(
    sessions=st.lists(st.integers(0, 30), max_size=60),
    pauses=st.lists(st.floats(0, LIFETIME), max_size=60),
    size=st.integers(1, 8),
)
def test_a_session_that_has_ended_is_never_let_in_while_a_token_of_it_may_live(
    sessions: list[int], pauses: list[float], size: int
) -> None:
    ended = Revocations({"corp": LIFETIME}, size=size)
    now, noted = NOW, []
    for number, pause in zip(sessions, pauses, strict=False):
        now += pause
        ended.note(SessionEnded("corp", KUBECTL, f"s-{number}"), now)
        noted.append((number, now))
        for session, at in noted:
            newest = token(session=f"s-{session}", issued=at + LEEWAY)
            if now < newest.expires + LEEWAY:
                assert ended.reason(newest) is not None
            assert len(ended._ended["corp"]) <= size
