"""All workers as one: nothing was taken that one of them has not taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from proxy.core.errors import BadRequest, InternalError, Refused, Unavailable
from proxy.core.policy import Effect, inforce
from proxy.core.policy.inforce import InForce, RuleInForce
from proxy.serving import messages
from proxy.serving.messages import (
    Answer,
    Ask,
    Done,
    Found,
    LogOut,
    Look,
    Push,
    Show,
    Shown,
    ShownPolicies,
    ShowPolicies,
)
from proxy.serving.team import Team

_A = TypeVar("_A", bound=Answer)


@dataclass
class MadeUpMember:
    """Answers as it is made to: an answer for each kind of question, or a refusal of all."""

    number: int
    answers: Mapping[Ask, Answer] = field(default_factory=dict)
    refusal: Refused | None = None
    asked: list[Ask] = field(default_factory=list)

    async def ask(self, ask: Ask, answer: type[_A], patience: float | None) -> _A:
        assert patience is not None
        self.asked.append(ask)
        if self.refusal is not None:
            raise self.refusal
        given = self.answers[ask]
        assert isinstance(given, answer)
        return given


TAKEN: Mapping[Ask, Answer] = {LogOut("a.b.c"): Done(), Push("a.b.c"): Done()}
SILENT = Unavailable("worker 1 does not answer")


def team(*members: MadeUpMember) -> Team:
    return Team(members, lambda: "up 1\n")


def members(refusals: Sequence[Refused | None]) -> list[MadeUpMember]:
    return [MadeUpMember(n, TAKEN, refusal) for n, refusal in enumerate(refusals)]


async def test_a_notice_goes_to_every_worker() -> None:
    workers = members([None, None, None])
    await team(*workers).log_out("a.b.c")
    await team(*workers).push("a.b.c")
    for worker in workers:
        assert worker.asked == [LogOut("a.b.c"), Push("a.b.c")]


@pytest.mark.parametrize(
    ("refusals", "kind"),
    [
        ([None, SILENT, None], Unavailable),
        ([SILENT, None, None], Unavailable),
        ([None, None, BadRequest("no")], BadRequest),
        ([BadRequest("no"), SILENT, None], Unavailable),
        ([SILENT, BadRequest("no"), BadRequest("no")], Unavailable),
        ([BadRequest("no"), BadRequest("no"), BadRequest("no")], BadRequest),
        ([None, InternalError("broken"), None], InternalError),
    ],
)
async def test_what_one_worker_has_not_taken_is_not_taken_and_the_others_are_told(
    refusals: Sequence[Refused | None], kind: type[Refused]
) -> None:
    workers = members(refusals)
    with pytest.raises(kind):
        await team(*workers).log_out("a.b.c")
    assert [worker.asked for worker in workers] == [[LogOut("a.b.c")]] * 3


async def test_the_findings_of_each_worker_have_its_number() -> None:
    ready = Look("ready")
    found = await team(
        MadeUpMember(0, {ready: Found({"audit": "", "cluster": "away"})}),
        MadeUpMember(1, refusal=SILENT),
    ).looks.ready()
    assert found == {
        "worker-0": "",
        "worker-0-audit": "",
        "worker-0-cluster": "away",
        "worker-1": "worker 1 does not answer",
    }


async def test_it_lives_as_long_as_every_worker_answers() -> None:
    live = Look("live")
    alive, hung = MadeUpMember(0, {live: Found({})}), MadeUpMember(1, refusal=SILENT)
    assert await team(alive).looks.live() == {"worker-0": ""}
    assert any((await team(alive, hung).looks.live()).values())


async def test_notes_are_those_of_each_worker() -> None:
    notes = Look("notes")
    found = await team(MadeUpMember(4, {notes: Found({"policies": "broken"})})).looks.notes()
    assert found["worker-4-policies"] == "broken"


async def test_metrics_are_those_of_all_that_answer_and_of_the_supervisor() -> None:
    page, media_type = await team(
        MadeUpMember(0, {Show(): Shown("up 2\n")}),
        MadeUpMember(1, refusal=SILENT),
    ).looks.metrics()
    assert media_type.startswith("text/plain")
    samples = [line for line in page.decode().splitlines() if line.startswith("up{")]
    assert samples == ['up{worker="supervisor"} 1.0', 'up{worker="0"} 2.0']


def having(number: int, hits: int, rules: int = 1) -> MadeUpMember:
    """A worker whose rules have decided so often."""
    known = InForce(
        rules=tuple(
            RuleInForce(
                document=f"team-{each}",
                path="spec.allow[0]",
                file="/etc/hostclaim-proxy/policies/teams.yaml",
                line=each,
                effect=Effect.ALLOW,
                hits=hits,
            )
            for each in range(rules)
        )
    )
    packed = messages.pack(inforce.encode(known))
    return MadeUpMember(number, {ShowPolicies(): ShownPolicies(packed)})


async def test_policies_in_force_are_those_of_all_workers_as_one() -> None:
    silent = MadeUpMember(2, refusal=SILENT)
    page, media_type = await team(having(0, 1), having(1, 2), silent).looks.pages["/policies"]()
    known = inforce.decode(page)
    assert media_type == "application/json"
    assert [rule.hits for rule in known.rules] == [3]
    assert [each.trouble for each in known.workers] == ["", "", SILENT.message]


async def test_ten_thousand_rules_fit_into_an_answer() -> None:
    worker = having(0, 1, rules=10_000)
    line = messages.line(messages.Answered(7, worker.answers[ShowPolicies()]))
    page, _ = await team(worker).looks.pages["/policies"]()
    assert len(line) < messages.LONGEST / 8
    assert len(inforce.decode(page).rules) == 10_000
