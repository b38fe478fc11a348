"""What is kept between two calls, and who may have had a hand in it."""

import multiprocessing
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.execplugin.cache import Cache, LockError, _is_ours
from proxy.execplugin.faults import WrongUseError
from proxy.execplugin.kept import Kept

KEPT = Kept("access-1", 1000, 1240, 1300, "refresh-1", ("7@1",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "hostclaim-proxy"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def cache(folder: Path, said: list[str]) -> Iterator[Cache]:
    cache = Cache(folder, "blue", said.append)
    yield cache
    cache.close()


def test_what_was_put_there_is_found(cache: Cache) -> None:
    assert cache.read() is None
    cache.write(KEPT)
    assert cache.read() == KEPT


def test_nobody_else_can_read_it(cache: Cache, folder: Path) -> None:
    cache.write(KEPT)
    with cache.lock(0):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"blue.json": 0o600, "blue.lock": 0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder.parent)} == {0o700}


def test_a_new_one_takes_the_place_of_the_old_one_at_once(cache: Cache, folder: Path) -> None:
    cache.write(KEPT)
    with (folder / "blue.json").open("rb") as being_read:
        before = os.fstat(being_read.fileno()).st_ino
        cache.write(KEPT.handed_to("8@1"))
        assert being_read.read().endswith(b"}")
        assert (folder / "blue.json").stat().st_ino != before


def test_a_file_that_was_left_halfway_is_in_nobodys_way(cache: Cache, folder: Path) -> None:
    (folder / "blue.new").write_text("half")
    cache.write(KEPT)
    assert [path.name for path in folder.iterdir()] == ["blue.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"access": "x"}',
        b'{"access": 7, "asked_at": 1, "renew_at": 2, "expires_at": 3}',
        b'{"access": "x", "asked_at": 1, "renew_at": 2, "expires_at": 3, "unknown": 1}',
        b"[" * 100_000,
        b" " * 300_000,
    ],
)
def test_a_broken_file_is_no_token(
    cache: Cache, folder: Path, said: list[str], content: bytes
) -> None:
    cache.write(KEPT)
    (folder / "blue.json").write_bytes(content)
    assert cache.read() is None
    cache.write(KEPT)
    assert cache.read() == KEPT
    assert said == []


def _widen(file: Path) -> None:
    file.chmod(0o640)


def _link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to(file.with_name("elsewhere"))


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


@pytest.mark.parametrize("spoil", [_widen, _link, _pipe])
def test_a_file_that_others_may_have_had_a_hand_in_is_left_out_and_replaced(
    cache: Cache, folder: Path, said: list[str], spoil: Callable[[Path], None]
) -> None:
    cache.write(KEPT)
    spoil(folder / "blue.json")
    assert cache.read() is None
    assert len(said) == 1
    cache.write(KEPT)
    assert cache.read() == KEPT
    assert not (folder / "blue.json").is_symlink()


@pytest.mark.parametrize(("owner", "ours"), [(0, True), (1, False)])
def test_what_another_made_is_not_ours(owner: int, *, ours: bool) -> None:
    found = os.stat_result((0o100600, 0, 0, 1, os.geteuid() + owner, 0, 0, 0, 0, 0))
    assert _is_ours(found) is ours


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_can_get_at_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(WrongUseError, match=r"chmod 700"):
        Cache(tmp_path, "blue", pytest.fail)


def test_what_cannot_be_written_is_told_and_is_no_fault(
    cache: Cache, folder: Path, said: list[str]
) -> None:
    (folder / "blue.new").mkdir()
    cache.write(KEPT)
    assert "cannot be cached" in said[0]
    assert "access-1" not in said[0]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="File exists"):
        Cache(tmp_path / "file" / "below", "blue", pytest.fail)


def test_one_at_a_time(folder: Path, cache: Cache) -> None:
    other = Cache(folder, "blue", pytest.fail)
    held_by_another = pytest.raises(LockError, match="another process has held it for 0")
    with cache.lock(0), held_by_another, other.lock(0):
        pytest.fail("two have it")
    with other.lock(0):
        pass
    other.close()


def test_who_has_to_wait_is_told_for_what(folder: Path, cache: Cache, said: list[str]) -> None:
    passed = iter(range(100))
    pauses: list[float] = []
    other = Cache(folder, "blue", said.append, monotonic=lambda: next(passed), pause=pauses.append)
    with cache.lock(0), pytest.raises(LockError), other.lock(5):
        pytest.fail("two have it")
    assert said == ["waiting for another process that asks for the same token"]
    assert len(pauses) == 4
    other.close()


def test_others_wait_for_their_turn(folder: Path, cache: Cache) -> None:
    """And get it from one that ends without a word."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    other = context.Process(target=_hold, args=(folder, ready))
    other.start()
    assert ready.wait(30)
    with pytest.raises(LockError), cache.lock(0):
        pytest.fail("two have it")
    other.kill()
    with cache.lock(30):
        pass
    other.join()


def test_another_account_waits_for_nobody(folder: Path, cache: Cache) -> None:
    other = Cache(folder, "red", pytest.fail)
    with cache.lock(0), other.lock(0):
        pass
    other.close()


def test_a_lock_that_cannot_be_opened_is_told(folder: Path, cache: Cache) -> None:
    (folder / "blue.lock").symlink_to("elsewhere")
    with pytest.raises(LockError, match="cannot be opened"), cache.lock(0):
        pytest.fail("it was opened")


def _hold(folder: Path, ready: "multiprocessing.synchronize.Event") -> None:
    with Cache(folder, "blue", pytest.fail).lock(0):
        ready.set()
        multiprocessing.get_context("spawn").Event().wait()
