"""Who is let in, by real tokens of a real issuer, and for how long."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from jwt.utils import base64url_encode

import proxy
from proxy.core.errors import Unauthenticated, Unavailable
from proxy.core.identity import LEEWAY, Identity, OidcNaming, ServiceAccountNaming
from proxy.core.wire import RawRequest
from proxy.edge.jwks import ALGORITHMS, IssuerConfig, TokenVerifier, verifier
from proxy.ports import Authenticator
from tests.edge.jwks.issuers import (
    NOW,
    Clock,
    Issuer,
    SigningKey,
    asking,
    fetching,
    running_issuer,
    until,
)


@asynccontextmanager
async def verifying(
    *configs: IssuerConfig, clock: Clock | None = None, monotonic: Clock | None = None
) -> AsyncIterator[TokenVerifier]:
    """A verifier that has begun to ask every issuer."""
    async with fetching(*configs, monotonic=monotonic) as issuers:
        yield TokenVerifier(issuers, clock=clock or Clock())


async def who(tokens: Authenticator, token: str) -> Identity:
    return (await tokens.authenticate(asking(token))).identity


async def test_a_good_token_is_somebody(issuer: Issuer) -> None:
    async with verifying(issuer.config()) as tokens:
        alice = await who(tokens, issuer.token())
    assert (alice.issuer, alice.subject, alice.groups) == ("corp", "alice", ("/tenants/blue",))


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
async def test_every_algorithm_verifies(issuer: Issuer, algorithm: str) -> None:
    issuer.keys = [SigningKey.generate("k1", algorithm)]
    async with verifying(issuer.config(algorithms=(algorithm,))) as tokens:
        assert (await who(tokens, issuer.token())).subject == "alice"


CAPM3: dict[str, Any] = {
    "sub": "system:serviceaccount:capm3-system:capm3-manager",
    "kubernetes.io": {
        "namespace": "capm3-system",
        "serviceaccount": {"name": "capm3-manager", "uid": "b81e"},
    },
    "typ": None,
}


async def test_a_service_account_is_known_by_the_kind_of_its_issuer(issuer: Issuer) -> None:
    cluster = issuer.config(rules={"naming": ServiceAccountNaming()})
    async with verifying(cluster) as tokens:
        capm3 = await who(tokens, issuer.token(**CAPM3))
        assert (capm3.service_account, capm3.groups) == ("capm3-system/capm3-manager", ())
        with pytest.raises(Unauthenticated, match="`sub`"):
            await who(tokens, issuer.token())
    async with verifying(issuer.config()) as tokens:
        with pytest.raises(Unauthenticated, match="begins with `system:`"):
            await who(tokens, issuer.token(**CAPM3))


def changed(**claims: Any) -> Callable[[Issuer], str]:
    return lambda issuer: issuer.token(**claims)


def headed(**header: Any) -> Callable[[Issuer], str]:
    return lambda issuer: issuer.keys[0].sign(issuer.claims(), **header)


def unsigned(issuer: Issuer) -> str:
    head = base64url_encode(json.dumps({"alg": "none", "kid": "k1"}).encode()).decode()
    body = base64url_encode(json.dumps(issuer.claims()).encode()).decode()
    return f"{head}.{body}."


def keyed_with_the_public_key(issuer: Issuer) -> str:
    public = issuer.keys[0].private.public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head = base64url_encode(json.dumps({"alg": "HS256", "kid": "k1"}).encode())
    body = base64url_encode(json.dumps(issuer.claims()).encode())
    hmac = jwt.get_algorithm_by_name("HS256")
    signature = base64url_encode(hmac.sign(head + b"." + body, pem))
    return b".".join((head, body, signature)).decode()


def of_another_key(issuer: Issuer) -> str:
    return SigningKey.generate("k1").sign(issuer.claims())


REFUSED: dict[str, Callable[[Issuer], str]] = {
    "garbage": lambda _: "garbage",
    "five parts": lambda issuer: issuer.token() + ".b.c",
    "padded": lambda issuer: issuer.token() + "=",
    "no ASCII": lambda issuer: issuer.token() + "é",
    "another issuer": changed(iss="https://other"),
    "an issuer that differs by a slash": lambda issuer: issuer.token(iss=issuer.url + "/"),
    "no issuer": changed(iss=None),
    "another audience": changed(aud="account"),
    "no audience": changed(aud=None),
    "expired": changed(iat=NOW - 600, exp=NOW - LEEWAY),
    "not yet valid": changed(nbf=NOW + LEEWAY + 1),
    "from the future": changed(iat=NOW + LEEWAY + 1),
    "no exp": changed(exp=None),
    "no sub": changed(sub=None),
    "no iat": changed(iat=None),
    "a century": changed(exp=NOW + 100 * 365 * 86_400),
    "refresh": changed(typ="Refresh"),
    "offline": changed(typ="Offline"),
    "id": changed(typ="ID"),
    "id of another IAM": changed(typ=None, at_hash="x"),
    "logout": changed(typ="Logout", events={}),
    "logout of another IAM": changed(typ=None, events={}),
    "logout by header": headed(typ="logout+jwt"),
    "bound to a key": changed(cnf={"jkt": "x"}),
    "crit": headed(crit=["exp"], exp=1),
    "crit that PyJWT knows": headed(crit=["b64"], b64=True),
    "alg none": unsigned,
    "HS256 with the public key": keyed_with_the_public_key,
    "another key of the same name": of_another_key,
    "system user": changed(sub="system:serviceaccount:kube-system:deployer"),
    "system group": changed(groups=["/tenants/blue", "system:masters"]),
    "System group": changed(groups=["System:Masters"]),
}


@pytest.mark.parametrize("forge", REFUSED.values(), ids=REFUSED)
async def test_a_token_that_proves_nothing_is_a_401(
    issuer: Issuer, forge: Callable[[Issuer], str]
) -> None:
    async with verifying(issuer.config()) as tokens:
        for _ in range(2):
            with pytest.raises(Unauthenticated):
                await who(tokens, forge(issuer))
        assert tokens.verifications == {"refused": 2}


async def test_a_client_that_is_not_listed_is_refused(issuer: Issuer) -> None:
    async with verifying(
        issuer.config(rules={"naming": OidcNaming(authorized_parties=("capm3",))})
    ) as tokens:
        with pytest.raises(Unauthenticated, match="azp"):
            await who(tokens, issuer.token(azp="grafana"))
        assert (await who(tokens, issuer.token(azp="capm3"))).client == "capm3"


async def test_no_credentials_are_a_401_that_says_what_to_send(issuer: Issuer) -> None:
    async with verifying(issuer.config()) as tokens:
        with pytest.raises(Unauthenticated, match="send `Authorization: Bearer TOKEN`"):
            await tokens.authenticate(RawRequest("GET", "/version"))


async def test_two_issuers_serve_side_by_side_and_never_meet(tmp_path: Path) -> None:
    async with (
        running_issuer(tmp_path, "corp") as corp,
        running_issuer(tmp_path, "lab") as lab,
        verifying(corp.config(), lab.config()) as tokens,
    ):
        assert (await who(tokens, corp.token())).display == "corp:alice"
        assert (await who(tokens, lab.token())).display == "lab:alice"
        with pytest.raises(Unauthenticated, match="signature is not that of issuer `lab`"):
            await who(tokens, corp.token(iss=lab.url))


async def test_an_issuer_that_is_down_at_start_is_a_503_and_recovers(issuer: Issuer) -> None:
    issuer.down = True
    async with fetching(issuer.config(cooldown=0.01)) as issuers:
        tokens = TokenVerifier(issuers, clock=Clock())
        with pytest.raises(Unavailable, match="issuer `corp`") as refused:
            await who(tokens, issuer.token())
        assert issuer.url not in refused.value.message
        issuer.down = False
        await until(lambda: issuers.troubles() == {"corp": ""})
        assert (await who(tokens, issuer.token())).subject == "alice"


async def test_an_issuer_that_is_down_takes_no_other_with_it(tmp_path: Path) -> None:
    async with running_issuer(tmp_path, "corp") as corp, running_issuer(tmp_path, "lab") as lab:
        lab.down = True
        async with verifying(corp.config(), lab.config()) as tokens:
            assert (await who(tokens, corp.token())).subject == "alice"
            with pytest.raises(Unavailable):
                await who(tokens, lab.token())


async def test_known_keys_serve_on_while_the_issuer_is_away_for_a_time(issuer: Issuer) -> None:
    age = Clock()
    async with verifying(issuer.config(max_stale=3600), monotonic=age) as tokens:
        known = issuer.token()
        await who(tokens, known)
        issuer.down = True
        age.now += 3600
        assert (await who(tokens, issuer.token(sub="bob"))).subject == "bob"
        age.now += 1
        for token in (known, issuer.token(sub="carol")):
            with pytest.raises(Unavailable, match="issuer `corp`"):
                await who(tokens, token)
        assert tokens.verifications == {"accepted": 2, "unavailable": 2}


async def test_a_rotated_key_is_accepted_at_once(issuer: Issuer) -> None:
    async with verifying(issuer.config()) as tokens:
        await who(tokens, issuer.token())
        issuer.keys.insert(0, SigningKey.generate("k2"))
        assert (await who(tokens, issuer.token())).subject == "alice"
        assert issuer.fetches == 2


async def test_a_key_that_replaces_one_without_a_name_is_accepted_at_once(issuer: Issuer) -> None:
    async with verifying(issuer.config()) as tokens:
        await who(tokens, issuer.token())
        issuer.keys = [SigningKey.generate("k2")]
        token = issuer.keys[0].sign(issuer.claims(), kid=None)
        assert (await who(tokens, token)).subject == "alice"


async def test_a_removed_key_is_refused_with_the_tokens_remembered_of_it(issuer: Issuer) -> None:
    async with verifying(issuer.config()) as tokens:
        old = issuer.token()
        await who(tokens, old)
        issuer.keys = [SigningKey.generate("k2")]
        await who(tokens, issuer.token())
        with pytest.raises(Unauthenticated, match="signed by no key of issuer `corp`"):
            await who(tokens, old)


async def test_ten_thousand_unknown_keys_are_a_handful_of_fetches(issuer: Issuer) -> None:
    signer = issuer.keys[0]
    age = Clock()
    async with verifying(issuer.config(cooldown=10), monotonic=age) as tokens:
        for _ in range(100):
            made_up = (signer.sign(issuer.claims(), kid=str(uuid4())) for _ in range(100))
            results = await asyncio.gather(
                *(who(tokens, token) for token in made_up), return_exceptions=True
            )
            assert all(isinstance(result, Unauthenticated) for result in results)
            age.now += 0.3
        assert (await who(tokens, issuer.token())).subject == "alice"
        assert issuer.fetches <= 5


async def test_a_token_is_verified_once(issuer: Issuer) -> None:
    async with verifying(issuer.config()) as tokens:
        token = issuer.token()
        first = await who(tokens, token)
        assert await who(tokens, token) is first
        assert tokens.verifications == {"accepted": 1, "remembered": 1}


async def test_a_remembered_token_expires_as_any_other(issuer: Issuer) -> None:
    clock = Clock()
    async with verifying(issuer.config(), clock=clock) as tokens:
        token = issuer.token(exp=NOW + 60)
        alice = await who(tokens, token)
        clock.now = alice.expires - 0.5
        assert await who(tokens, token) is alice
        clock.now = alice.expires
        for _ in range(2):
            with pytest.raises(Unauthenticated, match="expired"):
                await who(tokens, token)


async def test_equal_keys_fetched_again_forget_no_token(issuer: Issuer) -> None:
    async with verifying(issuer.config()) as tokens:
        token = issuer.token()
        await who(tokens, token)
        with pytest.raises(Unauthenticated):
            await who(tokens, SigningKey.generate("k9").sign(issuer.claims()))
        await who(tokens, token)
        assert issuer.fetches == 2
        assert tokens.verifications["remembered"] == 1


async def test_no_token_is_kept_and_the_memory_is_bounded(issuer: Issuer) -> None:
    async with verifying(issuer.config()) as tokens:
        token = issuer.token(groups=["g" * 500] * 15)
        await who(tokens, token)
        cache = tokens._cache
        assert token not in repr(list(cache._kept.items()))
        assert len(token) < cache.weight < cache.room == verifier.CACHE_SIZE


async def test_who_is_subscribed_is_told_of_a_key_that_is_gone(issuer: Issuer) -> None:
    told: list[str] = []
    age = Clock()
    async with verifying(issuer.config(cooldown=10), monotonic=age) as tokens:
        tokens.subscribe(lambda: told.append("gone"))
        await who(tokens, issuer.token())
        issuer.keys.insert(0, SigningKey.generate("k2"))
        await who(tokens, issuer.token())
        assert told == []
        age.now += 10
        issuer.keys = [SigningKey.generate("k3")]
        await who(tokens, issuer.token())
        assert told == ["gone"]


def test_nothing_but_the_signature_check_makes_signed_claims() -> None:
    sources = Path(proxy.__file__).parent.rglob("*.py")
    makers = [path.name for path in sources if "SignedClaims(" in path.read_text()]
    assert makers == ["jws.py"]
