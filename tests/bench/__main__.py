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
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

import click

from proxy.demo.process import StartError
from tests.bench import (
    biglist,
    certificates,
    comparison,
    decision,
    goals,
    machine,
    objects,
    parts,
    policyload,
    report,
    startup,
    upstream,
)
from tests.bench.comparison import KINDS, Comparison, Course, WrongAnswer
from tests.bench.figures import Figures, Sample
from tests.bench.iam import Iam
from tests.bench.machine import Cores
from tests.bench.report import Report
from tests.bench.subjects import Site
from tests.bench.upstream import Plan, Upstream
from tests.bench.watches import Crowd, Watches
from tests.real.making import Missing

RESULTS: Final = Path(__file__).parent / "results"
MISSED, MISSING, WRONG = 1, 3, 4
DESCRIPTORS: Final = 16_384
FEW_ROUNDS: Final = 3
"""Where a round takes half a minute for each subject, and its spread is small."""


def say(line: str) -> None:
    """Tell whoever waits."""
    click.echo(line, err=True)


@dataclass(frozen=True, slots=True)
class Bench:
    """What every scenario on the wire begins with: programs, cores, an issuer and a stub."""

    site: Site
    stub: Upstream
    cores: Cores
    iam: Iam


@contextmanager
def set_up(folder: Path, items: int = objects.LISTED) -> Iterator[Bench]:
    """Find and start all that is not measured; the stub's list has so many items."""
    found = parts.provide(say)
    cores = Cores.of_this_process()
    made = certificates.write(folder)
    plan = Plan.make(folder / "stub", items)
    iam = Iam(plan.issuer)
    with upstream.serving(found.nginx, plan, iam, made, cores.load) as stub:
        site = Site(found, folder, made, plan, plan.port, cores.proxy, iam.token())
        yield Bench(site, stub, cores, iam)


def compare(folder: Path, course: Course) -> Iterator[Sample]:
    """All kinds of requests, side by side."""
    with set_up(folder) as bench:
        say("making tokens")
        tokens = comparison.tokens(bench.iam)
        yield from Comparison(bench.site, bench.stub, bench.cores, tokens).measure(course)


def start(folder: Path, course: Course) -> Iterator[Sample]:
    """Starts, side by side."""
    with set_up(folder) as bench:
        yield from startup.measure(bench.site, course.rounds)


def list_much(folder: Path, course: Course) -> Iterator[Sample]:
    """A large list, side by side."""
    with set_up(folder, biglist.ITEMS) as bench:
        listed, token = bench.site.upstream.listed, bench.iam.token()
        yield from biglist.measure(bench.site, listed, token, min(course.rounds, FEW_ROUNDS))


def watch_idly(folder: Path, course: Course) -> Iterator[Sample]:
    """Watches to which nothing happens, side by side."""
    with set_up(folder) as bench:
        watches = Watches(bench.site, bench.cores, bench.iam.token(), Crowd())
        yield from watches.measure_idle(min(course.rounds, FEW_ROUNDS))


def watch_events(folder: Path, course: Course) -> Iterator[Sample]:
    """Watches to which something happens, side by side."""
    with set_up(folder) as bench:
        watches = Watches(bench.site, bench.cores, bench.iam.token(), Crowd())
        yield from watches.measure_fan_out(min(course.rounds, FEW_ROUNDS))


def decide(folder: Path, course: Course) -> Iterator[Sample]:
    """A decision, in this process."""
    with machine.pinned(Cores.of_this_process().proxy):
        yield from decision.measure(folder, course.rounds)


def load_policies(folder: Path, course: Course) -> Iterator[Sample]:
    """Many policy files, in this process."""
    with machine.pinned(Cores.of_this_process().proxy):
        yield from policyload.measure(folder, course.rounds)


SCENARIOS: Final[dict[str, Callable[[Path, Course], Iterator[Sample]]]] = {
    "decision": decide,
    policyload.SCENARIO: load_policies,
    **{kind.name: compare for kind in KINDS},
    "start-up": start,
    "big-list": list_much,
    "idle-watches": watch_idly,
    "fan-out": watch_events,
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
            say(f"  {sample.scenario:<16}{sample.subject:<18}{sample.metric:<22}{value}")
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
