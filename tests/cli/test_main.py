"""`hostclaim-proxy`, whichever command it is asked for."""

import subprocess
import sys

import click
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
