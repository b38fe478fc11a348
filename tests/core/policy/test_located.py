"""Where something stands: a problem names its place first."""

from proxy.core.policy import Position, Problem


def test_a_problem_reads_as_a_compiler_would_write_it() -> None:
    problem = Problem("blue.yaml", Position(3, 5), "spec.allow[0]", "grants nothing", "give a role")
    assert str(problem) == "blue.yaml:3:5: spec.allow[0]: grants nothing, give a role"
    assert str(Problem("blue.yaml", Position(1, 1), "", "is empty")) == "blue.yaml:1:1: is empty"


def test_the_name_of_a_file_is_one_line_that_a_terminal_can_show() -> None:
    file = "a\x1b[2J\n\udcff.yaml"
    assert str(Problem(file, Position(1, 1), "", "is empty")) == "a?[2J??.yaml:1:1: is empty"
