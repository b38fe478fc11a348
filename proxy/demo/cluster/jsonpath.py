"""Where does a printer column point: the JSONPath that CustomResourceDefinitions use.

A subset of kubectl's: fields, quoted fields, indexes, `[*]` and one-condition filters. A path
that does not fit the object finds nothing.
"""

import re
from collections.abc import Iterator
from typing import Any

_STEP = re.compile(
    r"""\.(?P<field>(?:\\.|[^.\[\]\\])+)
    | \['(?P<quoted>[^']*)'\]
    | \[(?P<index>-?\d+)\]
    | (?P<all>\[\*\])
    | \[\?\(@\.(?P<key>[\w.]+)\s*==\s*["'](?P<value>[^"']*)["']\)\]""",
    re.VERBOSE,
)


def find(obj: Any, path: str) -> list[Any]:
    """Give everything a path leads to, in order."""
    found = [obj]
    for step in _STEP.finditer(path if path.startswith((".", "[")) else f".{path}"):
        found = [item for value in found for item in _follow(value, step)]
    return found


def _follow(value: Any, step: re.Match[str]) -> Iterator[Any]:
    groups = step.groupdict()
    if isinstance(value, dict):
        name = groups["quoted"] or (groups["field"] or "").replace("\\", "")
        if name in value:
            yield value[name]
    elif isinstance(value, list):
        if groups["index"] is not None:
            yield from value[int(groups["index"]) :][:1]
        elif groups["all"]:
            yield from value
        elif groups["key"]:
            wanted = [groups["value"]]
            yield from (item for item in value if find(item, groups["key"]) == wanted)
