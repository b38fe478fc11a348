"""What is noted: documents in and out of shadow, tests that are gone, and nothing that moved."""

from typing import Any

import pytest

from proxy.core.difference import compare, notes
from proxy.core.policy import API_VERSION, Read, read
from tests.core.policy.documents import document, policy

GRANT = {"allow": [{"namespaces": ["a"], "role": "viewer"}]}
SHADOW = {**GRANT, "enforcement": "shadow"}
ALICE = {"issuer": "corp", "username": "alice"}
ASKED = {"verbs": ["get"], "resources": ["hostclaims"], "namespaces": ["a"]}


def written(tests: dict[str, dict[str, str]], **specs: dict[str, Any]) -> Read:
    """Policies by their names, and tests by their documents and their names."""
    trees: list[object] = [policy(name, **spec) for name, spec in specs.items()]
    for name, trials in tests.items():
        named = [
            {"name": trial, "identity": ALICE, "request": ASKED, "expect": {"decision": decision}}
            for trial, decision in trials.items()
        ]
        head = {"apiVersion": API_VERSION, "kind": "PolicyTest", "metadata": {"name": name}}
        trees.append({**head, "spec": {"tests": named}})
    found = read(map(document, trees))
    assert isinstance(found, Read), found
    return found


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (GRANT, GRANT, ()),
        (SHADOW, SHADOW, ()),
        (GRANT, SHADOW, ("`blue` is in shadow now, and decides nothing any more",)),
        (SHADOW, GRANT, ("`blue` counts now, it was in shadow",)),
        (None, SHADOW, ("`blue` is new and in shadow, it decides nothing",)),
        (SHADOW, None, ()),
        (None, GRANT, ()),
    ],
)
def test_what_becomes_of_shadows_is_noted(old: Any, new: Any, wanted: tuple[str, ...]) -> None:
    kept = {"kept": GRANT}
    before = written({}, **kept, **({"blue": old} if old else {}))
    after = written({}, **kept, **({"blue": new} if new else {}))
    assert notes(before, after) == wanted


def test_that_a_denial_is_in_shadow_is_told_as_what_it_means() -> None:
    denial: dict[str, Any] = {**GRANT, "deny": [{"namespaces": ["a"]}]}
    old, new = written({}, kept=GRANT, blue=denial), written({}, kept=GRANT, blue=denial | SHADOW)
    [found] = compare(old.policies, new.policies)
    assert found.change.widens


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ({"t": {"x": "allow"}}, {"t": {"x": "allow", "y": "deny"}}, ()),
        ({"t": {"x": "allow"}}, {}, ("test `x` of `t` is gone",)),
        ({"t": {"x": "allow"}}, {"t": {"y": "allow"}}, ("test `x` of `t` is gone",)),
        (
            {"t": {"x": "allow"}},
            {"t": {"x": "deny"}},
            ("test `x` of `t` asks or expects something else",),
        ),
        ({"t": {"x": "allow"}}, {"other": {"x": "deny"}}, ("test `x` of `t` is gone",)),
        ({"t": {"x": "allow"}}, {"other": {"x": "allow"}}, ()),
        (
            {"t": {f"{n}": "allow" for n in range(1000, 1103)}},
            {},
            (*(f"test `{n}` of `t` is gone" for n in range(1000, 1100)), "3 more"),
        ),
    ],
)
def test_tests_that_are_gone_are_noted(old: Any, new: Any, wanted: tuple[str, ...]) -> None:
    assert notes(written(old, blue=GRANT), written(new, blue=GRANT)) == wanted
