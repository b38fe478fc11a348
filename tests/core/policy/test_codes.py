"""What kinds of problems there are: each has a name, a meaning and a severity."""

import re

import pytest

from proxy.core.policy import Code, Position, Problem, Severity


@pytest.mark.parametrize("code", Code)
def test_a_code_is_a_word_with_a_meaning(code: Code) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
    assert re.fullmatch(r"[A-Z].*\.", code.meaning)


def test_the_file_can_be_used_in_spite_of_a_warning_alone() -> None:
    assert Code.COVERED.severity is Severity.WARNING
    assert Code.UNKNOWN_FIELD.severity is Severity.ERROR
    assert Problem("a", Position(1, 1), "", "m", code=Code.WIDE).severity is Severity.WARNING
