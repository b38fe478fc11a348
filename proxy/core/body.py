"""What was written: read a JSON body as an object, strictly, and write it back.

Two readers of one body must not be able to disagree about it, so duplicate
keys, trailing data and numbers that JSON does not have are refused.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from proxy.core.errors import BadRequest, Cause

Object = dict[str, Any]

# Deeper than any Kubernetes object; far from what a stack can hold.
_MAX_DEPTH = 100
# More than any Kubernetes object; reading more would hold up every other request.
_MAX_VALUES = 100_000
# What separates values; some of it stands in strings, so this bound is wider.
_MARKS = (b",", b"[", b"{")
_MAX_MARKS = 500_000
# Text to a JSON reader, line breaks and controls to the apiserver's, which reads an apply as YAML.
_BREAKS = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def parse(body: bytes) -> Any:
    """Read a JSON text.

    Raises:
        BadRequest: not UTF-8, not JSON, a key given twice, nested too deep, more
            values than an object has, or half of a surrogate pair.
    """
    if sum(body.count(mark) for mark in _MARKS) > _MAX_MARKS:
        raise BadRequest("the body is not JSON of an object: it has too many values")
    try:
        value = json.loads(
            body.decode(), object_pairs_hook=_no_duplicates, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as exc:
        raise BadRequest(f"the body is not JSON: {_where(exc)}") from exc
    _check(value)
    return value


def parse_object(body: bytes) -> Object:
    """Read a JSON object.

    Raises:
        BadRequest: as `parse`, or it is something else than an object.
    """
    value = parse(body)
    if not isinstance(value, dict):
        raise BadRequest("the body must be a JSON object")
    return value


def render(value: Any) -> bytes:
    """Write a value as JSON that a YAML reader reads alike.

    Raises:
        BadRequest: a string holds half of a surrogate pair, which is not UTF-8,
            or a number is beyond what a double holds.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return _BREAKS.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()
    except ValueError as exc:
        raise BadRequest("the body holds a string or a number that JSON cannot carry") from exc


def section(parent: Object, key: str, path: str) -> Object:
    """The object under `key`, made if absent; `path` names it in a refusal.

    Raises:
        BadRequest: it is there and not an object.
    """
    value = parent.get(key)
    if value is None:
        value = parent[key] = {}
    if not isinstance(value, dict):
        raise malformed(path, "an object")
    return value


def text(parent: Mapping[str, Any], key: str, path: str) -> str:
    """The string under `key`, or the empty string.

    Raises:
        BadRequest: it is there and not a string.
    """
    value = parent.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise malformed(path, "a string")
    return value


def check_kind(found: Mapping[str, Any], kind: str, api_version: str) -> None:
    """Hold an object to the kind that its path is for; what it leaves out is that.

    Raises:
        BadRequest: it says another.
    """
    for key, wanted in (("kind", kind), ("apiVersion", api_version)):
        if text(found, key, key) not in {"", wanted}:
            raise malformed(key, f"`{wanted}` as the path says")


def malformed(path: str, wanted: str) -> BadRequest:
    """A field of the wrong shape."""
    message = f"must be {wanted}"
    return BadRequest(f"{path} {message}", causes=(Cause("FieldValueInvalid", message, path),))


class _NotJsonError(ValueError):
    """What we refuse and the JSON reader would not; the message is ours."""


def _no_duplicates(pairs: list[tuple[str, Any]]) -> Object:
    found: Object = {}
    for key, value in pairs:
        if key in found:
            raise _NotJsonError("a key is given twice")
        found[key] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise _NotJsonError(f"{name} is not a JSON number")


def _where(exc: Exception) -> str:
    match exc:
        case json.JSONDecodeError():
            return f"{exc.msg.lower()} at line {exc.lineno} column {exc.colno}"
        case UnicodeDecodeError():
            return "it is not UTF-8"
        case RecursionError():
            return "it is nested too deep"
        case _NotJsonError():
            return str(exc)
    return "it holds a number that is too long"


def _check(value: Any) -> None:
    """Walk a value within bounds, and see that each string of it can be written again."""
    left = _MAX_VALUES
    level, depth = [value], 0
    while level:
        depth += 1
        left -= len(level)
        if depth > _MAX_DEPTH:
            raise BadRequest("the body is not JSON: it is nested too deep")
        if left < 0:
            raise BadRequest("the body is not JSON of an object: it has too many values")
        deeper: list[Any] = []
        for item in level:
            match item:
                case dict():
                    deeper += item
                    deeper += item.values()
                case list():
                    deeper += item
                case str() if not item.isascii():
                    _check_text(item)
        level = deeper


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise BadRequest("the body is not JSON: it holds half of a surrogate pair") from exc
