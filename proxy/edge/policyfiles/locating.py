"""Where doubts about policies stand in their files. For commands; nothing that serves asks."""

from collections.abc import Iterable

from proxy.core.policy import Problem, dotted
from proxy.core.policy.doubts import Doubt
from proxy.core.policy.model import KIND
from proxy.edge.policyfiles import strictyaml
from proxy.edge.policyfiles.reading import Contents


def located(contents: Contents, doubts: Iterable[Doubt]) -> list[Problem]:
    """Say where doubts stand; files that there are any about are looked into once more."""
    by_file: dict[str, list[Doubt]] = {}
    for doubt in doubts:
        by_file.setdefault(doubt.file, []).append(doubt)
    found: list[Problem] = []
    for file, data in contents.data:
        if file.path in by_file:
            documents, _ = strictyaml.read(file.path, data)
            # A test may have the name of the policy that it is about.
            layouts = {
                document.name: document.layout for document in documents if document.kind == KIND
            }
            for doubt in by_file[file.path]:
                position = layouts[doubt.document].value(doubt.path)
                found.append(Problem(file.path, position, dotted(doubt.path), *doubt.fault))
    return sorted(found, key=lambda problem: (problem.file, problem.position, problem.code))
