"""How what was found is told: to people, to scripts, and to whoever annotates code.

Each form takes the same report and is one text. What files say is quoted in them,
so each form escapes what would be more than text to its reader.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from proxy import __version__
from proxy.cli import printout
from proxy.core.policy import Code, Problem, Severity
from proxy.core.policy.excerpts import Text
from proxy.core.terminal import printable

MOST: Final = 1000
"""How many problems people are told, who would read no more; a file has room for 500,000."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in which files; `policies` and `rules` are None where there are none to use.

    `shadows` are rules besides, which only are recorded.
    `contents` has what each file that could be read says.
    """

    problems: tuple[Problem, ...]
    contents: Mapping[str, bytes]
    policies: int | None = None
    rules: int | None = None
    shadows: int = 0

    def count(self, severity: Severity) -> int:
        """How many problems of a severity there are."""
        return Counter(problem.severity for problem in self.problems)[severity]

    @property
    def files(self) -> int:
        """How many files there are, those included that could not be read."""
        return len(self.contents.keys() | {problem.file for problem in self.problems})


def text(report: Report) -> str:
    """For people: each problem with its line and a caret, and a summary."""
    lines_of = cache(lambda file: Text(report.contents[file]))
    told: list[str] = []
    for problem in report.problems[:MOST]:
        place = f"{problem.file}:{problem.position.line}:{problem.position.column}"
        told.append(printable(f"{place}: {problem.severity}: {problem.said} [{problem.code}]"))
        known = problem.file in report.contents
        if known and (found := lines_of(problem.file).excerpt(problem.position)):
            number = str(problem.position.line)
            told.append(f"  {number} | {found[0]}".rstrip())
            told.append(f"  {' ' * len(number)} | {found[1]}")
    return "".join(f"{line}\n" for line in (*told, *_end(report)))


def _end(report: Report) -> Iterator[str]:
    if (more := len(report.problems) - MOST) > 0:
        yield f"and {more} more, which -o json has"
    yield _summary(report)


def _summary(report: Report) -> str:
    of = [_counted(report.files, "file")]
    if report.policies is not None and report.rules is not None:
        of += [_counted(report.policies, "policy"), _counted(report.rules, "rule")]
    if report.shadows:
        of.append(_counted(report.shadows, "shadow rule"))
    if not report.problems:
        return f"ok: {', '.join(of)}"
    found = [
        _counted(number, severity) for severity in Severity if (number := report.count(severity))
    ]
    return f"{', '.join(found)} in {', '.join(of)}"


def _counted(number: int, word: str) -> str:
    if number == 1:
        return f"1 {word}"
    return f"{number} {word.removesuffix('y')}ies" if word.endswith("y") else f"{number} {word}s"


def _tree(report: Report) -> dict[str, Any]:
    findings = [
        {
            "file": problem.file,
            "line": problem.position.line,
            "column": problem.position.column,
            "severity": problem.severity.value,
            "code": problem.code.value,
            "field": problem.field,
            "message": problem.message,
            "hint": problem.hint,
        }
        for problem in report.problems
    ]
    summary = {
        "errors": report.count(Severity.ERROR),
        "warnings": report.count(Severity.WARNING),
        "files": report.files,
        "policies": report.policies,
        "rules": report.rules,
        "shadowRules": report.shadows,
    }
    return {"findings": findings, "summary": summary}


def _sarif(report: Report) -> dict[str, Any]:
    """For code scanning: SARIF 2.1.0, with each kind of problem as a rule (3.49)."""
    codes = [*Code]
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "hostclaim-proxy",
                        "version": __version__,
                        "rules": [_sarif_rule(code) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [
                    _sarif_result(problem, codes.index(problem.code)) for problem in report.problems
                ],
            }
        ],
    }


def _sarif_rule(code: Code) -> dict[str, Any]:
    return {
        "id": code.value,
        "shortDescription": {"text": code.meaning},
        "help": {"text": code.meaning},
        "defaultConfiguration": {"level": code.severity.value},
    }


def _sarif_result(problem: Problem, index: int) -> dict[str, Any]:
    return {
        "ruleId": problem.code.value,
        "ruleIndex": index,
        "level": problem.severity.value,
        "message": {"text": printable(problem.said)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": _artifact(problem.file),
                    "region": {
                        "startLine": problem.position.line,
                        "startColumn": problem.position.column,
                    },
                }
            }
        ],
    }


def _artifact(file: str) -> dict[str, str]:
    """A file as a URI (RFC 3986), relative to where the command is run if it lies there."""
    path = _relative(file)
    uri = quote(os.fsencode(path))
    if path.startswith("/"):
        return {"uri": f"file://{uri}"}
    return {"uri": uri, "uriBaseId": "%SRCROOT%"}


def _relative(file: str) -> str:
    """A path from where the command is run, as checkouts are annotated."""
    here = f"{Path.cwd()}/"
    return file.removeprefix(here)


def _github(report: Report) -> str:
    """For GitHub Actions: workflow commands, which annotate the lines of a pull request.

    A command is a line that begins with `::`; no text can end its own.
    """
    commands = (
        f"::{problem.severity.value} file={printable(_property(_relative(problem.file)))}"
        f",line={problem.position.line},col={problem.position.column}"
        f",title={_property(problem.code.value)}::{_data(printable(problem.said))}"
        for problem in report.problems[:MOST]
    )
    return "".join(f"{line}\n" for line in (*commands, *_end(report)))


def _data(value: str) -> str:
    """As `escapeData` of actions/toolkit, `packages/core/src/command.ts`."""
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    """As `escapeProperty` there."""
    return _data(value).replace(":", "%3A").replace(",", "%2C")


FORMS: Final[Mapping[str, Callable[[Report], str]]] = {
    "text": text,
    "json": lambda report: printout.document(_tree(report), "json"),
    "yaml": lambda report: printout.document(_tree(report), "yaml"),
    "sarif": lambda report: printout.document(_sarif(report), "json"),
    "github": _github,
}
"""Each form by the name of `--output`."""
