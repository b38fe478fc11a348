"""What documents say: read and compiled, or every problem in them at once.

All or none: rules come only from documents in which nothing is wrong.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from proxy.core.policy.codes import Code
from proxy.core.policy.faults import Fault, closest, suggestion, wrong_type
from proxy.core.policy.located import Document, Path, Problem, dotted, shown
from proxy.core.policy.model import (
    KIND,
    AccessPolicy,
    Enforcement,
    Model,
    Statement,
    fields,
    model_at,
)
from proxy.core.policy.origins import Origin
from proxy.core.policy.rules import Effect, Rule
from proxy.core.policy.subjects import Entry, PolicySet


def parse(documents: Iterable[Document]) -> PolicySet | tuple[Problem, ...]:
    """Read documents, all or none.

    Returns:
        The rules; or every problem of every document, in the order of the files.
    """
    entries: list[Entry] = []
    problems: list[Problem] = []
    names: dict[str, str] = {}
    for document in documents:
        match _read(document):
            case AccessPolicy() as policy:
                entries += _compile(document, policy)
            case faults:
                problems += faults
        problems += _doubled(document, names)
    return tuple(problems) if problems else PolicySet(entries)


def _compile(document: Document, policy: AccessPolicy) -> Iterator[Entry]:
    name, spec = policy.metadata.name, policy.spec
    subjects = tuple(subject.compiled() for subject in spec.subjects)
    shadow = spec.enforcement is Enforcement.SHADOW
    for number, grant in enumerate(spec.allow):
        rule = _rule(document, name, Effect.ALLOW, number, grant)
        if grant.bounds.model_fields_set:
            rule = replace(rule, bounds=grant.bounds.compiled())
        yield Entry(subjects, rule, grant.namespaces_from_claim, shadow)
    for number, denial in enumerate(spec.deny):
        yield Entry(subjects, _rule(document, name, Effect.DENY, number, denial), shadow=shadow)


def _rule(document: Document, name: str, effect: Effect, number: int, statement: Statement) -> Rule:
    path = ("spec", effect.value, number)
    origin = Origin(document.file, name, dotted(path), document.layout.value(path).line)
    return Rule(origin, effect, statement.permissions(), statement.namespaces)


def _doubled(document: Document, names: dict[str, str]) -> Iterator[Problem]:
    """A name that an earlier document has; `names` says which one."""
    match document.tree:
        case {"metadata": {"name": str(name)}}:
            path = ("metadata", "name")
            if name in names:
                message = f"{shown(name)} is the name of {names[name]}"
                fault = Fault(message, "choose another", Code.DUPLICATE_NAME)
                yield _problem(document, path, fault)
            else:
                names[name] = f"{document.file}:{document.layout.value(path).line}"


def _read(document: Document) -> AccessPolicy | list[Problem]:
    tree = document.tree
    if not isinstance(tree, dict):
        return [_problem(document, (), wrong_type("model_type", tree))]
    if tree.get("kind") != KIND:
        # Nothing else that could be said about another kind would help.
        return [_problem(document, ("kind",), _not_ours(tree))]
    problems = [_problem(document, *found) for found in _contradictions(tree)]
    try:
        policy = AccessPolicy.model_validate(tree)
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
        problems += [_explain(document, error) for error in errors if not _is_misspelt(error)]
    else:
        if not problems:
            return policy
    return sorted(problems, key=lambda problem: problem.position)


def _not_ours(tree: Mapping[str, Any]) -> Fault:
    match tree:
        case {"kind": str(kind)}:
            message = f"unknown kind {shown(kind)}"
            return Fault(message, f"write `kind: {KIND}`", Code.UNKNOWN_VALUE)
        case {"kind": other}:
            return wrong_type("string_type", other)
    return Fault("is missing", f"write `kind: {KIND}`", Code.MISSING_FIELD)


def _contradictions(tree: Mapping[str, Any]) -> Iterator[tuple[Path, Fault]]:
    """What is wrong with which fields are there, whether or not their values are right."""
    for path, part in _parts(tree):
        if isinstance(part, dict):
            model = model_at(path)
            yield from ((path, fault) for fault in model.contradictions(_meant(model, part)))


def _parts(tree: Mapping[str, Any]) -> Iterator[tuple[Path, object]]:
    """Whatever stands where a document has a mapping of its own."""
    yield (), tree
    yield ("metadata",), tree.get("metadata")
    spec = tree.get("spec")
    yield ("spec",), spec
    for name in ("subjects", "allow", "deny"):
        items = spec.get(name) if isinstance(spec, dict) else None
        for number, item in enumerate(items if isinstance(items, list) else ()):
            yield ("spec", name, number), item
            bounds = item.get("bounds") if isinstance(item, dict) else None
            if name == "allow" and isinstance(bounds, dict):
                yield ("spec", name, number, "bounds"), bounds
                yield ("spec", name, number, "bounds", "hostSelector"), bounds.get("hostSelector")


def _meant(model: type[Model], given: Iterable[str]) -> set[str]:
    """The fields that are given, misspelt ones included: those are a problem of their own."""
    known = fields(model)
    return {name if name in known else closest(name, known) or name for name in given}


def _is_misspelt(error: ErrorDetails) -> bool:
    """Whether a field is missing only because it goes by a wrong name."""
    *parent, name = error["loc"]
    return error["type"] == "missing" and name in _meant(model_at(tuple(parent)), error["input"])


def _explain(document: Document, error: ErrorDetails) -> Problem:
    """Say in words of ours what pydantic found."""
    path = error["loc"]
    match error["type"]:
        case "fault":
            context = error["ctx"]
            return _problem(document, path, Fault(**context))
        case "extra_forbidden":
            *parent, name = path
            fault = Fault(
                f"unknown field {shown(str(name))}",
                suggestion(str(name), fields(model_at(tuple(parent)))),
                Code.UNKNOWN_FIELD,
            )
            position = document.layout.key(path)
            return Problem(document.file, position, dotted(parent), *fault)
        case "missing":
            fault = Fault("is missing", f"add `{path[-1]}: ...`", Code.MISSING_FIELD)
            return _problem(document, path, fault)
        case other:
            return _problem(document, path, wrong_type(other, error["input"]))


def _problem(document: Document, path: Path, fault: Fault) -> Problem:
    return Problem(document.file, document.layout.value(path), dotted(path), *fault)
