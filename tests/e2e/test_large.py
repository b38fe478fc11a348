"""What is large: lists that are streamed and not held, bodies up to the apiserver's own bound."""

import gzip
import hashlib
import http.client
import json
import mmap
import os
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.demo.provision import Admin
from tests.e2e.kubectl import STAMP
from tests.e2e.test_encodings import PROTOBUF
from tests.e2e.world import PATIENCE, World, eventually

CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/blue-prod/hostclaims"
SECRETS = "/api/v1/namespaces/blue-prod/secrets"
SELECTED = "labelSelector=pile%3Dlarge"
KIB, MIB = 1024, 1024 * 1024
PILE = 54
"""Secrets of nearly 1 MiB each, as they are in JSON."""

VALUE = hashlib.shake_256(b"pile").digest(760 * KIB)
"""Nothing that can be compressed."""

GROWTH = 16 * MIB
"""Bytes by which the proxy may grow, whatever passes through it."""


@pytest.fixture
def blue(world: World) -> str:
    return world.token("blue-capm3")


@pytest.fixture(scope="module")
def pile(world: World) -> Iterator[str]:
    """More than 50 MiB of tenant secrets; yields where they are listed."""
    names = [f"pile-{number}" for number in range(PILE)]
    labels = {STAMP: "true", "pile": "large"}
    value = b64encode(VALUE).decode()

    async def make() -> None:
        async with Admin(world.access) as admin:
            await admin.create(
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {"name": name, "namespace": "blue-prod", "labels": labels},
                    "data": {"value": value},
                }
                for name in names
            )

    async def clear() -> None:
        async with Admin(world.access) as admin:
            for name in names:
                await admin.request("DELETE", f"{SECRETS}/{name}")

    world.run(make())
    yield f"{SECRETS}?{SELECTED}"
    world.run(clear())


@contextmanager
def asked(world: World, token: str, target: str, **headers: str) -> Iterator[Any]:
    """An answer of the proxy of which the head has come."""
    proxy = world.proxy
    connection = http.client.HTTPSConnection(
        "127.0.0.1", proxy.port, context=proxy.trust, timeout=PATIENCE
    )
    try:
        connection.request("GET", target, headers={"Authorization": f"Bearer {token}", **headers})
        yield connection.getresponse()
    finally:
        connection.close()


def straight(world: World, target: str) -> bytes:
    """What the apiserver says to its admin."""
    access = world.access
    connection = http.client.HTTPSConnection(
        access.server.removeprefix("https://"),
        context=ssl.create_default_context(cafile=str(access.ca_file)),
        timeout=PATIENCE,
    )
    try:
        connection.request("GET", target, headers={"Authorization": f"Bearer {access.admin_token}"})
        return connection.getresponse().read()
    finally:
        connection.close()


def items(listed: bytes) -> bytes:
    """The items of a list, as they are written; its version may be another by now."""
    head, found, rest = listed.partition(b'"items":')
    assert found, head[:200]
    return rest


class Memory:
    """How much of the machine's memory a process holds, by Linux (proc(5)); in bytes."""

    def __init__(self, process: int) -> None:
        self._folder = Path("/proc") / str(process)
        self._before = self._read("VmRSS")
        # The peak counts anew from here.
        (self._folder / "clear_refs").write_text("5")

    def grown(self) -> int:
        """By how much it has been larger since."""
        return self._read("VmHWM") - self._before

    def _read(self, name: str) -> int:
        lines = (self._folder / "status").read_text().splitlines()
        (line,) = (line for line in lines if line.startswith(f"{name}:"))
        return int(line.split()[1]) * KIB


def test_the_memory_that_is_measured_is_the_memory_that_is_used() -> None:
    written = b"x" * GROWTH
    memory = Memory(os.getpid())
    # Pages of its own: what Python hands out may have been there before.
    with mmap.mmap(-1, GROWTH) as held:
        held.write(written)
        assert memory.grown() > GROWTH // 2


FORMS = {
    "JSON": {"Accept": "application/json"},
    "JSON, compressed": {"Accept": "application/json", "Accept-Encoding": "gzip"},
    "protobuf": {"Accept": f"{PROTOBUF},application/json"},
}


@pytest.mark.parametrize("headers", FORMS.values(), ids=FORMS)
def test_a_list_of_50_mib_is_not_held(
    world: World, pile: str, blue: str, headers: dict[str, str]
) -> None:
    with asked(world, blue, f"{pile}&limit=1", **headers) as first:
        assert plain(first)
    memory = Memory(world.proxy.process.pid)
    with (
        asked(world, blue, pile, **headers) as unread,
        asked(world, blue, pile, **headers) as read,
    ):
        whole = plain(read)
        # By now the other would be here as well, if what is not taken were fetched.
        assert memory.grown() < GROWTH
        assert len(plain(unread)) == len(whole) > PILE * len(VALUE)
    assert memory.grown() < GROWTH


def test_a_list_of_50_mib_is_the_clusters(world: World, pile: str, blue: str) -> None:
    expected = straight(world, pile)
    with asked(world, blue, pile) as answer:
        assert items(plain(answer)) == items(expected)
    assert len(expected) > 50 * MIB


def plain(answer: Any) -> bytes:
    """The body of an answer, unpacked."""
    assert answer.status == 200
    body: bytes = answer.read()
    return gzip.decompress(body) if answer.headers["Content-Encoding"] == "gzip" else body


# From 128 KiB on, an apiserver compresses what it is asked to.
@pytest.mark.parametrize("limit", [1, 4])
def test_a_compressed_list_unpacks_to_what_the_cluster_has(
    world: World, pile: str, blue: str, limit: int
) -> None:
    page = f"{pile}&limit={limit}"
    with asked(world, blue, page, **{"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == ("gzip" if world.real else None)
        assert items(plain(answer)) == items(straight(world, page))


def padded(body: Any, size: int) -> bytes:
    """JSON of just that many bytes, most of which say nothing."""
    return json.dumps(body).encode().ljust(size)


JSON = {"Content-Type": "application/json"}
MERGE = {"Content-Type": "application/merge-patch+json"}
CLAIM = {
    "apiVersion": "metal3.io/v1alpha1",
    "kind": "HostClaim",
    "metadata": {"name": "large"},
    "spec": {"poweredOn": True, "hostSelector": {"matchLabels": {"none": "fits"}}},
}
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "large"}}


@pytest.mark.parametrize("size", [MIB + 1, 2 * MIB, 3 * MIB])
@pytest.mark.parametrize(
    ("target", "body"), [(CLAIMS, CLAIM), (SECRETS, SECRET)], ids=["a claim", "a secret"]
)
def test_a_body_of_up_to_3_mib_is_taken(
    world: World, blue: str, target: str, body: dict[str, Any], size: int
) -> None:
    one = f"{target}/large"
    created = world.ask("POST", target, token=blue, headers=JSON, body=padded(body, size))
    assert created.code == 201, created.body[:500]
    patch = padded({"metadata": {"labels": {"size": "large"}}}, size)
    patched = world.ask("PATCH", one, token=blue, headers=MERGE, body=patch)
    assert patched.json["metadata"]["labels"]["size"] == "large"

    def is_replaced() -> bool:
        found = world.ask("GET", one, token=blue).json
        sent = world.ask("PUT", one, token=blue, headers=JSON, body=padded(found, size))
        return sent.code == 200

    # A claim has a controller that may write in between.
    eventually(is_replaced, "an update to be taken")
    assert world.ask("DELETE", one, token=blue).code == 200


@pytest.mark.parametrize("form", ["JSON", "YAML"])
def test_a_secret_as_large_as_may_be_is_stored_whole(world: World, blue: str, form: str) -> None:
    value = b64encode(hashlib.shake_256(b"large").digest(MIB)).decode()
    body = json.dumps({**SECRET, "data": {"v": value}}).encode()
    headers = {"Content-Type": f"application/{form.lower()}"}
    created = world.ask("POST", SECRETS, token=blue, headers=headers, body=body)
    assert created.code == 201, created.body[:500]
    found = world.ask("GET", f"{SECRETS}/large", token=blue).json
    assert world.ask("DELETE", f"{SECRETS}/large", token=blue).code == 200
    assert found["data"] == {"v": value}
