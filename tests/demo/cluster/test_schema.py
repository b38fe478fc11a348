"""Objects are held against their schema."""

from typing import Any

import pytest

from proxy.demo.cluster import schema

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
        "count": {"type": "integer", "minimum": 1, "maximum": 3},
        "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "list": {
            "type": "array",
            "maxItems": 2,
            "items": {"type": "object", "properties": {"x": {"type": "boolean"}}},
        },
        "when": {"type": "string", "format": "date-time", "nullable": True},
        "either": {"x-kubernetes-int-or-string": True},
    },
}


def test_unknown_fields_are_dropped_and_named() -> None:
    value = {"name": "a", "nope": 1, "list": [{"x": True, "y": 1}], "free": {"any": {"thing": 1}}}
    kept, unknown = schema.prune(value, SCHEMA)
    assert kept == {"name": "a", "list": [{"x": True}], "free": {"any": {"thing": 1}}}
    assert unknown == ["nope", "list[0].y"]


def test_absent_fields_get_their_default() -> None:
    assert schema.default({"name": "a"}, SCHEMA) == {"name": "a", "kind": "a"}


def test_a_null_is_dropped_unless_the_schema_has_it() -> None:
    value = {"kind": None, "count": None, "when": None, "free": {"any": None}}
    kept = {"kind": "a", "when": None, "free": {"any": None}}
    assert schema.default(value, SCHEMA) == kept


def test_a_fitting_object_has_no_errors() -> None:
    value = {"name": "a", "count": 2, "map": {"k": "v"}, "when": None, "either": 1}
    assert schema.validate(value, SCHEMA) == []


@pytest.mark.parametrize(
    ("value", "field", "reason"),
    [
        ({}, "name", "FieldValueRequired"),
        ({"name": 1}, "name", "FieldValueTypeInvalid"),
        ({"name": "A"}, "name", "FieldValueInvalid"),
        ({"name": "abcdef"}, "name", "FieldValueTooLong"),
        ({"name": "a", "count": 0}, "count", "FieldValueInvalid"),
        ({"name": "a", "count": 4}, "count", "FieldValueInvalid"),
        ({"name": "a", "count": True}, "count", "FieldValueTypeInvalid"),
        ({"name": "a", "kind": "z"}, "kind", "FieldValueNotSupported"),
        ({"name": "a", "map": {"k": 1}}, "map.k", "FieldValueTypeInvalid"),
        ({"name": "a", "list": [{}, {}, {}]}, "list", "FieldValueTooMany"),
        ({"name": "a", "list": [{"x": "y"}]}, "list[0].x", "FieldValueTypeInvalid"),
        ({"name": "a", "when": "noon"}, "when", "FieldValueInvalid"),
        ({"name": "a", "either": 1.5}, "either", "FieldValueTypeInvalid"),
    ],
)
def test_a_field_that_does_not_fit_is_named(value: Any, field: str, reason: str) -> None:
    assert [(cause.field, cause.reason) for cause in schema.validate(value, SCHEMA)] == [
        (field, reason)
    ]
