"""When a token is renewed, and how long a failure is waited out."""

import base64
import json
from itertools import pairwise

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.refresher.schedule import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    Lifetime,
    due,
    lifetime_of,
    pause,
)

NAMES = [f"blue/kubeconfig-{number}" for number in range(200)]


@pytest.mark.parametrize(
    ("begins", "seconds", "soonest", "latest"),
    [(0, 300, 180, 240), (1000, 60, 1036, 1048), (1000, 3600, 3160, 3880), (5, 0, 5, 5)],
)
def test_a_token_is_renewed_between_three_and_four_fifths_of_its_life(
    begins: float, seconds: float, soonest: float, latest: float
) -> None:
    for name in NAMES:
        assert soonest <= due(Lifetime(begins, begins + seconds), name) <= latest


def test_tokens_that_were_given_together_are_not_renewed_together() -> None:
    moments = sorted(due(Lifetime(0, 300), name) for name in NAMES)
    # Two hundred in a minute: no gap of ten seconds, and no pile of them either.
    assert max(later - sooner for sooner, later in pairwise(moments)) < 10
    assert len({int(moment) for moment in moments}) > 40


def test_another_replica_comes_to_the_same_moment() -> None:
    assert due(Lifetime(0, 300), "blue/one") == due(Lifetime(0, 300), "blue/one")


def test_a_secret_does_not_have_the_same_jitter_each_time() -> None:
    assert len({due(Lifetime(at, at + 300), "blue/one") - at for at in range(0, 3000, 300)}) == 10


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 5), (2, 10), (3, 20), (5, 80), (6, 120), (7, 120), (10_000, 120)]
)
def test_pauses_grow_up_to_a_bound(failures: int, longest: float) -> None:
    found = [pause(failures, name) for name in NAMES]
    assert longest / 2 <= min(found) < max(found) <= longest


@given(st.integers(1, 10**6), st.text())
def test_there_is_always_a_pause(failures: int, name: str) -> None:
    assert FIRST_PAUSE_SECONDS / 2 <= pause(failures, name) <= LONGEST_PAUSE_SECONDS


def token(payload: bytes) -> str:
    return f"e30.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}.sig"


def test_a_token_tells_its_lifetime() -> None:
    signed = jwt.encode({"iat": 1000, "exp": 1300, "sub": "ÿ?>"}, "k" * 32, algorithm="HS256")
    assert lifetime_of(signed) == Lifetime(1000, 1300)


@pytest.mark.parametrize(
    "unverified",
    [
        "",
        "opaque",
        "a.b.c",
        "a.!.c",
        "a.b",
        token(b"[]"),
        token(b"7"),
        token(b"{}"),
        token(b"[" * 100_000),
        token(json.dumps({"iat": 1000}).encode()),
        token(json.dumps({"exp": 1000}).encode()),
        token(json.dumps({"iat": "x", "exp": 1300}).encode()),
        token(json.dumps({"iat": [], "exp": 1300}).encode()),
        token(json.dumps({"iat": 1300, "exp": 1300}).encode()),
        token(json.dumps({"iat": -1, "exp": 1300}).encode()),
        token(b'{"iat": NaN, "exp": 1300}'),
        token(b'{"iat": 1, "exp": Infinity}'),
        token(b'{"iat": 1, "exp": 1' + b"0" * 400 + b"}"),
        token(b"\xff\xfe"),
    ],
)
def test_what_tells_no_lifetime_has_none(unverified: str) -> None:
    assert lifetime_of(unverified) is None
