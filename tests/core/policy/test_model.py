"""What an admin writes: the schema takes what the proxy takes."""

from typing import Any

import jsonschema
import pytest

from proxy.core.attributes import Verb
from proxy.core.bounds import Bounds
from proxy.core.policy import Effect, Path, schema
from tests.core.policy.documents import GOOD, changed, policies
from tests.core.policy.mistakes import WRONG
from tests.identities import make_identity


def accepts(tree: object) -> bool:
    return jsonschema.Draft202012Validator(schema()).is_valid(tree)


def test_the_schema_is_a_schema_and_takes_a_good_document() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert accepts(GOOD)


# A regular expression that said what is printable would help nobody.
@pytest.mark.parametrize(
    ("path", "value"), [(path, value) for path, value, message in WRONG if "x1b" not in message]
)
def test_an_editor_refuses_what_the_proxy_refuses(path: Path, value: object) -> None:
    assert not accepts(changed(path, value))


def test_bounds_are_read_into_the_rule() -> None:
    written = {
        "hostSelector": {"matchLabels": {"pool": "blue"}, "inNamespaces": ["pool-a", "lab-*"]},
        "images": ["https://images.example.com/blue/"],
        "maxHostClaims": 3,
    }
    rules = policies(changed(("spec", "allow", 0, "bounds"), written)).rules_for(make_identity())
    found = rules.matching(Effect.ALLOW, "hostclaims", Verb.CREATE, "blue-dev")
    assert found is not None
    assert found.bounds == Bounds(
        (("pool", "blue"),), ("pool-a", "lab-*"), ("https://images.example.com/blue/",), 3
    )


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        (("spec", "allow", 0), {"resources": ["hardwaredata"], "verbs": ["get", "list", "watch"]}),
        (("spec", "deny", 0), {"resources": ["hardwaredata"]}),
        (("spec", "deny", 0), {"verbs": ["create"]}),
    ],
)
def test_hardwaredata_is_read_and_denied_as_a_whole(path: Path, statement: dict[str, Any]) -> None:
    tree = changed(path, {"namespaces": ["blue"], **statement})
    assert accepts(tree)
    policies(tree)
