"""A line is lent to one caller at a time: what one of them sends must not be another's."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.edge.iam.lines import RENEWED, Lines
from tests.edge.iam.realms import FakeRealm, permission, running_realm


@pytest.fixture
async def realm(tmp_path: Path) -> AsyncIterator[FakeRealm]:
    async with running_realm(tmp_path) as realm:
        yield realm


class Scene:
    """Lines to a realm, and a clock that stands."""

    def __init__(self, realm: FakeRealm) -> None:
        self.now = 0.0
        self.lines = Lines(realm.realm(), monotonic=lambda: self.now)

    async def lent(self) -> object:
        """The line that the next caller gets, and gives back."""
        async with self.lines.line() as line:
            return line


@pytest.fixture
async def scene(realm: FakeRealm) -> AsyncIterator[Scene]:
    scene = Scene(realm)
    yield scene
    await scene.lines.close()


async def test_a_line_that_is_lent_is_nobody_elses(scene: Scene) -> None:
    """The library keeps the caller's token in its connection while it waits for an answer."""
    await scene.lent()
    async with scene.lines.line() as first, scene.lines.line() as second:
        assert first is not second
        assert first.connection is not second.connection
        assert first.connection.async_s is not second.connection.async_s


async def test_a_line_is_lent_again_without_what_was_sent(scene: Scene, realm: FakeRealm) -> None:
    realm.permitted["token-of-alice"] = [permission("blue", "hostclaims:read")]
    async with scene.lines.line() as line:
        await line.a_uma_permissions("token-of-alice")
    async with scene.lines.line() as again:
        assert again is line
        assert again.connection.headers == {}


async def test_a_line_that_failed_is_not_lent_again(scene: Scene) -> None:
    with pytest.raises(LookupError):
        async with scene.lines.line() as line:
            raise LookupError
    assert line.connection.async_s.is_closed
    assert await scene.lent() is not line


async def test_a_line_is_lent_for_some_minutes(scene: Scene) -> None:
    first = await scene.lent()
    scene.now = RENEWED - 1
    assert await scene.lent() is first
    scene.now = RENEWED
    assert await scene.lent() is not first


async def test_lines_that_are_free_can_be_closed(scene: Scene) -> None:
    async with scene.lines.line() as line:
        pass
    await scene.lines.close()
    assert line.connection.async_s.is_closed
