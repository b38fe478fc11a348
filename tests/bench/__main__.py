"""Measure this proxy beside nginx and kube-rbac-proxy, all with TLS on both sides.

The proxy under test has a core to itself; wrk, which makes the load, and the stub that
stands for the apiserver share another. CPU is user and system time of all its processes by
the requests that were answered. Each figure is the median of some rounds, in each of which
everything is started anew and another subject comes first.

\b
  make bench                              everything, about half an hour
  make bench ARGS=--quick                 everything once, to see that it works
  make bench ARGS="--only get --rounds 3" one scenario, its figures printed only

A whole run is written to tests/bench/results/. Run it on a quiet machine: what else runs
there is measured, too.

\b
Exit codes: 0 measured, and every goal kept; 1 a goal missed (not with --quick);
2 wrong usage; 3 a program or a limit of this machine is missing; 4 an answer was wrong.
"""  # noqa: D301 - click wants the character \b itself

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

import click

from proxy.demo.process import StartError
from tests.bench import (
    certificates,
    comparison,
    decision,
    goals,
    machine,
    parts,
    report,
    upstream,
)
from tests.bench.comparison import KINDS, Comparison, Course, WrongAnswer
from tests.bench.figures import Figures, Sample
from tests.bench.iam import Iam
from tests.bench.machine import Cores
from tests.bench.report import Report
from tests.bench.subjects import Site
from tests.bench.upstream import Plan
from tests.real.making import Missing

RESULTS: Final = Path(__file__).parent / "results"
MISSED, MISSING, WRONG = 1, 3, 4
DESCRIPTORS: Final = 16_384


def say(line: str) -> None:
    """Tell whoever waits."""
    click.echo(line, err=True)


def compare(folder: Path, course: Course) -> Iterator[Sample]:
    """All kinds of requests, side by side."""
    found = parts.provide(say)
    cores = Cores.of_this_process()
    made = certificates.write(folder)
    plan = Plan.make(folder / "stub")
    iam = Iam(plan.issuer)
    say("making tokens")
    tokens = comparison.tokens(iam)
    with upstream.serving(found.nginx, plan, iam, made, cores.load) as stub:
        site = Site(found, folder, made, plan, cores.proxy)
        yield from Comparison(site, stub, cores, tokens).measure(course)


def decide(folder: Path, course: Course) -> Iterator[Sample]:
    """A decision, in this process."""
    with machine.pinned(Cores.of_this_process().proxy):
        yield from decision.measure(folder, course.rounds)


SCENARIOS: Final[dict[str, Callable[[Path, Course], Iterator[Sample]]]] = {
    "decision": decide,
    **{kind.name: compare for kind in KINDS},
}


def measure(folder: Path, course: Course) -> Iterator[Sample]:
    """Everything that the course includes; what several scenarios share runs once."""
    wanted = dict.fromkeys(run for name, run in SCENARIOS.items() if course.includes(name))
    for number, run in enumerate(wanted):
        inside = folder / f"{number}"
        inside.mkdir()
        yield from run(inside, course)


@click.command(help=__doc__)
@click.option("--quick", is_flag=True, help="One round of a second each; goals are not judged.")
@click.option(
    "--only", multiple=True, type=click.Choice(list(SCENARIOS)), help="Only this; repeatable."
)
@click.option("--rounds", type=click.IntRange(1), help="How often; 5, or 1 with --quick.")
@click.option("--seconds", type=click.IntRange(1), help="For how long; 5, or 1 with --quick.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the results there.")
def main(
    *, quick: bool, only: tuple[str, ...], rounds: int | None, seconds: int | None, out: Path | None
) -> None:
    """Run, print, write."""
    usual = 1 if quick else 5
    course = Course(rounds or usual, seconds or usual, frozenset(only))
    try:
        made = run(course)
    except Missing as missing:
        say(f"bench: {missing}")
        sys.exit(MISSING)
    except (WrongAnswer, StartError) as wrong:
        say(f"bench: {wrong}")
        sys.exit(WRONG)
    click.echo(report.as_markdown(made))
    folder = out or (None if quick or only else RESULTS)
    if folder is not None:
        report.write(made, folder)
        say(f"written to {folder}")
    if not quick and not all(verdict.kept for verdict in made.verdicts):
        sys.exit(MISSED)


def run(course: Course) -> Report:
    """Measure, and say on the way what comes out.

    Raises:
        Missing: this machine lacks something.
        WrongAnswer: somebody did not answer as they have to.
    """
    machine.raise_descriptors(DESCRIPTORS)
    samples = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for sample in measure(Path(folder), course):
            samples.append(sample)
            value = f"{sample.value:,.2f} {sample.unit}"
            say(f"  {sample.scenario:<16}{sample.subject:<18}{sample.metric:<10}{value}")
    figures = Figures.of(samples)
    return Report(
        made=time.strftime("%Y-%m-%d", time.gmtime()),
        machine=machine.describe(),
        versions=versions(),
        course={"rounds": course.rounds, "seconds each": course.seconds},
        figures=figures,
        verdicts=list(goals.judge(figures)),
    )


def versions() -> dict[str, str]:
    """What was compared, and what this proxy stands on."""
    ours = {name: metadata.version(name) for name in ("hostclaim-proxy", "uvloop", "aiohttp")}
    return ours | parts.versions()


if __name__ == "__main__":
    main()
