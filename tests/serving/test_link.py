"""A worker and its supervisor, on both ends of one line."""

import asyncio

import pytest

from proxy.app import StartError
from proxy.core.errors import BadRequest, InternalError, Refused, Unavailable
from proxy.serving import messages
from proxy.serving.messages import (
    Answered,
    Ask,
    Done,
    Drain,
    Fail,
    Found,
    Listen,
    LogOut,
    Look,
    NotStarted,
    Push,
    Reopen,
    Show,
    Shown,
    ShownPolicies,
    ShowPolicies,
)
from tests.serving.workers import MadeUpTenants, employed, hang

LONG = 10.0
AT_ONCE = 0.01


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (Listen(), "listen"),
        (LogOut("a.b.c"), "log out a.b.c"),
        (Push("a.b.c"), "push a.b.c"),
        (Reopen(), "reopen"),
        (Drain(), "drain"),
    ],
)
async def test_a_worker_does_what_it_is_asked(ask: Ask, told: str) -> None:
    tenants = MadeUpTenants()
    async with employed(tenants) as line:
        await line.link.started()
        await line.link.ask(ask, Done, LONG)
        assert tenants.told == [told]


async def test_a_worker_says_what_it_finds() -> None:
    async with employed(MadeUpTenants()) as line:
        assert await line.link.ask(Look("live"), Found, LONG) == Found({})
        assert await line.link.ask(Look("ready"), Found, LONG) == Found({"audit": ""})
        assert await line.link.ask(Look("notes"), Found, LONG) == Found({"policies": ""})
        assert await line.link.ask(Show(), Shown, LONG) == Shown("up 1\n")
        shown = await line.link.ask(ShowPolicies(), ShownPolicies, LONG)
        assert messages.unpack(shown.packed) == b"up 1\n"


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (BadRequest("no"), BadRequest),
        (Unavailable("no"), Unavailable),
        (InternalError("no"), InternalError),
    ],
)
async def test_a_refusal_comes_as_it_was_raised(refusal: Refused, kind: type[Refused]) -> None:
    async with employed(MadeUpTenants(refusal=refusal)) as line:
        with pytest.raises(kind) as raised:
            await line.link.ask(LogOut("a.b.c"), Done, LONG)
        assert raised.value.message == "no"


async def test_what_a_worker_breaks_on_is_for_its_log_alone() -> None:
    async with employed(MadeUpTenants(refusal=KeyError("secret"))) as line:
        with pytest.raises(InternalError) as raised:
            await line.link.ask(LogOut("a.b.c"), Done, LONG)
        assert "secret" not in raised.value.message


async def test_an_answer_that_is_too_long_is_none() -> None:
    async with employed(MadeUpTenants(page=b"x" * messages.LONGEST)) as line:
        with pytest.raises(InternalError):
            await line.link.ask(Show(), Shown, LONG)
        assert await line.link.ask(Look("live"), Found, LONG) == Found({})


async def test_no_question_waits_for_another() -> None:
    async with employed(MadeUpTenants(checks={"cluster": hang})) as line:
        hanging = asyncio.create_task(line.link.ask(Look("ready"), Found, LONG))
        await line.link.ask(LogOut("a.b.c"), Done, LONG)
        assert not hanging.done()
        hanging.cancel()


async def test_a_worker_that_does_not_answer_in_time_is_given_up() -> None:
    async with employed(MadeUpTenants(checks={"cluster": hang})) as line:
        with pytest.raises(Unavailable, match="worker 3 does not answer"):
            await line.link.ask(Look("ready"), Found, AT_ONCE)


async def test_a_part_that_fails_is_told() -> None:
    tenants = MadeUpTenants()
    async with employed(tenants) as line:
        failing = asyncio.create_task(line.link.ask(Fail(), Done, None))
        await line.link.ask(Look("live"), Found, LONG)
        assert not failing.done()
        tenants.broken.set()
        assert await failing == Done()


async def test_a_worker_that_is_gone_answers_nothing_any_more() -> None:
    async with employed(MadeUpTenants(checks={"cluster": hang})) as line:
        waiting = asyncio.create_task(line.link.ask(Look("ready"), Found, None))
        await line.link.started()
        line.other.close()
        with pytest.raises(Unavailable):
            await waiting
        assert line.link.gone.is_set()
        with pytest.raises(Unavailable):
            await line.link.ask(Look("live"), Found, None)


async def test_a_worker_whose_supervisor_is_gone_lets_nobody_in_any_more() -> None:
    tenants = MadeUpTenants(checks={"cluster": hang})
    async with employed(tenants) as line:
        waiting = asyncio.create_task(line.link.ask(Look("ready"), Found, None))
        await line.link.started()
        await line.link.close()
        assert await line.ended is False
        assert tenants.told == ["drain at once"]
        with pytest.raises(Unavailable):
            await waiting


async def test_a_worker_that_was_told_to_drain_ends_well() -> None:
    tenants = MadeUpTenants()
    async with employed(tenants) as line:
        await line.link.ask(Drain(), Done, LONG)
        await line.link.close()
        assert await line.ended is True
        assert tenants.told == ["drain"]


@pytest.mark.parametrize("said", [b"nonsense\n", b"{}\n", b"x" * (messages.LONGEST + 1)])
async def test_a_worker_that_is_not_understood_is_as_good_as_gone(said: bytes) -> None:
    async with employed(MadeUpTenants()) as line:
        await line.link.started()
        line.other.write(said)
        async with asyncio.timeout(LONG):
            await line.link.gone.wait()


async def test_an_answer_beside_the_question_is_an_error() -> None:
    async with employed(MadeUpTenants()) as line:
        with pytest.raises(TypeError):
            await line.link.ask(Show(), Done, LONG)


async def test_what_a_worker_cannot_have_is_an_error_of_the_start() -> None:
    async with employed(MadeUpTenants(checks={"cluster": hang})) as line:
        asking = asyncio.create_task(line.link.ask(Look("ready"), Found, LONG))
        await line.link.started()
        line.other.write(messages.line(Answered(1, NotStarted("the audit file is full"))))
        with pytest.raises(StartError, match="audit file is full"):
            await asking
