"""A check that cannot fail proves nothing: with a bug planted on purpose, the machine finds it.

Each is planted in a copy of the package, on which the machine then runs. That it fails is not
enough: a copy that cannot be imported would, too. So it has to name the request, what the rules
say to it and what the proxy did.
"""

import os
import re
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
    """A piece of a room's source, and what stands there instead.

    The machine has to find it in a request such as `asked`, of which the rules say
    such as `rules` and the proxy does such as `proxy`; these are patterns.
    """

    room: str
    right: str
    wrong: str
    asked: str
    rules: str
    proxy: str


# What the rules say.
UNHEARD = r"Refusal\(codes=frozenset\(\{403\}\), unheard=True"
HEARD = r"Refusal\(codes=frozenset\(\{[\d, ]+\}\), unheard=False"
FORBIDDEN = r"Refusal\(codes=frozenset\(\{[\d, ]*403[\d, ]*\}\), unheard=False"
WATCHED = r"watch \("
NEVER = "whoever is first, never"  # said where the owner acted in the midst of it
# What the proxy does.
ANSWERS = r"\d+ after \["
ASKS = r"\d+ after \['"

BUGS = {
    "a denial does not win": Bug(
        "entitlement.py",
        "if denial := rules.matching(Effect.DENY, *asked):",
        "if (denial := rules.matching(Effect.DENY, *asked)) and asked[1] in "
        "{Verb.LIST, Verb.WATCH, Verb.CREATE, Verb.DELETECOLLECTION}:",
        asked=r"/(one|two)\b",
        rules=UNHEARD,
        proxy=ANSWERS,
    ),
    "a grant for a prefix covers what only begins like it": Bug(
        "policy/rules.py",
        "for pattern in covering(namespace)\n            for rule",
        'for pattern in [*covering(namespace), f"{namespace[:4]}-*"][: None if effect is '
        "Effect.ALLOW else -1]\n            for rule",
        asked=r"\b(blue|blueberry)\b",
        rules=rf"({UNHEARD}|{FORBIDDEN}|Pass\(code=201, shown=False|{WATCHED})",
        proxy=rf"({ANSWERS}|watched)",
    ),
    "a selector without the stamp": Bug(
        "narrowing.py",
        'selector = f"{STAMP}={STAMPED}" + (f",{asked}" if asked else "")',
        'selector = asked or f"{STAMP}={STAMPED}"',
        asked=r"(GET|DELETE) \S+/secrets\?\S*labelSelector=",
        rules=rf"(Pass\(code=200|{NEVER}|{WATCHED})",
        proxy=r"(200 after \['|watched)",
    ),
    "a patch that is not judged": Bug(
        "secrets.py",
        "        yield from _judge(call, rehearsed, existing)\n",
        "",
        asked=r"PATCH \S+/secrets/",
        rules=rf"({FORBIDDEN}|{NEVER})",
        proxy=ASKS,
    ),
    "a reference into another namespace": Bug(
        "hostclaims.py",
        'if reference.get("namespace") not in (None, "", namespace):',
        "if False:",
        asked=r"(POST|PUT|PATCH) \S+/hostclaims.*namespace",
        rules=rf"({FORBIDDEN}|{NEVER})",
        proxy=ASKS,
    ),
    "any host where a claim has one": Bug(
        "hardwaredata.py",
        "if call.resource_request.name not in bound:",
        "if not bound:",
        asked=r"GET \S+/hardwaredata/",
        rules=HEARD,
        proxy=r"\d+ after .*/hardwaredata/",
    ),
    "a HostDeployPolicy whose labels are not looked at": Bug(
        "hardwaredata.py",
        "if any(admission.fits_labels(labels) for admission in fitting):",
        "if fitting:",
        asked=r"GET \S+/hardwaredata",
        # A list of some hosts may become one of all.
        rules=rf"({HEARD}|Pass\(code=200)",
        proxy=r"\d+ after .*/hardwaredata",
    ),
    "a secret in protobuf without the stamp": Bug(
        "written.py",
        "        labels.add(key=STAMP, value=STAMPED)\n",
        "",
        asked=r"(POST|PUT) \S+/secrets.*protobuf",
        rules=rf"(Pass\(code=20[01]|{NEVER})",
        proxy=r"20[01] after \['.*stored \['",
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


@pytest.mark.timeout(1200)
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
    lines = f"asked: .*{bug.asked}.*\nrules: .*{bug.rules}.*\nproxy: {bug.proxy}.*\nwrong: "
    found = "".join(
        line.removeprefix("E").lstrip() for line in run.stdout.splitlines(keepends=True)
    )
    assert re.search(lines, found), run.stdout
