"""What operators are told of policies, by one process or by several."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from proxy.core.policy.inforce import (
    Failure,
    Fault,
    File,
    InForce,
    RuleInForce,
    decode,
    encode,
    merged,
)
from proxy.core.policy.rules import Effect

EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
FAULT = Fault(file="a.yaml", line=1, column=2, field="spec", message="is missing", hint="add it")


def rule(hits: int, line: int = 8) -> RuleInForce:
    return RuleInForce(
        document="blue",
        path="spec.allow[0]",
        file="a.yaml",
        line=line,
        effect=Effect.ALLOW,
        hits=hits,
    )


def known(*rules: RuleInForce, digest: str = "aa", at: datetime = EARLY, **other: Any) -> InForce:
    files = (File(path="a.yaml", sha256=digest),)
    return InForce(loaded_at=at, enforced_rules=len(rules), files=files, rules=rules, **other)


def test_it_is_written_as_kubernetes_writes() -> None:
    failure = Failure(failed_at=LATE, problems=(FAULT,))
    written = json.loads(encode(known(rule(3), error=failure, reloads=2, failures=1)))
    assert written == {
        "apiVersion": "hostclaim-proxy.metal3.io/v1alpha1",
        "kind": "PolicyStatus",
        "configured": True,
        "loadedAt": "2026-01-01T00:00:00Z",
        "reloads": 2,
        "failures": 1,
        "enforcedRules": 1,
        "shadowRules": 0,
        "error": {
            "failedAt": "2026-01-02T00:00:00Z",
            "problems": [
                {
                    "file": "a.yaml",
                    "line": 1,
                    "column": 2,
                    "field": "spec",
                    "message": "is missing",
                    "hint": "add it",
                }
            ],
            "more": 0,
        },
        "files": [{"path": "a.yaml", "sha256": "aa"}],
        "rules": [
            {
                "document": "blue",
                "path": "spec.allow[0]",
                "file": "a.yaml",
                "line": 8,
                "effect": "allow",
                "hits": 3,
            }
        ],
        "workers": [],
        "agree": True,
    }


@pytest.mark.parametrize("shown", [InForce(configured=False), known(rule(1))])
def test_what_was_written_is_read(shown: InForce) -> None:
    assert decode(encode(shown)) == shown


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"[]",
        b"{",
        b"{}",
        b'{"kind": "Status"}',
        b'{"kind": "PolicyStatus", "rules": [1]}',
        b'{"kind": "PolicyStatus", "loadedAt": "2026-01-01T00:00:00"}',
        b'{"kind": "PolicyStatus", "more": ' + b"[" * 100_000,
    ],
    ids=lambda written: written[:64],
)
def test_what_is_something_else_is_not_read(written: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(written)


def test_what_a_newer_proxy_says_besides_is_let_be() -> None:
    assert decode(b'{"kind": "PolicyStatus", "more": 1}') == InForce()


def test_workers_that_agree_are_one_whose_hits_are_the_sum() -> None:
    found = merged({0: known(rule(1)), 1: known(rule(2), at=LATE, reloads=1)})
    assert found.agree
    assert found.rules == (rule(3),)
    assert found.files == (File(path="a.yaml", sha256="aa"),)
    assert (found.loaded_at, found.reloads) == (LATE, 1)
    assert [(each.number, each.reloads) for each in found.workers] == [(0, 0), (1, 1)]


def test_what_not_all_workers_have_says_who_does() -> None:
    found = merged({0: known(rule(1)), 1: known(rule(2, line=9), digest="bb", at=LATE)})
    assert not found.agree
    assert [(each.sha256, each.workers) for each in found.files] == [("bb", (1,)), ("aa", (0,))]
    assert [(each.line, each.hits, each.workers) for each in found.rules] == [
        (9, 2, (1,)),
        (8, 1, (0,)),
    ]


def test_the_last_failure_of_any_worker_is_that_of_all() -> None:
    early, late = (Failure(failed_at=at, problems=(FAULT,)) for at in (EARLY, LATE))
    found = merged({0: known(error=early), 1: known(error=late), 2: known()})
    assert found.error == late
    assert [each.broken for each in found.workers] == [True, True, False]


def test_a_worker_that_does_not_answer_is_told() -> None:
    found = merged({0: known(rule(1)), 1: "worker 1 does not answer"})
    assert not found.agree
    assert found.rules == (rule(1),)
    assert [each.trouble for each in found.workers] == ["", "worker 1 does not answer"]


def test_if_no_worker_answers_nothing_is_known() -> None:
    found = merged({0: "worker 0 does not answer"})
    assert (found.agree, found.rules, len(found.workers)) == (False, (), 1)


def test_workers_without_policy_files_have_none_together() -> None:
    none = InForce(configured=False)
    assert not merged({0: none, 1: none}).configured
