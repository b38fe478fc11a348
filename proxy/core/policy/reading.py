"""What documents say: read and compiled, or every problem in them at once.

All or none: rules come only from documents in which nothing is wrong.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, assert_never

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from proxy.core.policy.codes import Code
from proxy.core.policy.faults import Fault, closest, suggestion, ticked, wrong_type
from proxy.core.policy.formats import KINDS, AnyDocument
from proxy.core.policy.located import Document, Path, Problem, dotted, shown
from proxy.core.policy.model import (
    AccessPolicy,
    Enforcement,
    Metadata,
    Model,
    Statement,
    fields,
    model_at,
    parts,
)
from proxy.core.policy.origins import Origin
from proxy.core.policy.rules import Effect, Rule
from proxy.core.policy.subjects import Entry, PolicySet
from proxy.core.policy.testmodel import Placed, PolicyTest

_WRITE_KIND = "write " + ticked((f"kind: {kind}" for kind in KINDS), " or ")
# What kubectl prints of objects, and people copy.
_OF_OBJECTS = frozenset(
    (
        *("creationTimestamp", "finalizers", "generation", "labels", "managedFields"),
        *("namespace", "ownerReferences", "resourceVersion", "selfLink", "uid"),
    )
)


@dataclass(frozen=True, slots=True)
class Read:
    """What good documents say: the rules, and the tests of them, in the order of the files."""

    policies: PolicySet
    tests: tuple[Placed, ...] = ()


class Given(NamedTuple):
    """A mapping of a document as it is written, and the model that it is to be read by."""

    path: Path
    model: type[Model]
    tree: Mapping[str, object]


def parse(documents: Iterable[Document]) -> PolicySet | tuple[Problem, ...]:
    """The rules that documents say, all or none; or every problem, as `read` finds them."""
    found = read(documents)
    return found.policies if isinstance(found, Read) else found


def read(documents: Iterable[Document]) -> Read | tuple[Problem, ...]:
    """Read documents, all or none.

    Returns:
        What they say; or every problem of every document, in the order of the files.
    """
    entries: list[Entry] = []
    tests: list[Placed] = []
    problems: list[Problem] = []
    names: dict[tuple[str, str], str] = {}
    tested: Document | None = None
    for document in documents:
        match _read(document):
            case AccessPolicy() as policy:
                entries += _compile(document, policy)
            case PolicyTest() as test:
                tests += _placed(document, test)
                tested = document
            case [*faults]:
                problems += faults
            case never:
                assert_never(never)
        problems += _doubled(document, names)
    if tested is not None and not entries and not problems:
        # Whoever forgets a file has to know: without a rule, everybody is locked out.
        hint = "give the policies, too"
        fault = Fault("tests policies, and there are none", hint, Code.CONTRADICTION)
        problems.append(_problem(tested, ("kind",), fault))
    return tuple(problems) if problems else Read(PolicySet(entries), tuple(tests))


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


def _placed(document: Document, test: PolicyTest) -> Iterator[Placed]:
    for number, trial in enumerate(test.spec.tests):
        path = ("spec", "tests", number)
        line = document.layout.value(path).line
        yield Placed(Origin(document.file, test.metadata.name, dotted(path), line), trial)


def _doubled(document: Document, names: dict[tuple[str, str], str]) -> Iterator[Problem]:
    """A name that an earlier document of its kind has; `names` says which one."""
    kind, name = document.kind, document.name
    if kind is None or name is None:
        return
    path = ("metadata", "name")
    if earlier := names.get((kind, name)):
        message = f"{shown(name)} is the name of {earlier}"
        yield _problem(document, path, Fault(message, "choose another", Code.DUPLICATE_NAME))
    else:
        names[kind, name] = f"{document.file}:{document.layout.value(path).line}"


def _read(document: Document) -> AnyDocument | list[Problem]:
    tree = document.tree
    if not isinstance(tree, dict):
        return [_problem(document, (), wrong_type("model_type", tree))]
    kind = tree.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        # Nothing else that could be said about another kind would help.
        return [_problem(document, ("kind",), _not_ours(tree))]
    model = KINDS[kind]
    problems = [_problem(document, *found) for found in _contradictions(model, tree)]
    try:
        read = model.model_validate(tree)
    except ValidationError as exc:
        errors = [e for e in exc.errors(include_url=False) if not _is_misspelt(model, e)]
        problems += [_explain(document, model, error) for error in errors]
    else:
        if not problems:
            return read
    return sorted(problems, key=lambda problem: problem.position)


def _not_ours(tree: Mapping[str, Any]) -> Fault:
    match tree:
        case {"kind": str(kind)}:
            meant = closest(kind, KINDS)
            hint = f"did you mean `kind: {meant}`?" if meant else _WRITE_KIND
            return Fault(f"unknown kind {shown(kind)}", hint, Code.UNKNOWN_VALUE)
        case {"kind": other}:
            return wrong_type("string_type", other)
    return Fault("is missing", _WRITE_KIND, Code.MISSING_FIELD)


def _contradictions(
    document: type[Model], tree: Mapping[str, object]
) -> Iterator[tuple[Path, Fault]]:
    """What is wrong with which fields are there, whether or not their values are right."""
    for path, model, given in _parts(document, tree):
        yield from ((path, fault) for fault in model.contradictions(_meant(model, given)))


def _parts(model: type[Model], tree: object, path: Path = ()) -> Iterator[Given]:
    """Each mapping that stands where the document has one of its own."""
    if not isinstance(tree, dict):
        return
    yield Given(path, model, tree)
    for name, part in parts(model).items():
        inside = tree.get(name)
        if not part.listed:
            yield from _parts(part.model, inside, (*path, name))
        for number, item in enumerate(inside if part.listed and isinstance(inside, list) else ()):
            yield from _parts(part.model, item, (*path, name, number))


def _meant(model: type[Model], given: Iterable[str]) -> set[str]:
    """The fields that are given, misspelt ones included: those are a problem of their own."""
    known = fields(model)
    return {name if name in known else closest(name, known) or name for name in given}


def _is_misspelt(document: type[Model], error: ErrorDetails) -> bool:
    """Whether a field is missing only because it goes by a wrong name."""
    *parent, name = error["loc"]
    if error["type"] != "missing":
        return False
    return name in _meant(model_at(document, tuple(parent)), error["input"])


def _explain(document: Document, model: type[Model], error: ErrorDetails) -> Problem:
    """Say in words of ours what pydantic found."""
    path = error["loc"]
    match error["type"]:
        case "fault":
            context = error["ctx"]
            return _problem(document, path, Fault(**context))
        case "extra_forbidden":
            *parent, name = path
            hint = _instead(str(name), model_at(model, tuple(parent)))
            fault = Fault(f"unknown field {shown(str(name))}", hint, Code.UNKNOWN_FIELD)
            position = document.layout.key(path)
            return Problem(document.file, position, dotted(parent), *fault)
        case "missing":
            fault = Fault("is missing", f"add `{path[-1]}: ...`", Code.MISSING_FIELD)
            return _problem(document, path, fault)
        case other:
            return _problem(document, path, wrong_type(other, error["input"]))


def _instead(name: str, model: type[Model]) -> str:
    """What to do about a field that a mapping does not have."""
    for field, part in parts(model).items():
        if name in fields(part.model):
            return f"it is a field of `{field}`, check the indentation"
    if (model is Metadata and name in _OF_OBJECTS) or (
        model in KINDS.values() and name == "status"
    ):
        return "leave it out, policies are in no cluster"
    return suggestion(name, fields(model))


def _problem(document: Document, path: Path, fault: Fault) -> Problem:
    return Problem(document.file, document.layout.value(path), dotted(path), *fault)
