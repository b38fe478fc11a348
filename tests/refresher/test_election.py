"""Of several replicas at most one works, at every moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from proxy.refresher.election import Election, Term
from proxy.refresher.lease import Timing
from tests.refresher.clocks import ManualClock, settled
from tests.refresher.leases import FakeLeases

TIMING = Timing(lease=15, renew=10, retry=2)


@dataclass
class Replica:
    """A candidate, and what became of it."""

    election: Election
    office: Term | None = None
    terms: int = 0
    ended_by: float | None = None
    task: asyncio.Task[None] | None = None

    def works(self) -> bool:
        return self.office is not None and self.office.holds()


@dataclass
class Replicas:
    """Some replicas, by their names, that stand for one lease."""

    clock: ManualClock = field(default_factory=ManualClock)
    leases: FakeLeases = field(default_factory=FakeLeases)
    away: set[str] = field(default_factory=set)
    all: dict[str, Replica] = field(default_factory=dict)

    def start(self, who: str) -> Replica:
        seen = self.leases.seen_by(who, self.away)
        replica = Replica(Election(seen, who, TIMING, self.clock))
        self.all[who] = replica

        async def work(term: Term) -> None:
            replica.office = term
            replica.terms += 1
            try:
                await asyncio.Event().wait()
            finally:
                replica.ended_by = self.clock.steady()

        replica.task = asyncio.create_task(replica.election.run(work))
        return replica

    async def stop(self, who: str) -> None:
        task = self.all[who].task
        assert task is not None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def working(self) -> list[str]:
        return [who for who, replica in self.all.items() if replica.works()]

    def holder(self) -> str:
        assert self.leases.lease is not None
        return str(self.leases.lease["spec"]["holderIdentity"])


@pytest.fixture
async def replicas() -> AsyncIterator[Replicas]:
    made = Replicas()
    yield made
    for who in made.all:
        await made.stop(who)


async def test_the_first_leads_and_the_second_waits(replicas: Replicas) -> None:
    replicas.start("a")
    await replicas.clock.advance(1)
    replicas.start("b")
    for _ in range(100):
        await replicas.clock.advance(1)
        assert replicas.working() == ["a"]
    assert replicas.all["a"].terms == 1


async def test_two_that_start_at_once_do_not_both_lead(replicas: Replicas) -> None:
    replicas.start("a")
    replicas.start("b")
    await replicas.clock.advance(60)
    assert len(replicas.working()) == 1


async def test_who_is_cut_off_stops_before_another_begins(replicas: Replicas) -> None:
    replicas.start("a")
    await replicas.clock.advance(1)
    replicas.start("b")
    await replicas.clock.advance(1)
    replicas.away.add("a")
    both = 0
    for _ in range(400):
        await replicas.clock.advance(0.1)
        both += len(replicas.working()) > 1
    assert both == 0
    assert replicas.working() == ["b"]
    stopped = replicas.all["a"].ended_by
    assert stopped is not None
    assert stopped <= 12  # ten seconds from its last renewal, at two at the latest


async def test_who_is_cut_off_for_a_moment_goes_on(replicas: Replicas) -> None:
    replicas.start("a")
    await replicas.clock.advance(3)
    replicas.away.add("a")
    await replicas.clock.advance(6)
    assert replicas.all["a"].election.trouble == "the lease: cannot get it: no answer"
    replicas.away.clear()
    await replicas.clock.advance(60)
    assert replicas.all["a"].terms == 1
    assert replicas.all["a"].election.trouble == ""


async def test_who_was_cut_off_waits_like_the_others_when_it_is_back(replicas: Replicas) -> None:
    replicas.start("a")
    await replicas.clock.advance(1)
    replicas.start("b")
    replicas.away.add("a")
    await replicas.clock.advance(60)
    replicas.away.clear()
    for _ in range(60):
        await replicas.clock.advance(1)
        assert replicas.working() == ["b"]


async def test_who_stops_gives_the_lease_up_and_the_next_need_not_wait(replicas: Replicas) -> None:
    replicas.start("a")
    await replicas.clock.advance(1)
    replicas.start("b")
    await replicas.clock.advance(1)
    await replicas.stop("a")
    assert replicas.holder() == ""
    await replicas.clock.advance(TIMING.retry)
    assert replicas.working() == ["b"]


async def test_who_stops_without_leading_leaves_the_lease_alone(replicas: Replicas) -> None:
    replicas.start("a")
    await replicas.clock.advance(1)
    replicas.start("b")
    await replicas.clock.advance(1)
    await replicas.stop("b")
    assert replicas.holder() == "a"


async def test_the_lease_is_given_up_after_the_work_has_ended() -> None:
    clock, leases = ManualClock(), FakeLeases()
    election = Election(leases.seen_by("a", set()), "a", TIMING, clock)
    held_at_the_end: list[bool] = []

    async def work(term: Term) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # it takes a while to end
            assert leases.lease is not None
            held_at_the_end.append(leases.lease["spec"]["holderIdentity"] == "a")
            assert not term.holds()

    task = asyncio.create_task(election.run(work))
    await clock.advance(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert held_at_the_end == [True]
    assert leases.writes[-1]["holderIdentity"] == ""


async def test_who_cannot_give_the_lease_up_ends_all_the_same(replicas: Replicas) -> None:
    replicas.start("a")
    await replicas.clock.advance(1)
    replicas.away.add("a")
    await replicas.stop("a")
    assert replicas.holder() == "a"


async def test_who_finds_another_in_the_lease_stops_at_once(replicas: Replicas) -> None:
    replicas.start("a")
    await replicas.clock.advance(3)
    assert replicas.leases.lease is not None
    await replicas.leases.seen_by("b", set()).write(
        {**replicas.leases.lease["spec"], "holderIdentity": "b"},
        replicas.leases.lease["metadata"]["resourceVersion"],
    )
    await replicas.clock.advance(TIMING.retry)
    assert replicas.working() == []
    assert replicas.holder() == "b"


async def test_a_lease_that_somebody_deletes_is_made_again(replicas: Replicas) -> None:
    replicas.start("a")
    await replicas.clock.advance(3)
    replicas.leases.lease = None
    await replicas.clock.advance(3)
    assert replicas.holder() == "a"
    assert replicas.working() == ["a"]


async def test_a_process_that_was_stopped_for_long_does_not_write(replicas: Replicas) -> None:
    """After SIGCONT, work may go on before any timer does: so it asks before each write."""
    replicas.start("a")
    await replicas.clock.advance(1)
    office = replicas.all["a"].office
    assert office is not None
    assert office.holds()
    replicas.clock._now += 100  # no timer has run
    assert not office.holds()


async def test_work_that_fails_ends_the_election_and_frees_the_lease() -> None:
    clock, leases = ManualClock(), FakeLeases()
    election = Election(leases.seen_by("a", set()), "a", TIMING, clock)

    async def work(_: Term) -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await election.run(work)
    assert leases.writes[-1]["holderIdentity"] == ""
    assert not election.leads


async def test_it_is_not_known_who_leads_before_the_lease_was_read() -> None:
    election = Election(FakeLeases().seen_by("a", {"a"}), "a", TIMING, ManualClock())
    assert election.trouble == "the lease has not been read yet"


@asynccontextmanager
async def _running(election: Election) -> AsyncIterator[None]:
    task = asyncio.create_task(election.run(_forever))
    await settled()
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _forever(_: Term) -> None:
    await asyncio.Event().wait()


async def test_it_tells_whether_it_leads() -> None:
    leases = FakeLeases()
    election = Election(leases.seen_by("a", set()), "a", TIMING, ManualClock())
    async with _running(election):
        assert election.leads
    assert not election.leads
