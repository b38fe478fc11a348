"""Wrk is told what to send, and what it says at the end is read."""

from pathlib import Path

import pytest

from tests.bench import objects, wrk
from tests.bench.wrk import Load, Result

SAID = """Running 1s test @ https://127.0.0.1:1/
  1 threads and 16 connections
  900 requests in 1.00s, 1.30MB read
bench requests=900 duration=1000500 refused=3 broken=1 p50=250 p99=4000
"""
TOKENS = Path("tokens")


def test_the_last_line_is_what_counts() -> None:
    assert wrk.parse(SAID) == Result(900, 1.0005, refused=3, broken=1, p50=0.00025, p99=0.004)


def test_a_run_that_broke_off_is_no_result() -> None:
    with pytest.raises(AssertionError, match="did not finish:\nunable to connect"):
        wrk.parse("unable to connect")


def test_one_token_makes_one_request() -> None:
    made = wrk.script(Load("/x", ["a"], connections=1, seconds=1), TOKENS)
    assert "function request" not in made


def test_many_tokens_make_a_request_each() -> None:
    made = wrk.script(Load("/x", ["a", "b"], connections=1, seconds=1), TOKENS)
    assert "function request" in made


def test_a_body_is_quoted_for_lua() -> None:
    load = Load("/x", ["a"], 1, 1, "PATCH", objects.PATCH, objects.MERGE_PATCH)
    made = wrk.script(load, TOKENS)
    assert r'wrk.body = "{\"metadata\": {\"annotations\":' in made
    assert 'wrk.headers["Content-Type"] = "application/merge-patch+json"' in made
