"""What is granted: policy documents, read strictly and compiled into rules.

Reading finds every problem at once. What was read is held in indexes, so that
asking costs the same however many rules concern somebody else, and cannot fail.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import StrEnum
from functools import cache, cached_property
from typing import Annotated, Any, Final, NamedTuple, Protocol, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
)
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict
from pydantic.json_schema import GenerateJsonSchema, SkipJsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_core.core_schema import WithDefaultSchema

from proxy.core.attributes import HOSTCLAIMS, SECRETS, SERVED, Verb, is_name, is_namespace
from proxy.core.identity import Identity

Permission = tuple[str, Verb]
"""The plural of a resource and what may be done with it."""


class Effect(StrEnum):
    """What a rule does where it matches. A denial wins over any number of grants."""

    ALLOW = "allow"
    DENY = "deny"


class Role(StrEnum):
    """A set of permissions with a name."""

    VIEWER = "viewer"
    EDITOR = "editor"


_READ = (Verb.GET, Verb.LIST, Verb.WATCH)
_WRITE = (Verb.CREATE, Verb.UPDATE, Verb.PATCH, Verb.DELETE)


def _product(plurals: Iterable[str], verbs: Collection[Verb]) -> frozenset[Permission]:
    return frozenset((plural, verb) for plural in plurals for verb in verbs)


# As with Kubernetes' ClusterRole `view`, who may only look sees no secrets. Unlike
# its `edit`, no role deletes whole collections: that is granted by name.
ROLES: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.VIEWER: _product((HOSTCLAIMS.plural,), _READ),
    Role.EDITOR: _product((HOSTCLAIMS.plural, SECRETS.plural), _READ + _WRITE),
}
_PLURALS: Final = tuple(resource.plural for resource in SERVED)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a rule was written: shown in audit records and refusals' details.

    `document` is its `metadata.name`; `path` is the field in it, such as
    `spec.allow[0]`; `line` counts from 1.
    """

    file: str
    document: str
    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.document} {self.path}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One grant or denial: these permissions in these namespaces.

    A namespace is an exact name, a prefix such as `blue-*`, or `*`.
    """

    origin: Origin
    effect: Effect
    permissions: frozenset[Permission]
    # A claim may list thousands; a rule is told from others by its origin.
    namespaces: tuple[str, ...] = field(hash=False)


class RuleSet:
    """The rules that concern one identity. Asking cannot fail, and no rule means no."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._index: dict[Effect, dict[str, list[Rule]]] = {effect: {} for effect in Effect}
        for rule in rules:
            index = self._index[rule.effect]
            for pattern in rule.namespaces:
                kept = index.setdefault(pattern, [])
                # INVARIANT: each rule kept adds a permission to those before it, so
                # there are at most as many as there are permissions, and a lookup
                # costs the same however many rules name one namespace.
                if not kept or not rule.permissions <= _union(kept):
                    kept.append(rule)

    def matching(self, effect: Effect, resource: str, verb: Verb, namespace: str) -> Rule | None:
        """A rule with this effect on the request: the one with the closest pattern.

        `resource` is a plural. Whoever decides asks for a denial first.
        """
        index = self._index[effect]
        for pattern in _covering(namespace):
            for rule in index.get(pattern, ()):
                if (resource, verb) in rule.permissions:
                    return rule
        return None

    def permissions(self, namespace: str) -> frozenset[Permission]:
        """All that may be done in a namespace, denials taken off."""
        return self._reach(Effect.ALLOW, namespace) - self._reach(Effect.DENY, namespace)

    def namespaces(self) -> tuple[str, ...]:
        """Names and patterns of namespaces in which anything is allowed, sorted."""
        return self._namespaces

    @cached_property
    def _namespaces(self) -> tuple[str, ...]:
        patterns = sorted(self._index[Effect.ALLOW])
        if not self._index[Effect.DENY]:
            return tuple(patterns)
        return tuple(pattern for pattern in patterns if self.permissions(pattern))

    def _reach(self, effect: Effect, pattern: str) -> frozenset[Permission]:
        """The permissions of all rules that hold in the whole of a pattern."""
        index = self._index[effect]
        return _union(rule for wider in _covering(pattern) for rule in index.get(wider, ()))


def _union(rules: Iterable[Rule]) -> frozenset[Permission]:
    return frozenset[Permission]().union(*(rule.permissions for rule in rules))


def _covering(namespace: str) -> Iterator[str]:
    """Every pattern that covers a name or a pattern, the closest first.

    A prefix ends with `-`, so there are no more of them than dashes.
    """
    yield namespace
    dash = namespace.rfind("-")
    while dash > 0:
        yield f"{namespace[: dash + 1]}*"
        dash = namespace.rfind("-", 0, dash)
    yield "*"


class SubjectKind(StrEnum):
    """How a document may name somebody; the value is the field's name on the wire."""

    GROUP = "group"
    USER = "user"
    CLIENT = "client"
    SERVICE_ACCOUNT = "serviceAccount"
    EVERYONE = "everyone"


@dataclass(frozen=True, slots=True)
class _Subject:
    """Somebody of an issuer; the value is empty for everyone of it."""

    issuer: str
    kind: SubjectKind
    value: str


@dataclass(frozen=True, slots=True)
class _Entry:
    """A rule and whom it concerns.

    With a `claim`, it holds in the namespaces that the claim of a token names,
    as far as `rule.namespaces`, where there are any, cover them.
    """

    subjects: tuple[_Subject, ...]
    rule: Rule
    claim: str = ""

    def rule_for(self, identity: Identity) -> Rule:
        if not self.claim:
            return self.rule
        bounds = frozenset(self.rule.namespaces or ("*",))
        names = tuple(
            name
            for name in identity.claims.get(self.claim, ())
            if _may_be_claimed(name) and any(pattern in bounds for pattern in _covering(name))
        )
        return replace(self.rule, namespaces=names)


def _may_be_claimed(name: str) -> bool:
    """An exact name, and none of the cluster's own namespaces.

    A token's patterns mean nothing: the IAM must not grant more than it can list.
    """
    return is_namespace(name) and not name.startswith("kube-")


class PolicySet:
    """All rules of all documents, indexed by whom they concern. Immutable."""

    def __init__(self, entries: Iterable[_Entry] = ()) -> None:
        self._entries = tuple(entries)
        self._index: dict[tuple[str, SubjectKind], dict[str, list[int]]] = {}
        for number, entry in enumerate(self._entries):
            for subject in entry.subjects:
                values = self._index.setdefault((subject.issuer, subject.kind), {})
                values.setdefault(subject.value, []).append(number)

    def __len__(self) -> int:
        """The number of rules."""
        return len(self._entries)

    def rules_for(self, identity: Identity) -> RuleSet:
        """The rules that concern an identity, in the order of the documents."""
        found: set[int] = set()
        for kind, values in _names(identity).items():
            index = self._index.get((identity.issuer, kind), {})
            for value in values:
                found.update(index.get(value, ()))
        return RuleSet(self._entries[number].rule_for(identity) for number in sorted(found))


def _names(identity: Identity) -> dict[SubjectKind, tuple[str, ...]]:
    """What a document may call an identity.

    INVARIANT: an attribute that a token lacks is empty, and no document names that.
    """
    return {
        SubjectKind.GROUP: identity.groups,
        SubjectKind.USER: (identity.username,),
        SubjectKind.CLIENT: (identity.client,),
        SubjectKind.SERVICE_ACCOUNT: (identity.service_account,),
        SubjectKind.EVERYONE: ("",),
    }


# What an admin writes: the document, and what can be wrong with it.

API_VERSION: Final = "hostclaim-proxy.metal3.io/v1alpha1"
KIND: Final = "AccessPolicy"
_SHOWN: Final = 80
_LONGEST: Final = 1024
_PATTERN: Final = re.compile(
    # An RFC 1123 label; the beginning of one, up to a dash; anything.
    r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?|[a-z0-9][-a-z0-9]{0,60}-\*|\*"
)

_T = TypeVar("_T")
Path = tuple[str | int, ...]
"""The way from the top of a document to a piece of it: `("spec", "allow", 0)`."""


class Position(NamedTuple):
    """A place in a file; both count from 1."""

    line: int
    column: int


class Layout(Protocol):
    """Where the pieces of a document stand in its file.

    A path that leads to nothing yields the place of its last piece that is there.
    """

    def key(self, path: Path) -> Position:
        """Where the name of a field begins."""
        ...

    def value(self, path: Path) -> Position:
        """Where a value begins."""
        ...


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file, unread: dicts with string keys, lists and scalars."""

    file: str
    tree: object
    layout: Layout


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file.

    `field` is a path such as `spec.allow[0].role`, empty for the whole file;
    `hint` says what would be right.
    """

    file: str
    position: Position
    field: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.position.line}:{self.position.column}"
        fault = ", ".join(filter(None, (self.message, self.hint)))
        return ": ".join(filter(None, (place, self.field, fault)))


class _Fault(NamedTuple):
    message: str
    hint: str


def _error(message: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError("fault", "{message}", _Fault(message, hint)._asdict())


def _check_text(value: str) -> str:
    if value != value.strip() or not value.isprintable() or not 0 < len(value) <= _LONGEST:
        hint = f"use 1 to {_LONGEST} printable characters, no blanks around them"
        raise _error(f"{shown(value)} is in no token", hint)
    if value.startswith("system:"):
        hint = "a service account is written `serviceAccount: NAMESPACE/NAME`"
        raise _error(f"{shown(value)} begins with `system:`, which no token may claim", hint)
    return value


def _check_name(value: str) -> str:
    if not is_name(value):
        hint = "use lower-case letters, digits, `-` and `.`, a letter or digit first and last"
        raise _error(f"{shown(value)} is not a name of RFC 1123", hint)
    return value


def _check_service_account(value: str) -> str:
    namespace, _, name = value.partition("/")
    if not is_namespace(namespace) or not is_name(name):
        raise _error(f"{shown(value)} is no service account", "write NAMESPACE/NAME")
    return value


def _check_pattern(value: str) -> str:
    if _PATTERN.fullmatch(value):
        return value
    hint = "use a name of RFC 1123, a beginning such as `blue-*`, or `*`"
    dashed = f"{value.removesuffix('*')}-*"
    if value.endswith("*") and _PATTERN.fullmatch(dashed):
        # `blue*` would let blue into `blueberry`.
        hint = f"did you mean `{dashed}`?"
    elif _PATTERN.fullmatch(value.lower()):
        hint = f"did you mean `{value.lower()}`?"
    raise _error(f"{shown(value)} matches no namespace", hint)


def _check_some(value: tuple[_T, ...]) -> tuple[_T, ...]:
    if not value:
        raise _error("is empty", "give it an item")
    return value


def _check_true(value: bool) -> bool:  # noqa: FBT001 - pydantic calls it with the value
    if not value:
        raise _error("is `false`", "leave the field out, or write `true`")
    return value


def _one_of(what: str, choices: Iterable[str]) -> BeforeValidator:
    known = {str(choice): choice for choice in choices}

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise _error(*_wrong_type("string_type", value))
        if value not in known:
            raise _error(f"unknown {what} {shown(value)}", _suggestion(value, known))
        return known[value]

    return BeforeValidator(check)


def _schema(**extra: Any) -> Any:
    """What a check of ours means in the words of JSON Schema."""
    return Field(json_schema_extra=extra)


_Text = Annotated[
    str,
    AfterValidator(_check_text),
    _schema(maxLength=_LONGEST, pattern=r"^(?!system:)\S(.*\S)?$"),
]
_Name = Annotated[
    str,
    AfterValidator(_check_name),
    _schema(
        maxLength=253, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
    ),
]
_ServiceAccount = Annotated[
    str, AfterValidator(_check_service_account), _schema(pattern="^[^/]+/[^/]+$")
]
_Namespace = Annotated[
    str, AfterValidator(_check_pattern), _schema(pattern=f"^({_PATTERN.pattern})$")
]
_Role = Annotated[Role | SkipJsonSchema[None], _one_of("role", Role)]
_Plural = Annotated[str, _one_of("resource", _PLURALS), _schema(enum=[*_PLURALS])]
_Verb = Annotated[Verb, _one_of("verb", Verb)]
_True = Annotated[bool, AfterValidator(_check_true), _schema(const=True)]

# The tree has a list where a frozen model has a tuple; nothing else is read loosely.
_List = Annotated[
    tuple[_T, ...], Strict(strict=False), AfterValidator(_check_some), _schema(minItems=1)
]


class _Model(BaseModel):
    """A mapping of a document. Optional fields are empty where they are left out."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
    )

    @classmethod
    def contradictions(cls, given: Collection[str]) -> Iterator[_Fault]:  # noqa: ARG003 - a default
        """What is wrong with these fields being given together, whatever their values."""
        yield from ()


class Subject(_Model):
    """Somebody: an issuer, and one of the other fields."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [kind.value]} for kind in SubjectKind]}
    )

    issuer: _Text
    """The issuer's name in the configuration of the proxy."""
    group: _Text = ""
    """A group in the token, exactly; Keycloak's are paths such as `/tenants/blue`."""
    user: _Text = ""
    """A username."""
    client: _Text = ""
    """The OAuth client that a token was issued to."""
    service_account: _ServiceAccount = ""
    """NAMESPACE/NAME of a service account; its issuer is a management cluster."""
    everyone: _True = False
    """Everyone of the issuer."""

    @classmethod
    def contradictions(cls, given: Collection[str]) -> Iterator[_Fault]:
        """There is one name for somebody."""
        kinds = [kind for kind in SubjectKind if kind in given]
        if len(kinds) != 1:
            message = f"has {_ticked(kinds, ' and ')}" if kinds else "names nobody"
            yield _Fault(message, f"give one of {_ticked(SubjectKind, ', ')}")

    def compiled(self) -> _Subject:
        """What the index knows it by."""
        [name] = self.model_fields_set - {"issuer"}
        kind = SubjectKind(to_camel(name))
        value = "" if kind is SubjectKind.EVERYONE else getattr(self, name)
        return _Subject(self.issuer, kind, value)


_ROLE_ALONE: Final[JsonDict] = {
    "not": {"required": ["role"], "anyOf": [{"required": ["resources"]}, {"required": ["verbs"]}]}
}


class _Statement(_Model):
    """Permissions in namespaces: a role, or resources and verbs. What is left out adds nothing."""

    namespaces: _List[_Namespace] = ()
    """Exact names, beginnings such as `blue-*`, or `*`."""
    role: _Role = None
    """A set of permissions: `viewer` reads hostclaims, `editor` writes them and secrets."""
    resources: _List[_Plural] = ()
    """Instead of a role."""
    verbs: _List[_Verb] = ()
    """Instead of a role. `deletecollection` is in none, it is given by name."""

    @classmethod
    def contradictions(cls, given: Collection[str]) -> Iterator[_Fault]:
        """A role says it all."""
        explicit = [name for name in ("resources", "verbs") if name in given]
        if "role" in given and explicit:
            message = f"has `role` and {_ticked(explicit, ' and ')}"
            yield _Fault(message, "give a role, or resources and verbs")

    def permissions(self) -> frozenset[Permission]:
        """What the statement is about."""
        return ROLES[self.role] if self.role else _product(self.resources, self.verbs)


class Grant(_Statement):
    """What the subjects may do, and in which namespaces."""

    model_config = ConfigDict(
        json_schema_extra={
            **_ROLE_ALONE,
            "allOf": [
                {"anyOf": [{"required": ["namespaces"]}, {"required": ["namespacesFromClaim"]}]},
                {"anyOf": [{"required": ["role"]}, {"required": ["resources", "verbs"]}]},
            ],
        }
    )

    namespaces_from_claim: _Text = ""
    """A claim of the token that lists names of namespaces; `namespaces` bound it."""

    @classmethod
    def contradictions(cls, given: Collection[str]) -> Iterator[_Fault]:
        """It says what is granted, and where."""
        yield from super().contradictions(given)
        if not {"namespaces", "namespacesFromClaim"}.intersection(given):
            yield _Fault("names no namespace", "give `namespaces` or `namespacesFromClaim`")
        if "role" not in given and not {"resources", "verbs"}.issubset(given):
            yield _Fault("grants nothing", "give a role, or resources and verbs")


class Denial(_Statement):
    """What the subjects may not do, whoever grants it.

    Its namespaces never come from a claim: a token without the claim would lift it.
    """

    model_config = ConfigDict(json_schema_extra=_ROLE_ALONE)

    namespaces: _List[_Namespace]
    """Exact names, beginnings such as `blue-*`, or `*`."""
    resources: _List[_Plural] = _PLURALS
    """Only these resources. All, where left out."""
    verbs: _List[_Verb] = tuple(Verb)
    """Only these verbs. All, where left out."""


class Spec(_Model):
    """Who may and may not do what."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["allow"]}, {"required": ["deny"]}]}
    )

    subjects: _List[Subject]
    """Whom the document concerns: everyone whom one of them fits."""
    allow: _List[Grant] = ()
    """What they may do. What no document grants is refused."""
    deny: _List[Denial] = ()
    """What they may not do, even where this or another document grants it."""

    @classmethod
    def contradictions(cls, given: Collection[str]) -> Iterator[_Fault]:
        """It grants or denies."""
        if not {"allow", "deny"}.intersection(given):
            yield _Fault("neither grants nor denies anything", "give `allow` or `deny`")


class Metadata(_Model):
    """What the document is called."""

    name: _Name
    """Unique over all files; audit records and refusals name it."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Notes for people and tools. The proxy reads none of them."""


class AccessPolicy(_Model):
    """Who may do what with HostClaims and their secrets, and in which namespaces."""

    api_version: Annotated[str, _one_of("version", [API_VERSION]), _schema(const=API_VERSION)]
    """The version of this format."""
    kind: Annotated[str, _schema(const=KIND)]
    """What the document is."""
    metadata: Metadata
    spec: Spec


_MODELS: Final[Mapping[Path, type[_Model]]] = {
    (): AccessPolicy,
    ("metadata",): Metadata,
    ("spec",): Spec,
    ("spec", "subjects"): Subject,
    ("spec", "allow"): Grant,
    ("spec", "deny"): Denial,
}


def _model_at(path: Path) -> type[_Model]:
    return _MODELS[tuple(step for step in path if isinstance(step, str))]


@cache
def _fields(model: type[_Model]) -> tuple[str, ...]:
    """The fields of a mapping as a document spells them."""
    return tuple(to_camel(name) for name in model.model_fields)


def schema() -> dict[str, Any]:
    """The JSON Schema of a document, for editors."""
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **AccessPolicy.model_json_schema(schema_generator=_GenerateSchema),
    }


class _GenerateSchema(GenerateJsonSchema):
    """Without titles and defaults, which say nothing that is not there already."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - as inherited
        return False

    def default_schema(self, schema: WithDefaultSchema) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])


def parse(documents: Iterable[Document]) -> PolicySet | tuple[Problem, ...]:
    """Read documents, all or none.

    Returns:
        The rules; or every problem of every document, in the order of the files.
    """
    entries: list[_Entry] = []
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


def _compile(document: Document, policy: AccessPolicy) -> Iterator[_Entry]:
    subjects = tuple(subject.compiled() for subject in policy.spec.subjects)
    for number, grant in enumerate(policy.spec.allow):
        rule = _rule(document, policy.metadata.name, Effect.ALLOW, number, grant)
        yield _Entry(subjects, rule, grant.namespaces_from_claim)
    for number, denial in enumerate(policy.spec.deny):
        rule = _rule(document, policy.metadata.name, Effect.DENY, number, denial)
        yield _Entry(subjects, rule)


def _rule(
    document: Document, name: str, effect: Effect, number: int, statement: _Statement
) -> Rule:
    path = ("spec", effect.value, number)
    origin = Origin(document.file, name, dotted(path), document.layout.value(path).line)
    return Rule(origin, effect, statement.permissions(), statement.namespaces)


def _doubled(document: Document, names: dict[str, str]) -> Iterator[Problem]:
    """A name that an earlier document has; `names` says which one."""
    match document.tree:
        case {"metadata": {"name": str(name)}}:
            path = ("metadata", "name")
            if name in names:
                fault = _Fault(f"{shown(name)} is the name of {names[name]}", "choose another")
                yield _problem(document, path, fault)
            else:
                names[name] = f"{document.file}:{document.layout.value(path).line}"


def _read(document: Document) -> AccessPolicy | list[Problem]:
    tree = document.tree
    if not isinstance(tree, dict):
        return [_problem(document, (), _wrong_type("model_type", tree))]
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


def _not_ours(tree: Mapping[str, Any]) -> _Fault:
    match tree:
        case {"kind": str(kind)}:
            return _Fault(f"unknown kind {shown(kind)}", f"write `kind: {KIND}`")
        case {"kind": other}:
            return _wrong_type("string_type", other)
    return _Fault("is missing", f"write `kind: {KIND}`")


def _contradictions(tree: Mapping[str, Any]) -> Iterator[tuple[Path, _Fault]]:
    """What is wrong with which fields are there, whether or not their values are right."""
    for path, part in _parts(tree):
        if isinstance(part, dict):
            model = _model_at(path)
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


def _meant(model: type[_Model], given: Iterable[str]) -> set[str]:
    """The fields that are given, misspelt ones included: those are a problem of their own."""
    fields = _fields(model)
    return {name if name in fields else _closest(name, fields) or name for name in given}


def _is_misspelt(error: ErrorDetails) -> bool:
    """Whether a field is missing only because it goes by a wrong name."""
    *parent, name = error["loc"]
    return error["type"] == "missing" and name in _meant(_model_at(tuple(parent)), error["input"])


def _explain(document: Document, error: ErrorDetails) -> Problem:
    """Say in words of ours what pydantic found."""
    path = error["loc"]
    match error["type"]:
        case "fault":
            context = error["ctx"]
            return _problem(document, path, _Fault(context["message"], context["hint"]))
        case "extra_forbidden":
            *parent, name = path
            fault = _Fault(
                f"unknown field {shown(str(name))}",
                _suggestion(str(name), _fields(_model_at(tuple(parent)))),
            )
            position = document.layout.key(path)
            return Problem(document.file, position, dotted(parent), *fault)
        case "missing":
            return _problem(document, path, _Fault("is missing", f"add `{path[-1]}: ...`"))
        case wrong_type:
            return _problem(document, path, _wrong_type(wrong_type, error["input"]))


def _problem(document: Document, path: Path, fault: _Fault) -> Problem:
    return Problem(document.file, document.layout.value(path), dotted(path), *fault)


_WANTED: Final = {
    "string_type": ("a string", "put it in quotes"),
    "bool_type": ("`true`", "write `true`"),
    "tuple_type": ("a list", "write `[...]`, or lines that begin with `- `"),
    "model_type": ("a mapping", "write lines of `field: value`"),
    "dict_type": ("a mapping", "write lines of `field: value`"),
}


def _wrong_type(error_type: str, value: object) -> _Fault:
    wanted, hint = _WANTED[error_type]
    match value:
        case None:
            return _Fault("has no value", f"give it {wanted}")
        case str():
            found = "a string"
        case bool() | int() | float():
            found = shown(str(value).lower())
        case _:
            found = "a list" if isinstance(value, list) else "a mapping"
            hint = "write a single one" if error_type == "string_type" else hint
    return _Fault(f"is {found}, not {wanted}", hint)


def _suggestion(word: str, choices: Iterable[str]) -> str:
    choices = list(choices)
    close = _closest(word, choices)
    return f"did you mean `{close}`?" if close else f"use {_ticked(choices, ' or ')}"


def _closest(word: str, choices: Iterable[str]) -> str | None:
    """What somebody who wrote `word` most likely meant."""
    by_lower = {choice.lower(): choice for choice in choices}
    close = get_close_matches(word[:_SHOWN].lower(), by_lower, n=1)
    return by_lower[close[0]] if close else None


def _ticked(words: Iterable[str], joint: str) -> str:
    return joint.join(f"`{word}`" for word in words)


def shown(text: str) -> str:
    """A piece of a file as messages quote it."""
    return f"`{_plain(text)}`"


def _plain(text: str) -> str:
    """Fit for a terminal and one line: escaped, and cut where it is long."""
    escaped = text if text.isprintable() else repr(text)[1:-1]
    return escaped if len(escaped) <= _SHOWN else f"{escaped[:_SHOWN]}..."


def dotted(path: Iterable[str | int]) -> str:
    """A path as messages write it: `spec.allow[0].role`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{_plain(step)}" for step in path)
    return "".join(steps).removeprefix(".")
