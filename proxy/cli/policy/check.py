"""`hostclaim-proxy policy check`: is what the files say right, and is it what was meant."""

from pathlib import Path

import click

from proxy import settings
from proxy.cli.policy.reports import FORMS, Report
from proxy.cli.policy.sources import WRONG_CONFIGURATION
from proxy.core.policy import Origin, PolicySet, Severity, doubts
from proxy.core.policy.doubts import Known
from proxy.edge.policyfiles import PolicyError
from proxy.edge.policyfiles.locating import located
from proxy.edge.policyfiles.reading import Contents, compiled, read
from proxy.settings import Settings, SettingsError


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The proxy's configuration: its issuers, what its IAM grants, and without a PATH"
    " its policies.",
)
@click.option(
    "--issuer",
    "issuers",
    metavar="NAME",
    multiple=True,
    help="An issuer that the proxy has, where there is no --config. Can be given more than once.",
)
@click.option(
    "--fail-on",
    type=click.Choice([severity.value for severity in Severity]),
    default=Severity.ERROR.value,
    show_default=True,
    help="End with 1 at findings of that severity or above.",
)
@click.option("-o", "--output", type=click.Choice([*FORMS]), default="text", show_default=True)
def check(
    paths: tuple[Path, ...],
    config: Path | None,
    issuers: tuple[str, ...],
    fail_on: str,
    output: str,
) -> None:
    """Read policy files as strictly as serve does, and say everything that is wrong.

    \b
    Each PATH is a file, or a folder of *.yaml and *.yml:
      hostclaim-proxy policy check policies
      hostclaim-proxy policy check --config proxy.yaml --fail-on warning

    Errors stop serve from using the files. Once there are none, warnings tell what is most
    likely not what was meant: rules that never match, that others cover or empty, that go
    further than those beside them, or that name an issuer which is not there.

    Exit codes: 0 for fine, 1 for findings at or above --fail-on, 2 for wrong usage.
    """  # noqa: D301 - click wants the character \b itself
    configured = None if config is None else _configured(config)
    if not paths and configured is not None and configured.policies is not None:
        paths = configured.policies.paths
    if not paths:
        raise click.UsageError("give a PATH, or a --config with policies")
    report = _report(read(paths), _known(configured, issuers))
    click.echo(FORMS[output](report), nl=False)
    failing = {Severity.ERROR, Severity(fail_on)}
    if any(problem.severity in failing for problem in report.problems):
        raise SystemExit(1)


def _configured(config: Path) -> Settings:
    try:
        return settings.load(config)
    except SettingsError as exc:
        click.echo(f"hostclaim-proxy: {exc}", err=True)
        raise SystemExit(WRONG_CONFIGURATION) from exc


def _known(configured: Settings | None, issuers: tuple[str, ...]) -> Known:
    if configured is None:
        return Known(dict.fromkeys(issuers) if issuers else None)
    entitlements = configured.entitlements
    claims = {each.issuer for each in entitlements.claims}
    permissions = {each.issuer for each in entitlements.permissions}
    return Known(
        {
            **dict.fromkeys(issuers),
            **{issuer.name: issuer.rules() for issuer in configured.issuers},
        },
        frozenset(claims | permissions),
    )


def _report(contents: Contents, known: Known) -> Report:
    texts = {file.path: data for file, data in contents.data}
    try:
        policies = compiled(contents)
    except PolicyError as exc:
        return Report(exc.problems, texts)
    found = doubts.find(policies, known)
    if found.uncompared:
        number = found.uncompared
        rules = "1 rule is" if number == 1 else f"{number} rules are"
        click.echo(f"hostclaim-proxy: {rules} too long to be compared with others", err=True)
    problems = tuple(located(contents, found.found))
    return Report(problems, texts, _documents(policies), len(policies))


def _documents(policies: PolicySet) -> int:
    origins = (entry.rule.origin for entry in policies)
    return len({origin.document for origin in origins if isinstance(origin, Origin)})
