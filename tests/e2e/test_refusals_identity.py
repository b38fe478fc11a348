"""Who are you: credentials that are none, on the wire.

Two issuers are trusted: the world's own, which on the real world is Keycloak, and one that
signs whatever it is asked to.
"""

import base64
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from proxy.demo.issuer import EmbeddedIssuer, SigningKey
from tests.e2e import revoking
from tests.e2e.ledger import Ledger, kept
from tests.e2e.serving import AnotherProxy, Settings, another
from tests.e2e.wire import connected, request
from tests.e2e.world import EmbeddedIam, Iam, KeycloakIam, World

CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/blue-dev/hostclaims"
WHO_AM_I = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
CENTURY = 100 * 366 * 86_400


@dataclass(frozen=True)
class Scene:
    """A proxy that trusts two issuers, and the one of them that forges."""

    proxy: AnotherProxy
    forge: EmbeddedIssuer
    ledger: Ledger


@pytest.fixture(scope="module")
def scene(world: World) -> Iterator[Scene]:
    folder = world.directory / "forge"
    folder.mkdir()
    forge = EmbeddedIssuer(folder)
    world.run(forge.start())

    def trust_both(settings: Settings) -> None:
        trusted = {"name": "forge", "url": forge.url, "caFile": str(forge.ca_file)}
        settings["issuers"].append(settings["issuers"][0] | trusted)

    with (
        another(world, "identity", trust_both) as proxy,
        kept(world, proxy) as ledger,
    ):
        yield Scene(proxy, forge, ledger)
    world.run(forge.stop())


def carrying(*lines: str) -> bytes:
    return request("GET", CLAIMS, *lines)


async def test_a_sound_token_is_taken_whatever_the_case_of_bearer(
    world: World, scene: Scene
) -> None:
    for token in (world.token("blue-capm3"), scene.forge.token_for("blue-capm3")):
        for scheme in ("Bearer", "bearer", "BEARER", "bEaReR"):
            async with connected(scene.proxy.port, scene.proxy.trust) as connection:
                await connection.say(request("GET", "/apis", f"Authorization: {scheme} {token}"))
                assert (await connection.answer()).code == 200


HEADERS: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "an empty header": ("Authorization:",),
    "a scheme alone": ("Authorization: Bearer",),
    "a token alone": ("Authorization: TOKEN",),
    "Basic": ("Authorization: Basic YWRtaW46YWRtaW4=",),
    "Negotiate": ("Authorization: Negotiate YII=",),
    "DPoP": ("Authorization: DPoP TOKEN",),
    "garbage": ("Authorization: Bearer garbage",),
    "dots": ("Authorization: Bearer ..",),
    "two parts": ("Authorization: Bearer e30.e30",),
    "five parts": ("Authorization: Bearer TOKEN.e30.e30",),
    "no JSON": ("Authorization: Bearer aaaa.aaaa.aaaa",),
    "arrays": ("Authorization: Bearer W10.W10.W10",),
    "padding": ("Authorization: Bearer TOKEN=",),
    "two headers": ("Authorization: Bearer TOKEN", "Authorization: Bearer TOKEN"),
    "two headers, one of another kind": (
        "Authorization: Basic YWRtaW46YWRtaW4=",
        "Authorization: Bearer TOKEN",
    ),
    "two tokens": ("Authorization: Bearer TOKEN TOKEN",),
    "two values": ("Authorization: Bearer TOKEN, Bearer TOKEN",),
    "quotes": ('Authorization: Bearer "TOKEN"',),
    "a parameter": ("Authorization: Bearer token=TOKEN",),
    "another header": ("X-Authorization: Bearer TOKEN",),
    "a header of proxies": ("Proxy-Authorization: Bearer TOKEN",),
    "a cookie": ("Cookie: access_token=TOKEN",),
    "a websocket's subprotocol": (
        "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.TOKEN, v4.channel.k8s.io",
    ),
}


@pytest.mark.parametrize("lines", HEADERS.values(), ids=HEADERS)
async def test_what_is_no_bearer_token_is_nobody(
    world: World, scene: Scene, lines: tuple[str, ...]
) -> None:
    token = world.token("blue-capm3")
    _, record = await scene.ledger.refused(carrying(*lines), code=401, token=token)
    assert record["user"] == {}


@pytest.mark.parametrize("key", ["access_token", "token", "bearer_token", "authorization"])
async def test_a_token_in_the_query_is_no_credential_and_is_not_recorded(
    world: World, scene: Scene, key: str
) -> None:
    token = world.token("blue-capm3")
    said = request("GET", f"{CLAIMS}?{key}=TOKEN")
    _, record = await scene.ledger.refused(said, code=401, token=token)
    assert record["requestURI"] == CLAIMS


Claims = dict[str, Any]
Forged = Callable[[EmbeddedIssuer, Claims], str]


def saying(**claims: Any) -> Forged:
    """A token of the forge's own key that says something else; None leaves a claim out."""

    def forged(forge: EmbeddedIssuer, sound: Claims) -> str:
        whole = {name: value for name, value in {**sound, **claims}.items() if value is not None}
        return forge.mint(whole)

    return forged


def at(**seconds: float) -> Forged:
    """A token whose times are so many seconds from now."""

    def forged(forge: EmbeddedIssuer, sound: Claims) -> str:
        times = {name: int(time.time() + delta) for name, delta in seconds.items()}
        return forge.mint({**sound, **times})

    return forged


def headed(key: SigningKey | bytes | None = None, **header: Any) -> Forged:
    """A token with another header; None leaves a member out."""
    return lambda forge, sound: forge.mint(sound, header, key)


def _altered(forge: EmbeddedIssuer, sound: Claims) -> str:
    head, _, signature = forge.mint(sound).split(".")
    claims = json.dumps({**sound, "groups": ["/tenants/red"]}).encode()
    return ".".join((head, _base64url(claims), signature))


def _of_a_stranger(forge: EmbeddedIssuer, sound: Claims) -> str:
    stranger = SigningKey.generate("RS256")
    return forge.mint(sound, {"kid": forge.signing_key.kid, "jwk": stranger.jwk()}, stranger)


STRANGER = SigningKey.generate("RS256")
CURVED = SigningKey.generate("ES256")
TOKENS: dict[str, Forged] = {
    "another issuer": saying(iss="https://127.0.0.1:1/realms/metal3"),
    "an issuer with a slash more": lambda f, c: f.mint({**c, "iss": f.url + "/"}),
    "no issuer": saying(iss=None),
    "issuers": lambda f, c: f.mint({**c, "iss": [f.url]}),
    "another audience": saying(aud="account"),
    "other audiences": saying(aud=["account", "hostclaim-proxy-2"]),
    "no audience": saying(aud=None),
    "an empty audience": saying(aud=[]),
    "an audience that is a number": saying(aud=1),
    "expired": at(iat=-400, exp=-100),
    "no expiry": saying(exp=None),
    "an expiry in a century": at(iat=0, exp=CENTURY),
    "an expiry beyond all time": saying(exp=10**30),
    "an expiry that is text": saying(exp="9999999999"),
    "an expiry that is true": saying(exp=True),
    "not valid yet": at(nbf=200),
    "issued tomorrow": at(iat=200, exp=400),
    "not issued": saying(iat=None),
    "no subject": saying(sub=None),
    "an empty subject": saying(sub=""),
    "a subject that is a number": saying(sub=1),
    "a refresh token": saying(typ="Refresh"),
    "an ID token": saying(typ="ID"),
    "an offline token": saying(typ="Offline"),
    "a logout token": saying(typ="Logout"),
    "a token with a hash of another": saying(at_hash="x"),
    "an event": saying(events={"http://schemas.openid.net/event/backchannel-logout": {}}),
    "a bound token": saying(cnf={"jkt": "x"}),
    "a group of Kubernetes": saying(groups=["/tenants/blue", "system:masters"]),
    "a group of Kubernetes in capitals": saying(groups=["SYSTEM:masters"]),
    "a user of Kubernetes": saying(preferred_username="system:admin"),
    "a service account": saying(preferred_username="system:serviceaccount:kube-system:x"),
    "a name that breaks the line": saying(preferred_username="blue\r\nred"),
    "no name": saying(preferred_username=None),
    "groups that are no list": saying(groups="/tenants/blue"),
    "no signature": headed(alg="none"),
    "no signature, spelt otherwise": headed(alg="nOnE"),
    "no algorithm": headed(alg=None),
    "HS256 keyed with the public key": headed(alg="HS256"),
    "HS512 keyed with the public key": headed(alg="HS512"),
    "HS256 keyed with nothing": headed(alg="HS256", key=b"x"),
    "another algorithm of the same key": headed(alg="RS512"),
    "a key of nobody": headed(key=STRANGER),
    "a curve of nobody": headed(key=CURVED),
    "a key of nobody under a known name": _of_a_stranger,
    "a key that comes along": headed(key=STRANGER, jwk=STRANGER.jwk(), kid=None),
    "a key to be fetched": headed(key=STRANGER, jku="https://127.0.0.1:1/keys"),
    "a certificate to be fetched": headed(key=STRANGER, x5u="https://127.0.0.1:1/cert"),
    "a path as name of the key": headed(key=STRANGER, kid="../../../../dev/null"),
    "a number as name of the key": headed(kid=1),
    "an unknown extension": headed(crit=["b64"], b64=True),
    "an empty list of extensions": headed(crit=[]),
    "a logout token, by its header": headed(typ="logout+jwt"),
    "a token for DPoP": headed(typ="dpop+jwt"),
    "altered claims": _altered,
    "an altered signature": lambda f, c: f.mint(c)[:-8] + "AAAAAAAA",
    "half a signature": lambda f, c: f.mint(c)[:-100],
}


@pytest.mark.parametrize("forged", TOKENS.values(), ids=TOKENS)
async def test_a_token_that_is_not_sound_is_nobodys(scene: Scene, forged: Forged) -> None:
    token = forged(scene.forge, scene.forge.claims_for("blue-capm3"))
    said = carrying("Authorization: Bearer TOKEN")
    answer, record = await scene.ledger.refused(said, code=401, token=token)
    assert record["user"] == {}
    assert "blue" not in answer.json["message"]


async def _ask(iam: Iam, path: str, form: Mapping[str, str] | None = None) -> Any:
    """Ask the world's issuer for a document, or post a form to it."""
    trust = ssl.create_default_context(cafile=str(iam.ca_file))
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        session.request(
            "POST" if form else "GET",
            f"{iam.url}/protocol/openid-connect/{path}",
            data=form,
            ssl=trust,
        ) as answer,
    ):
        return await answer.json()


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unsigned(token: str, algorithm: str) -> str:
    """The head and claims of a token, under another algorithm."""
    head, claims, _ = token.split(".")
    read = json.loads(base64.urlsafe_b64decode(head + "=="))
    return ".".join((_base64url(json.dumps({**read, "alg": algorithm}).encode()), claims))


def _keyed(world: World, token: str) -> str:
    unsigned = _unsigned(token, "HS256")
    kid = jwt.get_unverified_header(token)["kid"]
    published = world.run(_ask(world.iam, "certs"))["keys"]
    (key,) = (key for key in published if key["kid"] == kid)
    public = jwt.PyJWK(key).key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signature = hmac.new(public, unsigned.encode(), hashlib.sha256).digest()
    return f"{unsigned}.{_base64url(signature)}"


OWN: dict[str, Callable[[World, str], str]] = {
    "an altered signature": lambda _, token: token[:-8] + "AAAAAAAA",
    "half a token": lambda _, token: token[:-100],
    "claims of somebody else": lambda world, token: ".".join(
        (
            token.split(".")[0],
            world.token("red-capm3").split(".")[1],
            token.split(".")[2],
        )
    ),
    "no signature": lambda _, token: _unsigned(token, "none") + ".",
    "no signature, and something there": lambda _, token: _unsigned(token, "none") + ".e30",
    "HS256 keyed with the public key": _keyed,
}


@pytest.mark.parametrize("forged", OWN.values(), ids=OWN)
async def test_a_token_made_of_a_real_one_is_nobodys(
    world: World, scene: Scene, forged: Callable[[World, str], str]
) -> None:
    token = forged(world, world.token("blue-capm3"))
    said = carrying("Authorization: Bearer TOKEN")
    await scene.ledger.refused(said, code=401, token=token)


async def test_a_token_of_the_issuer_that_is_no_access_token_is_nobodys(
    world: World, scene: Scene
) -> None:
    tokens = world.run(world.iam.wrong_tokens("alice"))
    assert {"Refresh", "ID", "Offline"} <= tokens.keys()
    for token in tokens.values():
        said = carrying("Authorization: Bearer TOKEN")
        await scene.ledger.refused(said, code=401, token=token)


async def test_a_logout_token_of_the_issuer_is_nobodys(world: World, scene: Scene) -> None:
    token = world.run(revoking.logout_token(world, "alice"))
    assert jwt.decode(token, options={"verify_signature": False})["events"]
    await scene.ledger.refused(carrying("Authorization: Bearer TOKEN"), code=401, token=token)


async def test_a_token_of_a_client_that_may_not_use_the_proxy_is_nobodys(world: World) -> None:
    def change(settings: Settings) -> None:
        settings["issuers"][0]["authorizedParties"] = ["blue-capm3"]

    said = carrying("Authorization: Bearer TOKEN")
    with another(world, "parties", change) as proxy, kept(world, proxy) as ledger:
        assert proxy.ask("GET", CLAIMS, token=world.token("blue-capm3")).code == 200
        await ledger.refused(said, code=401, token=world.token("alice"))


async def test_a_token_for_another_service_is_nobodys(world: World, scene: Scene) -> None:
    said = carrying("Authorization: Bearer TOKEN")
    await scene.ledger.refused(said, code=401, token=world.run(_for_another_service(world.iam)))


async def _for_another_service(iam: Iam) -> str:
    """A token of alice's from a client that the realm does not send here."""
    match iam:
        case EmbeddedIam(issuer=issuer):
            return issuer.mint({**issuer.claims_for("alice"), "aud": "account"})
        case KeycloakIam(keycloak=keycloak):
            login = {"username": "alice", "password": keycloak.passwords["alice"]}
            form = {"grant_type": "password", "client_id": "admin-cli", **login}
            return str((await _ask(iam, "token", form))["access_token"])
    raise AssertionError(iam)


async def test_equal_names_of_two_issuers_never_meet(world: World, scene: Scene) -> None:
    asked = request("GET", CLAIMS, "Authorization: Bearer TOKEN")
    token = scene.forge.token_for("blue-capm3")
    answer, record = await scene.ledger.refused(asked, code=403, token=token)
    assert record["user"]["username"] == "forge:service-account-blue-capm3"
    assert "no namespace is granted to you" in answer.json["message"]
    assert world.proxy.ask("GET", CLAIMS, token=world.token("blue-capm3")).code == 200


async def test_the_other_issuers_key_does_not_sign_for_this_one(world: World, scene: Scene) -> None:
    claims = jwt.decode(world.token("blue-capm3"), options={"verify_signature": False})
    said = carrying("Authorization: Bearer TOKEN")
    await scene.ledger.refused(said, code=401, token=scene.forge.mint(claims))
