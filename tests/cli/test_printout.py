"""What was found is printed alike by all commands."""

import json
from collections.abc import Callable

import pytest
import yaml

from proxy.cli import printout

TEXT = "Gr\u00f6\u00dfe \x9b31m evil\u202e"


def test_columns_are_as_wide_as_what_is_shown_in_them() -> None:
    rows = [("NAME", "COUNT"), ("a\nb\tc", "1"), ("abc", "22")]
    assert [*printout.table(rows)] == ["NAME    COUNT", "a?b?c   1", "abc     22"]


def test_a_table_of_nothing_is_nothing() -> None:
    assert [*printout.table([])] == []


def test_a_line_is_no_command_to_a_terminal() -> None:
    assert printout.text([TEXT]) == "Gr\u00f6\u00dfe ?31m evil?\n"


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_programs_get_what_was_said_in_signs_of_ascii(
    form: str, read: Callable[[str], object]
) -> None:
    printed = printout.document({"said": TEXT}, form)
    assert printed.isascii()
    assert "\x9b" not in printed
    assert read(printed) == {"said": TEXT}
