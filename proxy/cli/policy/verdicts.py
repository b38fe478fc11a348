"""How a run of tests went, for people and for programs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from proxy.cli import printout
from proxy.cli.policy import told
from proxy.core.attributes import ResourceRequest
from proxy.core.coverage import Coverage
from proxy.core.policy import Placed, Rule
from proxy.core.rehearsal import Case, Rehearsal, Unasked, Verdict
from proxy.core.terminal import printable


@dataclass(frozen=True, slots=True)
class Run:
    """Tests and what came of them. `coverage` is known where all of them were run."""

    rehearsals: tuple[Rehearsal, ...]
    coverage: Coverage | None
    wanted_percent: int | None = None

    @property
    def covers(self) -> bool:
        """Whether as many rules were tested as is wanted."""
        if self.coverage is None or self.wanted_percent is None:
            return True
        return self.coverage.percent >= self.wanted_percent

    @property
    def passed(self) -> bool:
        """Whether all is as is wanted."""
        return self.covers and not any(one.failed for one in self.rehearsals)


def text(run: Run) -> str:
    """A table of the tests, what failed, what was not tested, and a line to sum it up."""
    blocks = ["\n".join(_table(run))]
    blocks += ["\n".join(_failure(one)) for one in run.rehearsals if one.failed]
    if run.coverage is not None:
        blocks.append("\n".join(_coverage(run.coverage, run)))
    blocks.append(_sum(run))
    return "\n\n".join(blocks) + "\n"


def junit(run: Run) -> str:
    """The tests as JUnit writes them, which most CI systems show; a suite for each document."""
    root = Element("testsuites", name="hostclaim-proxy policy test")
    suites: dict[tuple[str, str], list[Rehearsal]] = {}
    for one in run.rehearsals:
        origin = one.placed.origin
        suites.setdefault((printable(origin.file), origin.document), []).append(one)
    for (file, document), found in suites.items():
        failures = str(sum(1 for one in found if one.failed))
        suite = SubElement(
            root, "testsuite", name=document, tests=str(len(found)), failures=failures, file=file
        )
        for one in found:
            _junit_case(suite, one)
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _junit_case(suite: Element, one: Rehearsal) -> None:
    origin = one.placed.origin
    case = SubElement(
        suite,
        "testcase",
        name=one.placed.trial.name,
        classname=origin.document,
        file=printable(origin.file),
        line=str(origin.line),
    )
    if one.failed:
        message = f"{len(one.failed)} of {len(one.cases)} cases"
        SubElement(case, "failure", message=message).text = "\n".join(_failure(one))


def _table(run: Run) -> Iterator[str]:
    rows = [("TEST", "CASES", "RESULT")]
    for one in run.rehearsals:
        result = f"FAILED {len(one.failed)}" if one.failed else "passed"
        rows.append((_named(one.placed), str(len(one.cases)), result))
    yield from printout.table(rows)


def _named(placed: Placed) -> str:
    return f"{placed.origin.document}: {placed.trial.name}"


def _failure(one: Rehearsal) -> Iterator[str]:
    yield printable(f"{one.placed.origin}: {one.placed.trial.name}")
    for case in one.failed:
        yield f"    {printable(case.who)}: {told.asked(_asked(case))}"
        yield f"  - expected {_expected(case)}"
        yield f"  + got {_got(case)}"


def _asked(case: Case) -> ResourceRequest:
    """What is asked, by the name that the test gives if it gives one."""
    return replace(case.request, name=case.trial.request.name or None)


def _expected(case: Case) -> str:
    expected = case.trial.expect
    by = " ".join(filter(None, (expected.rule.policy, expected.rule.path)))
    if expected.fields:
        return f"{expected.decision}, for {', '.join(map(printable, expected.fields))}"
    return f"{expected.decision} by {by}" if by else str(expected.decision)


def _got(case: Case) -> str:
    match case.outcome:
        case Unasked(reason=reason):
            return printable(f"no decision: {reason}")
        case Verdict(effect=effect, rules=rules, reason=reason, fields=fields):
            by = "" if fields else _by(rules)
            return printable(
                f"{effect}{f' by {by}' if by else ''}{f': {reason}' if reason else ''}"
            )


def _by(rules: tuple[Rule, ...]) -> str:
    return "; ".join(str(rule.origin) for rule in rules)


def _coverage(coverage: Coverage, run: Run) -> Iterator[str]:
    decided = len(coverage.rules) - len(coverage.idle)
    wanted = "" if run.covers else f", and {run.wanted_percent} % are wanted"
    yield f"{decided} of {len(coverage.rules)} rules decided a case, {coverage.percent} %{wanted}"
    yield from (printable(f"  {origin} decided none") for origin in coverage.idle)
    if coverage.unasked:
        yield f"no test asks about the namespaces {', '.join(coverage.unasked)}"


def _sum(run: Run) -> str:
    failed = sum(1 for one in run.rehearsals if one.failed)
    cases = sum(len(one.cases) for one in run.rehearsals)
    total = f"{_number(len(run.rehearsals), 'test')}, {_number(cases, 'case')}"
    return f"{total}: {failed} failed" if failed else f"{total}: all passed"


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def value(run: Run) -> dict[str, Any]:
    """All of it for programs."""
    found: dict[str, Any] = {
        "passed": run.passed,
        "tests": [_test_data(one) for one in run.rehearsals],
    }
    if (coverage := run.coverage) is not None:
        found["coverage"] = {
            "rules": len(coverage.rules),
            "percent": coverage.percent,
            "idle": [str(origin) for origin in coverage.idle],
            "unaskedNamespaces": [*coverage.unasked],
        }
    return found


def _test_data(one: Rehearsal) -> dict[str, Any]:
    origin = one.placed.origin
    return {
        "name": one.placed.trial.name,
        "document": origin.document,
        "file": origin.file,
        "line": origin.line,
        "passed": not one.failed,
        "cases": [_case_data(case) for case in one.cases],
    }


def _case_data(case: Case) -> dict[str, Any]:
    expected = case.trial.expect
    rule = {"policy": expected.rule.policy, "path": expected.rule.path}
    wanted: dict[str, Any] = {"decision": str(expected.decision)}
    wanted |= {"rule": {k: v for k, v in rule.items() if v}} if expected.rule.policy else {}
    wanted |= {"fields": [*expected.fields]} if expected.fields else {}
    return {
        "identity": case.who,
        "request": told.request(_asked(case)),
        "passed": case.passed,
        "expected": wanted,
        "got": _got_data(case.outcome),
    }


def _got_data(outcome: Verdict | Unasked) -> dict[str, Any]:
    match outcome:
        case Unasked(reason=reason):
            return {"decision": None, "reason": reason}
        case Verdict(effect=effect, rules=rules, reason=reason, fields=fields):
            return {
                "decision": str(effect),
                "rules": [str(rule.origin) for rule in rules],
                "reason": reason,
                "fields": [*fields],
            }
