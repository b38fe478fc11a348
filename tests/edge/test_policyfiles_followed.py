"""However files are changed, a change is picked up once, and whole.

Each way is taken step by step with a look after every step, as a slow disk or a busy
machine would have it.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path, PosixPath

import pytest

from proxy.edge.policyfiles import PolicyFiles
from proxy.edge.policyfiles.reading import read
from tests.edge.test_policyfiles import Restless, namespaces, policy

NAMES = tuple(f"team-{number:02}" for number in range(24))

Steps = Iterator[None]


def content(name: str, version: str) -> str:
    return policy(name, f"{name}-{version}")


def write_all(folder: Path, version: str) -> Steps:
    folder.mkdir(exist_ok=True)
    for name in NAMES:
        (folder / f"{name}.yaml").write_text(content(name, version))
        yield


def whole(version: str) -> tuple[str, ...]:
    return tuple(f"{name}-{version}" for name in NAMES)


def in_place(folder: Path) -> Steps:
    yield from write_all(folder, "v2")


def with_the_same_size_and_times(folder: Path) -> Steps:
    for name in NAMES:
        path = folder / f"{name}.yaml"
        before = path.stat()
        path.write_text(content(name, "v2"))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_size == before.st_size
        yield


def by_rsync(folder: Path) -> Steps:
    for name in NAMES:
        aside = folder / f".{name}.yaml.Ab3dEf"
        aside.write_text(content(name, "v2"))
        yield
        aside.rename(folder / f"{name}.yaml")
        yield


def in_pieces(folder: Path) -> Steps:
    """As a client of NFS sees what another one writes: files that grow."""
    for name in NAMES:
        text = content(name, "v2")
        for end in (0, len(text) // 2, len(text)):
            (folder / f"{name}.yaml").write_text(text[:end])
            yield


def by_renaming_the_folder(folder: Path) -> Steps:
    yield from write_all(folder.with_name("next"), "v2")
    folder.rename(folder.with_name("before"))
    yield
    folder.with_name("next").rename(folder)
    yield


def by_deleting_the_folder_first(folder: Path) -> Steps:
    shutil.rmtree(folder)
    yield
    yield from write_all(folder, "v2")


def to_a_link(folder: Path) -> Steps:
    yield from write_all(folder.with_name("v2"), "v2")
    folder.rename(folder.with_name("v1"))
    folder.symlink_to("v2")
    yield


@pytest.mark.parametrize(
    "change",
    [
        in_place,
        with_the_same_size_and_times,
        by_rsync,
        in_pieces,
        by_renaming_the_folder,
        by_deleting_the_folder_first,
        to_a_link,
    ],
)
async def test_a_change_is_picked_up_once_and_whole(
    tmp_path: Path, change: Callable[[Path], Steps], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    folder = tmp_path / "policies"
    for _ in write_all(folder, "v1"):
        pass
    files = PolicyFiles([folder])
    for _ in change(folder):
        await files.look()
        assert await namespaces(files) in {whole("v1"), whole("v2")}
    await picked_up(files, caplog)


def by_vim(path: Path, text: str) -> Steps:
    """With `backup`: it tries whether it may write, moves the file aside, and writes it anew."""
    swap, tried = path.with_name(f".{path.name}.swp"), path.with_name("4913")
    swap.write_bytes(b"b0VIM 9.0")
    yield
    tried.touch()
    yield
    tried.unlink()
    path.rename(f"{path}~")
    yield
    path.touch()
    yield
    path.write_text(text)
    yield
    swap.unlink()
    yield


def by_emacs(path: Path, text: str) -> Steps:
    lock, autosaved = path.with_name(f".#{path.name}"), path.with_name(f"#{path.name}#")
    lock.symlink_to("root@host.1:1")
    autosaved.write_text("half")
    yield
    shutil.copy2(path, f"{path}~")
    yield
    path.write_text(text)
    yield
    autosaved.unlink()
    lock.unlink()
    yield


def by_writing_aside(path: Path, text: str) -> Steps:
    """As most other editors do."""
    aside = path.with_name("blue.yaml.tmp-4711")
    aside.write_text("")
    yield
    aside.write_text(text)
    yield
    aside.rename(path)
    yield


@pytest.mark.parametrize("edit", [by_vim, by_emacs, by_writing_aside])
async def test_an_edit_is_picked_up_once_and_whole(
    tmp_path: Path, edit: Callable[[Path, str], Steps], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path = tmp_path / "blue.yaml"
    path.write_text(policy("blue", "blue"))
    files = PolicyFiles([tmp_path])
    for _ in edit(path, policy("blue", "green")):
        await files.look()
        assert await namespaces(files) in {("blue",), ("green",)}
    for _ in range(5):
        await files.look()
    assert await namespaces(files) == ("green",)
    assert [record.getMessage() for record in caplog.records] == [
        "policies loaded: 1 rules and 0 shadow rules from 1 files"
    ]


async def picked_up(files: PolicyFiles, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(5):
        await files.look()
    assert await namespaces(files) == whole("v2")
    assert (files.status.reloads, files.status.failures) == (1, 0)
    assert [record.getMessage() for record in caplog.records] == [
        f"policies loaded: {len(NAMES)} rules and 0 shadow rules from {len(NAMES)} files"
    ]


async def test_a_config_map_is_swapped_whole_at_every_step(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As kubelet's atomic writer does, down to the removal of the version before."""
    caplog.set_level("INFO")

    def publish(version: str) -> Steps:
        yield from write_all(tmp_path / f"..{version}", version)
        (tmp_path / "..data_tmp").symlink_to(f"..{version}")
        yield
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")
        yield

    for _ in publish("v1"):
        pass
    for name in NAMES:
        (tmp_path / f"{name}.yaml").symlink_to(f"..data/{name}.yaml")
    files = PolicyFiles([tmp_path])
    for _ in publish("v2"):
        await files.look()
        assert await namespaces(files) in {whole("v1"), whole("v2")}
    shutil.rmtree(tmp_path / "..v1")
    await picked_up(files, caplog)


class Repository:
    """A git repository with two versions of the same files, and the second checked out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet")
        for version in ("v2", "v1"):
            for _ in write_all(folder, version):
                pass
            self.git("add", ".")
            self.git("commit", "--quiet", "--message", version)
            self.git("tag", version)

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.folder, env=self.environment, check=True)

    def begin(self, *arguments: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(["git", *arguments], cwd=self.folder, env=self.environment)

    @property
    def environment(self) -> dict[str, str]:
        who = ("AUTHOR", "COMMITTER")
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{each}_NAME": "somebody" for each in who},
            **{f"GIT_{each}_EMAIL": "somebody@example.com" for each in who},
        }


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "policies")


async def test_a_git_checkout_is_picked_up_once(
    repository: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    files = PolicyFiles([repository.folder])
    repository.git("checkout", "--quiet", "v2")
    await picked_up(files, caplog)


async def test_a_git_checkout_is_not_picked_up_in_the_midst(
    repository: Repository, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A filter of git's own waits before each file until there was a look."""
    caplog.set_level("INFO")
    for pipe in ("ready", "go"):
        os.mkfifo(tmp_path / pipe)
    waits = f"echo >'{tmp_path}/ready'; read -r _ <'{tmp_path}/go'; cat"
    repository.git("config", "filter.slow.smudge", waits)
    (repository.folder / ".git" / "info" / "attributes").write_text("*.yaml filter=slow\n")
    files = PolicyFiles([repository.folder])
    seen = set()
    with repository.begin("checkout", "--quiet", "--force", "v2") as checkout:
        for _ in NAMES:
            (tmp_path / "ready").read_text()
            await files.look()
            seen.add(await namespaces(files))
            (tmp_path / "go").write_text("\n")
        assert checkout.wait(30) == 0
    assert seen == {whole("v1")}
    await picked_up(files, caplog)


async def test_a_folder_that_never_rests_is_read_in_the_end(tmp_path: Path) -> None:
    """Each time it is another file, so none of them is what never rests."""
    (tmp_path / "blue.yaml").write_text(policy("blue", "blue"))
    files = PolicyFiles([tmp_path])
    for number in range(301):
        assert files.status.reloads == 0
        (tmp_path / f"green-{number}.yaml").write_text(policy("green", "green"))
        (tmp_path / f"green-{number - 1}.yaml").unlink(missing_ok=True)
        await files.look()
    assert await namespaces(files) == ("blue", "green")


async def test_what_others_do_in_the_folder_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    (tmp_path / "blue.yaml").write_text(policy("blue", "blue"))
    files = PolicyFiles([tmp_path])
    (tmp_path / "blue.yaml").write_text(policy("blue", "green"))
    for number in range(13):
        (tmp_path / f"{number}.log").touch()
        await files.look()
    assert await namespaces(files) == ("green",)


async def test_files_that_begin_to_change_as_they_are_read_are_read_when_they_rest(
    tmp_path: Path,
) -> None:
    path = Restless(tmp_path / "blue.yaml")
    path.write_text(policy("blue", "blue"))
    files = PolicyFiles([path])
    path.write_text(policy("blue", "green"))
    await files.look()
    path.changes = 1
    await files.look()
    path.changes = 1000
    await files.look()
    path.changes = 0
    assert (files.status.reloads, files.status.failures) == (0, 0)
    for _ in range(3):
        await files.look()
    assert await namespaces(files) == ("green",)
    assert (files.status.reloads, files.status.failures) == (1, 0)


async def test_files_that_change_whenever_they_are_read_are_told_in_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = Restless(tmp_path / "blue.yaml")
    path.write_text(policy("blue", "blue"))
    files = PolicyFiles([path])
    path.changes = 10_000
    for _ in range(30):
        await files.look()
    assert "keeps changing while it is read" in str(files.status.error)
    assert files.status.failures == len(caplog.records) == 1


def test_what_was_written_just_now_may_yet_change_unseen(tmp_path: Path) -> None:
    """Two changes in one tick of the file system's clock look the same from outside."""
    path = tmp_path / "blue.yaml"
    path.write_text(policy("blue", "blue"))
    assert not read((path,)).lasting


class Old(PosixPath):
    """A file that was last changed long ago."""

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        found = super().stat(follow_symlinks=follow_symlinks)
        return os.stat_result(found[:10], {"st_ctime_ns": 1, "st_mtime_ns": 1})


def test_what_was_written_long_ago_is_what_it_was(tmp_path: Path) -> None:
    path = Old(tmp_path / "blue.yaml")
    path.write_text(policy("blue", "blue"))
    assert read((path,)).lasting
