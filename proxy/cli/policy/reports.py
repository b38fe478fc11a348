"""How what was found is told: to people, to scripts, and to whoever annotates code.

Each form takes the same report and is one text. What files say is quoted in them,
so each form escapes what would be more than text to its reader.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from proxy.cli import yamltext
from proxy.core.policy import Problem, Severity
from proxy.core.policy.excerpts import Text
from proxy.core.terminal import printable


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in which files; `policies` and `rules` are None where there are none to use.

    `contents` has what each file that could be read says.
    """

    problems: tuple[Problem, ...]
    contents: Mapping[str, bytes]
    policies: int | None = None
    rules: int | None = None

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
    for problem in report.problems:
        place = f"{problem.file}:{problem.position.line}:{problem.position.column}"
        told.append(printable(f"{place}: {problem.severity}: {problem.said} [{problem.code}]"))
        known = problem.file in report.contents
        if known and (found := lines_of(problem.file).excerpt(problem.position)):
            number = str(problem.position.line)
            told.append(f"  {number} | {found[0]}".rstrip())
            told.append(f"  {' ' * len(number)} | {found[1]}")
    told.append(_summary(report))
    return "".join(f"{line}\n" for line in told)


def _summary(report: Report) -> str:
    of = [_counted(report.files, "file")]
    if report.policies is not None and report.rules is not None:
        of += [_counted(report.policies, "policy"), _counted(report.rules, "rule")]
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
    }
    return {"findings": findings, "summary": summary}


FORMS: Final[Mapping[str, Callable[[Report], str]]] = {
    "text": text,
    "json": lambda report: json.dumps(_tree(report), indent=2) + "\n",
    "yaml": lambda report: yamltext.dump(_tree(report)),
}
"""Each form by the name of `--output`."""
