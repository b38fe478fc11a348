"""Who is let in when the issuer is asked, alone or besides its signature."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from proxy.core.errors import Unauthenticated, Unavailable
from proxy.core.identity import LEEWAY, Identity
from proxy.core.introspection import Told
from proxy.edge.jwks import TokenVerifier
from proxy.edge.jwks.config import Verify
from proxy.ports import Caller
from tests.edge.jwks.issuers import NOW, Clock, Issuer, SigningKey, asking, fetching
from tests.edge.jwks.test_verifier import who


class Oracle:
    """Says of every token what a test wants, and notes who asked."""

    def __init__(self) -> None:
        self.says: Told | Unavailable | None = None
        self.asked: list[tuple[str, bool]] = []

    async def introspect(self, token: str, *, recheck: bool = False) -> Told | None:
        self.asked.append((token, recheck))
        if isinstance(self.says, Unavailable):
            raise self.says
        return self.says


class Scene:
    """A verifier of an issuer that is asked."""

    def __init__(self, issuer: Issuer, tokens: TokenVerifier, oracle: Oracle, clock: Clock) -> None:
        self.issuer = issuer
        self.tokens = tokens
        self.oracle = oracle
        self.clock = clock

    def tell(self, **claims: Any) -> None:
        """Say from now on that every token counts, and this of it."""
        claims = {"active": True, **self.issuer.claims(**claims)}
        self.oracle.says = Told(claims, 300)

    async def who(self, token: str) -> Identity:
        return await who(self.tokens, token)


@asynccontextmanager
async def deciding(issuer: Issuer, verify: Verify) -> AsyncIterator[Scene]:
    clock, oracle = Clock(), Oracle()
    async with fetching(issuer.config(verify=verify)) as issuers:
        scene = Scene(issuer, TokenVerifier(issuers, {"corp": oracle}, clock=clock), oracle, clock)
        scene.tell()
        yield scene


@pytest.fixture(params=["both", "introspection"])
async def scene(issuer: Issuer, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    async with deciding(issuer, request.param) as scene:
        yield scene


async def test_a_token_that_its_issuer_knows_is_somebody(scene: Scene) -> None:
    token = scene.issuer.token()
    assert (await scene.who(token)).subject == "alice"
    assert scene.oracle.asked == [(token, False)]


async def test_a_token_that_counts_no_longer_is_a_401_that_says_so(scene: Scene) -> None:
    token = scene.issuer.token()
    await scene.who(token)
    scene.oracle.says = None
    with pytest.raises(Unauthenticated, match="issuer `corp` says that the token counts no longer"):
        await scene.who(token)
    assert scene.tokens.verifications == {"accepted": 1, "refused": 1}


async def test_while_the_issuer_says_the_same_nothing_is_read_again(scene: Scene) -> None:
    token = scene.issuer.token()
    first = await scene.who(token)
    assert await scene.who(token) is first
    assert scene.tokens.verifications == {"accepted": 1, "remembered": 1}


async def test_a_group_that_was_taken_away_is_gone_with_the_next_answer(scene: Scene) -> None:
    token = scene.issuer.token()
    assert (await scene.who(token)).groups == ("/tenants/blue",)
    scene.tell(groups=None)
    assert (await scene.who(token)).groups == ()


async def test_an_issuer_that_cannot_be_asked_is_a_503(scene: Scene) -> None:
    scene.oracle.says = Unavailable("issuer `corp` does not answer now", retry_after=2)
    with pytest.raises(Unavailable):
        await scene.who(scene.issuer.token())
    assert scene.tokens.verifications == {"unavailable": 1}


async def test_who_is_looked_at_again_is_asked_about_again(scene: Scene) -> None:
    token = scene.issuer.token()
    caller = await scene.tokens.authenticate(asking(token))
    assert isinstance(await scene.tokens.recheck(caller), Caller)
    assert scene.oracle.asked[1:] == [(token, True)]
    scene.oracle.says = None
    with pytest.raises(Unauthenticated):
        await scene.tokens.recheck(caller)


async def test_what_is_remembered_ends_with_the_token_whatever_is_said(scene: Scene) -> None:
    token = scene.issuer.token()
    alice = await scene.who(token)
    scene.clock.now = alice.expires
    with pytest.raises(Unauthenticated, match="expired"):
        await scene.who(token)
    assert alice.expires == NOW + 290 + LEEWAY


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"iss": "https://other"}, "`iss`"),
        ({"aud": "account"}, "`aud`"),
        ({"typ": "Refresh"}, "`typ`"),
        ({"sub": None}, "whose|`sub`"),
        ({"exp": NOW - 300}, "expired"),
        ({"groups": ["system:masters"]}, "system:"),
        ({"token_type": "DPoP"}, "bearer"),
    ],
)
async def test_an_answer_is_held_to_what_a_token_is_held_to(
    scene: Scene, said: dict[str, Any], why: str
) -> None:
    scene.tell(**said)
    with pytest.raises(Unauthenticated, match=why):
        await scene.who(scene.issuer.token())


async def test_a_token_of_nobody_we_trust_is_asked_about_nowhere(scene: Scene) -> None:
    with pytest.raises(Unauthenticated, match="`iss`"):
        await scene.who(scene.issuer.token(iss="https://other"))
    assert scene.oracle.asked == []


FOR_NOTHING: dict[str, Callable[[Issuer], str]] = {
    "another key of the name": lambda issuer: SigningKey.generate("k1").sign(issuer.claims()),
    "an unknown key": lambda issuer: SigningKey.generate("k9").sign(issuer.claims()),
    "garbage": lambda _: "aaaa.aaaa.aaaa",
    "a refresh token": lambda issuer: issuer.token(typ="Refresh"),
    "a token for another": lambda issuer: issuer.token(aud="account"),
    "an expired token": lambda issuer: issuer.token(iat=NOW - 900, exp=NOW - 600),
}


@pytest.mark.parametrize("forge", FOR_NOTHING.values(), ids=FOR_NOTHING)
async def test_with_both_nobody_has_the_issuer_asked_for_nothing(
    issuer: Issuer, forge: Callable[[Issuer], str]
) -> None:
    async with deciding(issuer, "both") as scene:
        with pytest.raises(Unauthenticated):
            await scene.who(forge(issuer))
        assert scene.oracle.asked == []


async def test_with_both_a_key_that_is_removed_ends_a_token_whatever_is_said(
    issuer: Issuer,
) -> None:
    async with deciding(issuer, "both") as scene:
        old = issuer.token()
        await scene.who(old)
        issuer.keys = [SigningKey.generate("k2")]
        await scene.who(issuer.token())
        with pytest.raises(Unauthenticated, match="signed by no key"):
            await scene.who(old)


async def test_with_both_an_answer_about_another_is_refused(issuer: Issuer) -> None:
    async with deciding(issuer, "both") as scene:
        scene.tell(sub="bob")
        with pytest.raises(Unauthenticated, match="`sub` is not what the issuer says"):
            await scene.who(issuer.token())


async def test_alone_the_issuers_word_is_enough_and_all_that_is_believed(issuer: Issuer) -> None:
    async with deciding(issuer, "introspection") as scene:
        issuer.down = True
        stranger = SigningKey.generate("k9")
        token = stranger.sign(issuer.claims(sub="mallory", groups=["/admins"], exp=None))
        alice = await scene.who(token)
        assert (alice.subject, alice.groups) == ("alice", ("/tenants/blue",))


async def test_alone_a_token_still_must_not_call_itself_something_else(issuer: Issuer) -> None:
    async with deciding(issuer, "introspection") as scene:
        with pytest.raises(Unauthenticated, match="header `typ`"):
            await scene.who(issuer.keys[0].sign(issuer.claims(), typ="logout+jwt"))


@pytest.mark.parametrize("verify", ["both", "introspection"])
async def test_who_is_to_be_asked_and_is_not_stops_the_start(
    issuer: Issuer, verify: Verify
) -> None:
    async with fetching(issuer.config(verify=verify)) as issuers:
        with pytest.raises(ValueError, match="introspector for each issuer"):
            TokenVerifier(issuers)


async def test_an_answer_that_nobody_would_read_stops_the_start(issuer: Issuer) -> None:
    async with fetching(issuer.config()) as issuers:
        with pytest.raises(ValueError, match="introspector for each issuer"):
            TokenVerifier(issuers, {"corp": Oracle()})


async def test_what_is_remembered_weighs_as_much_as_was_said(issuer: Issuer) -> None:
    async with deciding(issuer, "both") as scene:
        scene.oracle.says = Told({"active": True, **issuer.claims()}, 60_000)
        await scene.who(issuer.token())
        assert scene.tokens._cache.weight > 60_000
