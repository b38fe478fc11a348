"""`hostclaim-proxy demo`, as somebody who tries it for the first time."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.e2e.world import eventually

COMMAND = Path(sys.executable).parent / "hostclaim-proxy"
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "KUBEBUILDER_ASSETS"}
REFUSED = ("get hostclaims -n red", "get secrets -n pool-a")


@contextmanager
def running(directory: Path) -> Iterator[tuple["subprocess.Popen[str]", list[str]]]:
    """The demo, and the commands that it proposes once it is ready."""
    with (directory / "log").open("a") as log:
        process = subprocess.Popen(
            [COMMAND, "demo", "--dir", "demo"],
            cwd=directory,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line.rstrip("\n"))
            if line.startswith("Ctrl-C"):
                break
        assert any(line.startswith("ready") for line in said), said
        yield process, [line for line in said if line.startswith(("export", "kubectl", "tail"))]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def test_the_tour_comes_out_as_expected(tmp_path: Path) -> None:
    done = subprocess.run(
        [COMMAND, "demo", "--dir", str(tmp_path / "demo"), "--tour"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT OK" not in done.stdout
    assert "17 of 17 steps came out as expected" in done.stdout


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl on this machine")
def test_the_commands_worth_typing_work(tmp_path: Path) -> None:
    with running(tmp_path) as (process, (export, *commands)):
        assert len(commands) >= 8
        for command in commands:
            done = subprocess.run(
                ["bash", "-c", f"{export}\n{command}"],
                cwd=tmp_path,
                env={**ENVIRONMENT, "HOME": str(tmp_path)},
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            refused = any(part in command for part in REFUSED)
            assert (done.returncode != 0) is refused, (command, done.stdout, done.stderr)
            assert ("is forbidden" in done.stderr) is refused
    assert process.returncode == 0


def test_policies_of_the_demo_can_be_asked_as_the_readme_says(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    [block] = re.findall(r"^```sh\n(export PATH.*?)^```$", text, re.DOTALL | re.MULTILINE)
    path = f"{COMMAND.parent}:{ENVIRONMENT['PATH']}"
    with running(tmp_path):
        done = subprocess.run(
            ["bash", "-e"],
            input=block,
            cwd=tmp_path,
            env={**ENVIRONMENT, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok: 3 files, 3 policies, 3 rules" in done.stdout
    assert "allow: corp:service-account-blue-capm3 in /tenants/blue" in done.stdout
    assert "0 requests decided anew" in done.stdout


def test_the_files_are_those_that_the_help_names(tmp_path: Path) -> None:
    with running(tmp_path):
        found = {path.name for path in (tmp_path / "demo").iterdir()}
        kubeconfig = yaml.safe_load((tmp_path / "demo" / "blue.kubeconfig").read_text())
    tenants = {f"{name}.kubeconfig" for name in ("blue", "red", "auditor", "admin")}
    assert found >= tenants | {"proxy.yaml", "policies", "audit.jsonl", "hostclaim.yaml"}
    assert kubeconfig["contexts"][0]["context"]["namespace"] == "blue-dev"


def test_whoever_breaks_a_policy_and_mends_it_is_told(tmp_path: Path) -> None:
    policy = tmp_path / "demo" / "policies" / "blue.yaml"

    def says(*told: str) -> bool:
        log = (tmp_path / "log").read_text()
        return all(text in log for text in told)

    with running(tmp_path):
        good = policy.read_text()
        policy.write_text(good.replace("editor", "owner"))
        told = (
            "the last good set stays in force",
            "blue.yaml:11:11: spec.allow[0].role",
            "`owner`",
        )
        eventually(lambda: says(*told), "the mistake to be told")
        (tmp_path / "log").write_text("")
        policy.write_text(good)
        eventually(lambda: says("policies mended"), "it to be good again")


def test_what_serves_tenants_loads_no_demo() -> None:
    program = (
        "import sys, proxy.app, proxy.cli.serve; print([m for m in sys.modules if 'demo' in m])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() in {"[]", "['proxy.cli.demo']"}
