"""What does a request cost, side by side: one table of kinds, each asked of all who can.

The order of the subjects turns with each round, so that none always comes first.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

from tests.bench import objects, subjects, usage, wrk
from tests.bench.figures import Sample
from tests.bench.iam import GROUPS_OF_MANY, Iam
from tests.bench.machine import Cores
from tests.bench.serving import ask
from tests.bench.subjects import DIRECT, NGINX, OURS, PEER, Site, Subject
from tests.bench.upstream import Upstream
from tests.bench.wrk import Load, Result

ALL: Final = (DIRECT, NGINX, PEER, OURS)
DECIDING: Final = (PEER, OURS)
WARM_UP: Final = 1.0
UNSEEN: Final = 8_000
CLAIM: Final = f"{objects.CLAIMS}/{objects.NAME}"


class WrongAnswer(Exception):  # noqa: N818 - what a run found, which ends it
    """A subject did not answer as it has to, so its figure would mean nothing."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request: what is sent, with which tokens, and what has to be answered.

    All of a HostClaim of 1.3 kB, over sixteen connections, where `what` says nothing else.
    """

    name: str
    what: str
    target: str = CLAIM
    tokens: str = "rs256"
    connections: int = 16
    method: str = "GET"
    body: str = ""
    code: int = 200
    whom: tuple[str, ...] = ALL


KINDS: Final = (
    Kind("get", "GET, RS256"),
    Kind("get-es256", "GET, ES256", tokens="es256"),
    Kind("get-1", "GET, RS256, 1 connection", connections=1),
    Kind("list", "LIST of 500, 4 connections", target=f"{objects.CLAIMS}?limit=500", connections=4),
    Kind("patch", "merge PATCH", method="PATCH", body=objects.PATCH),
    Kind("denied", "denied, 403", target=objects.FOREIGN, code=403, whom=DECIDING),
    Kind("unseen", "GET, token never seen before", tokens="unseen", whom=DECIDING),
    Kind("many", "GET, 300 groups and 10,000 entitlements", tokens="many"),
)


@dataclass(frozen=True, slots=True)
class Course:
    """How long it goes on."""

    rounds: int
    seconds: float
    only: frozenset[str] = frozenset()

    def includes(self, name: str) -> bool:
        """Whether something was asked for."""
        return not self.only or name in self.only


@dataclass(frozen=True, slots=True)
class Comparison:
    """All it takes to compare."""

    site: Site
    upstream: Upstream
    cores: Cores
    tokens: Mapping[str, Sequence[str]]

    def measure(self, course: Course) -> Iterator[Sample]:
        """Run all rounds.

        Raises:
            WrongAnswer: somebody was asked and did not answer as they have to.
        """
        kinds = [kind for kind in KINDS if course.includes(kind.name)]
        for number in range(course.rounds):
            with ExitStack() as stack:
                running = [
                    stack.enter_context(subjects.STARTS[name](self.site))
                    for name in turned(ALL, number)
                ]
                for kind in kinds:
                    for subject in running:
                        if subject.name in kind.whom:
                            yield from self._measure(kind, subject, course.seconds)

    def _measure(self, kind: Kind, subject: Subject, seconds: float) -> Iterator[Sample]:
        load = self._load(kind, seconds)
        if len(load.tokens) == 1:
            self._check(kind, subject, load)
            self._run(subject, replace(load, seconds=min(WARM_UP, seconds)))
        asked = self.upstream.requests()
        used = usage.cpu_seconds(subject.pid) if subject.pid else 0.0
        result = self._run(subject, load)
        used = usage.cpu_seconds(subject.pid) - used if subject.pid else 0.0
        asked = self.upstream.requests() - asked - 1
        check_result(kind, subject, result)
        values = [
            ("p50", "µs", result.p50 * 1e6),
            ("p99", "µs", result.p99 * 1e6),
            ("upstream", "requests", asked / result.requests),
        ]
        if len(load.tokens) == 1:
            # Else it ended early, and wrk does not say when.
            values.append(("rate", "1/s", result.requests / result.duration))
        if subject.pid:
            values.append(("cpu", "µs", used / result.requests * 1e6))
        for metric, unit, value in values:
            yield Sample(kind.name, subject.name, metric, unit, value)

    def _run(self, subject: Subject, load: Load) -> Result:
        wrk_program, folder = self.site.parts.wrk, self.site.folder
        return wrk.run(wrk_program, subject.port, load, folder, self.cores.load)

    def _load(self, kind: Kind, seconds: float) -> Load:
        return Load(
            target=kind.target,
            tokens=self.tokens[kind.tokens],
            connections=kind.connections,
            seconds=seconds,
            method=kind.method,
            body=kind.body,
            content_type=objects.MERGE_PATCH,
        )

    def _check(self, kind: Kind, subject: Subject, load: Load) -> None:
        """Look at one answer in full: wrk counts codes from 400 on and looks no closer."""
        headers = {"Authorization": f"Bearer {load.tokens[0]}", "Content-Type": load.content_type}
        answer = ask(
            subject.port,
            load.target,
            trust=self.site.certificates.trust(),
            method=load.method,
            headers=headers,
            body=load.body or None,
        )
        if answer.code != kind.code:
            said = answer.body[:200].decode(errors="replace")
            raise WrongAnswer(f"{subject.name} answered {kind.name} with {answer.code}: {said}")


def check_result(kind: Kind, subject: Subject, result: Result) -> None:
    """Hold all answers to what they have to be.

    Raises:
        WrongAnswer: some were something else, or did not come.
    """
    refused = result.requests if kind.code >= 400 else 0
    if result.broken or result.refused != refused or not result.requests:
        raise WrongAnswer(f"{subject.name} did not answer {kind.name} as it has to: {result}")


def tokens(iam: Iam, unseen: int = UNSEEN) -> dict[str, Sequence[str]]:
    """The tokens of all kinds."""
    return {
        "rs256": [iam.token()],
        "es256": [iam.token("ES256")],
        "many": [iam.token(member_of=GROUPS_OF_MANY)],
        "unseen": [iam.token() for _ in range(unseen)],
    }


def turned(names: Sequence[str], by: int) -> list[str]:
    """The same, begun at another one."""
    start = by % len(names)
    return [*names[start:], *names[:start]]
