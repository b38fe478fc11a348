"""A check that cannot fail proves nothing: with a bug planted on purpose, the machine finds it.

Each is planted in a copy of the package, on which the machine then runs.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
COPIED = (
    "proxy",
    "tests/oracle",
    "tests/fakes.py",
    "tests/identities.py",
    "tests/demo/cluster/asking.py",
    "pyproject.toml",
)


@dataclass(frozen=True, slots=True)
class Bug:
    """A piece of a room's source, and what stands there instead."""

    room: str
    right: str
    wrong: str


BUGS = {
    "a denial does not win": Bug(
        "entitlement.py",
        "if denial := rules.matching(Effect.DENY, *asked):",
        "if (denial := rules.matching(Effect.DENY, *asked)) and not request.name:",
    ),
    "a prefix covers what only begins like it": Bug(
        "policy/rules.py", 'yield "*"', 'yield f"{namespace[:4]}-*"\n    yield "*"'
    ),
    "a selector without the stamp": Bug(
        "narrowing.py",
        'selector = f"{STAMP}={STAMPED}" + (f",{asked}" if asked else "")',
        'selector = asked or f"{STAMP}={STAMPED}"',
    ),
    "a patch that is not judged": Bug(
        "secrets.py", "        yield from _judge(call, rehearsed, existing)\n", ""
    ),
    "a reference into another namespace": Bug(
        "hostclaims.py",
        'if reference.get("namespace") not in (None, "", namespace):',
        "if False:",
    ),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and of the machine, for breaking."""
    for name in COPIED:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return tmp_path


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS)
def test_the_machine_finds(bug: Bug, copy: Path) -> None:
    room = copy / "proxy" / "core" / bug.room
    source = room.read_text()
    assert source.count(bug.right) == 1
    room.write_text(source.replace(bug.right, bug.wrong))
    machine = [sys.executable, "-m", "pytest", "-q", "tests/oracle/test_machine.py"]
    environment = {**os.environ, "ORACLE": "planted"}
    run = subprocess.run(
        machine, cwd=copy, capture_output=True, text=True, check=False, env=environment
    )
    assert run.returncode == 1, run.stdout
    assert "test_the_proxy_does_what_the_rules_say" in run.stdout
