"""`hostclaim-proxy policy diff`: say who gains and who loses by a change of policies."""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from proxy.cli import ending, printout
from proxy.core.difference import Finding, TooMuchError, compare, notes, words
from proxy.core.policy import PolicySet, Read
from proxy.edge.policyfiles import (
    GitError,
    MissingError,
    PolicyError,
    Revision,
    is_revision,
    load_revision,
    load_with_tests,
)

# How only paths begin.
_PATHS: Final = ("/", "./", "../")


class FailOn(StrEnum):
    """Which changes are a finding."""

    WIDENING = "widening"
    ANY = "any"
    NEVER = "never"


class Found(NamedTuple):
    """What there is to tell of two sets of policies."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


@click.command()
@click.argument("old")
@click.argument("new")
@click.option(
    "--path",
    default="policies",
    show_default=True,
    metavar="PATH",
    help="Where the policies are in a revision that is given without a path.",
)
@click.option(
    "--allow-missing",
    is_flag=True,
    help="Take a revision that has nothing at the path for one without policies.",
)
@click.option(
    "--fail-on",
    type=click.Choice([each.value for each in FailOn]),
    default=FailOn.NEVER.value,
    show_default=True,
    help="End with 1 if anybody may more than before, or if there is any change.",
)
@printout.option("markdown")
def diff(*, old: str, new: str, path: str, allow_missing: bool, fail_on: str, output: str) -> None:
    """Say who gains what and who loses what, between two sets of policies.

    \b
    OLD and NEW are each a policy file or a folder of them, or a git revision:
      hostclaim-proxy policy diff policies changed-policies
      hostclaim-proxy policy diff main policies
      hostclaim-proxy policy diff v1.2:deploy/policies HEAD:deploy/policies
      hostclaim-proxy policy diff origin/main:policies HEAD:policies -o markdown

    Both are read as strictly as `serve` reads them, and decide by the same rules. What is
    only written elsewhere or otherwise is no change. What has a `:` is a revision and a path
    in it, from the top of the repository, or from here if it begins with `./`; --path is from
    here. What is a revision and a file or folder as well is refused: who may add a folder must
    not choose what is compared. With `./` or `/` before it, it is a file or folder. A revision
    is read from git's objects: nothing is checked out.

    Who is told to gain or lose something is everybody whom that subject fits, whatever else
    they are. A denial that is new or gone is told with those who are granted what it denies.
    Documents that are in shadow now or no longer, and tests that are gone, are notes: they
    fail nothing by themselves.

    Exit codes: 0 for done, 1 if there is a change that --fail-on asks for, 2 if either side
    cannot be used.
    """  # noqa: D301 - click wants the character \b itself
    try:
        before, after = (_load(side, path, missing=allow_missing) for side in (old, new))
        found = Found(compare(before.policies, after.policies), notes(before, after))
    except (PolicyError, GitError, TooMuchError) as exc:
        raise ending.unusable(exc) from exc
    click.echo(_RENDERED[output](found), nl=False)
    if _fails(found.findings, FailOn(fail_on)):
        raise SystemExit(1)


def _load(side: str, path: str, *, missing: bool) -> Read:
    name, colon, inside = side.partition(":")
    if side.startswith(_PATHS):
        return load_with_tests([Path(side)])
    if not colon and Path(side).exists():
        if is_revision(side):
            hint = f"write `{side}:PATH` for the one, `./{side}` for the other"
            raise GitError(f"`{side}` is a revision, and a file or folder, too: {hint}")
        return load_with_tests([Path(side)])
    revision = Revision(name, inside) if colon else Revision(side, f"./{path}")
    try:
        return load_revision(revision)
    except MissingError as exc:
        if missing:
            return Read(PolicySet())
        raise MissingError(f"{exc}, give --allow-missing if that is right") from exc
    except GitError as exc:
        raise GitError(f"`{side}` is no file, no folder, and no revision: {exc}") from exc


def _fails(findings: Sequence[Finding], fail_on: FailOn) -> bool:
    match fail_on:
        case FailOn.WIDENING:
            return any(finding.change.widens for finding in findings)
        case FailOn.ANY:
            return bool(findings)
        case FailOn.NEVER:
            return False


def _text(found: Found) -> str:
    lines = []
    for finding in found.findings:
        lines += [words.sentence(finding), *(f"  {line}" for line in words.reasons(finding)), ""]
    lines += [f"note: {note}" for note in found.notes]
    return "\n".join([*lines, *[""][: len(found.notes)], _summary(found.findings), ""])


def _markdown(found: Found) -> str:
    lines = [f"**{_summary(found.findings)}**", ""]
    for finding in found.findings:
        sign = _sign(finding)
        lines.append(f"- **{sign}**: {_plain(words.sentence(finding))}")
        lines += [f"  - {_plain(line)}" for line in words.reasons(finding)]
    lines += [f"- note: {_plain(note)}" for note in found.notes]
    return "\n".join([*lines, ""])


def _sign(finding: Finding) -> str:
    if finding.change.widens:
        return "widens"
    return "narrows" if finding.change.narrows else "differs"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: a name must not be a link, a mention or a picture.

    In a code span nothing else is read, up to as many backticks as it began with.
    """
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}"


def _summary(findings: Sequence[Finding]) -> str:
    if not findings:
        return "nobody may more or less than before"
    wider = sum(finding.change.widens for finding in findings)
    narrower = sum(finding.change.narrows for finding in findings)
    other = len(findings) - wider - narrower
    said = f"widenings: {wider}, narrowings: {narrower}"
    return f"{said}, neither: {other}" if other else said


def _value(found: Found) -> dict[str, Any]:
    return {
        "widens": any(finding.change.widens for finding in found.findings),
        "changes": [words.value(finding) for finding in found.findings],
        "notes": [*found.notes],
    }


_RENDERED: Final[Mapping[str, Callable[[Found], str]]] = {
    "text": _text,
    "markdown": _markdown,
    "json": lambda found: printout.document(_value(found), "json"),
    "yaml": lambda found: printout.document(_value(found), "yaml"),
}
