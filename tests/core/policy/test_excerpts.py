"""What a problem looks like: the line, the caret, and nothing that drives a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.policy import Position
from proxy.core.policy.excerpts import WIDEST, Text


def excerpt(line: str, column: int) -> tuple[str, str]:
    found = Text(f"first\n{line}\nlast".encode()).excerpt(Position(2, column))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("line", "column", "shown", "caret"),
    [
        ("role: view", 7, "role: view", "      ^"),
        ("\trole: view", 1, "\\trole: view", "^"),
        ("\trole: view", 8, "\\trole: view", "        ^"),
        ("服务: x", 5, "服务: x", "      ^"),
        ("e\u0301te: x", 7, "e\u0301te: x", "     ^"),
        ("a\x1b[2Jb: x", 6, "a\\x1b[2Jb: x", "        ^"),
        ("a\u202eb", 3, "a\\u202eb", "       ^"),
        ("short", 99, "short", "     ^"),
        ("", 1, "", "^"),
        ("windows\r", 1, "windows", "^"),
    ],
)
def test_the_caret_stands_below_its_column(line: str, column: int, shown: str, caret: str) -> None:
    assert excerpt(line, column) == (shown, caret)


def test_a_byte_order_mark_takes_no_column() -> None:
    text = Text(b"\xef\xbb\xbfkind: x")
    assert text.excerpt(Position(1, 7)) == ("kind: x", "      ^")


def test_what_is_no_text_is_shown_byte_by_byte() -> None:
    assert Text(b"# caf\xe9").excerpt(Position(1, 6)) == ("# caf\\xe9", "     ^")


@pytest.mark.parametrize("line", [0, 3])
def test_there_is_no_excerpt_of_a_line_that_is_not_there(line: int) -> None:
    assert Text(b"a\nb").excerpt(Position(line, 1)) is None


def test_a_long_line_is_cut_around_the_place() -> None:
    shown, caret = excerpt("a" * 500 + "X" + "b" * 500, 501)
    assert shown.startswith("...aaa")
    assert shown.endswith("bbb...")
    assert shown[len(caret) - 1] == "X"


def test_a_long_line_that_is_cut_by_nobody_is_shown_to_its_end() -> None:
    assert excerpt("a" * WIDEST, 1) == ("a" * WIDEST, "^")


@given(line=st.text(), column=st.integers(1, 300), times=st.integers(1, 100))
def test_whatever_a_line_holds_it_is_signs_on_paper(line: str, column: int, times: int) -> None:
    text = Text((line * times).encode(errors="surrogatepass"))
    found = text.excerpt(Position(1, column))
    assert found is not None
    shown, caret = found
    assert shown.isprintable()
    assert len(caret) <= WIDEST + 1
    assert len(shown) <= 3 * WIDEST
