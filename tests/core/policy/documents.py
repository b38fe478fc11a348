"""Documents for tests: a good one, pieces to change in it, and what reading makes of them."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from proxy.core.policy import API_VERSION, Document, Path, PolicySet, Position, parse


class Lines:
    """A file in which every piece of a document has a line of its own: its depth."""

    def key(self, path: Path) -> Position:
        return Position(len(path) + 1, 1)

    def value(self, path: Path) -> Position:
        return Position(len(path) + 1, 9)


GOOD: dict[str, Any] = {
    "apiVersion": API_VERSION,
    "kind": "AccessPolicy",
    "metadata": {"name": "blue"},
    "spec": {
        "subjects": [{"issuer": "corp", "group": "/tenants/blue"}],
        "allow": [{"namespaces": ["blue-dev", "blue-prod-*"], "role": "editor"}],
        "deny": [{"namespaces": ["blue-prod-1"]}],
    },
}
ABSENT = object()


def changed(path: Path, value: object) -> Any:
    """The good document with one piece set, or taken out."""
    tree = deepcopy(GOOD)
    *way, last = path
    part: Any = tree
    for step in way:
        part = part[step]
    if value is ABSENT:
        del part[last]
    else:
        part[last] = value
    return tree


def document(tree: object, file: str = "blue.yaml") -> Document:
    return Document(file, tree, Lines())


class Looked(tuple[Any, ...]):  # noqa: SLOT001 - it counts
    """A list that says how often somebody went through it."""

    times = 0

    def __iter__(self) -> Iterator[Any]:
        self.times += 1
        return super().__iter__()


def policies(*trees: object) -> PolicySet:
    parsed = parse(document(tree) for tree in trees)
    assert isinstance(parsed, PolicySet), "\n".join(map(str, parsed))
    return parsed


def problems(*trees: object) -> list[str]:
    parsed = parse(document(tree) for tree in trees)
    assert not isinstance(parsed, PolicySet)
    return [str(problem) for problem in parsed]


def policy(name: str = "blue", subjects: list[Any] | None = None, **spec: Any) -> dict[str, Any]:
    subjects = subjects or [{"issuer": "corp", "group": "/tenants/blue"}]
    return {**GOOD, "metadata": {"name": name}, "spec": {"subjects": subjects, **spec}}
