"""`hostclaim-proxy policy check` says all that is wrong, where it is, and what would be right."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.core.policy import Code, Severity
from tests.broken import CASES, GOLDEN, GOOD, GOOD_TEST, Case


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
    (policies / "red.yaml").write_text(GOOD.replace("blue", "red"))
    result = run("policies")
    assert (result.exit_code, result.stdout) == (0, "ok: 2 files, 2 policies, 2 rules\n")


def test_shadows_are_counted_apart_and_names_in_them_are_looked_at(policies: Path) -> None:
    shadow = GOOD.replace("blue", "red").replace("spec:\n", "spec:\n  enforcement: shadow\n")
    (policies / "red.yaml").write_text(shadow + "  - {namespaces: [red], role: viewer}\n")
    told = run("policies").stdout
    assert told == "ok: 2 files, 2 policies, 1 rule, 2 shadow rules\n"
    told = run("policies", "--issuer", "lab").stdout
    assert told.count("[unknown-issuer]") == 2


def test_a_test_of_the_same_name_is_not_taken_for_the_policy(policies: Path) -> None:
    (policies / "blue.yaml").write_text(f"{GOOD}---\n{GOOD_TEST}")
    told = run("policies", "--issuer", "lab").stdout
    assert told.startswith("policies/blue.yaml:6:23: warning: spec.subjects[0].issuer: ")


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
        "summary": {
            "errors": 1,
            "warnings": 0,
            "files": 1,
            "policies": None,
            "rules": None,
            "shadowRules": 0,
        },
    }


def test_the_name_of_a_file_is_no_command_to_a_terminal(policies: Path) -> None:
    (policies / "a\x1b[2J\n.yaml").write_text("")
    told = run("policies").stdout
    assert "policies/a?[2J?.yaml:1:1: error: has no document" in told


DOUBTFUL = """\
apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: AccessPolicy
metadata:
  name: blue
spec:
  subjects:
  - issuer: crop
    everyone: true
  allow:
  - namespaces: [blue, blue-dev]
    role: viewer
  - {namespaces: [blue], role: viewer}
  deny:
  - namespaces: [red]
"""
COVERED = """\
policies/blue.yaml:12:5: warning: spec.allow[1]: all that it grants is granted by \
policies/blue.yaml:10 blue spec.allow[0], leave it out, or narrow the other [covered]
  12 |   - {namespaces: [blue], role: viewer}
     |     ^
"""
VAIN = """\
policies/blue.yaml:14:5: warning: spec.deny[0]: takes nothing away, since no policy grants any \
of it, check namespaces and verbs [never-matches]
  14 |   - namespaces: [red]
     |     ^
"""
UNKNOWN = """\
policies/blue.yaml:7:13: warning: spec.subjects[0].issuer: the proxy has no issuer `crop`, \
did you mean `corp`? [unknown-issuer]
  7 |   - issuer: crop
    |             ^
"""
CONFIG = """\
apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: ProxyConfiguration
server: {address: "127.0.0.1:0", certFile: tls.crt, keyFile: tls.key}
cluster: {inCluster: true}
issuers:
- {name: corp, url: "https://iam.example.com/realms/corp", audiences: [hostclaim-proxy]}
policies: {paths: [policies]}
"""


def test_what_is_doubtful_is_a_warning_and_no_failure(policies: Path) -> None:
    (policies / "blue.yaml").write_text(DOUBTFUL)
    result = run("policies")
    assert result.exit_code == 0
    assert result.stdout == COVERED + "1 warning in 1 file, 1 policy, 3 rules\n"
    assert run("policies", "--fail-on", "warning").exit_code == 1


def test_good_files_do_not_fail_on_warnings() -> None:
    assert run("policies", "--fail-on", "warning").exit_code == 0


def test_issuers_may_be_given(policies: Path) -> None:
    (policies / "blue.yaml").write_text(DOUBTFUL)
    told = run("policies", "--issuer", "corp", "--issuer", "lab").stdout
    assert told == UNKNOWN + COVERED + "2 warnings in 1 file, 1 policy, 3 rules\n"
    assert "unknown-issuer" not in run("policies", "--issuer", "crop").stdout


def test_a_configuration_names_the_policies_and_all_that_entitles(policies: Path) -> None:
    (policies / "blue.yaml").write_text(DOUBTFUL)
    Path("proxy.yaml").write_text(CONFIG)
    told = run("--config", "proxy.yaml").stdout.replace(f"{Path.cwd()}/", "")
    assert told == UNKNOWN + COVERED + VAIN + "3 warnings in 1 file, 1 policy, 3 rules\n"
    assert "unknown-issuer" not in run("--config", "proxy.yaml", "--issuer", "crop").stdout


@pytest.mark.parametrize(
    "grants",
    [
        'claims: [{issuer: corp, claim: groups, pattern: "{namespace}", role: viewer}]',
        "permissions: [{issuer: corp, clientId: proxy}]",
    ],
)
def test_what_the_iam_may_grant_a_denial_may_take(policies: Path, grants: str) -> None:
    (policies / "blue.yaml").write_text(DOUBTFUL.replace("crop", "corp"))
    Path("proxy.yaml").write_text(CONFIG)
    assert "never-matches" in run("--config", "proxy.yaml").stdout
    Path("proxy.yaml").write_text(f"{CONFIG}entitlements: {{{grants}}}\n")
    assert "never-matches" not in run("--config", "proxy.yaml").stdout


def test_a_configuration_that_cannot_be_used_is_wrong_usage() -> None:
    Path("proxy.yaml").write_text("a: b")
    result = run("--config", "proxy.yaml")
    assert result.exit_code == 2
    assert "proxy.yaml: apiVersion: is required" in result.stderr


def test_a_configuration_without_policies_needs_a_path() -> None:
    claims = '[{issuer: corp, claim: groups, pattern: "{namespace}", role: viewer}]'
    bare = CONFIG.replace("policies: {paths: [policies]}", f"entitlements: {{claims: {claims}}}")
    Path("proxy.yaml").write_text(bare)
    assert run("--config", "proxy.yaml").exit_code == 2
    assert run("--config", "proxy.yaml", "policies").exit_code == 0


def test_rules_that_are_too_long_to_be_compared_are_told(policies: Path) -> None:
    names = ", ".join(f"n{number}" for number in range(1200))
    people = "\n".join(f"  - {{issuer: corp, user: u{number}}}" for number in range(1200))
    text = GOOD.replace("[{issuer: corp, everyone: true}]", f"\n{people}")
    (policies / "blue.yaml").write_text(text.replace("[blue]", f"[{names}]"))
    result = run("policies")
    assert result.exit_code == 0
    assert "1 rule is too long to be compared with others" in result.stderr


def test_each_warning_is_in_the_documents() -> None:
    page = (GOLDEN.parents[2] / "docs" / "policies.md").read_text()
    assert all(f"`{code}`" in page for code in Code if code.severity is Severity.WARNING)
