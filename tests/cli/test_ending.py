"""A command that cannot do what it was asked says why, and ends with 2."""

import pytest

from proxy.cli import ending


def test_each_line_of_the_reason_is_told_and_commands_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ending.unusable("a.yaml:1:1: wrong\nb.yaml:2:1: \x1b[2J").code == 2
    assert capsys.readouterr().err == (
        "hostclaim-proxy: a.yaml:1:1: wrong\nhostclaim-proxy: b.yaml:2:1: ?[2J\n"
    )
