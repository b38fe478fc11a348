"""`hostclaim-proxy policy shadow` lists what shadow policies would have changed."""

import gzip
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.cli.policy import records, shadow
from proxy.core.audit import SHADOW_DECISION, SHADOW_REASON
from proxy.core.tally import Tally

REASON = "a policy denies it explicitly; new.yaml:3 new spec.deny[0]"


def run(*arguments: object, stdin: str = "") -> Result:
    return CliRunner().invoke(main, ["policy", "shadow", *map(str, arguments)], input=stdin)


def record(who: str = "corp:alice", decision: str = "forbid", day: int = 1, **more: Any) -> str:
    annotations = {SHADOW_DECISION: decision, SHADOW_REASON: REASON} if decision else {}
    event = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "user": {"username": who},
        "verb": "get",
        "objectRef": {"resource": "hostclaims", "namespace": "blue", "name": "c1"},
        "requestReceivedTimestamp": f"2025-01-0{day}T08:00:00.123456Z",
        "annotations": annotations,
    }
    return json.dumps(event | more) + "\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    log = tmp_path / "audit.jsonl"
    listed = record("corp:bob", "allow", verb="list", objectRef={"resource": "hostclaims"})
    log.write_text(record(day=1) + record(decision="") + record(day=3) + listed)
    return log


def test_alike_changes_are_a_line_of_a_table(log: Path) -> None:
    result = run(log)
    assert (result.exit_code, result.stderr) == (0, "")
    days = "2025-01-01T08:00:00Z   2025-01-03T08:00:00Z"
    day = "2025-01-01T08:00:00Z   2025-01-01T08:00:00Z"
    times = f"{'FIRST':23}{'LAST':23}"
    assert result.stdout.splitlines() == [
        f"WHO          VERB   RESOURCE     NAMESPACE   WOULD BE   COUNT   {times}BY",
        f"corp:alice   get    hostclaims   blue        forbid     2       {days}   {REASON}",
        f"corp:bob     list   hostclaims   (all)       allow      1       {day}   {REASON}",
        "",
        "3 of 4 requests would have been decided otherwise",
    ]


def test_where_nothing_would_change_that_is_said(log: Path) -> None:
    log.write_text(record(decision=""))
    result = run(log, "--fail")
    assert result.exit_code == 0
    assert result.stdout == "0 of 1 requests would have been decided otherwise\n"


def test_it_fails_only_where_it_is_asked_to(log: Path) -> None:
    assert (run(log).exit_code, run(log, "--fail").exit_code) == (0, 1)


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_programs_get_the_same_in_full(log: Path, output: str, read: Any) -> None:
    found = read(run(log, "-o", output).stdout)
    assert {name: found[name] for name in ("records", "unreadable", "changed", "leftOut")} == {
        "records": 4,
        "unreadable": 0,
        "changed": 3,
        "leftOut": 0,
    }
    assert found["changes"][0] == {
        "user": "corp:alice",
        "verb": "get",
        "resource": "hostclaims",
        "namespace": "blue",
        "decision": "forbid",
        "reason": REASON,
        "count": 2,
        "first": "2025-01-01T08:00:00.123456Z",
        "last": "2025-01-03T08:00:00.123456Z",
    }


def test_standard_input_and_compressed_files_are_read_too(log: Path) -> None:
    packed = log.with_name("audit.jsonl.1.gz")
    packed.write_bytes(gzip.compress(record(day=2).encode()))
    result = run(packed, "-", log, stdin=record(day=5))
    assert "corp:alice   get    hostclaims   blue        forbid     4" in result.stdout
    assert "2025-01-05" in result.stdout


def test_lines_that_cannot_be_read_are_told_and_passed_over(log: Path) -> None:
    log.write_text("INFO: it serves\n" + record() + record()[:30])
    result = run(log)
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        f"{log}:1: is not JSON",
        f"{log}:3: is not complete: the proxy may be writing it",
    ]
    assert "1 of 1 requests" in result.stdout


def test_of_very_many_such_lines_some_are_told(log: Path) -> None:
    log.write_text("x\n" * 50)
    told = run(log).stderr.splitlines()
    assert (len(told), told[-1]) == (21, "50 lines could not be read")


def test_a_file_that_cannot_be_read_to_its_end_is_told_and_the_others_listed(log: Path) -> None:
    packed = log.with_name("audit.jsonl.1.gz")
    packed.write_bytes(gzip.compress(record(day=2).encode())[:-4])
    result = run(packed, log, "--fail")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{packed}:")
    assert "of 5 requests" in result.stdout


@pytest.mark.parametrize("arguments", [[], ["gone.jsonl"], ["."]])
def test_what_is_no_file_is_wrong_usage(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_what_a_record_says_is_no_command_to_a_terminal(log: Path) -> None:
    log.write_text(record("corp:\x1b[2Jalice"))
    assert "\x1b" not in run(log).stdout


def test_kinds_beyond_what_is_remembered_are_told(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow, "Tally", partial(Tally, 1))
    *_, empty, left, whole = run(log).stdout.splitlines()
    assert (empty, left) == ("", "1 more are of too many kinds to be listed")
    assert whole == "3 of 4 requests would have been decided otherwise"


def test_a_long_log_says_that_it_is_being_read(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_LOOK", 2)
    monkeypatch.setattr(records, "_PATIENCE", -1.0)
    told = [line.partition(" in ")[0] for line in run(log).stderr.splitlines()]
    assert told == ["2 lines read", "4 lines read"]
