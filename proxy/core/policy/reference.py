"""What may be written: the reference of policy files, read off the models.

A field, a check or a role that changes is told here as it is, or the page in the
documentation is no longer the one that is made.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from textwrap import fill
from typing import Any, Final

from pydantic import TypeAdapter

from proxy.core.attributes import OPT_IN, SERVED, Verb
from proxy.core.policy import testmodel, values
from proxy.core.policy.faults import ticked
from proxy.core.policy.formats import KINDS, schema
from proxy.core.policy.model import Model, fields, parts
from proxy.core.policy.rules import ROLES

_WIDTH: Final = 100
_TELLING: Final = ("const", "enum", "maxLength", "minimum", "minLength", "pattern", "type")
_INTRODUCTION: Final = """\
# Reference of policy files

Made by `hostclaim-proxy policy reference` from the code that reads the files, so it says what is
read, and nothing else is. [Policy files](policies.md) says how to check and test them.

A file has one or more documents, each of one of the kinds below. Nothing is read loosely: no
unknown field, no value of another type, no anchors, tags or duplicate keys of YAML. Text that could
be read as a number or a date stands in quotes.
"""


_VALUES: Final[Mapping[str, tuple[Any, str]]] = {
    "text": (values.Text, "Something that a token says, compared as it is. No blanks around it."),
    "claim": (
        values.Claim,
        "The name of a claim of a token; a dot leads into an object, and one of a name is `\\.`.",
    ),
    "name": (values.Name, "The name of an object, an RFC 1123 subdomain."),
    "account": (values.ServiceAccount, "A service account, by its namespace and its name."),
    "pattern": (
        values.Namespace,
        "The exact name of a namespace, a beginning of names up to a dash, or `*` for all.",
    ),
    "namespace": (testmodel.NamespaceName, "The exact name of a namespace."),
    "verb": (values.Verb, "What is done with a resource."),
    "resource": (values.Plural, "The plural of what there is."),
    "label": (values.Label, "The value of a label."),
    "prefix": (values.ImagePrefix, "The beginning of a URL, which ends with `/`."),
    "count": (values.Count, "A number of objects."),
    "rule": (testmodel.RulePath, "The place of a rule in its document."),
    "words": (testmodel.Words, "A line for people."),
}
"""Values of more than one field or with more to say than fits there, each by its type."""


def page() -> str:
    """The reference, in Markdown."""
    definitions = schema()["$defs"]
    sections = [_INTRODUCTION]
    for kind, model in KINDS.items():
        sections += _sections(kind, model, definitions)
    sections += [_values(), _resources(), _roles()]
    return "\n".join(sections)


@cache
def _named() -> Mapping[str, str]:
    """The names of values, by what JSON Schema says of them."""
    return {_key(_schema_of(kind)): name for name, (kind, _) in _VALUES.items()}


def _schema_of(kind: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = TypeAdapter(kind).json_schema()
    return found


def _key(field: Mapping[str, Any]) -> str:
    """What tells one kind of value from another, whatever it is good for in a field."""
    return json.dumps({k: v for k, v in field.items() if k in _TELLING}, sort_keys=True)


def _values() -> str:
    items = []
    for name, (kind, meaning) in _VALUES.items():
        items.append(f"### {name}\n\n{_wrapped(f'{meaning} It is {_sentence(kind)}.')}\n")
    return "\n".join(["## Values\n", *items])


def _sentence(kind: Any) -> str:
    holds = ", ".join(_plainly(_schema_of(kind)))
    holds = holds.replace("string, at most", "string of at most").replace(", that", " that")
    return holds if holds.startswith("`") else f"a {holds}".replace("a integer", "an integer")


def _sections(kind: str, document: type[Model], definitions: Mapping[str, Any]) -> Iterator[str]:
    for path, model in _mappings(document):
        heading = f"### {kind} {path}" if path else f"## {kind}"
        definition = definitions[model.__name__]
        inside = parts(model)
        items = []
        for name in fields(model):
            field = definition["properties"][name]
            holds = [*_holds(field, definitions)]
            if name in inside:
                below = ".".join(filter(None, (path, name)))
                holds = [_linked(f"{kind} {below}", listed=inside[name].listed)]
            if name in definition.get("required", ()):
                holds.append("required")
            said = f"`{name}` ({', '.join(holds)}): {field.get('description', '')}"
            items.append(_wrapped(f"- {said.removesuffix(': ')}{_default(model, name)}", "  "))
        yield "\n".join([f"{heading}\n", _wrapped(definition["description"]), "", *items, ""])


def _mappings(model: type[Model], path: str = "") -> Iterator[tuple[str, type[Model]]]:
    """Each mapping of a document's own, with the way to it."""
    yield path, model
    for name, part in parts(model).items():
        yield from _mappings(part.model, ".".join(filter(None, (path, name))))


def _linked(heading: str, *, listed: bool) -> str:
    """A link to the section of a mapping, by its heading as GitHub writes anchors."""
    anchor = heading.lower().replace(" ", "-").replace(".", "")
    return f"{'list of one or more: ' if listed else ''}[mapping](#{anchor})"


def _holds(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[str]:
    """What a field holds: its type, and within which bounds."""
    match field:
        case {"$ref": str(reference)}:
            yield from _holds(definitions[reference.rpartition("/")[2]], definitions)
        case _ if name := _named().get(_key(field)):
            yield f"[{name}](#{name})"
        case {"type": "array", "items": items}:
            first, *more = _holds(items, definitions)
            yield f"list of one or more: {first}"
            yield from more
        case {"type": "object", "additionalProperties": dict(found)}:
            yield from _of_any_name(found, definitions)
        case {"type": "object", "patternProperties": dict(patterns)}:
            [found] = patterns.values()
            yield from _of_any_name(found, definitions)
        case {"type": "object"}:
            yield "mapping"
        case _:
            yield from _plainly(field)


def _of_any_name(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[str]:
    first, *more = _holds(field, definitions)
    yield f"mapping of any names to: {first}"
    yield from more


def _plainly(field: Mapping[str, Any]) -> Iterator[str]:
    """A value in words, without a name of its own."""
    match field:
        case {"const": True}:
            yield "`true`"
        case {"const": const}:
            yield f"`{const}`"
        case {"enum": [*words]}:
            yield ticked(words, " or ")
        case _:
            yield str(field["type"])
    if "minimum" in field:
        yield f"{field['minimum']} or more"
    if "maxLength" in field:
        yield f"at most {field['maxLength']} characters"
    if "pattern" in field:
        yield f"that matches `{field['pattern']}`"


def _default(model: type[Model], name: str) -> str:
    """What counts where a field is left out, unless that is nothing."""
    [field] = [found for found in model.model_fields.values() if found.alias == name]
    match field.default:
        case tuple() as several if several:
            return f" Default: {ticked(several, ', ')}."
        case str() as one if one:
            return f" Default: `{one}`."
    return ""


def _resources() -> str:
    rows = [
        f"| `{resource.plural}` | `{resource.api_version}` | {_verbs(resource.verbs)} |"
        for resource in (*SERVED, *OPT_IN)
    ]
    head = "| resource | version | verbs |\n|---|---|---|"
    return "\n".join(["## Resources\n", head, *rows, ""])


def _roles() -> str:
    rows = [
        f"| `{role}` | `{plural}` | {_verbs({verb for on, verb in permissions if on == plural})} |"
        for role, permissions in ROLES.items()
        for plural in dict.fromkeys(sorted(on for on, _ in permissions))
    ]
    return "\n".join(["## Roles\n", "| role | resource | verbs |\n|---|---|---|", *rows, ""])


def _verbs(verbs: frozenset[Verb] | set[Verb]) -> str:
    return ticked((verb for verb in Verb if verb in verbs), " ")


def _wrapped(text: str, indent: str = "") -> str:
    """A paragraph; a docstring's lines are not those of the page."""
    text = " ".join(text.split())
    return fill(
        text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
