"""How YAML is printed: so that text is text to whoever reads it.

PyYAML reads YAML 1.1 in its own way, and quotes what it would take for something else
itself. kubectl and client-go read `1e3`, `08` and `0o7` as numbers and `y` as a truth
value, and all of these are good names of a namespace.
"""

import re
from typing import Any, Final

import yaml

# More than is needed is quoted: it does no harm, and the rules of other readers are long.
_NOT_PLAIN: Final = re.compile(r"[-+]?\.?[0-9].*|[yYnN]", re.DOTALL)


class _Dumper(yaml.SafeDumper):
    """PyYAML's, but for texts."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "'" if _NOT_PLAIN.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def dump(*documents: Any, explicit_start: bool = False) -> str:
    """Documents, one after the other, with keys in the order that they have."""
    text: str = yaml.dump_all(
        documents, Dumper=_Dumper, explicit_start=explicit_start, sort_keys=False
    )
    return text
