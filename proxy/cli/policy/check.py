"""`hostclaim-proxy policy check`: is what the files say right, and is it what was meant."""

from pathlib import Path

import click

from proxy.cli.policy.reports import FORMS, Report
from proxy.core.policy import Origin, PolicySet, Severity
from proxy.edge.policyfiles import PolicyError
from proxy.edge.policyfiles.reading import Contents, compiled, read


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--fail-on",
    type=click.Choice([severity.value for severity in Severity]),
    default=Severity.ERROR.value,
    show_default=True,
    help="End with 1 at findings of that severity or above.",
)
@click.option("-o", "--output", type=click.Choice([*FORMS]), default="text", show_default=True)
def check(paths: tuple[Path, ...], fail_on: str, output: str) -> None:
    """Read policy files as strictly as serve does, and say everything that is wrong.

    \b
    Each PATH is a file, or a folder of *.yaml and *.yml:
      hostclaim-proxy policy check policies

    Errors stop serve from using the files. Once there are none, there may be warnings: for
    what is most likely not what was meant.

    Exit codes: 0 for fine, 1 for findings at or above --fail-on, 2 for wrong usage.
    """  # noqa: D301 - click wants the character \b itself
    if not paths:
        raise click.UsageError("give a PATH")
    report = _report(read(paths))
    click.echo(FORMS[output](report), nl=False)
    failing = {Severity.ERROR, Severity(fail_on)}
    if any(problem.severity in failing for problem in report.problems):
        raise SystemExit(1)


def _report(contents: Contents) -> Report:
    texts = {file.path: data for file, data in contents.data}
    try:
        policies = compiled(contents)
    except PolicyError as exc:
        return Report(exc.problems, texts)
    return Report((), texts, _documents(policies), len(policies))


def _documents(policies: PolicySet) -> int:
    origins = (entry.rule.origin for entry in policies)
    return len({origin.document for origin in origins if isinstance(origin, Origin)})
