"""What is wrong, and what would be right: every message with its hint.

A message says what was found, a hint what to write instead.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final, NamedTuple

from proxy.core.policy.codes import Code
from proxy.core.policy.located import SHOWN, shown


class Fault(NamedTuple):
    """What is wrong with a piece of a document, wherever it stands."""

    message: str
    hint: str
    code: Code = Code.INVALID_VALUE


_SURE: Final = 0.75
"""From which likeness on a word is meant, with whatever it begins (`difflib`)."""

_WANTED: Final = {
    "string_type": ("a string", "put it in quotes"),
    "int_type": ("a number", "write it without quotes"),
    "bool_type": ("`true`", "write `true`"),
    "tuple_type": ("a list", "write `[...]`, or lines that begin with `- `"),
    "model_type": ("a mapping", "write lines of `field: value`"),
    "dict_type": ("a mapping", "write lines of `field: value`"),
}


def wrong_type(error_type: str, value: object) -> Fault:
    """A value of a type other than the one that pydantic's error asks for."""
    wanted, hint = _WANTED[error_type]
    match value:
        case None:
            return Fault("has no value", f"give it {wanted}", Code.WRONG_TYPE)
        case str():
            found = "a string"
        case bool() | int() | float():
            found = shown(str(value).lower())
        case _:
            found = "a list" if isinstance(value, list) else "a mapping"
            hint = "write a single one" if error_type == "string_type" else hint
    return Fault(f"is {found}, not {wanted}", hint, Code.WRONG_TYPE)


def suggestion(word: str, choices: Iterable[str]) -> str:
    """What to write in place of a word that is none of the choices."""
    choices = list(choices)
    close = closest(word, choices)
    return f"did you mean `{close}`?" if close else f"use {ticked(choices, ' or ')}"


def closest(word: str, choices: Iterable[str]) -> str | None:
    """What somebody who wrote `word` most likely meant."""
    by_lower = {choice.lower(): choice for choice in choices}
    written = word[:SHOWN].lower()
    # Who writes `read` means no `create`: few slips are in the first letter.
    alike = {name for name in by_lower if name[:1] == written[:1]}
    close = get_close_matches(written, by_lower, n=1, cutoff=_SURE) or get_close_matches(
        written, alike, n=1
    )
    return by_lower[close[0]] if close else None


def ticked(words: Iterable[str], joint: str) -> str:
    """Words of the format as messages list them."""
    return joint.join(f"`{word}`" for word in words)
