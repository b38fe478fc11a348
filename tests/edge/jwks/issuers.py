"""An issuer for tests: real keys, real TLS, and as down, slow or hostile as a test wants."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from proxy.core.identity import IssuerRules
from proxy.core.wire import Fields, RawRequest
from proxy.edge.jwks import IssuerConfig, Issuers

NOW = 1_800_000_000.0
AUDIENCE = "hostclaim-proxy"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Handler = Callable[[web.Request], Any]

CURVES: dict[str, ec.EllipticCurve] = {
    "ES256": ec.SECP256R1(),
    "ES384": ec.SECP384R1(),
    "ES512": ec.SECP521R1(),
}


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class SigningKey:
    """A private key that signs for one algorithm."""

    kid: str
    algorithm: str
    private: PrivateKey

    @classmethod
    def generate(cls, kid: str, algorithm: str = "ES256") -> "SigningKey":
        if algorithm in CURVES:
            return cls(kid, algorithm, ec.generate_private_key(CURVES[algorithm]))
        if algorithm == "EdDSA":
            return cls(kid, algorithm, ed25519.Ed25519PrivateKey.generate())
        return cls(kid, algorithm, rsa.generate_private_key(public_exponent=65537, key_size=2048))

    def jwk(self, **overrides: Any) -> dict[str, Any]:
        """The public half, as a key set holds it; an override of None leaves a member out."""
        load = jwt.get_algorithm_by_name(self.algorithm)
        public = load.to_jwk(self.private.public_key(), as_dict=True)
        public.pop("key_ops", None)
        whole = {**public, "kid": self.kid, "use": "sig", "alg": self.algorithm, **overrides}
        return {name: value for name, value in whole.items() if value is not None}

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        """A token; a header of None is left out."""
        whole = {"kid": self.kid, **header}
        return jwt.encode(
            dict(claims),
            self.private,
            algorithm=self.algorithm,
            headers={name: value for name, value in whole.items() if value is not None},
        )


@dataclass
class Issuer:
    """An issuer whose answers a test may change while it runs."""

    url: str
    ca_file: Path
    name: str = "corp"
    keys: list[SigningKey] = field(default_factory=lambda: [SigningKey.generate("k1")])
    metadata: dict[str, Any] = field(default_factory=dict)
    fetches: int = 0
    down: bool = False
    handlers: dict[str, Handler] = field(default_factory=dict)

    def config(self, *, rules: Mapping[str, Any] | None = None, **overrides: Any) -> IssuerConfig:
        usual = {"name": self.name, "url": self.url, "audiences": (AUDIENCE,)}
        return IssuerConfig(
            rules=IssuerRules(**usual | dict(rules or {})),
            **{"ca_file": self.ca_file, **overrides},
        )

    def claims(self, **overrides: Any) -> dict[str, Any]:
        """What Alice's token says; an override of None leaves a claim out."""
        usual = {
            "iss": self.url,
            "aud": [AUDIENCE],
            "sub": "alice",
            "typ": "Bearer",
            "iat": int(NOW) - 10,
            "exp": int(NOW) + 290,
            "groups": ["/tenants/blue"],
        }
        return {name: value for name, value in (usual | overrides).items() if value is not None}

    def token(self, **overrides: Any) -> str:
        return self.keys[0].sign(self.claims(**overrides))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.down:
            return web.Response(status=503)
        if (handler := self.handlers.get(request.path)) is not None:
            response = await handler(request)
            assert isinstance(response, web.StreamResponse)
            return response
        if request.path == "/.well-known/openid-configuration":
            return web.json_response(
                {"issuer": self.url, "jwks_uri": f"{self.url}/keys"} | self.metadata
            )
        if request.path == "/keys":
            self.fetches += 1
            return web.json_response({"keys": [key.jwk() for key in self.keys]})
        return web.Response(status=404)


@asynccontextmanager
async def running_issuer(folder: Path, name: str = "corp") -> AsyncIterator[Issuer]:
    """Serve an issuer on loopback, with a certificate of its own authority."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    ca_file = folder / f"{name}.pem"
    authority.cert_pem.write_to_path(ca_file)
    issuer = Issuer("", ca_file, name)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", issuer.answer)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    issuer.url = f"https://127.0.0.1:{server.port}"
    try:
        yield issuer
    finally:
        await server.close()


@asynccontextmanager
async def fetching(
    *configs: IssuerConfig, monotonic: Clock | None = None
) -> AsyncIterator[Issuers]:
    """Trust issuers, and begin to ask each for its keys."""
    issuers = Issuers(configs, monotonic=monotonic or Clock())
    await issuers.start()
    try:
        yield issuers
    finally:
        await issuers.close()


def asking(token: str, scheme: str = "Bearer") -> RawRequest:
    """A request that carries a token."""
    return RawRequest("GET", "/version", Fields((("Authorization", f"{scheme} {token}"),)))


async def until(fact: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(10):
        while not fact():  # noqa: ASYNC110 - the other side of a socket sets no event here
            await asyncio.sleep(0.005)
