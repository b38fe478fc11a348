"""`hostclaim-proxy`, whichever command it is asked for."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from proxy.cli import main


def test_each_command_is_listed_with_what_it_does() -> None:
    listed = CliRunner().invoke(main, ["--help"]).stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == main.list_commands(click.Context(main))
    assert all(len(line.split()) > 3 for line in listed)


def test_what_is_no_command_is_told() -> None:
    said = CliRunner().invoke(main, ["claim"])
    assert (said.exit_code, "No such command 'claim'" in said.stderr) == (2, True)


def test_a_command_loads_nothing_of_the_others() -> None:
    program = "import sys, proxy.cli; proxy.cli.main.get_command(None, 'rbac'); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "proxy.cli.rbac" in loaded
    assert not {"proxy.cli.serve", "proxy.app", "kubernetes_asyncio"}.intersection(loaded)


def started(*arguments: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    program = [sys.executable, "-m", "proxy", *map(str, arguments)]
    return subprocess.run(program, stderr=subprocess.PIPE, check=False, **options)


def test_a_disk_that_is_full_is_told_in_a_line() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = started("policy", "schema", stdout=full)
    said = b"hostclaim-proxy: cannot write: no space left on device\n"
    assert (ended.returncode, ended.stderr) == (1, said)


def test_another_error_of_the_system_is_no_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(click, "echo", refuse)
    with pytest.raises(PermissionError):
        main(["policy", "schema"])


def test_signs_that_the_terminal_has_not_are_told_by_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "b\u6f22.yaml"
    file.write_text("kind: AccessPolicy\n")
    narrow = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    ended = started("policy", "check", file, stdout=subprocess.PIPE, env=narrow)
    assert (ended.returncode, ended.stderr) == (1, b"")
    assert b"b\\u6f22.yaml:1:1: error: apiVersion: is missing" in ended.stdout
