"""The examples in `policies/` hold what their comments promise."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from proxy.core.attributes import Verb
from proxy.core.identity import Identity
from proxy.core.policy import Effect, schema
from proxy.edge.policyfiles import load
from tests.identities import make_identity

FOLDER = Path(__file__).parent.parent / "policies"
SCHEMA = FOLDER / "accesspolicy.schema.json"
EXAMPLES = sorted(FOLDER.glob("*.yaml"))
BLUE = make_identity()
RED = make_identity(groups=("/tenants/red",))
AUDITOR = make_identity(groups=("/auditors",))
CLEANUP = make_identity(groups=(), client="red-cleanup")
CAPM3 = make_identity(
    issuer="green-cluster", groups=(), service_account="capm3-system/capm3-manager"
)
LAB = make_identity(groups=(), claims={"hostclaim_namespaces": ("lab-1", "blue-dev", "lab-*")})


def allowed(identity: Identity, verb: Verb, resource: str, namespace: str) -> bool:
    rules = load([FOLDER]).rules_for(identity)
    denial = rules.matching(Effect.DENY, resource, verb, namespace)
    return not denial and rules.matching(Effect.ALLOW, resource, verb, namespace) is not None


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_loads_alone(path: Path) -> None:
    assert len(load([path])) > 0


def test_the_examples_load_together() -> None:
    assert len(load([FOLDER])) >= len(EXAMPLES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_names_the_schema_for_editors_and_keeps_to_it(path: Path) -> None:
    first, _ = path.read_text().split("\n", 1)
    assert first == f"# yaml-language-server: $schema={SCHEMA.name}"
    for document in yaml.safe_load_all(path.read_text()):
        jsonschema.validate(document, json.loads(SCHEMA.read_text()))


def test_the_schema_is_the_one_of_the_models() -> None:
    """After a change of the models, write what is compared here to the file."""
    assert SCHEMA.read_text() == json.dumps(schema(), indent=2) + "\n"


@pytest.mark.parametrize(
    ("identity", "verb", "resource", "namespace", "expected"),
    [
        (BLUE, Verb.CREATE, "hostclaims", "blue-dev", True),
        (BLUE, Verb.UPDATE, "secrets", "blue-prod", True),
        (BLUE, Verb.GET, "hostclaims", "red", False),
        (BLUE, Verb.DELETE, "hostclaims", "blue-dev", True),
        (BLUE, Verb.DELETE, "hostclaims", "blue-prod", False),
        (RED, Verb.PATCH, "hostclaims", "red-test-1", True),
        (RED, Verb.DELETECOLLECTION, "hostclaims", "red-test-1", False),
        (RED, Verb.GET, "hostclaims", "redwood", False),
        (CLEANUP, Verb.DELETECOLLECTION, "hostclaims", "red-test-1", True),
        (CLEANUP, Verb.DELETECOLLECTION, "hostclaims", "red", False),
        (AUDITOR, Verb.WATCH, "hostclaims", "anything", True),
        (AUDITOR, Verb.GET, "secrets", "blue-dev", False),
        (AUDITOR, Verb.DELETE, "hostclaims", "blue-dev", False),
        (CAPM3, Verb.CREATE, "secrets", "green", True),
        (CAPM3, Verb.GET, "hostclaims", "blue-dev", False),
        (LAB, Verb.CREATE, "hostclaims", "lab-1", True),
        (LAB, Verb.GET, "hostclaims", "lab-2", False),
        (LAB, Verb.GET, "hostclaims", "blue-dev", False),
    ],
)
def test_the_examples_grant_what_they_say(
    identity: Identity, verb: Verb, resource: str, namespace: str, *, expected: bool
) -> None:
    assert allowed(identity, verb, resource, namespace) == expected
