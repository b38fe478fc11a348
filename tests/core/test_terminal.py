"""What others wrote is shown as it is, and does nothing."""

import pytest

from proxy.core.terminal import printable


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("claims of blue, Größe 2", "claims of blue, Größe 2"),
        ("\x1b[2J", "?[2J"),
        ("a\nb\r\tc", "a?b??c"),
        ("evil\u202e", "evil?"),
        ("\x9b31m", "?31m"),
    ],
)
def test_a_line_is_no_command(line: str, shown: str) -> None:
    assert printable(line) == shown
