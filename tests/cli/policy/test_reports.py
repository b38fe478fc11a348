"""How findings are told to code scanning and to GitHub: in shape, and with nothing injected."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import __version__
from proxy.cli.policy.reports import FORMS, MOST, Report
from proxy.core.policy import Code, Position, Problem

ODD = "policies/a b:c,d%é\n::error::x.yaml"
WIDE = Problem(
    ODD, Position(3, 5), "spec.allow[0]", "grants 100%\r\n::error::x", "see a:b, c", Code.WIDE
)
WRONG = Problem("policies/blue.yaml", Position(1, 1), "", "is not YAML", code=Code.NOT_YAML)
REPORT = Report((WRONG, WIDE), {ODD: b"", "policies/blue.yaml": b"["})


@pytest.mark.parametrize("form", ["text", "github"])
def test_people_are_told_a_thousand_and_how_many_more(form: str) -> None:
    many = Report((WRONG,) * (MOST + 2), {})
    told = FORMS[form](many).splitlines()
    assert told[MOST:] == [
        "and 2 more, which -o json has",
        f"{MOST + 2} errors in 1 file",
    ]
    assert len(json.loads(FORMS["json"](many))["findings"]) == MOST + 2


def test_sarif_has_what_its_schema_requires() -> None:
    log = json.loads(FORMS["sarif"](REPORT))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    [run] = log["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("hostclaim-proxy", __version__)
    assert [rule["id"] for rule in driver["rules"]] == [code.value for code in Code]
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"] == rule["help"]["text"] == Code(rule["id"]).meaning
        assert rule["defaultConfiguration"]["level"] in {"error", "warning"}
    assert run["columnKind"] == "unicodeCodePoints"
    for result, problem in zip(run["results"], REPORT.problems, strict=True):
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == problem.code
        assert result["level"] == problem.severity
        [location] = result["locations"]
        place = location["physicalLocation"]
        assert place["region"] == {
            "startLine": problem.position.line,
            "startColumn": problem.position.column,
        }
        assert unquote(place["artifactLocation"]["uri"]) == problem.file
    assert run["results"][0]["message"] == {"text": "is not YAML"}


def uri(file: str) -> str:
    problem = Problem(file, Position(1, 1), "", "x")
    log = json.loads(FORMS["sarif"](Report((problem,), {})))
    [location] = log["runs"][0]["results"][0]["locations"]
    found = location["physicalLocation"]["artifactLocation"]
    assert found.get("uriBaseId") == (None if found["uri"].startswith("file:") else "%SRCROOT%")
    return str(found["uri"])


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("policies/blue.yaml", "policies/blue.yaml"),
        ("a b#?.yaml", "a%20b%23%3F.yaml"),
        ("c:d.yaml", "c%3Ad.yaml"),
        ("caf\udce9.yaml", "caf%E9.yaml"),
        ("/etc/policies/é.yaml", "file:///etc/policies/%C3%A9.yaml"),
        (f"{Path.cwd()}/policies/x.yaml", "policies/x.yaml"),
    ],
)
def test_sarif_names_files_by_uris_from_where_it_is_made(file: str, wanted: str) -> None:
    assert uri(file) == wanted


def test_github_gets_a_command_for_each_finding() -> None:
    assert FORMS["github"](REPORT).splitlines() == [
        "::error file=policies/blue.yaml,line=1,col=1,title=not-yaml::is not YAML",
        (
            "::warning file=policies/a b%3Ac%2Cd%25é%0A%3A%3Aerror%3A%3Ax.yaml,line=3,col=5,"
            "title=wide::spec.allow[0]: grants 100%25??::error::x, see a:b, c"
        ),
        "1 error, 1 warning in 2 files",
    ]


@given(file=st.text(), message=st.text(), hint=st.text())
def test_no_text_makes_another_command(file: str, message: str, hint: str) -> None:
    problem = Problem(file, Position(1, 1), "f", message, hint)
    told = FORMS["github"](Report((problem,), {}))
    [command, summary, rest] = re.split(r"\r|\n", told)
    assert re.fullmatch(r"::error file=[^:,]*,line=1,col=1,title=invalid-value::.*", command)
    assert (summary, rest) == ("1 error in 1 file", "")
    assert command.isprintable()
