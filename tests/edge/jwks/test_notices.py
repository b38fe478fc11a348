"""Whose notices end anything: those that an issuer's own key has signed."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from proxy.core.errors import BadRequest, Unauthenticated, Unavailable
from proxy.core.identity import ServiceAccountNaming
from proxy.core.notice import LOGOUT_EVENT
from proxy.core.revocation import Revocation, SessionEnded, TokensEnded
from proxy.edge.jwks import Issuers, SignedNotices, TokenVerifier
from proxy.edge.jwks.jws import MAX_TOKEN
from tests.edge.jwks.issuers import NOW, Clock, Issuer, SigningKey, fetching, running_issuer
from tests.edge.jwks.test_verifier import who

ENDED = SessionEnded("corp", frozenset({"kubectl"}), "s-1", "alice", NOW)
PUSHED = TokensEnded("corp", frozenset({"kubectl"}), NOW)


def logout(issuer: Issuer, key: SigningKey | None = None, **header: Any) -> str:
    """A logout token as Keycloak writes it."""
    claims = {
        "iss": issuer.url,
        "aud": "kubectl",
        "sub": "alice",
        "sid": "s-1",
        "typ": "Logout",
        "jti": "j-1",
        "iat": int(NOW),
        "exp": int(NOW) + 120,
        "events": {LOGOUT_EVENT: {}},
    }
    return (key or issuer.keys[0]).sign(claims, **{"typ": "logout+jwt", **header})


def push(issuer: Issuer, key: SigningKey | None = None, **header: Any) -> str:
    """What Keycloak posts to a client's admin URL."""
    action = {
        "id": "i-1",
        "expiration": int(NOW) + 30,
        "resource": "kubectl",
        "action": "PUSH_NOT_BEFORE",
        "notBefore": int(NOW),
    }
    return (key or issuer.keys[0]).sign(action, **header)


class Reading:
    """Whoever is handed what was ended."""

    def __init__(self, issuers: Issuers) -> None:
        self.ended: list[Revocation] = []
        self.notices = SignedNotices(issuers, self.ended.append, clock=Clock())


async def test_a_logout_token_of_an_issuer_ends_a_session(issuer: Issuer) -> None:
    async with fetching(issuer.config()) as issuers:
        reading = Reading(issuers)
        await reading.notices.log_out(logout(issuer))
        assert reading.ended == [ENDED]
        assert reading.notices.taken == {("corp", "SessionEnded"): 1}


async def test_a_push_is_the_issuers_whose_key_signed_it(tmp_path: Path) -> None:
    async with running_issuer(tmp_path, "lab") as lab, running_issuer(tmp_path, "corp") as corp:
        # Of the same name, as an issuer may choose that of another for its own.
        lab.keys = [SigningKey.generate("k1")]
        async with fetching(lab.config(), corp.config()) as issuers:
            reading = Reading(issuers)
            await reading.notices.push(push(corp))
            assert reading.ended == [PUSHED]


async def test_who_publishes_the_key_of_another_takes_nothing_from_it(tmp_path: Path) -> None:
    async with running_issuer(tmp_path, "lab") as lab, running_issuer(tmp_path, "corp") as corp:
        lab.keys = [SigningKey.generate("k2"), *corp.keys]
        async with fetching(lab.config(), corp.config()) as issuers:
            reading = Reading(issuers)
            await reading.notices.push(push(corp))
            assert PUSHED in reading.ended
            await reading.notices.push(push(lab))
            assert [ended.issuer for ended in reading.ended].count("corp") == 1


async def test_an_issuer_that_hangs_holds_up_no_notice_of_another(tmp_path: Path) -> None:
    async with running_issuer(tmp_path, "lab") as lab, running_issuer(tmp_path, "corp") as corp:
        lab.keys = [SigningKey.generate("k2")]
        async with fetching(lab.config(), corp.config()) as issuers:
            reading = Reading(issuers)
            await asyncio.gather(*(issuer.current() for issuer in issuers))
            answered = asyncio.Event()

            async def hangs(_: web.Request) -> web.Response:
                await answered.wait()
                return web.Response(status=503)

            lab.handlers["/keys"] = hangs
            pushing = asyncio.create_task(reading.notices.push(push(corp)))
            async with asyncio.timeout(5):
                while not reading.ended:  # noqa: ASYNC110 - the other side of a socket
                    await asyncio.sleep(0)
            assert not pushing.done()
            answered.set()
            await pushing
            assert reading.ended == [PUSHED]


async def test_a_notice_of_a_key_that_is_new_has_it_fetched(issuer: Issuer) -> None:
    async with fetching(issuer.config()) as issuers:
        for each in issuers:
            await each.current()
        issuer.keys = [SigningKey.generate("k2")]
        reading = Reading(issuers)
        await reading.notices.push(push(issuer))
        await reading.notices.log_out(logout(issuer))
        assert reading.ended == [PUSHED, ENDED]
        assert issuer.fetches == 2


async def test_what_the_proxy_is_called_at_the_issuer_stands_for_all(issuer: Issuer) -> None:
    async with fetching(issuer.config(client_id="kubectl")) as issuers:
        reading = Reading(issuers)
        await reading.notices.push(push(issuer))
        await reading.notices.log_out(logout(issuer))
        assert [ended.clients for ended in reading.ended] == [None, None]


STRANGER = SigningKey.generate("k1")
NAMELESS = SigningKey.generate("k7")


@pytest.mark.parametrize("kind", ["log_out", "push"])
@pytest.mark.parametrize(
    "fault", ["key", "kid", "altered", "garbage", "empty", "long", "none", "spaces"]
)
async def test_what_no_issuer_signed_ends_nothing(issuer: Issuer, kind: str, fault: str) -> None:
    make: Callable[..., str] = logout if kind == "log_out" else push
    async with fetching(issuer.config()) as issuers:
        faults: dict[str, Callable[[], str]] = {
            "key": lambda: make(issuer, STRANGER),
            "kid": lambda: make(issuer, NAMELESS),
            "altered": lambda: make(issuer)[:-8] + "AAAAAAAA",
            "garbage": lambda: "garbage",
            "empty": lambda: "",
            "long": lambda: "a" * MAX_TOKEN + ".b.c",
            "none": lambda: "eyJhbGciOiJub25lIn0.e30.e30",
            "spaces": lambda: f" {make(issuer)}",
        }
        reading = Reading(issuers)
        with pytest.raises(BadRequest):
            await getattr(reading.notices, kind)(faults[fault]())
        assert reading.ended == []


async def test_what_is_signed_and_no_notice_ends_nothing(issuer: Issuer) -> None:
    async with fetching(issuer.config()) as issuers:
        reading = Reading(issuers)
        for text in (issuer.token(), push(issuer)):
            with pytest.raises(BadRequest):
                await reading.notices.log_out(text)
        for text in (issuer.token(), logout(issuer)):
            with pytest.raises(BadRequest):
                await reading.notices.push(text)
        assert reading.ended == []


async def test_a_push_that_names_no_key_is_nobodys(issuer: Issuer) -> None:
    async with fetching(issuer.config()) as issuers:
        with pytest.raises(BadRequest, match="`kid`"):
            await Reading(issuers).notices.push(push(issuer, kid=None))


async def test_a_logout_token_of_another_issuer_is_refused(issuer: Issuer) -> None:
    async with fetching(issuer.config()) as issuers:
        issuer.url += "/other"
        with pytest.raises(BadRequest, match="`iss` is not an issuer"):
            await Reading(issuers).notices.log_out(logout(issuer))


async def test_a_cluster_has_no_sessions_to_end(issuer: Issuer) -> None:
    async with fetching(issuer.config(rules={"naming": ServiceAccountNaming()})) as issuers:
        reading = Reading(issuers)
        with pytest.raises(BadRequest, match="`iss` is not an issuer"):
            await reading.notices.log_out(logout(issuer))
        with pytest.raises(BadRequest, match="no key of an issuer"):
            await reading.notices.push(push(issuer))


async def test_while_an_issuer_is_away_nobody_can_tell(issuer: Issuer) -> None:
    issuer.down = True
    async with fetching(issuer.config()) as issuers:
        reading = Reading(issuers)
        with pytest.raises(Unavailable):
            await reading.notices.log_out(logout(issuer))
        with pytest.raises(Unavailable):
            await reading.notices.push(push(issuer))


async def test_an_issuer_that_is_away_hides_no_other(tmp_path: Path) -> None:
    async with running_issuer(tmp_path, "lab") as lab, running_issuer(tmp_path, "corp") as corp:
        lab.down = True
        async with fetching(lab.config(), corp.config()) as issuers:
            reading = Reading(issuers)
            await reading.notices.push(push(corp))
            assert reading.ended == [PUSHED]


async def test_what_was_ended_is_refused_and_told(issuer: Issuer) -> None:
    told: list[str] = []
    async with fetching(issuer.config()) as issuers:
        tokens = TokenVerifier(issuers, clock=Clock())
        tokens.subscribe(lambda: told.append("changed"))
        notices = SignedNotices(issuers, tokens.revoke, clock=Clock())
        mine, other = (issuer.token(sid=sid, azp="kubectl") for sid in ("s-1", "s-2"))
        await who(tokens, mine)
        await notices.log_out(logout(issuer))
        assert told == ["changed"]
        with pytest.raises(Unauthenticated, match="session that the token belongs to has ended"):
            await who(tokens, mine)
        assert (await who(tokens, other)).session == "s-2"
        await notices.push(push(issuer))
        with pytest.raises(Unauthenticated, match="revoked tokens as old as this one"):
            await who(tokens, other)
        newer = issuer.token(sid="s-3", azp="kubectl", iat=int(NOW), exp=int(NOW) + 100)
        assert (await who(tokens, newer)).session == "s-3"
        assert told == ["changed", "changed"]


def test_by_default_notices_are_of_this_time() -> None:
    assert SignedNotices(Issuers([_config()]), lambda _: None)._clock is time.time


def _config() -> Any:
    return Issuer("https://iam", Path("ca.pem")).config()
