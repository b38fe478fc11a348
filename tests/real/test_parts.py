"""Parts are found, or made once and whole, or missing for a reason that helps."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.real import parts
from tests.real.making import Missing
from tests.real.parts import ETCD, KUBE_APISERVER, KUBECTL

COMPILES = """
for argument; do [ "$previous" = -o ] && target=$argument; previous=$argument; done
echo "#!/bin/sh\necho v1.2.3" > $target
/bin/chmod +x $target
echo $target >> $COMPILED
"""
IS_INTERRUPTED = """
for argument; do [ "$previous" = -o ] && echo half > $argument; previous=$argument; done
echo out of memory; exit 1
"""


class Machine:
    """A machine with nothing but Python and the programs that a test puts there."""

    def __init__(self, directory: Path) -> None:
        self.programs = directory / "bin"
        self.programs.mkdir()
        self.compiled = directory / "compiled"
        self.cache = directory / "cache"
        self._environment = {
            "PATH": str(self.programs),
            "XDG_CACHE_HOME": str(self.cache),
            "COMPILED": str(self.compiled),
        }

    def has(self, name: str, script: str) -> None:
        (self.programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.programs / name).chmod(0o755)

    def start(self, *flags: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.real.parts", *flags],
            cwd=Path(__file__).parents[2],
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *flags: str) -> tuple[int, str]:
        with self.start(*flags) as process:
            said = process.communicate()[0]
        return process.returncode, said


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_part_that_cannot_be_had_is_missing_for_a_reason(machine: Machine) -> None:
    code, said = machine.run()
    assert code == 0
    assert "etcd is missing: `go` is not installed" in said
    assert "keycloak is missing: `java` is not installed" in said


def test_a_missing_part_fails_only_who_requires_it(machine: Machine) -> None:
    assert machine.run("--require")[0] == 1


def test_maven_is_asked_for_only_where_there_is_java(machine: Machine) -> None:
    machine.has("java", "exit 0")
    assert "keycloak is missing: `mvn` is not installed" in machine.run()[1]


def test_programs_are_compiled_once(machine: Machine) -> None:
    machine.has("go", COMPILES)
    machine.run()
    _, said = machine.run()
    assert [line.split()[1] for line in said.splitlines()[:4]] == ["missing", *["v1.2.3"] * 3]
    assert len(machine.compiled.read_text().splitlines()) == 3


def test_two_runs_compile_each_program_once(machine: Machine) -> None:
    machine.has("go", COMPILES)
    with machine.start() as one, machine.start() as other:
        one.communicate()
        other.communicate()
    assert len(machine.compiled.read_text().splitlines()) == 3


def test_kubectl_is_the_machines_where_it_has_one(machine: Machine) -> None:
    machine.has("kubectl", "echo Client Version: v1.30.0")
    assert f"kubectl         v1.30.0                 {machine.programs}/kubectl" in machine.run()[1]


def test_what_was_interrupted_is_never_taken_for_finished(machine: Machine) -> None:
    machine.has("go", IS_INTERRUPTED)
    assert "out of memory" in machine.run("--require")[1]
    machine.has("go", COMPILES)
    assert "etcd            v1.2.3" in machine.run()[1]
    assert not list(machine.cache.rglob("*.partial"))


@pytest.mark.parametrize("part", [KUBE_APISERVER, ETCD])
def test_an_assets_folder_without_the_program_is_not_made_up_for(
    part: parts.GoProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(Missing, match=f"a folder without `{part.name}`"):
        parts.find(part)


@pytest.mark.parametrize("part", [KUBE_APISERVER, ETCD, KUBECTL])
def test_an_assets_folder_comes_first(
    part: parts.GoProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    (tmp_path / part.name).touch()
    assert parts.find(part) == tmp_path / part.name
