"""The keys of an issuer that cannot be reached lie in a file, which is followed."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.core.errors import Unauthenticated
from proxy.core.identity import IssuerRules
from proxy.edge.jwks import IssuerConfig, TokenVerifier
from proxy.edge.jwks.discovery import FetchError
from proxy.edge.jwks.freshness import FreshKeys
from proxy.edge.jwks.keyfile import KeyFile
from proxy.https import MAX_DOCUMENT
from tests.edge.jwks.issuers import AUDIENCE, NOW, Clock, SigningKey, asking, fetching, until

# Nobody answers there: whatever works, works without asking.
URL = "https://127.0.0.1:1"
OLD, NEW = (SigningKey.generate(kid) for kid in ("old", "new"))


def key_set(*keys: SigningKey, **overrides: Any) -> bytes:
    return json.dumps({"keys": [key.jwk(**overrides) for key in keys]}).encode()


def config(file: Path, **changes: Any) -> IssuerConfig:
    rules = IssuerRules(name="green", url=URL, audiences=(AUDIENCE,))
    return IssuerConfig(rules=rules, jwks_file=file, **changes)


def token(key: SigningKey) -> str:
    claims = {"iss": URL, "aud": [AUDIENCE], "sub": "alice", "typ": "Bearer"}
    return key.sign({**claims, "iat": int(NOW), "exp": int(NOW) + 300})


def replace(file: Path, content: bytes | None) -> None:
    """As an editor does, whole or not at all; None takes the file away."""
    if content is None:
        file.unlink()
        return
    new = file.with_suffix(".new")
    new.write_bytes(content)
    new.rename(file)


def mount(volume: Path, content: bytes) -> Path:
    """As a kubelet does: the folder of a ConfigMap is swapped by renaming a symlink."""
    data = volume / f"..{len(list(volume.iterdir()))}"
    data.mkdir()
    (data / "keys.json").write_bytes(content)
    link = volume / "..data_tmp"
    link.symlink_to(data.name)
    link.rename(volume / "..data")
    file = volume / "keys.json"
    if not file.is_symlink():
        file.symlink_to(Path("..data") / "keys.json")
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_bytes(key_set(OLD))
    return path


@asynccontextmanager
async def followed(file: Path, clock: Clock, **times: Any) -> AsyncIterator[FreshKeys]:
    """Keys that are being kept fresh, the file looked at often."""
    followed = KeyFile(file, interval=0.01)
    keys = FreshKeys(
        config(file, **times),
        monotonic=clock,
        lost=lambda: None,
        fetch=followed.fetch,
        rest=followed.rest,
    )
    following = asyncio.create_task(keys.keep_fresh())
    await until(lambda: keys.fetched + keys.failed > 0)
    yield keys
    following.cancel()
    await asyncio.wait([following])
    await keys.close()


async def kids(keys: FreshKeys) -> list[str | None]:
    return [key.kid for key in (await keys.current()).keys]


async def test_tokens_are_verified_and_nobody_is_asked(file: Path, clock: Clock) -> None:
    async with fetching(config(file), monotonic=clock) as issuers:
        verifier = TokenVerifier(issuers, clock=clock)
        identity = (await verifier.authenticate(asking(token(OLD)))).identity
        assert (identity.issuer, identity.subject) == ("green", "alice")
        with pytest.raises(Unauthenticated):
            await verifier.authenticate(asking(token(NEW)))
        assert issuers.troubles() == {"green": ""}


async def test_a_token_of_a_key_that_was_added_has_the_file_read_at_once(
    file: Path, clock: Clock
) -> None:
    async with fetching(config(file), monotonic=clock) as issuers:
        verifier = TokenVerifier(issuers, clock=clock)
        await verifier.authenticate(asking(token(OLD)))
        replace(file, key_set(OLD, NEW))
        await verifier.authenticate(asking(token(NEW)))


async def test_a_file_that_changes_is_read_again(file: Path, clock: Clock) -> None:
    async with followed(file, clock) as keys:
        replace(file, key_set(NEW))
        await until(lambda: keys.fetched > 1)
        assert await kids(keys) == ["new"]


async def test_the_symlinks_of_a_config_map_are_followed(tmp_path: Path, clock: Clock) -> None:
    file = mount(tmp_path, key_set(OLD))
    async with followed(file, clock) as keys:
        mount(tmp_path, key_set(NEW))
        await until(lambda: keys.fetched > 1)
        assert await kids(keys) == ["new"]


async def test_a_file_that_stays_as_it_is_is_read_each_interval(file: Path, clock: Clock) -> None:
    async with followed(file, clock, cooldown=0.02, refresh_interval=0.02, max_stale=60) as keys:
        clock.now += 3600
        await until(lambda: keys.trouble() == "")
        assert await kids(keys) == ["old"]


async def test_a_file_that_stays_as_it_is_is_left_alone_meanwhile(file: Path) -> None:
    followed = KeyFile(file, interval=0.01)
    await followed.fetch(config(file))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await followed.rest(3600)


@pytest.mark.parametrize("content", [b'{"keys": [', b"{}", key_set(OLD, use="enc"), None])
async def test_a_file_that_breaks_or_vanishes_leaves_the_keys_until_they_are_too_old(
    file: Path, clock: Clock, content: bytes | None
) -> None:
    async with followed(file, clock, max_stale=3600) as keys:
        replace(file, content)
        await until(lambda: keys.failed > 0)
        clock.now += 3600
        assert await kids(keys) == ["old"]
        clock.now += 1
        assert keys.trouble().startswith("keys are too old: its key")


async def test_a_file_that_is_mended_is_taken_at_once(file: Path, clock: Clock) -> None:
    replace(file, None)
    async with followed(file, clock) as keys:
        assert keys.trouble() == (
            "keys were never fetched: its key file cannot be read: No such file or directory"
        )
        replace(file, key_set(NEW))
        await until(lambda: keys.trouble() == "")
        assert await kids(keys) == ["new"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "its key set cannot be read"),
        (key_set(), "holds no usable key"),
        (key_set(OLD, d="c2VjcmV0"), "holds no usable key"),
        (b" " * MAX_DOCUMENT + key_set(OLD), "has more than 1048576 bytes"),
    ],
    ids=["empty", "no text", "deep", "a list", "no keys", "a private key", "too large"],
)
async def test_a_file_is_read_as_strictly_as_an_answer(
    file: Path, content: bytes, told: str
) -> None:
    replace(file, content)
    with pytest.raises(FetchError, match=told):
        await KeyFile(file).fetch(config(file))


async def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(FetchError, match="is not a file"):
            await KeyFile(path).fetch(config(path))
