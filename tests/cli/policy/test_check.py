"""`hostclaim-proxy policy check` says all that is wrong, where it is, and what would be right."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from proxy.cli import main
from tests.broken import CASES, GOLDEN, GOOD, Case


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["policy", "check", *map(str, arguments)])


@pytest.fixture(autouse=True)
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one good file, in the folder where commands are run."""
    monkeypatch.chdir(tmp_path)
    folder = Path("policies")
    folder.mkdir()
    (folder / "blue.yaml").write_text(GOOD)
    return folder


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_wrong_is_said_as_it_is_written_down(policies: Path, case: Case) -> None:
    case.break_(policies)
    result = run("policies")
    assert result.stdout == case.golden.read_text()
    assert result.exit_code == 1
    assert "Traceback" not in result.output


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_written_down_names_file_and_line(case: Case) -> None:
    told = case.golden.read_text()
    assert re.match(r"policies(/[a-z]+\.yaml)?:[1-9][0-9]*:[1-9][0-9]*: error: \S", told)
    assert all(line.isprintable() for line in told.split("\n"))


def test_there_are_many_ways_to_write_a_file_wrong_and_each_is_of_a_case() -> None:
    assert len(CASES) >= 40
    assert {file.stem for file in GOLDEN.glob("*.txt")} == {case.name for case in CASES}


def test_good_files_are_counted(policies: Path) -> None:
    (policies / "red.yaml").write_text(GOOD.replace("name: blue", "name: red"))
    result = run("policies")
    assert (result.exit_code, result.stdout) == (0, "ok: 2 files, 2 policies, 2 rules\n")


def test_files_may_be_named_one_by_one(policies: Path) -> None:
    assert run(policies / "blue.yaml").stdout == "ok: 1 file, 1 policy, 1 rule\n"


def test_nothing_to_check_is_wrong_usage() -> None:
    result = run()
    assert result.exit_code == 2
    assert "give a PATH" in result.stderr


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_scripts_get_each_finding_in_fields(
    policies: Path, output: str, read: Callable[[str], object]
) -> None:
    (policies / "blue.yaml").write_text(GOOD.replace("viewer", "view"))
    result = run("policies", "-o", output)
    assert result.exit_code == 1
    assert read(result.stdout) == {
        "findings": [
            {
                "file": "policies/blue.yaml",
                "line": 8,
                "column": 32,
                "severity": "error",
                "code": "unknown-value",
                "field": "spec.allow[0].role",
                "message": "unknown role `view`",
                "hint": "did you mean `viewer`?",
            }
        ],
        "summary": {"errors": 1, "warnings": 0, "files": 1, "policies": None, "rules": None},
    }


def test_the_name_of_a_file_is_no_command_to_a_terminal(policies: Path) -> None:
    (policies / "a\x1b[2J\n.yaml").write_text("")
    told = run("policies").stdout
    assert "policies/a?[2J?.yaml:1:1: error: has no document" in told
