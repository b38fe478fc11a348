"""What may be written: the reference has every field, as it is read."""

from enum import StrEnum
from typing import Any

import pytest

from proxy.core.policy import reference, schema
from proxy.core.policy.model import Model
from proxy.core.policy.reference import page


def section(heading: str) -> str:
    """What follows a heading, on one line."""
    _, found = f"\n{page()}\n#".split(f"\n{heading}\n", 1)
    return " ".join(found.split("\n#", 1)[0].split())


def test_every_field_of_every_mapping_is_in_it() -> None:
    definitions: dict[str, dict[str, Any]] = schema()["$defs"]
    told = " ".join(page().split())
    for definition in definitions.values():
        if "properties" not in definition:
            continue
        assert " ".join(definition["description"].split()) in told
        for name, field in definition["properties"].items():
            assert f" - `{name}` (" in told
            assert field.get("description", "") in told


@pytest.mark.parametrize(
    ("heading", "said"),
    [
        ("## AccessPolicy", "`kind` (`AccessPolicy`, required): What the document is."),
        ("## PolicyTest", "`spec` ([mapping](#policytest-spec), required): What it tests."),
        (
            "### AccessPolicy spec",
            "`allow` (list of one or more: [mapping](#accesspolicy-specallow))",
        ),
        ("### AccessPolicy spec.subjects", "`everyone` (`true`): Everyone of the issuer."),
        ("### AccessPolicy spec.allow", "`role` (`viewer` or `editor`): A set"),
        ("### AccessPolicy spec.allow.bounds", "`maxHostClaims` ([count](#count)): How"),
        (
            "### AccessPolicy spec.allow.bounds.hostSelector",
            "`matchLabels` (mapping of any names to: [label](#label)): Labels",
        ),
        (
            "### AccessPolicy spec.deny",
            "All, where left out. Default: `hostclaims`, `secrets`, `hardwaredata`.",
        ),
        ("### AccessPolicy metadata", "`annotations` (mapping of any names to: string): Notes"),
        ("### PolicyTest spec.tests", "`body` (mapping): The HostClaim"),
        (
            "### PolicyTest spec.tests",
            "`expect` ([mapping](#policytest-spectestsexpect), required):",
        ),
        ("### text", "It is a string of at most 1024 characters that matches `"),
        ("### count", "It is an integer, 0 or more."),
        ("### account", "It is a string that matches `^[^/]+/[^/]+$`."),
        ("### verb", "It is `get` or `list` or"),
        ("## Resources", "| `hardwaredata` | `metal3.io/v1alpha1` | `get` `list` `watch` |"),
        ("## Roles", "| `viewer` | `hostclaims` | `get` `list` `watch` |"),
    ],
)
def test_a_field_is_told_with_what_it_holds(heading: str, said: str) -> None:
    assert said in section(heading)


class Word(StrEnum):
    LOUD = "loud"


class Sound(Model):
    how_loud: Word = Word.LOUD
    how_long: tuple[str, ...] = ()


def test_a_default_is_told_unless_it_is_nothing() -> None:
    assert reference._default(Sound, "howLoud") == " Default: `loud`."
    assert reference._default(Sound, "howLong") == ""
