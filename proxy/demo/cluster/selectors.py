"""Which objects are meant: label and field selectors.

The grammar of `k8s.io/apimachinery/pkg/labels` and `.../fields`. A selector that does not
parse is a 400; a parsed one never fails.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from proxy.demo.cluster.objects import Object, dotted, labels_of
from proxy.demo.cluster.status import bad_request
from proxy.demo.cluster.validation import QUALIFIED_TOLD, VALUE_TOLD

if TYPE_CHECKING:
    from proxy.demo.cluster.resources import Resource

_TOKEN = re.compile(r"\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+)")
_KEY = re.compile(
    r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_IN_REQUIREMENT = "unable to parse requirement: "
_OPERATORS = "in, notin, =, ==, !=, gt, lt"
_NO_START = frozenset({"=", "==", "!=", "(", ")", ",", "<", ">"})
_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One demand on a label."""

    key: str
    operator: str
    """One of `in`, `notin`, `exists`, `!`, `gt`, `lt`."""
    values: frozenset[str] = frozenset()

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Say whether a set of labels meets it."""
        present = self.key in labels
        match self.operator:
            case "exists":
                return present
            case "!":
                return not present
            case "in":
                return present and labels[self.key] in self.values
            case "notin":
                return not present or labels[self.key] not in self.values
            case _:
                return present and self._compares(labels[self.key])

    def _compares(self, told: str) -> bool:
        if not re.fullmatch(r"[+-]?\d+", told):
            return False
        bound = int(next(iter(self.values)))
        return int(told) > bound if self.operator == "gt" else int(told) < bound


LabelSelector: TypeAlias = tuple[Requirement, ...]


def parse_labels(text: str) -> LabelSelector:
    """Read a label selector.

    Raises:
        ApiError: it is no selector.
    """
    try:
        return tuple(_requirements(_Tokens(text)))
    except ValueError as exc:
        raise bad_request(str(exc)) from exc


class _Tokens:
    """The tokens of a selector, read one by one."""

    def __init__(self, text: str) -> None:
        self._left = [found.group(1) for found in _TOKEN.finditer(text)]
        self.last = ""

    def peek(self) -> str:
        return self._left[0] if self._left else ""

    def take(self) -> str:
        self.last = self._left.pop(0) if self._left else ""
        return self.last

    def expect(self, told: str, *wanted: str) -> str:
        found = self.take()
        if found not in wanted:
            raise ValueError(f"{_IN_REQUIREMENT}found '{found}', expected: {told}")
        return found


def _requirements(tokens: _Tokens) -> Iterator[Requirement]:
    while tokens.peek():
        if tokens.peek() in _NO_START:
            raise ValueError(
                f"found '{tokens.peek()}', expected: !, identifier, or 'end of string'"
            )
        yield _requirement(tokens)
        if not tokens.peek():
            return
        if tokens.take() != ",":
            raise ValueError(f"found '{tokens.last}', expected: ',' or 'end of string'")
        if not tokens.peek():
            raise ValueError("found '', expected: identifier after ','")


def _requirement(tokens: _Tokens) -> Requirement:
    if tokens.peek() == "!":
        tokens.take()
        return Requirement(_key(tokens.take()), "!")
    key = _key(tokens.take())
    if tokens.peek() in {"", ","}:
        return Requirement(key, "exists")
    operator = tokens.expect(_OPERATORS, "=", "==", "!=", "in", "notin", ">", "<")
    match operator:
        case "=" | "==":
            return Requirement(key, "in", frozenset({_single(tokens)}))
        case "!=":
            return Requirement(key, "notin", frozenset({_single(tokens)}))
        case "in" | "notin":
            return Requirement(key, operator, _set(tokens))
        case _:
            return Requirement(key, "gt" if operator == ">" else "lt", _bound(tokens))


def _single(tokens: _Tokens) -> str:
    return "" if tokens.peek() in {"", ","} else _value(tokens.take())


def _bound(tokens: _Tokens) -> frozenset[str]:
    bound = tokens.take()
    if not re.fullmatch(r"[+-]?\d+", bound):
        told = "for 'Gt', 'Lt' operators, the value must be an integer"
        raise ValueError(f'{_IN_REQUIREMENT}values[0]: Invalid value: "{bound}": {told}')
    return frozenset({bound})


def _set(tokens: _Tokens) -> frozenset[str]:
    tokens.expect("'('", "(")
    values: set[str] = set()
    while True:
        if tokens.peek() in {",", ")"}:
            values.add("")
        else:
            values.add(_value(tokens.take()))
        if tokens.expect("',' or ')'", ",", ")") == ")":
            return frozenset(values)


def _key(text: str) -> str:
    if not _KEY.fullmatch(text):
        raise ValueError(f'{_IN_REQUIREMENT}<nil>: Invalid value: "{text}": {QUALIFIED_TOLD}')
    return text


def _value(text: str) -> str:
    if not _VALUE.fullmatch(text):
        raise ValueError(f'{_IN_REQUIREMENT}values[0]: Invalid value: "{text}": {VALUE_TOLD}')
    return text


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One demand on a field."""

    field: str
    path: str
    equal: bool
    value: str

    def fits(self, obj: Mapping[str, object]) -> bool:
        """Say whether an object meets it."""
        return (str(dotted(obj, self.path) or "") == self.value) is self.equal


FieldSelector: TypeAlias = tuple[FieldTerm, ...]


def parse_fields(text: str, resource: "Resource") -> FieldSelector:
    """Read a field selector, of the fields that the resource can be selected by.

    Raises:
        ApiError: it is no selector, or names another field.
    """
    known = {"metadata.name": "metadata.name", **resource.selectable}
    if resource.namespaced:
        known["metadata.namespace"] = "metadata.namespace"
    return tuple(_term(part, known) for part in re.split(r"(?<!\\),", text) if part)


def _term(part: str, known: Mapping[str, str]) -> FieldTerm:
    found = re.match(r"(.*?)(!=|==|=)(.*)", part)
    if found is None:
        raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    field, operator, value = found.groups()
    if field not in known:
        raise bad_request(f"field label not supported: {field}")
    return FieldTerm(field, known[field], operator != "!=", re.sub(r"\\(.)", r"\1", value))


@dataclass(frozen=True, slots=True)
class Selector:
    """Both kinds together."""

    labels: LabelSelector = ()
    fields: FieldSelector = ()

    def __bool__(self) -> bool:
        return bool(self.labels or self.fields)

    def fits(self, obj: Object) -> bool:
        """Say whether an object is meant."""
        return all(term.fits(labels_of(obj)) for term in self.labels) and all(
            term.fits(obj) for term in self.fields
        )

    def only_name(self) -> str:
        """Give the one name that is selected, empty when there may be others."""
        for term in self.fields:
            if term.field == "metadata.name" and term.equal:
                return term.value
        return ""
