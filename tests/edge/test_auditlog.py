"""The audit log on files as operators have them: moved away, full, not writable."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.edge.auditlog import JsonLines

FULL = Path("/dev/full")


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def test_a_record_is_a_line_that_is_there_at_once(path: Path) -> None:
    log = JsonLines(path, shared=False)
    log.write([{"auditID": "1"}])
    log.write([{"auditID": "2", "message": "two\nlines"}])
    assert [line["auditID"] for line in lines(path)] == ["1", "2"]


def test_records_that_come_together_are_lines_in_their_order(path: Path) -> None:
    log = JsonLines(path, shared=False)
    log.write([{"auditID": "1"}, {"auditID": "2"}])
    log.write([])
    assert [line["auditID"] for line in lines(path)] == ["1", "2"]


def test_a_record_that_cannot_be_written_does_not_keep_back_the_others(path: Path) -> None:
    log = JsonLines(path, shared=False)
    with pytest.raises(UnicodeEncodeError):
        log.write([{"auditID": "1"}, {"auditID": "\ud800"}, {"auditID": "3"}])
    assert [line["auditID"] for line in lines(path)] == ["1", "3"]


def test_records_of_an_earlier_run_stay(path: Path) -> None:
    for number in ("1", "2"):
        log = JsonLines(path, shared=False)
        log.write([{"auditID": number}])
        log.close()
    assert len(lines(path)) == 2


def test_only_its_owner_and_group_read_it(path: Path) -> None:
    JsonLines(path, shared=False).close()
    assert path.stat().st_mode & 0o007 == 0


def test_after_it_was_moved_away_records_go_to_a_new_file(path: Path) -> None:
    log = JsonLines(path, shared=False)
    log.write([{"auditID": "1"}])
    moved = path.rename(path.with_suffix(".1"))
    log.write([{"auditID": "2"}])
    log.reopen()
    log.write([{"auditID": "3"}])
    assert [line["auditID"] for line in lines(moved)] == ["1", "2"]
    assert [line["auditID"] for line in lines(path)] == ["3"]


def test_a_new_file_that_cannot_be_opened_leaves_the_old_one(path: Path) -> None:
    log = JsonLines(path, shared=False)
    moved = path.rename(path.with_suffix(".1"))
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        log.reopen()
    log.write([{"auditID": "1"}])
    assert len(lines(moved)) == 1


def test_a_full_disk_is_an_error_of_the_record_that_did_not_fit() -> None:
    log = JsonLines(FULL, shared=False)
    with pytest.raises(OSError, match="No space left"):
        log.write([{"auditID": "1"}])


def test_a_file_that_cannot_be_opened_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        JsonLines(tmp_path / "none" / "audit.jsonl", shared=False)


def test_without_a_file_records_go_to_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    log = JsonLines(None, shared=False)
    log.write([{"auditID": "1"}])
    log.reopen()
    log.close()
    log.write([{"auditID": "2"}])
    written = capfd.readouterr().out
    assert [json.loads(line)["auditID"] for line in written.splitlines()] == ["1", "2"]


WRITING = """
import sys
from proxy.edge.auditlog import JsonLines

log = JsonLines(None, shared=True)
for number in range(50):
    log.write([{"writer": sys.argv[1], "number": number, "long": "x" * 100_000}])
"""


def test_lines_of_several_processes_to_one_pipe_are_whole() -> None:
    reading, writing = os.pipe()
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITING, str(number)], stdout=writing)
        for number in range(4)
    ]
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        written = [json.loads(line) for line in pipe]
    assert [writer.wait() for writer in writers] == [0] * 4
    found = {(line["writer"], line["number"]) for line in written}
    assert len(found) == len(written) == 4 * 50


def test_a_full_disk_is_an_error_where_others_write_as_well() -> None:
    log = JsonLines(FULL, shared=True)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            log.write([{"auditID": "1"}])
