"""`hostclaim-proxy policy check`: is what the files say right, and is it what was meant."""

from dataclasses import dataclass, replace
from pathlib import Path

import click

from proxy.cli import admin, ending, printout
from proxy.cli.policy import beyond, sources
from proxy.cli.policy.beyond import BeyondError
from proxy.cli.policy.reports import FORMS, Report
from proxy.core.policy import Origin, PolicySet, Severity, doubts
from proxy.core.policy.doubts import Known
from proxy.edge.policyfiles import PolicyError
from proxy.edge.policyfiles.locating import located
from proxy.edge.policyfiles.reading import Contents, compiled, read
from proxy.settings import Settings


@dataclass(frozen=True, slots=True)
class _Questions:
    """Whom else to ask: a cluster, and Keycloak as the realm behind an issuer."""

    cluster: bool
    kubeconfig: Path | None
    context: str | None
    iam: str | None
    issuer_url: str | None
    admin_client_id: str | None
    secret_file: Path | None
    ca_file: Path | None

    def __post_init__(self) -> None:
        if not self.cluster and (self.kubeconfig or self.context):
            raise click.UsageError("--kubeconfig and --context go with --cluster")


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@sources.configuration(": its issuers, what its IAM grants, and without a PATH its policies.")
@click.option(
    "--issuer",
    "issuers",
    metavar="NAME",
    multiple=True,
    help="An issuer that the proxy has, where there is no --config. Can be given more than once.",
)
@click.option("--cluster", is_flag=True, help="Ask the cluster which namespaces there are.")
@click.option(
    "--kubeconfig",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="How --cluster is reached, instead of $KUBECONFIG or ~/.kube/config.",
)
@click.option("--context", metavar="NAME", help="Which context of it, instead of the current one.")
@click.option(
    "--iam",
    metavar="ISSUER",
    help="Ask Keycloak which groups, clients and users of that issuer there are; with --config,"
    " the issuer's url is that of the realm, and its caFile is trusted.",
)
@admin.options
@click.option(
    "--fail-on",
    type=click.Choice([severity.value for severity in Severity]),
    default=Severity.ERROR.value,
    show_default=True,
    help="End with 1 at findings of that severity or above.",
)
@printout.option("sarif", "github")
def check(
    *,
    paths: tuple[Path, ...],
    config: Path | None,
    issuers: tuple[str, ...],
    fail_on: str,
    output: str,
    **questions: object,
) -> None:
    """Read policy files as strictly as serve does, and say everything that is wrong.

    \b
    Each PATH is a file, or a folder of *.yaml and *.yml:
      hostclaim-proxy policy check policies
      hostclaim-proxy policy check --config proxy.yaml --fail-on warning
      hostclaim-proxy policy check policies --cluster -o sarif

    Errors stop serve from using the files. Once there are none, warnings tell what is most
    likely not what was meant: rules that never match, that others cover or empty, that go
    further than those beside them, or that name what is not there: an issuer, and with
    --cluster a namespace, with --iam a group (by its path), a client, or a user where --config
    says that the username is Keycloak's.

    The admin client of --iam needs, of the roles of realm-management, view-clients, and for
    groups and users view-users. Whoever --cluster is asked as needs to list namespaces.

    Exit codes: 0 for fine, 1 for findings at or above --fail-on, 2 for wrong usage, or where
    the cluster or Keycloak cannot be asked.
    """  # noqa: D301 - click wants the character \b itself
    asked = _Questions(**questions)  # type: ignore[arg-type] # click has checked them
    configured = sources.configured(config)
    paths = sources.chosen(paths, configured)
    if not paths:
        raise click.UsageError("give a PATH, or a --config with policies")
    if asked.ca_file is None and configured is not None:
        trusted = [each.ca_file for each in configured.issuers if each.name == asked.iam]
        asked = replace(asked, ca_file=next(iter(trusted), None))
    report = _report(read(paths), _known(configured, issuers), asked)
    click.echo(FORMS[output](report), nl=False)
    failing = {Severity.ERROR, Severity(fail_on)}
    if any(problem.severity in failing for problem in report.problems):
        raise SystemExit(1)


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


def _report(contents: Contents, known: Known, asked: _Questions) -> Report:
    texts = {file.path: data for file, data in contents.data}
    try:
        policies = compiled(contents)
    except PolicyError as exc:
        return Report(exc.problems, texts)
    try:
        found = doubts.find(policies, _ask(asked, known, policies))
    except BeyondError as exc:
        raise ending.unusable(exc) from exc
    if number := found.uncompared:
        rules = "1 rule is" if number == 1 else f"{number} rules are"
        ending.say(f"{rules} too long to be compared with others")
    problems = tuple(located(contents, found.found))
    return Report(problems, texts, _documents(policies), len(policies), len(policies.shadows()))


def _ask(asked: _Questions, known: Known, policies: PolicySet) -> Known:
    """What the cluster and Keycloak say besides."""
    if asked.cluster:
        names = beyond.namespaces(asked.kubeconfig, asked.context, ending.say)
        known = replace(known, namespaces=names)
    if asked.iam is not None:
        if known.issuers is not None and asked.iam not in known.issuers:
            raise click.BadParameter(f"there is no issuer `{asked.iam}`", param_hint="--iam")
        from proxy.cli.tenant.realm import Realm  # noqa: PLC0415 - loads Keycloak's client

        rules = known.rules(asked.iam)
        url = asked.issuer_url if rules is None else rules.url
        realm = Realm(url, asked.admin_client_id, asked.secret_file, asked.ca_file)
        found = beyond.directory(asked.iam, rules, policies, realm, ending.say)
        known = replace(known, directories={asked.iam: found})
    return known


def _documents(policies: PolicySet) -> int:
    origins = (entry.rule.origin for entry in (*policies, *policies.shadows()))
    return len({origin.document for origin in origins if isinstance(origin, Origin)})
