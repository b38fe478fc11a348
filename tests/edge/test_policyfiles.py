"""Which policies hold: what is wrong in a file is told, and changes are followed."""

import asyncio
import contextlib
import errno
import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path, PosixPath
from typing import NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.attributes import Verb
from proxy.core.policy import Effect, inforce
from proxy.edge.policyfiles import (
    PolicyError,
    PolicyFile,
    PolicyFiles,
    Status,
    load,
    load_with_tests,
)
from proxy.edge.policyfiles.reading import Contents, compiled, fingerprint, read
from tests.broken import CASES, GOOD, GOOD_TEST, Case
from tests.identities import make_caller, make_identity

YAMLISH = st.text("-{}[]:,&*!|>'\"%@`?# \n\tab01~<.")
HEAD = "apiVersion: hostclaim-proxy.metal3.io/v1alpha1\nkind: AccessPolicy\n"


def policy(name: str, *namespaces: str, spec: str = "") -> str:
    """Let everyone of corp view some namespaces, on lines 1 to 8."""
    return f"""{HEAD}metadata:
  name: {name}
spec:
  subjects: [{{issuer: corp, everyone: true}}]
  allow:
  - {{namespaces: [{", ".join(namespaces)}], role: viewer}}
{spec}"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "blue.yaml").write_text(GOOD)
    return folder


def problems(path: Path) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        load([path])
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    lines = str(caught.value).split("\n")
    return [line.replace(f"{path}:", "").replace(f"{path}/", "") for line in lines]


ALLOW = "spec.allow[0].namespaces[0]"
NO_NODE = "did not find expected node content, write a value there, or close the bracket"


def edited(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_file_is_told_with_line_and_column(folder: Path, case: Case) -> None:
    case.break_(folder)
    assert problems(folder) == case.headlines


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_file_that_breaks_leaves_the_last_good_set_in_force(
    folder: Path, case: Case
) -> None:
    files = PolicyFiles([folder])
    case.break_(folder)
    await settle(files)
    assert await namespaces(files) == ("blue",)
    assert files.status.error is not None
    assert files.status.failures == 1


def test_problems_of_all_files_are_told_at_once(folder: Path) -> None:
    (folder / "blue.yaml").write_text(edited("corp", "&a corp").replace("viewer", "view"))
    (folder / "red.yaml").write_text(f"{policy('red', 'RED')}---\na: [")
    assert problems(folder) == [
        "blue.yaml:6:23: spec.subjects[0].issuer: has the anchor `a`, leave it out",
        "blue.yaml:8:32: spec.allow[0].role: unknown role `view`, did you mean `viewer`?",
        f"red.yaml:8:19: {ALLOW}: `RED` matches no namespace, did you mean `red`?",
        f"red.yaml:10:5: is not YAML: {NO_NODE}",
    ]


class Locked(PosixPath):
    """A folder that the proxy's user may not look into."""

    def iterdir(self) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied")


def test_a_folder_that_cannot_be_listed_is_told(folder: Path) -> None:
    assert problems(Locked(folder)) == ["1:1: cannot be read: permission denied"]


def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert problems(tmp_path / "gone") == ["1:1: cannot be read: no such file or directory"]


def test_hidden_files_other_files_and_folders_within_are_left_alone(folder: Path) -> None:
    for name in (".swp.yaml", "README.md", "policy.schema.json", "blue.yaml~"):
        (folder / name).write_text("not a policy")
    (folder / "old").mkdir()
    (folder / "old" / "x.yaml").write_text("not a policy")
    assert len(load([folder])) == 1


def test_a_file_may_be_named_itself_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "policies").write_text(GOOD)
    assert len(load([tmp_path / "policies"])) == 1


@pytest.mark.parametrize("word", ["no", "on", "y", "off", "1a", "7-up", '"7"', "e1"])
def test_a_namespace_that_only_looks_odd_is_one(folder: Path, word: str) -> None:
    (folder / "blue.yaml").write_text(policy("blue", word))
    found = load([folder]).rules_for(make_identity()).namespaces()
    assert found == (word.strip('"'),)


def test_a_byte_order_mark_and_windows_line_ends_are_harmless(folder: Path) -> None:
    (folder / "blue.yaml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert len(load([folder])) == 1


def test_empty_documents_among_others_are_harmless(folder: Path) -> None:
    (folder / "blue.yaml").write_text(f"---\n# Blue.\n---\n{GOOD}---\n")
    assert len(load([folder])) == 1


def test_tests_beside_policies_are_read_and_grant_nothing(folder: Path) -> None:
    rules = [entry.rule for entry in load([folder])]
    (folder / "blue-test.yaml").write_text(GOOD_TEST)
    assert [entry.rule for entry in load([folder])] == rules
    [test] = load_with_tests([folder]).tests
    assert str(test.origin) == f"{folder}/blue-test.yaml:6 blue spec.tests[0]"


async def test_a_test_that_breaks_leaves_the_last_good_set_in_force(folder: Path) -> None:
    files = PolicyFiles([folder])
    (folder / "blue.yaml").write_text(policy("blue", "red"))
    (folder / "blue-test.yaml").write_text(GOOD_TEST.replace("expect:", "expects:"))
    await settle(files)
    assert await namespaces(files) == ("blue",)
    assert "blue-test.yaml:9:5: spec.tests[0]: unknown field `expects`" in str(files.status.error)
    (folder / "blue-test.yaml").write_text(GOOD_TEST)
    await settle(files)
    assert await namespaces(files) == ("red",)


def test_a_rule_knows_its_file_and_line(folder: Path) -> None:
    rules = load([folder]).rules_for(make_identity())
    rule = rules.matching(Effect.ALLOW, "hostclaims", Verb.GET, "blue")
    assert rule is not None
    assert str(rule.origin) == f"{folder}/blue.yaml:8 blue spec.allow[0]"


@settings(deadline=None)
@given(st.one_of(st.binary(), st.text().map(str.encode), YAMLISH.map(str.encode)))
def test_whatever_a_file_holds_it_is_used_or_told(data: bytes) -> None:
    contents = Contents((), ((PolicyFile("any.yaml", ""), data),), ())
    with contextlib.suppress(PolicyError):
        compiled(contents)


class Restless(PosixPath):
    """A file that is changed while it is read, for some time."""

    changes = 0

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        if self.changes:
            self.changes -= 1
            os.utime(self, ns=(0, self.changes))
        return super().stat(follow_symlinks=follow_symlinks)


def test_files_that_change_while_they_are_read_are_read_again(folder: Path) -> None:
    path = Restless(folder / "blue.yaml")
    path.changes = 7
    contents = read((path,))
    assert path.changes == 0
    assert contents.fingerprint == fingerprint((path,))
    assert not contents.problems


class Stale(PosixPath):
    """A link that somebody replaced between two questions about it."""

    def is_symlink(self) -> NoReturn:
        raise OSError(errno.ESTALE, "Stale file handle")


def test_a_link_that_goes_away_as_it_is_looked_at_is_looked_at_again(folder: Path) -> None:
    link = folder / "red.yaml"
    link.symlink_to("blue.yaml")
    assert fingerprint((Stale(link),)) != fingerprint((link,))


def test_files_that_never_rest_are_told(folder: Path) -> None:
    path = Restless(folder / "blue.yaml")
    path.changes = 1000
    assert [problem.message for problem in read((path,)).problems] == [
        "keeps changing while it is read"
    ]


async def namespaces(files: PolicyFiles) -> tuple[str, ...]:
    return (await files.rules(make_caller())).namespaces()


async def settle(files: PolicyFiles) -> None:
    """Look until a change has come to rest."""
    await files.look()
    await files.look()


class Changes:
    """A subscriber that counts."""

    def __init__(self, files: PolicyFiles) -> None:
        self.count = 0
        files.subscribe(self)

    def __call__(self) -> None:
        self.count += 1


def test_a_broken_file_stops_the_start(folder: Path) -> None:
    (folder / "blue.yaml").write_text("{")
    with pytest.raises(PolicyError, match=r"blue\.yaml:1:2: is not YAML"):
        PolicyFiles([folder])


async def test_status_says_what_is_in_force(folder: Path) -> None:
    files = PolicyFiles([folder], clock=lambda: 17.0)
    digest = hashlib.sha256(GOOD.encode()).hexdigest()
    assert files.status == Status((PolicyFile(f"{folder}/blue.yaml", digest),), 1, 0, 17.0)


async def test_status_counts_the_rules_that_are_only_recorded_apart(folder: Path) -> None:
    files = PolicyFiles([folder])
    (folder / "red.yaml").write_text(policy("red", "red", spec="  enforcement: shadow"))
    for _ in range(2):
        await files.look()
    assert (files.status.rules, files.status.shadow_rules) == (1, 1)
    (folder / "blue.yaml").unlink()
    assert PolicyFiles([folder]).status.rules == 0


async def test_a_changed_file_is_taken_up_once(folder: Path) -> None:
    files = PolicyFiles([folder])
    changes = Changes(files)
    assert await namespaces(files) == ("blue",)
    (folder / "blue.yaml").write_text(policy("blue", "green"))
    for _ in range(5):
        await files.look()
    assert await namespaces(files) == ("green",)
    assert changes.count == files.status.reloads == 1


async def test_a_change_is_not_taken_up_before_it_rests(folder: Path) -> None:
    files = PolicyFiles([folder])
    changes = Changes(files)
    for name in ("red", "green", "yellow"):
        (folder / f"{name}.yaml").write_text(policy(name, name))
        await files.look()
        assert changes.count == 0
    await files.look()
    assert await namespaces(files) == ("blue", "green", "red", "yellow")
    assert changes.count == 1


async def test_files_that_change_at_every_look_are_taken_up_in_the_end(folder: Path) -> None:
    files = PolicyFiles([folder])
    for number in range(11):
        (folder / "blue.yaml").write_text(policy("blue", f"blue-{number}"))
        await files.look()
    assert await namespaces(files) == ("blue-10",)


async def test_a_config_map_is_swapped_whole(tmp_path: Path) -> None:
    def publish(version: str) -> None:
        """As kubelet does: a folder for each version, and one link to it that is renamed over."""
        (tmp_path / f"..{version}").mkdir()
        for name in ("one", "two"):
            text = policy(name, f"{name}-{version}")
            (tmp_path / f"..{version}" / f"{name}.yaml").write_text(text)
        (tmp_path / "..data_tmp").symlink_to(f"..{version}")
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    publish("v1")
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").symlink_to(f"..data/{name}.yaml")
    files = PolicyFiles([tmp_path])
    changes = Changes(files)
    assert await namespaces(files) == ("one-v1", "two-v1")
    publish("v2")
    await settle(files)
    assert await namespaces(files) == ("one-v2", "two-v2")
    assert changes.count == 1


async def test_an_editor_that_writes_aside_and_renames_is_followed(folder: Path) -> None:
    files = PolicyFiles([folder])
    before = (folder / "blue.yaml").stat()
    (folder / ".blue.yaml.swp").write_text(policy("blue", "gray"))
    os.utime(folder / ".blue.yaml.swp", ns=(before.st_atime_ns, before.st_mtime_ns))
    (folder / ".blue.yaml.swp").rename(folder / "blue.yaml")
    await settle(files)
    assert await namespaces(files) == ("gray",)


async def test_a_checkout_adds_and_removes_files_in_one_change(folder: Path) -> None:
    files = PolicyFiles([folder])
    changes = Changes(files)
    (folder / "blue.yaml").unlink()
    await files.look()
    (folder / "red.yaml").write_text(policy("red", "red"))
    await settle(files)
    assert await namespaces(files) == ("red",)
    assert changes.count == 1
    assert files.status.failures == 0


async def test_a_touched_file_is_no_change(folder: Path) -> None:
    files = PolicyFiles([folder])
    changes = Changes(files)
    os.utime(folder / "blue.yaml", ns=(1, 1))
    await settle(files)
    assert changes.count == files.status.reloads == 0


async def test_a_broken_reload_is_remembered_until_it_is_mended(folder: Path) -> None:
    now = iter([1.0, 2.0, 3.0])
    files = PolicyFiles([folder], clock=lambda: next(now))
    changes = Changes(files)
    (folder / "blue.yaml").write_text("{")
    for _ in range(5):
        await files.look()
    assert files.status.failures == 1
    assert (files.status.loaded_at, files.status.failed_at) == (1.0, 2.0)
    (folder / "blue.yaml").write_text(policy("blue", "green"))
    await settle(files)
    assert (files.status.error, files.status.loaded_at) == (None, 3.0)
    assert changes.count == 1


async def test_going_back_to_what_is_in_force_clears_the_error(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    files = PolicyFiles([folder])
    changes = Changes(files)
    (folder / "blue.yaml").write_text("{")
    await settle(files)
    (folder / "blue.yaml").write_text(GOOD)
    await settle(files)
    assert files.status.error is None
    assert changes.count == 0
    told = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert told == ["policies not loaded, the last good set stays in force", "policies mended"]


async def test_what_could_not_be_read_is_tried_again(folder: Path) -> None:
    files = PolicyFiles([folder])
    (folder / "red.yaml").symlink_to("/proc/self/mem")
    await settle(files)
    await settle(files)
    assert files.status.failures == 1
    (folder / "red.yaml").unlink()
    await settle(files)
    assert files.status.error is None


async def test_the_rules_of_an_identity_are_found_once_for_each_set(folder: Path) -> None:
    files = PolicyFiles([folder])
    rules = await files.rules(make_caller())
    assert await files.rules(make_caller()) is rules
    (folder / "blue.yaml").write_text(policy("blue", "green"))
    await settle(files)
    assert await files.rules(make_caller()) is not rules


@pytest.mark.parametrize(("room", "remembered"), [(8, True), (7, False)])
async def test_rules_are_remembered_as_far_as_there_is_room_for_all_their_namespaces(
    folder: Path, room: int, *, remembered: bool
) -> None:
    (folder / "blue.yaml").write_text(policy("blue", "blue", "green", "red"))
    files = PolicyFiles([folder], room=room)
    rules = await files.rules(make_caller())
    await files.rules(make_caller(token_id="another"))
    assert (await files.rules(make_caller()) is rules) == remembered


async def test_a_reused_token_id_does_not_reuse_rules(folder: Path) -> None:
    files = PolicyFiles([folder])
    group = policy("blue", "blue").replace("everyone: true", "group: /tenants/blue")
    (folder / "blue.yaml").write_text(group)
    await settle(files)
    assert await namespaces(files) == ("blue",)
    assert (await files.rules(make_caller(groups=()))).namespaces() == ()


async def test_running_follows_the_files_until_cancelled(folder: Path) -> None:
    files = PolicyFiles([folder], interval=0.001)
    changed = asyncio.Event()
    files.subscribe(changed.set)
    running = asyncio.create_task(files.run())
    (folder / "blue.yaml").write_text(policy("blue", "green"))
    async with asyncio.timeout(30):
        await changed.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await namespaces(files) == ("green",)


async def test_a_broken_reload_is_noted_on_one_line(folder: Path) -> None:
    files = PolicyFiles([folder], clock=lambda: 17.0)
    assert files.trouble() == ""
    (folder / "blue.yaml").write_text(edited("viewer", "view").replace("blue", "BLUE"))
    await settle(files)
    assert files.trouble() == (
        "not loaded, those of 1970-01-01T00:00:17+00:00 stay in force: "
        f"{folder}/blue.yaml:4:9: metadata.name: `BLUE` is not a name of RFC 1123, use lower-case "
        "letters, digits, `-` and `.`, a letter or digit first and last (and 2 more)"
    )
    (folder / "blue.yaml").write_text(policy("blue", "a: b"))
    await settle(files)
    assert "more)" not in files.trouble()


async def test_of_very_many_problems_the_first_are_told_and_how_many_others_there_are(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = PolicyFiles([folder])
    (folder / "blue.yaml").write_text("- *a\n" * 3000)
    await settle(files)
    failure = files.in_force().error
    assert failure is not None
    assert (len(failure.problems), failure.more) == (100, 2901)
    assert files.trouble().endswith("(and 3000 more)")
    *_, last, number = caplog.messages[-1].split("\n")
    assert len(caplog.messages[-1].split("\n")) == 1 + 100 + 1
    assert (":99:3: [98]: is the alias `*a`" in last, number) == (True, "and 2901 more")


@pytest.mark.parametrize("name", [b"\xff.yaml", b"a\n[+]all ok.yaml", b"\x1b[2J.yaml"], ids=repr)
async def test_whatever_a_file_is_called_it_is_told_on_a_line(folder: Path, name: bytes) -> None:
    (folder / os.fsdecode(name)).write_text(policy("red", "red"))
    files = PolicyFiles([folder])
    assert len(inforce.decode(inforce.encode(files.in_force())).files) == 2
    (folder / os.fsdecode(name)).write_text("a: [")
    await settle(files)
    assert "yaml:1:5: is not YAML" in files.trouble()
    assert files.trouble().isprintable()


async def test_what_is_in_force_is_told_with_how_often_each_rule_decided(folder: Path) -> None:
    (folder / "blue.yaml").write_text(policy("blue", "blue", spec="  deny: [{namespaces: [red]}]"))
    (folder / "red.yaml").write_text(policy("red", "red", spec="  enforcement: shadow"))
    files = PolicyFiles([folder], clock=lambda: 17.0)
    grant = (await files.rules(make_caller())).matching(
        Effect.ALLOW, "hostclaims", Verb.GET, "blue"
    )
    assert grant is not None
    files.hits.count([grant])
    known = files.in_force()
    assert known.loaded_at == datetime.fromtimestamp(17, UTC)
    assert (known.configured, known.enforced_rules, known.error) == (True, 2, None)
    assert known.shadow_rules == 1
    assert [(file.path, len(file.sha256)) for file in known.files] == [
        (f"{folder}/{name}.yaml", 64) for name in ("blue", "red")
    ]
    assert [
        (rule.document, rule.path, rule.line, str(rule.effect), rule.hits) for rule in known.rules
    ] == [("blue", "spec.allow[0]", 8, "allow", 1), ("blue", "spec.deny[0]", 9, "deny", 0)]


async def test_counts_are_kept_over_a_reload_and_the_error_is_told_over_a_broken_one(
    folder: Path,
) -> None:
    files = PolicyFiles([folder], clock=lambda: 17.0)
    files.hits.count(await files.rules(make_caller()))
    (folder / "blue.yaml").write_text("# Blue.\n" + GOOD)
    await settle(files)
    assert [(rule.line, rule.hits) for rule in files.in_force().rules] == [(9, 1)]
    (folder / "blue.yaml").write_text("{")
    await settle(files)
    known = files.in_force()
    assert [(rule.line, rule.hits) for rule in known.rules] == [(9, 1)]
    assert (known.reloads, known.failures) == (1, 1)
    assert known.error is not None
    assert known.error.failed_at == datetime.fromtimestamp(17, UTC)
    [problem] = known.error.problems
    assert (problem.file, problem.line, problem.column) == (f"{folder}/blue.yaml", 1, 2)
    assert (problem.field, problem.hint) == ("", "write a value there, or close the bracket")
    assert "is not YAML" in problem.message
