"""The worked set in `policies/` holds what its comments promise, and its tests show it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.core.policy import schema
from proxy.core.policy.reference import page
from proxy.edge.policyfiles import load

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "policies"
SCHEMA = FOLDER / "policy.schema.json"
ARRANGEMENTS = sorted(path for path in FOLDER.iterdir() if path.is_dir())
FILES = sorted(FOLDER.glob("*/*.yaml"))
POLICIES = [path for path in FILES if not path.stem.endswith("-test")]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["policy", *map(str, arguments)])


def named(path: Path) -> str:
    return str(path.relative_to(FOLDER))


def test_there_is_a_set_for_each_way_to_share_hosts() -> None:
    assert [path.name for path in ARRANGEMENTS] == ["isolation", "open", "pool"]


@pytest.mark.parametrize("folder", ARRANGEMENTS, ids=named)
def test_every_rule_and_namespace_of_a_set_is_tested_and_passes(folder: Path) -> None:
    result = run("test", folder, "--min-coverage", 100, "-o", "json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["coverage"]["unaskedNamespaces"] == []


@pytest.mark.parametrize("folder", ARRANGEMENTS, ids=named)
def test_a_set_is_without_fault(folder: Path) -> None:
    result = run("check", folder)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("path", POLICIES, ids=named)
def test_a_policy_loads_alone_and_has_its_tests_beside_it(path: Path) -> None:
    assert len(load([path])) > 0
    assert path.with_name(f"{path.stem}-test.yaml").is_file()


@pytest.mark.parametrize("folder", ARRANGEMENTS, ids=named)
def test_a_set_has_people_programs_and_auditors(folder: Path) -> None:
    subjects = [subject for entry in load([folder]) for subject in entry.subjects]
    assert {subject.kind for subject in subjects} >= {"group", "serviceAccount"}
    assert (folder / "auditors.yaml").is_file()


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_file_names_the_schema_for_editors_and_keeps_to_it(path: Path) -> None:
    first, _ = path.read_text().split("\n", 1)
    assert first == f"# yaml-language-server: $schema=../{SCHEMA.name}"
    for document in yaml.safe_load_all(path.read_text()):
        jsonschema.validate(document, json.loads(SCHEMA.read_text()))


@pytest.mark.parametrize(
    ("command", "file"), [("schema", SCHEMA), ("reference", ROOT / "docs" / "policy-reference.md")]
)
def test_what_is_made_of_the_models_is_as_they_are(command: str, file: Path) -> None:
    """After a change of the models, write what the command prints to the file."""
    assert run(command).output == file.read_text()


def test_schema_and_reference_are_those_of_the_core() -> None:
    assert json.loads(run("schema").output) == schema()
    assert run("reference").output == page()


HOOKS = ROOT / ".pre-commit-hooks.yaml"


def test_the_hooks_are_hooks() -> None:
    pre_commit = Path(sys.executable).with_name("pre-commit")
    subprocess.run([pre_commit, "validate-manifest", HOOKS], check=True)


@pytest.mark.parametrize("hook", yaml.safe_load(HOOKS.read_text()), ids=lambda hook: hook["id"])
def test_a_hook_finds_what_is_wrong_in_the_folder(
    hook: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(FOLDER / "pool", tmp_path / "policies")
    monkeypatch.chdir(tmp_path)
    command = [*hook["entry"].split(), *hook["args"]][1:]
    assert CliRunner().invoke(main, command).exit_code == 0
    Path("policies/blue.yaml").write_text("kind: AccesPolicy\n")
    assert CliRunner().invoke(main, command).exit_code != 0


def example(wanted: str) -> str:
    """The one in the documentation that has some text in it."""
    text = (ROOT / "docs" / "policies.md").read_text()
    examples = re.findall(r"^```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    [found] = [block for block in examples if wanted in block]
    return str(found)


def test_the_hooks_are_called_as_they_are_documented() -> None:
    [repository] = yaml.safe_load(example("repos:"))["repos"]
    hooks = [hook["id"] for hook in yaml.safe_load(HOOKS.read_text())]
    assert [hook["id"] for hook in repository["hooks"]] == hooks


def test_the_example_in_the_documentation_passes(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "pool" / "blue.yaml", tmp_path)
    (tmp_path / "blue-test.yaml").write_text(example("kind: PolicyTest"))
    assert run("test", tmp_path).exit_code == 0
