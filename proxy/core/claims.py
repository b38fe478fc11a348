"""What a token says: claims by name, and values that are fit to be used.

Claims are JSON that somebody else wrote. What is read here is bounded, and can
stand in a log.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

MAX_TEXT = 512
"""The longest name, group or claim that is read, in characters."""

MAX_VALUES = 1_000
"""The most groups, or values of one claim, that are read."""

YEAR_10000 = 253_402_300_800
"""From here on, in seconds since the epoch, a number is no time."""

_MAX_DEPTH = 8


def path(name: str) -> tuple[str, ...]:
    r"""Read the name of a claim as the keys that lead to it.

    `realm_access.roles` is `roles` inside `realm_access`; a dot that belongs to
    a key is written `\.`, as in Keycloak's mappers: `kubernetes\.io.namespace`.

    Raises:
        ValueError: a key is empty.
    """
    keys = tuple(key.replace(r"\.", ".") for key in re.split(r"(?<!\\)\.", name))
    if not all(keys):
        raise ValueError(f"`{name}` is not the name of a claim")
    return keys


def find(claims: Mapping[str, Any], name: str) -> Any:
    """The value of a claim, or None; null is as good as absent."""
    found: Any = claims
    for key in path(name):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def texts(claims: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every claim that is a string or a list of strings, named by its path.

    What cannot be named, or holds what is no name, is left out: nothing is granted by it.
    """
    yield from _texts(claims, ())


def _texts(
    claims: Mapping[str, Any], above: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    for key, value in claims.items():
        if "\\" in key:  # its path could be that of another claim
            continue
        here = (*above, key.replace(".", r"\."))
        if isinstance(value, Mapping) and len(here) < _MAX_DEPTH:
            yield from _texts(value, here)
        elif is_text(value):
            yield ".".join(here), (value,)
        elif are_strings(value) and len(value) <= MAX_VALUES and all(map(is_text, value)):
            yield ".".join(here), tuple(value)


def is_text(value: Any) -> TypeGuard[str]:
    """Whether a value can stand in a log: no control characters, no lone surrogates."""
    return isinstance(value, str) and len(value) <= MAX_TEXT and value.isprintable()


def are_strings(value: Any) -> TypeGuard[list[str]]:
    """Whether a value is a list of strings, of whatever kind."""
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def seconds(value: Any) -> float | None:
    """A claim as seconds since the epoch; None for what is no time.

    The bounds leave out NaN, infinities and numbers too large for a float.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value < YEAR_10000 else None
