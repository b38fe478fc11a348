"""How an issuer is asked about a token, and what counts as its answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from proxy.core.errors import Unavailable
from proxy.core.introspection import Told
from proxy.edge.iam import Ages, Introspected, Introspection
from proxy.edge.iam.breaker import FAILURES
from proxy.edge.iam.introspection import MAX_ANSWER
from proxy.https import MAX_DOCUMENT
from tests.edge.iam.iams import CLIENT, SECRET, Handler, Iam, basic, running_iam

TOKEN = "aaa.bbb.ccc"
AGES = Ages(yes=10, no=2, grace=20, timeout=5)


@pytest.fixture
async def iam(tmp_path: Path) -> AsyncIterator[Iam]:
    async with running_iam(tmp_path) as iam:
        yield iam


class Asking:
    """Whoever asks the IAM; its clock stands until it is moved."""

    def __init__(self, iam: Iam, folder: Path, **changes: Any) -> None:
        self.secret_file = folder / "client-secret"
        self.secret_file.write_text(SECRET + "\n")
        self.now = 100.0
        usual: dict[str, Any] = {
            "name": "corp",
            "issuer": iam.url,
            "metadata_url": f"{iam.url}/.well-known/openid-configuration",
            "client_id": CLIENT,
            "client_secret_file": self.secret_file,
            "ca_file": iam.ca_file,
            "ages": AGES,
        }
        self.introspection = Introspection(
            Introspected(**usual | changes), monotonic=lambda: self.now
        )

    async def ask(self, token: str = TOKEN, *, recheck: bool = False) -> Told | None:
        return await self.introspection.introspect(token, recheck=recheck)

    async def why_not(self) -> str:
        """Why it cannot be asked."""
        with pytest.raises(Unavailable, match="issuer `corp` does not answer now") as refused:
            await self.ask()
        assert "127.0.0.1" not in refused.value.message
        return self.introspection.answers.trouble()


Begin = Callable[..., Asking]


@pytest.fixture
async def begin(iam: Iam, tmp_path: Path) -> AsyncIterator[Begin]:
    begun: list[Asking] = []

    def begin(**changes: Any) -> Asking:
        begun.append(Asking(iam, tmp_path, **changes))
        return begun[-1]

    yield begin
    for asking in begun:
        await asking.introspection.close()


async def test_a_token_is_asked_about_as_the_proxys_own_client(iam: Iam, begin: Begin) -> None:
    told = await begin().ask()
    assert told is not None
    assert told.claims == {"active": True, "sub": "alice"}
    assert iam.asked == [{"token": TOKEN, "token_type_hint": "access_token"}]
    (headers,) = iam.headers
    assert basic(headers["Authorization"]) == (CLIENT, SECRET)
    assert headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in headers


async def test_the_place_may_be_configured_and_then_nobody_looks_for_it(
    iam: Iam, begin: Begin
) -> None:
    asking = begin(url=f"{iam.url}/introspect", metadata_url="https://127.0.0.1:1")
    assert await asking.ask() is not None
    assert iam.discoveries == 0


async def test_a_token_that_counts_no_longer_is_none(iam: Iam, begin: Begin) -> None:
    iam.says = {"active": False}
    assert await begin().ask() is None


async def test_an_answer_is_the_same_object_as_long_as_it_is_remembered(
    iam: Iam, begin: Begin
) -> None:
    asking = begin()
    first = await asking.ask()
    asking.now += 4
    assert await asking.ask() is first
    asking.now += 6
    assert await asking.ask() is not first
    assert len(iam.asked) == 2


async def test_who_rechecks_hears_of_a_change_after_half_the_time(iam: Iam, begin: Begin) -> None:
    asking = begin()
    await asking.ask()
    iam.says = {"active": False}
    asking.now += 5
    assert await asking.ask(recheck=True) is None
    assert await asking.ask() is None


async def test_a_thousand_requests_of_a_token_are_one_question(iam: Iam, begin: Begin) -> None:
    asking = begin()
    await asyncio.gather(*(asking.ask() for _ in range(1000)))
    assert (len(iam.asked), iam.discoveries) == (1, 1)


async def test_questions_share_connections(iam: Iam, begin: Begin) -> None:
    asking = begin()
    for number in range(10):
        await asking.ask(f"aaa.bbb.{number}")
    assert (len(iam.asked), iam.discoveries, len(iam.connections)) == (10, 1, 1)


async def test_a_secret_that_is_rotated_is_read_anew(iam: Iam, begin: Begin) -> None:
    asking = begin()
    await asking.ask()
    iam.secret = "new"
    asking.now += 100
    assert await asking.why_not() == "it does not take the proxy's own client credentials"
    asking.secret_file.write_text("new")
    assert await asking.ask("another") is not None


@pytest.mark.parametrize("content", [b"", b"\n", b"x" * 5000, b"\xff"])
async def test_a_secret_that_cannot_be_one_stops_the_start(
    begin: Begin, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "another"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        begin(client_secret_file=file)


async def test_a_secret_that_is_missing_stops_the_start(begin: Begin, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        begin(client_secret_file=tmp_path / "missing")


async def test_a_secret_that_is_lost_is_an_outage_and_not_an_empty_one(
    iam: Iam, begin: Begin
) -> None:
    asking = begin()
    asking.secret_file.unlink()
    assert await asking.why_not() == "the proxy's client secret cannot be read"
    assert iam.asked == []


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"issuer": "https://other"}, "its metadata is that of another issuer"),
        ({"introspection_endpoint": None}, "names no `introspection_endpoint`"),
        ({"introspection_endpoint": "http://127.0.0.1/"}, "names no `introspection_endpoint`"),
        ({"introspection_endpoint": "https://a@b/"}, "names no `introspection_endpoint`"),
    ],
)
async def test_metadata_that_is_not_its_own_sends_nobody_anywhere(
    iam: Iam, begin: Begin, metadata: dict[str, Any], why: str
) -> None:
    iam.metadata = metadata
    assert why in await begin().why_not()
    assert iam.asked == []


def saying(**response: Any) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(**response)

    return handler


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (saying(status=401), "it does not take the proxy's own client credentials"),
        (saying(status=403), "it answered with HTTP status 403"),
        (saying(status=404), "it answered with HTTP status 404"),
        (saying(status=500, text="{}"), "it answered with HTTP status 500"),
        (saying(status=201, text='{"active": true}'), "it answered with HTTP status 201"),
        (saying(status=302, headers={"Location": "/introspect"}), "HTTP status 302"),
        (saying(text="active"), "its answer is not JSON"),
        (saying(text="[" * 100_000), "its answer is not JSON"),
        (saying(text="{}"), "its answer is not one to introspection"),
        (saying(text='{"active": "true"}'), "its answer is not one to introspection"),
        (saying(text='{"active": true, "x": "%s"}' % ("x" * MAX_ANSWER)), "more than 65536 bytes"),
    ],
)
async def test_what_is_no_answer_says_nothing_of_a_token(
    iam: Iam, begin: Begin, handler: Handler, why: str
) -> None:
    iam.handler = handler
    assert why in await begin().why_not()


ODD = [
    saying(status=400, text='{"error": "invalid_request"}'),
    saying(status=403, text="<html>"),
    saying(status=413),
    saying(text="<html>"),
    saying(text="[]"),
    saying(text="[" * 100_000),
    saying(text='{"active": true, "x": "%s"}' % ("x" * MAX_ANSWER)),
    saying(text='"%s"' % ("x" * MAX_DOCUMENT)),
]


@pytest.mark.parametrize("handler", ODD)
async def test_an_odd_token_is_refused_and_nobody_else(
    iam: Iam, begin: Begin, handler: Handler
) -> None:
    """A gateway may find it too long, or there be too much to say of it: that is no outage."""
    asking = begin()
    iam.handler = handler
    for number in range(FAILURES + 1):
        with pytest.raises(Unavailable):
            await asking.ask(f"odd-{number}")
    assert asking.introspection.answers.trouble()
    assert asking.introspection.answers.failed == FAILURES + 1
    iam.handler = None
    assert await asking.ask() is not None
    assert asking.introspection.answers.trouble() == ""


async def test_an_issuer_that_moved_is_found_again(iam: Iam, begin: Begin) -> None:
    asking = begin()
    iam.metadata = {"introspection_endpoint": f"{iam.url}/moved"}
    assert await asking.why_not() == "it answered with HTTP status 404"
    iam.metadata = {}
    assert await asking.ask("another") is not None


async def test_an_issuer_that_is_away_is_bridged_for_who_was_known(iam: Iam, begin: Begin) -> None:
    asking = begin()
    known = await asking.ask()
    iam.handler = saying(status=503)
    for now in (110, 129):
        asking.now = now
        assert await asking.ask() is known
    with pytest.raises(Unavailable):
        await asking.ask("unknown")
    assert asking.introspection.answers.in_grace == 2
    asking.now = 130
    await asking.why_not()


async def test_after_a_few_failures_nobody_asks_for_a_while(iam: Iam, begin: Begin) -> None:
    iam.handler = saying(status=503)
    asking = begin()
    for _ in range(10):
        await asking.why_not()
    assert len(iam.asked) == FAILURES


async def test_an_issuer_that_is_silent_is_given_up(iam: Iam, begin: Begin) -> None:
    asking = begin(ages=Ages(yes=10, no=2, timeout=0.05))
    iam.gate.clear()
    assert await asking.why_not() == "it did not answer within 0.05 s"


async def test_an_issuer_of_another_authority_is_not_trusted(
    iam: Iam, begin: Begin, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    asking = begin(ca_file=other)
    assert await asking.why_not() == "its certificate is not trusted"
    # Trust is read anew after a fault.
    other.write_bytes(iam.ca_file.read_bytes())
    assert await asking.ask("another") is not None


async def test_neither_secret_nor_token_is_shown(begin: Begin) -> None:
    asking = begin()
    await asking.ask()
    shown = repr(asking.introspection._config) + repr(asking.introspection.answers._known)
    assert SECRET not in shown
    assert TOKEN not in shown


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"url": "http://iam"}, "must begin with `https://`"),
        ({"metadata_url": "http://iam"}, "must begin with `https://`"),
        ({"client_id": ""}, "needs a client id"),
    ],
)
async def test_what_would_not_be_safe_is_refused(
    begin: Begin, changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        begin(**changes)


async def test_who_stops_leaves_no_question_behind(iam: Iam, begin: Begin) -> None:
    asking = begin()
    iam.gate.clear()
    waiting = asyncio.create_task(asking.ask())
    async with asyncio.timeout(10):
        await iam.reached.wait()
    await asking.introspection.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
