"""What is refused byte for byte: targets, methods, upgrades, smuggling, sizes."""

import asyncio
import ssl
from collections.abc import Iterator

import pytest

from tests.e2e.ledger import Ledger, kept
from tests.e2e.smuggling import BODIES, CHUNKED, CLAIMS, HEADS, SMUGGLED, post
from tests.e2e.wire import connected, request
from tests.e2e.world import World

AUTHORIZATION = "Authorization: Bearer TOKEN"
SECRETS = "/api/v1/namespaces/blue-dev/secrets"


@pytest.fixture(scope="module")
def ledger(world: World) -> Iterator[Ledger]:
    with kept(world, world.proxy) as ledger:
        yield ledger


@pytest.fixture
def blue(world: World) -> str:
    return world.token("blue-capm3")


TARGETS = [
    "/",
    "//",
    f"{CLAIMS}/",
    f"{CLAIMS}//x",
    f"/{CLAIMS}",
    f"//evil{CLAIMS}",
    f"{CLAIMS}/.",
    f"{CLAIMS}/..",
    f"{CLAIMS}/../secrets",
    f"{CLAIMS}/../../red/hostclaims",
    "/apis/../api/v1/namespaces/blue-dev/secrets",
    f"{CLAIMS}/./x",
    f"{CLAIMS}/...",
    f"{CLAIMS}/%2e%2e/red",
    f"{CLAIMS}/%2E%2E/red",
    f"{CLAIMS}/.%2e/red",
    f"{CLAIMS}%2fx",
    f"{CLAIMS}%2Fx",
    f"{CLAIMS}%5cx",
    f"{CLAIMS}/x%00",
    f"{CLAIMS}/x%0a",
    f"{CLAIMS}/%78",
    f"{CLAIMS}/%252e%252e/red",
    f"{CLAIMS}%252fx",
    f"{CLAIMS}/..%2f..%2fred",
    f"{CLAIMS}/%c0%ae%c0%ae/red",
    f"{CLAIMS}/%u002e",
    f"{CLAIMS};x",
    f"{CLAIMS}/x;y=z",
    f"{CLAIMS}/..;/red",
    f"{CLAIMS}\\x",
    f"{CLAIMS}\\..\\red",
    f"{CLAIMS}/x#y",
    f"{CLAIMS}#",
    f"{CLAIMS}?",
    f"{CLAIMS}/x*",
    f"{CLAIMS}/{{x}}",
    f"{CLAIMS}/X",
    f"{CLAIMS}/x_y",
    f"{CLAIMS}/-x",
    f"{CLAIMS}/x.",
    f"{CLAIMS}/{'x' * 254}",
    "/apis/metal3.io/v1alpha1/namespaces/Blue-Dev/hostclaims",
    "/apis/metal3.io/v1alpha1/namespaces/blue.dev/hostclaims",
    f"/apis/metal3.io/v1alpha1/namespaces/{'x' * 64}/hostclaims",
    f"https://127.0.0.1{CLAIMS}",
    f"http://kubernetes{CLAIMS}",
    f"HTTPS://kubernetes{CLAIMS}",
    f"file://{CLAIMS}",
    "*",
    "kubernetes:443",
    "apis",
]


@pytest.mark.parametrize("target", TARGETS)
async def test_a_target_that_is_no_plain_path_is_refused(
    ledger: Ledger, blue: str, target: str
) -> None:
    await ledger.refused(request("GET", target, AUTHORIZATION), code=400, token=blue)


UNREADABLE = {
    "not ASCII": f"{CLAIMS}/\xe9",
    "UTF-8": f"{CLAIMS}/\xc3\xa9",
    "overlong UTF-8": f"{CLAIMS}/\xc0\xae",
    "NUL": f"{CLAIMS}/\0",
    "a tab": f"{CLAIMS}/\tx",
    "a space": f"{CLAIMS}/ x",
    "CR": f"{CLAIMS}/\rx",
    "DEL": f"{CLAIMS}/\x7f",
    "nothing": "",
}


@pytest.mark.parametrize("target", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_target_that_http_does_not_have_is_refused(
    ledger: Ledger, blue: str, target: str
) -> None:
    _, record = await ledger.refused(request("GET", target, AUTHORIZATION), code=400, token=blue)
    assert record["user"] == {}


METHODS = {
    "CONNECT": (request("CONNECT", "kubernetes:443", AUTHORIZATION), 405),
    "CONNECT to a path": (request("CONNECT", CLAIMS, AUTHORIZATION), 405),
    "TRACE": (request("TRACE", CLAIMS, AUTHORIZATION), 405),
    "OPTIONS *": (request("OPTIONS", "*", AUTHORIZATION), 405),
    "OPTIONS": (
        request("OPTIONS", CLAIMS, AUTHORIZATION, "Access-Control-Request-Method: GET"),
        405,
    ),
    "PROPFIND": (request("PROPFIND", CLAIMS, AUTHORIZATION), 405),
    "lower case": (request("get", CLAIMS, AUTHORIZATION), 405),
    "an unknown one": (request("LIST", CLAIMS, AUTHORIZATION), 405),
    "none": (request("", CLAIMS, AUTHORIZATION), 400),
    "h2c": (
        request(
            "GET",
            CLAIMS,
            AUTHORIZATION,
            "Connection: Upgrade, HTTP2-Settings",
            "Upgrade: h2c",
            "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
        ),
        400,
    ),
    "h2c, known before": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 400),
    "a websocket": (
        request(
            "GET",
            f"{CLAIMS}?watch=1",
            AUTHORIZATION,
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ),
        400,
    ),
    "SPDY": (request("GET", CLAIMS, AUTHORIZATION, "Upgrade: SPDY/3.1"), 400),
    "HTTP/0.9": (f"GET {CLAIMS}\r\n\r\n".encode(), 400),
    "HTTP/1.0": (f"GET {CLAIMS} HTTP/1.0\r\n{AUTHORIZATION}\r\n\r\n".encode(), 400),
    "HTTP/2.0": (f"GET {CLAIMS} HTTP/2.0\r\n{AUTHORIZATION}\r\n\r\n".encode(), 400),
    "HTTP/3": (f"GET {CLAIMS} HTTP/3\r\n{AUTHORIZATION}\r\n\r\n".encode(), 400),
    "another protocol": (b"EHLO proxy\r\n\r\n", 400),
    "TLS in TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 32, 400),
}


@pytest.mark.parametrize(("said", "code"), METHODS.values(), ids=METHODS)
async def test_another_protocol_or_method_is_refused_and_nothing_behind_it_read(
    ledger: Ledger, blue: str, said: bytes, code: int
) -> None:
    await ledger.refused(said + SMUGGLED, code=code, token=blue, closes=True)


SIZES = {
    "a target": (request("GET", f"{CLAIMS}/{'x' * 20_000}", AUTHORIZATION), 431),
    "a query": (
        request("GET", f"{CLAIMS}?labelSelector={'x' * 20_000}", AUTHORIZATION),
        431,
    ),
    "a header": (request("GET", CLAIMS, AUTHORIZATION, f"X: {'x' * 70_000}"), 431),
    "the name of a header": (request("GET", CLAIMS, AUTHORIZATION, f"{'x' * 70_000}: x"), 431),
    "headers": (request("GET", CLAIMS, AUTHORIZATION, *["X: y"] * 200), 400),
    "headers in all": (request("GET", CLAIMS, AUTHORIZATION, *[f"X: {'y' * 60_000}"] * 9), 431),
    "a token": (request("GET", CLAIMS, AUTHORIZATION + "x" * 20_000), 401),
    "a body": (post("Content-Length: 3145729"), 413),
}


@pytest.mark.parametrize(("said", "code"), SIZES.values(), ids=SIZES)
async def test_more_than_a_bound_is_refused(
    ledger: Ledger, blue: str, said: bytes, code: int
) -> None:
    decision = "allow" if code == 413 else "forbid"
    await ledger.refused(said, code=code, token=blue, decisions=(decision,))


BODIES_REFUSED = {
    "no length": (post("Content-Type: application/json"), 411),
    "compressed": (post("Content-Encoding: gzip", "Content-Length: 2") + b"{}", 415),
    "a read with a body": (
        post("Content-Length: 2").replace(b"POST", b"GET") + b"{}",
        400,
    ),
    "a patch of no type": (
        post("Content-Type: text/plain", "Content-Length: 2").replace(
            b"POST " + CLAIMS.encode(), b"PATCH " + CLAIMS.encode() + b"/x"
        )
        + b"{}",
        415,
    ),
}


@pytest.mark.parametrize(("said", "code"), BODIES_REFUSED.values(), ids=BODIES_REFUSED)
async def test_a_body_that_is_not_taken_is_refused_unread(
    ledger: Ledger, blue: str, said: bytes, code: int
) -> None:
    await ledger.refused(said, code=code, token=blue)


async def test_a_body_over_the_bound_is_refused_before_it_is_whole(
    ledger: Ledger, blue: str
) -> None:
    begun = b"400000\r\n" + b" " * (3 * 1024 * 1024 + 1)
    await ledger.refused(post(CHUNKED) + begun, code=413, token=blue, decisions=("allow",))


@pytest.mark.parametrize("attack", HEADS.values(), ids=HEADS)
async def test_a_head_that_says_two_things_gets_one_refusal_and_no_more(
    ledger: Ledger, blue: str, attack: bytes
) -> None:
    await ledger.refused(attack, code=400, token=blue, closes=True)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_chunk_that_breaks_its_frame_gets_one_refusal_and_no_more(
    ledger: Ledger, blue: str, body: bytes
) -> None:
    # It may arrive with its head, before anything is decided, or after it.
    await ledger.refused(
        post(CHUNKED),
        body + SMUGGLED,
        code=400,
        token=blue,
        decisions=("allow", "forbid"),
        closes=True,
    )


async def test_the_body_of_a_refused_write_is_not_the_next_request(world: World, blue: str) -> None:
    upstream = world.proxy_requests()
    smuggled = SMUGGLED.replace(b"TOKEN", blue.encode())
    refused = post(f"Content-Length: {len(smuggled) + 1}").replace(b"blue-dev", b"red")
    async with connected(world.proxy.port, world.proxy.trust) as connection:
        await connection.say(refused.replace(b"TOKEN", blue.encode()))
        first = await connection.answer()
        await connection.say(smuggled)
        assert await connection.answers() == []
    assert first.code == 403
    assert world.proxy_requests() == upstream


async def test_a_request_behind_a_refused_one_is_still_asked_who_it_is(world: World) -> None:
    said = request("GET", CLAIMS) * 2
    async with connected(world.proxy.port, world.proxy.trust) as connection:
        await connection.say(said)
        assert [(await connection.answer()).code for _ in range(2)] == [401, 401]


async def test_http_2_is_not_agreed_on(world: World) -> None:
    trust = ssl.create_default_context(cafile=str(world.directory / "proxy-ca.crt"))
    trust.set_alpn_protocols(["h2"])
    async with connected(world.proxy.port, trust) as connection:
        assert connection.protocol is None


async def test_plain_http_gets_no_answer(world: World) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.proxy.port)
    writer.write(request("GET", CLAIMS))
    answered = await reader.read()
    assert b"HTTP" not in answered
    writer.close()
