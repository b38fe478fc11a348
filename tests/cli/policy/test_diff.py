"""`hostclaim-proxy policy diff` names exactly who gains and who loses, in files or revisions."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from proxy.cli import main

HEAD = "apiVersion: hostclaim-proxy.metal3.io/v1alpha1\nkind: AccessPolicy\n"
GIT = [
    "git",
    "-c",
    "user.name=a",
    "-c",
    "user.email=a@example.com",
    "-c",
    "init.defaultBranch=main",
]


def policy(name: str, namespaces: str, *, group: str = "/blue", more: str = "") -> str:
    """A grant on line 7."""
    subjects = f"  subjects: [{{issuer: corp, group: {group}}}]\n"
    grant = f"  - {{namespaces: [{namespaces}], role: viewer{more}}}\n"
    return f"{HEAD}metadata: {{name: {name}}}\nspec:\n{subjects}  allow:\n{grant}"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["policy", "diff", *map(str, arguments)])


def git(*arguments: str) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": "/", "GIT_CONFIG_GLOBAL": "/dev/null"}
    subprocess.run([*GIT, *arguments], check=True, capture_output=True, env=environment)


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write(tmp_path / "old", blue=policy("blue", "blue-dev"), red=policy("red", "red-*"))


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return write(tmp_path / "new", blue=policy("blue", "blue-*"), red=policy("red", "red-*"))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two commits: `first`, in which a pattern is narrow, and `main`, in which it is wide."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    git("init")
    folder = write(tmp_path / "policies", blue=policy("blue", "blue-dev"))
    git("add", ".")
    git("commit", "-m", "one")
    git("tag", "first")
    write(folder, blue=policy("blue", "blue-*"))
    git("commit", "-a", "-m", "two")
    return folder


def test_a_wider_pattern_is_told_with_exactly_who_and_where(old: Path, new: Path) -> None:
    result = run(old, new)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        (
            "corp group /blue gains viewer (hostclaims: get list watch)"
            " in blue-* (but blue-dev: allowed before)"
        ),
        f"  by {new}/blue.yaml:7 blue spec.allow[0]",
        "",
        "widenings: 1, narrowings: 0",
    ]


def test_what_is_only_moved_is_no_change(old: Path, tmp_path: Path) -> None:
    moved = write(tmp_path / "moved", all="---\n".join(f.read_text() for f in old.iterdir()))
    result = run(old, moved, "--fail-on", "any")
    assert (result.exit_code, result.stdout) == (0, "nobody may more or less than before\n")


@pytest.mark.parametrize(
    ("fail_on", "there", "back"), [("widening", 1, 0), ("any", 1, 1), ("never", 0, 0)]
)
def test_what_is_asked_for_fails(old: Path, new: Path, fail_on: str, there: int, back: int) -> None:
    assert run(old, new, "--fail-on", fail_on).exit_code == there
    assert run(new, old, "--fail-on", fail_on).exit_code == back
    assert run(old, old, "--fail-on", fail_on).exit_code == 0


def test_programs_are_told_the_same(old: Path, new: Path) -> None:
    told = json.loads(run(old, new, "-o", "json").stdout)
    assert told == {
        "widens": True,
        "changes": [
            {
                "change": "gains",
                "widens": True,
                "subjects": [{"issuer": "corp", "group": "/blue"}],
                "permissions": {"hostclaims": ["get", "list", "watch"]},
                "namespaces": [
                    {
                        "namespace": "blue-*",
                        "except": [{"namespace": "blue-dev", "because": "allowed"}],
                    }
                ],
                "rule": f"{new}/blue.yaml:7 blue spec.allow[0]",
            }
        ],
        "notes": [],
    }
    assert yaml.safe_load(run(old, new, "-o", "yaml").stdout) == told


TEST = """
kind: PolicyTest
apiVersion: hostclaim-proxy.metal3.io/v1alpha1
metadata: {name: blue}
spec:
  tests:
  - name: nobody's
    identity: {issuer: corp}
    request: {verbs: [get], resources: [hostclaims], namespaces: [blue-dev]}
    expect: {decision: deny}
"""


def test_what_fails_nothing_is_a_note(repository: Path) -> None:
    git("tag", "untested")
    write(repository, tests=TEST)
    git("add", ".")
    git("commit", "-m", "three")
    told = run("HEAD", "untested", "--fail-on", "any")
    note = "test `nobody's` of `blue` is gone"
    nothing = "nobody may more or less than before"
    assert (told.exit_code, told.stdout) == (0, f"note: {note}\n\n{nothing}\n")
    assert json.loads(run("HEAD", "untested", "-o", "json").stdout)["notes"] == [note]
    assert f"- note: `` {note} ``" in run("HEAD", "untested", "-o", "markdown").stdout


@pytest.mark.parametrize(
    "group",
    [
        "/a](http://x) @b <i> | `c`",
        "/a www.example.com https://example.com #1 a@example.com",
        "``",
        "` `` ```",
        "![a](b)",
        "&#64;b *c* _d_ ~e~ $f$",
    ],
)
def test_markdown_shows_names_as_they_are(old: Path, tmp_path: Path, group: str) -> None:
    new = write(tmp_path / "new", blue=policy("blue", "blue-dev", group=json.dumps(group)))
    told = run(old, new, "-o", "markdown").stdout
    assert "**widenings: 1, narrowings: 2**" in told
    # A span ends with as many backticks as it begins with, and nothing in it is read.
    spans = re.compile(r"(?<!`)(`+)(?!`) (.+?) (?<!`)\1(?!`)")
    assert any(group in span[2] for span in spans.finditer(told))
    assert {*spans.sub("", told).splitlines()} == {
        "**widenings: 1, narrowings: 2**",
        "",
        "- **widens**: ",
        "- **narrows**: ",
        "  - ",
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("first", "main"),
        ("main~1", "HEAD"),
        ("first:policies", "HEAD:policies/"),
        ("first:policies/blue.yaml", "main:./policies/blue.yaml"),
        ("first", "policies"),
        ("first", "policies/blue.yaml"),
    ],
)
@pytest.mark.usefixtures("repository")
def test_a_revision_is_compared_as_a_folder_is(one: str, other: str) -> None:
    result = run(one, other, "--fail-on", "widening")
    assert result.exit_code == 1, result.stderr
    assert "corp group /blue gains viewer" in result.stdout
    assert "blue.yaml:7 blue spec.allow[0]" in result.stdout


def test_a_path_is_from_here(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    assert "gains" in run("first", "main", "--path", ".").stdout
    assert "gains" in run("first:./blue.yaml", "main:../policies").stdout


def test_nothing_is_checked_out_or_written(repository: Path) -> None:
    def state() -> dict[str, tuple[int, bytes]]:
        files = (file for file in repository.parent.rglob("*") if file.is_file())
        return {str(file): (file.stat().st_mtime_ns, file.read_bytes()) for file in files}

    before = state()
    assert run("first", "main").exit_code == 0
    assert state() == before


@pytest.mark.parametrize(
    ("side", "told"),
    [
        ("nowhere", "`nowhere` is no file, no folder, and no revision: git:"),
        ("--output=x", "is no file, no folder, and no revision: git:"),
        ("--git-dir=x:policies", "is no file, no folder, and no revision: git:"),
        (":policies", "no revision is named before the `:`"),
        ("main:../policies", "`../policies` is not in the repository"),
        ("main:/etc", "`/etc` is not in the repository"),
        ("main:nowhere", "`main` has no `nowhere`, give --allow-missing if that is right"),
        ("main\x1b[2J:policies", "no revision"),
        ("main\x00:policies", "no revision"),
    ],
)
@pytest.mark.usefixtures("repository")
def test_what_is_no_side_is_told(side: str, told: str) -> None:
    result = run("--", "main", side)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert "\x1b" not in result.stderr


def test_a_folder_that_is_called_as_a_revision_is_neither(repository: Path) -> None:
    write(repository.parent / "first", blue=policy("blue", "blue-*"))
    result = run("first", "main", "--fail-on", "widening")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith(
        "`first` is a revision, and a file or folder, too:"
        " write `first:PATH` for the one, `./first` for the other\n"
    )
    assert run("./first", "main").exit_code == 0


def test_what_has_a_revision_before_a_colon_is_no_folder(repository: Path) -> None:
    write(repository.parent / "first:policies", blue=policy("blue", "blue-*"))
    assert run("first:policies", "main", "--fail-on", "widening").exit_code == 1
    assert run("./first:policies", "main", "--fail-on", "widening").exit_code == 0


@pytest.mark.usefixtures("repository")
def test_a_name_of_two_revisions_is_neither() -> None:
    git("update-ref", "refs/remotes/origin/main", "first")
    assert run("origin/main", "main", "--fail-on", "widening").exit_code == 1
    git("tag", "origin/main", "main")
    git("config", "core.warnAmbiguousRefs", "false")
    result = run("origin/main", "main", "--fail-on", "widening")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "`origin/main` is the name of several revisions" in result.stderr
    assert run("refs/remotes/origin/main", "main", "--fail-on", "widening").exit_code == 1


@pytest.mark.usefixtures("repository")
def test_policies_that_are_not_there_yet_can_be_taken_for_none() -> None:
    result = run("first:deploy", "main", "--allow-missing", "--fail-on", "widening")
    assert result.exit_code == 1
    assert "gains viewer (hostclaims: get list watch) in blue-*\n" in result.stdout


def test_problems_are_told_with_the_revision(repository: Path) -> None:
    write(repository, blue=policy("blue", "blue-*").replace("viewer", "viewr"))
    git("commit", "-a", "-m", "three")
    result = run("first", "HEAD")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "HEAD:./policies/blue.yaml:7:" in result.stderr
    assert "did you mean `viewer`?" in result.stderr


def test_what_is_no_file_in_a_revision_is_a_problem(repository: Path) -> None:
    (repository / "link.yaml").symlink_to("blue.yaml")
    write(repository / "folder.yaml", x="x")
    write(repository, large="#" * (1024 * 1024 + 1))
    (repository / ".hidden.yaml").write_text("x")
    (repository / "notes.txt").write_text("x")
    git("add", ".")
    git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},policies/module.yml")
    git("commit", "-m", "three")
    place = "hostclaim-proxy: HEAD:./policies"
    assert run("first", "HEAD").stderr.splitlines() == [
        f"{place}/folder.yaml:1:1: is not a file, take it out of there",
        f"{place}/large.yaml:1:1: is too large, split it, a file has at most 1048576 bytes",
        f"{place}/link.yaml:1:1: is a symbolic link, put the file itself there",
        f"{place}/module.yml:1:1: is a submodule, take it out of there",
    ]


def test_a_folder_without_policies_in_a_revision_is_a_problem(repository: Path) -> None:
    (repository / "blue.yaml").rename(repository / "blue.txt")
    git("add", ".")
    git("commit", "-m", "three")
    assert (
        "HEAD:policies:1:1: has no file `*.yaml` or `*.yml`" in run("first", "HEAD:policies").stderr
    )


def test_without_git_files_can_be_compared(
    old: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert run(old, new).exit_code == 0
    result = run(old, "main")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "git is not installed" in result.stderr


def test_too_much_is_told(old: Path, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.core.difference.sides._MOST", 1)
    result = run(old, new)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "too much is changed at once" in result.stderr
