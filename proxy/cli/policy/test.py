"""`hostclaim-proxy policy test`: whether policies say what their tests expect."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import click

from proxy.cli import printout
from proxy.cli.ending import unusable
from proxy.cli.policy import sources, verdicts
from proxy.cli.policy.sources import Sources
from proxy.core.coverage import covered
from proxy.core.identity import Identity
from proxy.core.policy import Placed, RuleSet
from proxy.core.rehearsal import MOST, cost, rehearse

_FAILED: Final = 1
# So many tests are asked before somebody wonders whether anything happens.
_QUICK: Final = 1000

_FORMATS: Final[Mapping[str, Callable[[verdicts.Run], str]]] = {
    "text": verdicts.text,
    "json": lambda run: printout.document(verdicts.value(run), "json"),
    "yaml": lambda run: printout.document(verdicts.value(run), "yaml"),
    "junit": verdicts.junit,
}


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@sources.configuration(
    ": what its issuers and its IAM's claims say counts as well. Its policies are tested, where"
    " no PATH is given."
)
@click.option("--run", "wanted", metavar="TEXT", help="Only tests whose name has TEXT in it.")
@click.option(
    "--min-coverage",
    "wanted_percent",
    metavar="PERCENT",
    type=click.IntRange(0, 100),
    help="Fail, too, if fewer of a hundred rules decide a case.",
)
@click.option("--shadow", is_flag=True, help="Decide as if policies in shadow counted, too.")
@printout.option("junit")
def test(
    paths: tuple[Path, ...],
    config: Path | None,
    wanted: str | None,
    wanted_percent: int | None,
    shadow: bool,  # noqa: FBT001 - click's way
    output: str,
) -> None:
    """Ask policies what their tests ask, and compare.

    PATH is a file, or a folder of *.yaml, with AccessPolicies and PolicyTests. All of them
    together are what the proxy would serve.

    \b
    Test a folder, and insist that every rule is tested:
      hostclaim-proxy policy test policies/isolation --min-coverage 100

    \b
    A test is a document beside the policies, which grants nothing:
      kind: PolicyTest
      metadata: {name: blue}
      spec:
        tests:
        - name: blue's people write claims
          identity: {issuer: corp, groups: [/tenants/blue]}
          request: {verbs: [get, create], resources: [hostclaims], namespaces: [blue-dev]}
          expect: {decision: allow, rule: {policy: blue}}

    Each verb, resource and namespace of a test makes a case. With a `body`, a case goes through
    all that serves it, up to the apiserver: references, bounds, numbers.

    Policies in shadow decide nothing; with --shadow, they are tested before they count.

    What an IAM permits people, other than by claims of their tokens, is not known here.

    Exit codes: 0 if all tests passed, 1 if one failed or fewer rules are tested than
    --min-coverage says, 2 if files or options cannot be used, or there is no test to run or
    more to ask than fits in some seconds.
    """  # noqa: D301 - click wants the character \b itself
    if not paths and config is None:
        raise click.UsageError("give a PATH or --config")
    if wanted is not None and wanted_percent is not None:
        raise click.UsageError("--min-coverage is about all tests, it does not go with --run")
    given = sources.given(paths, config)
    chosen = [one for one in given.tests if (wanted or "") in one.trial.name]
    if not chosen:
        # That nothing was tested must not look like success to a pipeline.
        raise click.UsageError("there is no test to run, write documents of `kind: PolicyTest`")
    _check_cost(chosen)
    issuers = given.issuers if config is not None else None
    rules_for = partial(_with_shadows, given) if shadow else given.rules_for
    if len(chosen) > _QUICK:
        click.echo(f"asking {len(chosen)} tests", err=True)
    rehearsals = tuple(rehearse(one, rules_for, issuers) for one in chosen)
    entries = (*given.policies, *(given.policies.shadows() if shadow else ()))
    coverage = None if wanted is not None else covered(entries, rehearsals)
    run = verdicts.Run(rehearsals, coverage, wanted_percent)
    for issuer in sorted({one.trial.identity.issuer for one in chosen} & given.asked):
        click.echo(f"{issuer}: what the IAM permits is not known here, and not tested", err=True)
    click.echo(_FORMATS[output](run), nl=False)
    raise SystemExit(0 if run.passed else _FAILED)


def _check_cost(chosen: list[Placed]) -> None:
    """A line of a test may ask for millions of cases, and who runs tests did not write them all."""
    costs = [cost(one.trial) for one in chosen]
    if sum(costs) > MOST:
        most = chosen[costs.index(max(costs))]
        message = f"more is asked than fits in some seconds, most of it by {most.origin}"
        raise unusable(f"{message}, name less there, or choose tests with --run")


def _with_shadows(given: Sources, identity: Identity) -> RuleSet:
    rules = given.rules_for(identity)
    return rules if rules.shadow is None else rules.shadow
